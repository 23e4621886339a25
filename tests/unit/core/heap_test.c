/* SPDX-License-Identifier: MIT */
/*
 * core/heap.c: the earliest is always first, whatever is moved or taken out;
 * without memory nothing changes.
 */
#include "core/heap.h"

#include "lib/test_env.h"
#include "lib/unit.h"

#define ITEMS 300

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct tq__heap heap;
static struct tq__heap_item items[ITEMS];

static void begin(uint64_t seed)
{
    test_env_init(&test, seed);
    env = test_env_of(&test);
    tq__heap_init(&heap, &env);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct tq__heap_item){0, 0};
    }
}

/* The earliest by looking at all. */
static int64_t earliest(void)
{
    int64_t due_ms = INT64_MAX;
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].at && items[i].due_ms < due_ms) {
            due_ms = items[i].due_ms;
        }
    }
    return due_ms;
}

START_TEST(the_earliest__is_first_after_every_change)
{
    begin(5);
    assert_status(tq__heap_reserve(&heap, ITEMS, &err), TQ_OK);
    for (int i = 0; i < 20000; i++) {
        struct tq__heap_item *item = &items[test_random(&test, ITEMS)];
        if (test_random(&test, 3)) {
            tq__heap_put(&heap, item, (int64_t)test_random(&test, 1000));
        } else {
            tq__heap_remove(&heap, item);
            tq__heap_remove(&heap, item);
            ck_assert_uint_eq(item->at, 0);
        }
        const struct tq__heap_item *first = tq__heap_first(&heap);
        ck_assert_int_eq(first ? first->due_ms : INT64_MAX, earliest());
    }
    tq__heap_done(&heap);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(taken_one_by_one__they_come_in_order)
{
    int64_t last = -1;
    begin(6);
    for (int i = 0; i < ITEMS; i++) {
        assert_status(tq__heap_reserve(&heap, 1, &err), TQ_OK);
        tq__heap_put(&heap, &items[i], (int64_t)test_random(&test, 50));
    }
    for (struct tq__heap_item *first; (first = tq__heap_first(&heap));) {
        ck_assert_int_ge(first->due_ms, last);
        last = first->due_ms;
        tq__heap_remove(&heap, first);
    }
    tq__heap_done(&heap);
}
END_TEST

START_TEST(without_memory__nothing_changes)
{
    begin(7);
    test.fail_at = 1;
    assert_status(tq__heap_reserve(&heap, 1, &err), TQ_E_NOMEM);
    ck_assert_ptr_null(tq__heap_first(&heap));
    assert_status(tq__heap_reserve(&heap, 1, &err), TQ_OK);
    tq__heap_put(&heap, &items[0], 1);
    ck_assert_ptr_eq(tq__heap_first(&heap), &items[0]);
    tq__heap_done(&heap);
}
END_TEST

UNIT_MAIN("core.heap", the_earliest__is_first_after_every_change,
          taken_one_by_one__they_come_in_order, without_memory__nothing_changes)
