/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a hold: every verb in every state, stale holders, repeats,
 * extension, tickets that come back, payments that come late.
 */
#include <string.h>

#include "conform/hold_world.h"
#include "store/lease.h"
#include "store/store.h"

static struct hold_world w;
static struct tq_error err = TQ_ERROR_INIT;

enum state { HELD, PAYING, SOLD, RELEASED, EXPIRED, STATES };

/* A hold of "s1 s2" that is in the state. */
static struct tq_hold bring(enum state state)
{
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1 s2");
    assert_named(hold.status, TQ_OK);
    if (state == PAYING) {
        assert_named(hold_do(&w, TQ_HOLD_PIN, &hold).status, TQ_OK);
    } else if (state == SOLD) {
        assert_named(hold_do(&w, TQ_HOLD_SETTLE, &hold).status, TQ_OK);
    } else if (state == RELEASED) {
        assert_named(hold_do(&w, TQ_HOLD_RELEASE, &hold).status, TQ_OK);
    } else if (state == EXPIRED) {
        world_advance(&w.world, 60000);
    }
    return hold;
}

START_TEST(every_verb__in_every_state)
{
    HOLD_MOVES_TIME();
    static const struct {
        uint32_t verb;
        int status[STATES];
        uint32_t seat[STATES]; /* state of the seats afterwards */
    } rows[] = {
        {TQ_HOLD_EXTEND, {TQ_REPEAT, TQ_REPEAT, TQ_SETTLED, TQ_RELEASED, TQ_EXPIRED}, {1, 2, 3}},
        {TQ_HOLD_PIN, {TQ_OK, TQ_REPEAT, TQ_SETTLED, TQ_RELEASED, TQ_EXPIRED}, {2, 2, 3}},
        {TQ_HOLD_SETTLE, {TQ_OK, TQ_OK, TQ_REPEAT, TQ_RELEASED, TQ_EXPIRED}, {3, 3, 3}},
        {TQ_HOLD_RELEASE, {TQ_OK, TQ_OK, TQ_SETTLED, TQ_REPEAT, TQ_EXPIRED}, {0, 0, 3}},
        {TQ_HOLD_RETAKE, {TQ_OK, TQ_REPEAT, TQ_SETTLED, TQ_OK, TQ_OK}, {2, 2, 3, 2, 2}},
        {TQ_HOLD_GIVE_BACK, {TQ_STALE, TQ_STALE, TQ_OK, TQ_REPEAT, TQ_EXPIRED}, {1, 2, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (enum state state = 0; state < STATES; state++) {
            hold_world_open(&w, NULL);
            struct tq_hold hold = bring(state);
            struct tq_hold_result result = hold_do(&w, rows[i].verb, &hold);
            assert_named(result.status, rows[i].status[state]);
            struct hold_map map = hold_map_of(&w);
            ck_assert_uint_eq(map.seats[1], rows[i].seat[state]);
            ck_assert_uint_eq(map.seats[2], rows[i].seat[state]);
            ck_assert_int_eq(result.expires_ms > 0,
                             result.status != TQ_STALE && rows[i].seat[state] == TQ_SEAT_HOLD);
            hold_world_close(&w);
        }
    }
}
END_TEST

/* What the one table says of the hold. */
static struct tq__lease lease_of(const struct tq_hold *hold, enum state state, uint64_t fence)
{
    static const uint32_t states[] = {TQ__LEASE_HOLD, TQ__LEASE_PAYING, TQ__LEASE_SOLD,
                                      TQ__LEASE_RELEASED, TQ__LEASE_EXPIRED};
    return (struct tq__lease){.state = states[state],
                              .fence = fence,
                              .granted_ms = hold->granted_ms,
                              .expires_ms = hold->expires_ms,
                              .holder = hold->holder};
}

static void compare_cell(enum state state, uint32_t verb, int is_told, int64_t ahead)
{
    hold_world_open(&w, NULL);
    struct tq_hold hold = bring(state);
    struct tq__lease next, lease = lease_of(&hold, state, hold.fence);
    hold.fence = (uint64_t)((int64_t)hold.fence + ahead);
    const struct tq_front_change change = {.size = sizeof change,
                                           .schedule = hold.schedule,
                                           .id = hold.id,
                                           .holder = hold.holder,
                                           .fence = hold.fence,
                                           .verb = verb,
                                           .is_told = (uint32_t)is_told,
                                           .extend_ms = 90000,
                                           .life_max_ms = TQ_HOLD_LIFE_MAX_MS};
    const struct tq__lease_order order = {.verb = verb,
                                          .is_told = is_told,
                                          .holder = hold.holder,
                                          .fence = hold.fence,
                                          .now_ms = w.world.test.now_ms,
                                          .extend_ms = 90000,
                                          .life_max_ms = TQ_HOLD_LIFE_MAX_MS};
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    if (state == EXPIRED) {
        hold_sweep_all(&w); /* a told front does not look at the time */
    }
    assert_status(
        tq__store_hold(w.front)->change(tq__store_state(w.front), &change, 1, &result, &err),
        TQ_OK);
    int expected = tq__lease_decide(&lease, &order, &next);
    ck_assert_msg(result.status == expected, "state %d verb %u told %d ahead %d: %s, expected %s",
                  (int)state, verb, is_told, (int)ahead, tq_status_name(result.status),
                  tq_status_name(expected));
    hold_world_close(&w);
}

/* A front with a table of its own (hold_ask.lua) cannot drift away from store/lease.c. */
START_TEST(every_cell__is_that_of_the_one_table)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    int is_front = w.front && !w.ledger;
    hold_world_close(&w);
    for (enum state state = 0; is_front && state < STATES; state++) {
        for (uint32_t verb = TQ_HOLD_PIN; verb <= TQ_HOLD_WITHDRAW; verb++) {
            for (int64_t ahead = -1; ahead <= 1; ahead++) {
                compare_cell(state, verb, 0, ahead);
                compare_cell(state, verb, 1, ahead);
            }
        }
    }
}
END_TEST

START_TEST(paused_holder__cannot_confirm_after_another_bought)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    struct tq_hold paused = hold_take(&w, "ann", "a", "s1");
    world_advance(&w.world, 60001);
    struct tq_hold second = hold_take(&w, "bob", "b", "s1");
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &second).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &paused).status, TQ_EXPIRED);
    assert_named(hold_do(&w, TQ_HOLD_PIN, &paused).status, TQ_EXPIRED);
    assert_named(hold_do(&w, TQ_HOLD_RETAKE, &paused).status, TQ_TAKEN);
    assert_named(hold_do(&w, TQ_HOLD_GIVE_BACK, &paused).status, TQ_EXPIRED);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &second).status, TQ_REPEAT);
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_SOLD], 1);
    hold_world_close(&w);
}
END_TEST

