/* SPDX-License-Identifier: MIT */
/*
 * store/memory/hold.c and memory/lease.c at the driver's own table: memory stays
 * bounded, seats are freed with word to the watchers, a sweep leaves nothing
 * behind. What every front promises is in tests/conform/hold.
 */
#include "store/memory/memory.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "store/builtin.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct memory_state state;
static const struct tq_hold_driver *front;
static const char *const seats[] = {"a", "b", "c"};

static void open_front(void)
{
    static struct tq_store_config config = {.size = sizeof config, .path = "", .query = ""};
    test_env_init(&test, 1);
    env = test_env_of(&test);
    config.env = &env;
    memset(&state, 0, sizeof state);
    front = tq__memory_driver.hold;
    assert_status(tq__memory_driver.open(&state, &config, &err), TQ_OK);
    struct tq_front_load load = {
        .size = sizeof load, .schedule = "s", .seats = seats, .seats_count = 3};
    assert_status(front->load(&state, &load, &err), TQ_OK);
}

static void close_front(void)
{
    tq__memory_driver.close(&state);
    ck_assert_int_eq(test.live, 0);
}

static struct tq_hold claim(const char *id, uint32_t count)
{
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_front_claim wish = {.size = sizeof wish,
                                  .schedule = "s",
                                  .holder = "ann",
                                  .request_key = id,
                                  .id = id,
                                  .seats = seats,
                                  .seats_count = count,
                                  .ttl_ms = 1000};
    assert_status(front->claim(&state, &wish, 1, &hold, &err), TQ_OK);
    return hold;
}

static int change(uint32_t verb, const char *id, uint64_t fence, uint32_t is_told)
{
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    struct tq_front_change order = {.size = sizeof order,
                                    .schedule = "s",
                                    .id = id,
                                    .holder = "ann",
                                    .fence = fence,
                                    .verb = verb,
                                    .is_told = is_told};
    assert_status(front->change(&state, &order, 1, &result, &err), TQ_OK);
    return result.status;
}

START_TEST(ended_holds__are_forgotten_at_the_limit)
{
    char id[32];
    open_front();
    uint64_t first_fence = 0;
    for (int i = 0; i < TQ_HOLD_KEEP_MAX + 1; i++) {
        snprintf(id, sizeof id, "h%d", i);
        struct tq_hold hold = claim(id, 1);
        ck_assert_int_eq(hold.status, TQ_OK);
        first_fence = i == 0 ? hold.fence : first_fence;
        ck_assert_int_eq(change(TQ_HOLD_RELEASE, id, hold.fence, 0), TQ_OK);
        if (i == TQ_HOLD_KEEP_MAX - 1) {
            ck_assert_int_eq(change(TQ_HOLD_RELEASE, "h0", first_fence, 0), TQ_REPEAT);
        }
    }
    ck_assert_int_eq(change(TQ_HOLD_RELEASE, "h0", first_fence, 0), TQ_GONE);
    ck_assert_int_eq(change(TQ_HOLD_RELEASE, "h1", first_fence + 1, 0), TQ_REPEAT);
    close_front();
}
END_TEST

START_TEST(a_withdrawn_claim__was_never_there)
{
    open_front();
    struct tq_hold hold = claim("h", 2);
    ck_assert_int_eq(change(TQ_HOLD_WITHDRAW, "h", hold.fence, 1), TQ_OK);
    ck_assert_int_eq(change(TQ_HOLD_WITHDRAW, "h", hold.fence, 1), TQ_GONE);
    hold = claim("h", 3); /* the same key for other seats */
    ck_assert_int_eq(hold.status, TQ_OK);
    ck_assert_int_eq(change(TQ_HOLD_PIN, "h", hold.fence, 0), TQ_OK);
    ck_assert_int_eq(change(TQ_HOLD_WITHDRAW, "h", hold.fence, 1), TQ_STALE);
    close_front();
}
END_TEST

static void note(void *arg, const char *schedule, const char *const *freed, size_t freed_count)
{
    char *text = arg;
    ck_assert_str_eq(schedule, "s");
    for (size_t i = 0; i < freed_count; i++) {
        strcat(text, freed[i]);
    }
    strcat(text, ".");
}

START_TEST(watchers__hear_of_every_way_in_which_seats_become_free)
{
    char one[64] = "", other[64] = "";
    open_front();
    assert_status(front->subscribe(&state, "s", note, one, &err), TQ_OK);
    assert_status(front->subscribe(&state, "s", note, other, &err), TQ_OK);
    struct tq_hold hold = claim("h1", 2);
    ck_assert_str_eq(one, "");
    change(TQ_HOLD_RELEASE, "h1", hold.fence, 0);
    ck_assert_str_eq(one, "ab.");
    front->unsubscribe(&state, "s", note, other);
    claim("h2", 1);
    test.now_ms += 1000;
    claim("h3", 3); /* ends h2 on the way */
    ck_assert_str_eq(one, "ab.a.");
    test.now_ms += 1000;
    uint32_t next_ms;
    assert_status(front->sweep(&state, 10, NULL, NULL, &next_ms, &err), TQ_OK);
    ck_assert_str_eq(one, "ab.a.abc.");
    ck_assert_str_eq(other, "ab.");
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    close_front();
}
END_TEST

START_TEST(a_retake__is_not_forgotten_while_it_makes_room)
{
    open_front();
    struct tq_hold old = claim("old", 1);
    ck_assert_int_eq(change(TQ_HOLD_RELEASE, "old", old.fence, 0), TQ_OK);
    struct tq_hold young = claim("young", 1);
    test.now_ms += TQ_HOLD_KEEP_MS; /* old may be forgotten by the end of young */
    ck_assert_int_eq(change(TQ_HOLD_RETAKE, "old", old.fence, 0), TQ_OK);
    ck_assert_int_eq(change(TQ_HOLD_PIN, "young", young.fence, 0), TQ_EXPIRED);
    close_front();
}
END_TEST

UNIT_MAIN("store.memory_hold", ended_holds__are_forgotten_at_the_limit,
          a_withdrawn_claim__was_never_there,
          watchers__hear_of_every_way_in_which_seats_become_free,
          a_retake__is_not_forgotten_while_it_makes_room)
