/* SPDX-License-Identifier: MIT */
/*
 * outbox/window.c: order by number, lanes that live as long as their slots, cookies
 * that do not outlive their use, and what memory has to do with it.
 */
#include "outbox/window.h"

#include <stdio.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct tq__window window;

static void setup(size_t room)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq__window_open(&window, &env, room, &err), TQ_OK);
}

static void teardown(void)
{
    tq__window_done(&window);
    ck_assert_int_eq(test.live, 0);
}

static struct tq__slot *add(int64_t number, const char *key)
{
    struct tq__slot *slot = tq__window_add(&window, number, key, &err);
    ck_assert_ptr_nonnull(slot);
    return slot;
}

START_TEST(slots__are_in_order_of_their_numbers)
{
    static const int64_t sorted[] = {1, 2, 3, 5, 9};
    size_t count = 0;
    setup(8);
    add(5, "a");
    add(9, "b");
    add(2, "c");
    add(3, "a");
    add(1, "a");
    for (const struct tq__slot *at = window.first; at; at = at->next) {
        ck_assert_int_eq(at->number, sorted[count++]);
        ck_assert(at->next ? at->next->previous == at : window.last == at);
    }
    ck_assert_uint_eq(count, 5);
    teardown();
}
END_TEST

START_TEST(a_lane__lives_as_long_as_its_slots)
{
    setup(4);
    struct tq__slot *one = add(1, "a"), *two = add(2, "a");
    struct tq__lane *lane = tq__window_lane(&window, "a");
    ck_assert_ptr_nonnull(lane);
    ck_assert_ptr_eq(one->lane, two->lane);
    lane->is_shut = 1;
    tq__window_drop(&window, one);
    ck_assert_ptr_eq(tq__window_lane(&window, "a"), lane);
    tq__window_drop(&window, two);
    ck_assert_ptr_null(tq__window_lane(&window, "a"));
    ck_assert_int_eq(add(3, "a")->lane->is_shut, 0);
    teardown();
}
END_TEST

START_TEST(cookies__are_of_one_use)
{
    setup(2);
    struct tq__slot *slot = add(1, "a");
    uint64_t cookie = tq__window_cookie(&window, slot);
    ck_assert_ptr_eq(tq__window_slot(&window, cookie), slot);
    tq__window_drop(&window, slot);
    ck_assert_ptr_null(tq__window_slot(&window, cookie));
    ck_assert_ptr_eq(add(2, "a"), slot);
    ck_assert_ptr_null(tq__window_slot(&window, cookie));
    ck_assert_ptr_null(tq__window_slot(&window, 2));
    ck_assert_ptr_null(tq__window_slot(&window, UINT64_MAX));
    teardown();
}
END_TEST

START_TEST(full_and_empty_again__many_times)
{
    char key[16];
    setup(64);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 64; i++) {
            snprintf(key, sizeof key, "k%d-%d", round, i);
            add(i, key);
        }
        ck_assert_uint_eq(window.count, window.room);
        while (window.first) {
            tq__window_drop(&window, round % 2 ? window.first : window.last);
        }
        ck_assert_uint_eq(window.count, 0);
    }
    teardown();
}
END_TEST

START_TEST(without_memory__nothing_is_added)
{
    setup(4);
    add(1, "a");
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        test.allocations = 0;
        test.fail_at = 1;
        struct tq__slot *slot = tq__window_add(&window, 2, key, &err);
        test.fail_at = 0;
        ck_assert_uint_eq(window.count, slot ? 2 : 1);
        ck_assert_int_eq(tq__window_lane(&window, key) != NULL, slot != NULL);
        if (slot) {
            tq__window_drop(&window, slot);
        }
    }
    teardown();
}
END_TEST

UNIT_MAIN("outbox.window", slots__are_in_order_of_their_numbers, a_lane__lives_as_long_as_its_slots,
          cookies__are_of_one_use, full_and_empty_again__many_times,
          without_memory__nothing_is_added)