START_TEST(lost_ack_release__the_repeat_says_so_and_frees_nobody_else)
{
    hold_world_open(&w, NULL);
    struct tq_hold first = hold_take(&w, "ann", "a", "s1");
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &first).status, TQ_OK);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &first).status, TQ_REPEAT);
    ck_assert_uint_eq(hold_map_of(&w).seats[1], TQ_SEAT_HOLD);
    hold_world_close(&w);
}
END_TEST

START_TEST(lost_ack_confirm__the_repeat_says_sold)
{
    hold_world_open(&w, NULL);
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1");
    assert_named(hold_do(&w, TQ_HOLD_PIN, &hold).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &hold).status, TQ_OK);
    struct tq_hold_result again = hold_do(&w, TQ_HOLD_SETTLE, &hold);
    assert_named(again.status, TQ_REPEAT);
    ck_assert_uint_eq(again.fence, hold.fence);
    hold_world_close(&w);
}
END_TEST

START_TEST(no_timer__ends_a_pinned_hold)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, NULL);
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1");
    assert_named(hold_do(&w, TQ_HOLD_PIN, &hold).status, TQ_OK);
    world_advance(&w.world, TQ_HOLD_LIFE_MAX_MS);
    ck_assert_uint_eq(hold_sweep_all(&w), 0);
    assert_named(hold_take(&w, "bob", "b", "s1").status, TQ_TAKEN);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &hold).status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(extend_abuse__ends_at_the_hard_maximum)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, TQ_ARGS(tq_book_options, .life_max_ms = 150000));
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1");
    int64_t granted_ms = hold.granted_ms;
    world_advance(&w.world, 30000);
    struct tq_hold_result result = hold_do(&w, TQ_HOLD_EXTEND, &hold);
    assert_named(result.status, TQ_OK);
    ck_assert_int_eq(result.expires_ms, granted_ms + 90000);
    world_advance(&w.world, 59999);
    ck_assert_int_eq(hold_do(&w, TQ_HOLD_EXTEND, &hold).expires_ms, granted_ms + 149999);
    world_advance(&w.world, 59999);
    result = hold_do(&w, TQ_HOLD_EXTEND, &hold);
    assert_named(result.status, TQ_OK);
    ck_assert_int_eq(result.expires_ms, granted_ms + 150000);
    assert_named(hold_do(&w, TQ_HOLD_EXTEND, &hold).status, TQ_FULL);
    world_advance(&w.world, 2);
    assert_named(hold_do(&w, TQ_HOLD_EXTEND, &hold).status, TQ_EXPIRED);
    struct tq_hold_request request = hold_request("ann", "b", "s1");
    request.ttl_ms = 150001;
    hold = hold_ask(&w, &request);
    ck_assert_int_eq(hold.expires_ms - hold.granted_ms, 150000);
    hold_world_close(&w);
}
END_TEST

