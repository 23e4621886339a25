/* SPDX-License-Identifier: MIT */
/*
 * Clocks that disagree: the front's server, which the test moves alone, jumps away from the
 * ledger's clock, and a host's is an hour off. Nobody compares one with another.
 * The names begin with the row of tests/fault/README.md.
 */
#include "conform/hold_world.h"
#include "lib/redis_server.h"

#define MINUTE_MS 60000
#define JUMP_MS (10 * MINUTE_MS)

static struct hold_world w;

static void jump(int64_t by_ms)
{
    redis_server_set_clock(w.world.test.now_ms + by_ms);
}

/* Lets time pass for everybody; the front's clock stays as far off. */
static void pass(uint32_t ms, int64_t off_ms)
{
    world_advance(&w.world, ms);
    jump(off_ms);
}

static int open_both(void)
{
    hold_world_open(&w, NULL);
    if (w.ledger) {
        return 1;
    }
    hold_world_close(&w);
    return 0;
}

/* What is so either way: the ledger's holds last as long as they should, no seat is sold twice. */
static void sell_across(int64_t off_ms)
{
    struct tq_hold before = hold_take(&w, "ann", "a", "s1");
    struct tq_hold waits = hold_take(&w, "ann", "b", "s2");
    jump(off_ms);
    assert_named(hold_take(&w, "bob", "c", "s1").status, TQ_TAKEN);
    struct tq_hold after = hold_take(&w, "bob", "d", "s3");
    assert_named(after.status, TQ_OK);
    ck_assert_uint_gt(after.fence, waits.fence);
    ck_assert_int_eq(after.expires_ms, w.world.test.now_ms + MINUTE_MS);
    assert_named(hold_do(&w, TQ_HOLD_PIN, &before).status, TQ_OK);
    assert_named(hold_take(&w, "eve", "e", "s1 s3").status, TQ_TAKEN);
    pass(MINUTE_MS - 1, off_ms);
    ck_assert_uint_eq(hold_sweep_all(&w), 0);
    pass(1, off_ms);
    ck_assert_uint_eq(hold_sweep_all(&w), 2);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &before).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &after).status, TQ_EXPIRED);
    assert_named(hold_take(&w, "eve", "f", "s2 s3").status, TQ_OK);
    assert_named(hold_take(&w, "eve", "g", "s1").status, TQ_TAKEN);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_SOLD], 1);
    hold_world_close(&w);
}

START_TEST(f08_front_ten_minutes_ahead__costs_nobody_a_hold)
{
    if (open_both()) {
        sell_across(JUMP_MS);
    }
}
END_TEST

START_TEST(f08_front_ten_minutes_behind__seats_can_still_be_had)
{
    if (open_both()) {
        sell_across(-JUMP_MS);
    }
}
END_TEST

/* Alone, a front that jumps ahead ends holds early, but sells nothing twice. */
START_TEST(f08_front_alone_ahead__ends_early_and_sells_once)
{
    hold_world_open(&w, NULL);
    if (!w.ledger) {
        struct tq_hold early = hold_take(&w, "ann", "a", "s1");
        jump(JUMP_MS);
        struct tq_hold late = hold_take(&w, "bob", "b", "s1");
        assert_named(late.status, TQ_OK);
        jump(0);
        ck_assert_uint_gt(late.fence, early.fence);
        assert_named(hold_do(&w, TQ_HOLD_SETTLE, &late).status, TQ_OK);
        assert_named(hold_do(&w, TQ_HOLD_SETTLE, &early).status, TQ_EXPIRED);
        struct tq_hold next = hold_take(&w, "eve", "c", "s2");
        ck_assert_uint_gt(next.fence, late.fence);
    }
    hold_world_close(&w);
}
END_TEST

static void hold_by_a_clock_that_is_off(int64_t off_ms)
{
    int64_t now_ms = w.world.test.now_ms;
    char key[2] = {off_ms > 0 ? 'p' : 'm', '\0'};
    w.world.test.now_ms = now_ms + off_ms;
    struct tq_hold hold = hold_take(&w, "ann", key, "s1");
    assert_named(hold.status, TQ_OK);
    ck_assert_int_eq(hold.granted_ms, now_ms);
    ck_assert_int_eq(hold.expires_ms, now_ms + MINUTE_MS);
    redis_server_set_clock(now_ms + MINUTE_MS - 1);
    ck_assert_uint_eq(hold_sweep_all(&w), 0);
    assert_named(hold_take(&w, "bob", key, "s1").status, TQ_TAKEN);
    redis_server_set_clock(now_ms + MINUTE_MS);
    assert_named(hold_do(&w, TQ_HOLD_PIN, &hold).status, TQ_EXPIRED);
    ck_assert_uint_eq(hold_sweep_all(&w), 1);
    w.world.test.now_ms = now_ms + MINUTE_MS;
}

/* The front's server has its own clock; a host that is an hour off changes nothing. */
START_TEST(f09_host_an_hour_off__has_no_effect)
{
    hold_world_open(&w, NULL);
    if (!w.ledger) {
        hold_by_a_clock_that_is_off(60 * MINUTE_MS);
        hold_by_a_clock_that_is_off(-60 * MINUTE_MS);
    }
    hold_world_close(&w);
}
END_TEST

CONFORM_MAIN("fault.hold.clock", f08_front_ten_minutes_ahead__costs_nobody_a_hold,
             f08_front_ten_minutes_behind__seats_can_still_be_had,
             f08_front_alone_ahead__ends_early_and_sells_once, f09_host_an_hour_off__has_no_effect)