START_TEST(another_holder_or_fence__is_stale)
{
    hold_world_open(&w, NULL);
    hold_take(&w, "ann", "0", "s0"); /* so that there is a fence below */
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1"), other = hold;
    other.fence--;
    assert_named(hold_do(&w, TQ_HOLD_PIN, &other).status, TQ_STALE);
    other.fence += 2;
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &other).status, TQ_STALE);
    other = hold;
    memcpy(other.holder, "bob", 4);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &other).status, TQ_STALE);
    assert_named(hold_do(&w, TQ_HOLD_RETAKE, &other).status, TQ_STALE);
    other = hold;
    memcpy(other.id, "nobody", 7);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &other).status, TQ_GONE);
    other = hold;
    memcpy(other.schedule, "else", 5);
    assert_named(hold_do(&w, TQ_HOLD_EXTEND, &other).status, TQ_GONE);
    assert_named(hold_do(&w, TQ_HOLD_PIN, &hold).status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(late_payment__takes_the_seats_again_if_all_are_free)
{
    HOLD_MOVES_TIME();
    hold_world_open(&w, TQ_ARGS(tq_book_options, .seats_limit = 3));
    struct tq_hold late = hold_take(&w, "ann", "a", "s1 s2");
    world_advance(&w.world, 60000);
    struct tq_hold other = hold_take(&w, "bob", "b", "s2");
    assert_named(hold_do(&w, TQ_HOLD_RETAKE, &late).status, TQ_TAKEN);
    ck_assert_uint_eq(hold_map_of(&w).seats[1], TQ_SEAT_AVAILABLE);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &other).status, TQ_OK);
    struct tq_hold_result result = hold_do(&w, TQ_HOLD_RETAKE, &late);
    assert_named(result.status, TQ_OK);
    ck_assert_uint_gt(result.fence, other.fence);
    struct tq_hold_result again = hold_do(&w, TQ_HOLD_RETAKE, &late); /* with the old fence */
    assert_named(again.status, TQ_REPEAT);
    ck_assert_uint_eq(again.fence, result.fence);
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &late).status, TQ_STALE);
    late.fence = result.fence;
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &late).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RETAKE, &late).status, TQ_SETTLED);
    ck_assert_uint_eq(hold_sweep_all(&w), 0); /* its expiry is no news any more */
    hold_world_close(&w);
}
END_TEST

START_TEST(late_payment__does_not_lift_the_limit)
{
    hold_world_open(&w, TQ_ARGS(tq_book_options, .seats_limit = 3));
    struct tq_hold late = hold_take(&w, "ann", "a", "s1 s2");
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &late).status, TQ_OK);
    assert_named(hold_take(&w, "ann", "b", "s3 s4").status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RETAKE, &late).status, TQ_FULL);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_refunded_ticket__is_for_sale_again)
{
    hold_world_open(&w, NULL);
    struct tq_hold hold = hold_take(&w, "ann", "a", "s1 s2");
    assert_named(hold_do(&w, TQ_HOLD_SETTLE, &hold).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_GIVE_BACK, &hold).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_GIVE_BACK, &hold).status, TQ_REPEAT);
    assert_named(hold_take(&w, "ann", "a", "s1 s2").status, TQ_RELEASED);
    assert_named(hold_take(&w, "bob", "b", "s1 s2").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

START_TEST(a_batch__answers_each_for_itself)
{
    HOLD_MOVES_TIME();
    struct tq_hold holds[4];
    struct tq_hold_ref refs[6];
    struct tq_hold_result results[6];
    static const int expected[] = {TQ_OK, TQ_REPEAT, TQ_EXPIRED, TQ_OK, TQ_REPEAT, TQ_GONE};
    hold_world_open(&w, NULL);
    holds[2] = hold_take(&w, "ann", "c", "s3");
    world_advance(&w.world, 60000);
    holds[0] = hold_take(&w, "ann", "a", "s1");
    holds[1] = hold_take(&w, "ann", "b", "s2");
    holds[3] = hold_take(&w, "bob", "d", "s4 s5");
    hold_do(&w, TQ_HOLD_RELEASE, &holds[1]);
    for (int i = 0; i < 4; i++) {
        refs[i] = hold_ref(&holds[i]);
    }
    refs[4] = refs[0]; /* twice in one batch */
    refs[5] = refs[0];
    refs[5].id = "nobody";
    for (int i = 0; i < 6; i++) {
        results[i].size = sizeof results[i];
    }
    assert_status(tq_hold_release(w.book, refs, 6, results, &err), TQ_OK);
    for (int i = 0; i < 6; i++) {
        assert_named(results[i].status, expected[i]);
    }
    ck_assert_uint_eq(hold_map_of(&w).counts[TQ_SEAT_AVAILABLE], HOLD_SEATS);
    hold_world_close(&w);
}
END_TEST

CONFORM_MAIN("hold.change", every_cell__is_that_of_the_one_table, every_verb__in_every_state,
             paused_holder__cannot_confirm_after_another_bought,
             lost_ack_release__the_repeat_says_so_and_frees_nobody_else,
             lost_ack_confirm__the_repeat_says_sold, no_timer__ends_a_pinned_hold,
             extend_abuse__ends_at_the_hard_maximum, another_holder_or_fence__is_stale,
             late_payment__takes_the_seats_again_if_all_are_free,
             late_payment__does_not_lift_the_limit, a_refunded_ticket__is_for_sale_again,
             a_batch__answers_each_for_itself)
