/* SPDX-License-Identifier: MIT */
/*
 * store/lease.c: the table of its first comment, cell by cell; who may ask; and
 * what no order can bring about. (What the memory front does with a lease,
 * memory/lease.c, is in memory_hold_test.c.)
 */
#include "store/lease.h"

#include "lib/unit.h"

enum { NOW = 100000, STATES = 5, VERBS = 8 };

static const uint32_t states[STATES] = {TQ__LEASE_HOLD, TQ__LEASE_PAYING, TQ__LEASE_SOLD,
                                        TQ__LEASE_RELEASED, TQ__LEASE_EXPIRED};

static struct tq__lease lease_in(uint32_t state)
{
    return (struct tq__lease){.state = state,
                              .fence = 7,
                              .granted_ms = NOW - 1000,
                              .expires_ms = state == TQ__LEASE_HOLD ? NOW + 1000 : 0,
                              .holder = "ann"};
}

static struct tq__lease_order order_of(uint32_t verb)
{
    return (struct tq__lease_order){.verb = verb,
                                    .holder = "ann",
                                    .fence = 7,
                                    .now_ms = NOW,
                                    .extend_ms = 5000,
                                    .life_max_ms = 10000};
}

START_TEST(every_cell__is_as_written)
{
    /* The next state, or minus the status; of EXTEND the state stays. */
    static const int cells[STATES][VERBS] = {
        /* PIN, SETTLE, RELEASE, EXTEND, EXPIRE, RETAKE, GIVE_BACK, WITHDRAW */
        {2, 3, 4, 1, 5, 2, -TQ_STALE, 4},
        {-TQ_REPEAT, 3, 4, -TQ_REPEAT, -TQ_STALE, -TQ_REPEAT, -TQ_STALE, -TQ_STALE},
        {-TQ_SETTLED, -TQ_REPEAT, -TQ_SETTLED, -TQ_SETTLED, -TQ_SETTLED, -TQ_SETTLED, 4,
         -TQ_SETTLED},
        {-TQ_RELEASED, -TQ_RELEASED, -TQ_REPEAT, -TQ_RELEASED, -TQ_RELEASED, 2, -TQ_REPEAT,
         -TQ_RELEASED},
        {-TQ_EXPIRED, -TQ_EXPIRED, -TQ_EXPIRED, -TQ_EXPIRED, -TQ_REPEAT, 2, -TQ_EXPIRED,
         -TQ_EXPIRED},
    };
    for (int i = 0; i < STATES; i++) {
        for (uint32_t verb = TQ_HOLD_PIN; verb <= TQ_HOLD_WITHDRAW; verb++) {
            struct tq__lease lease = lease_in(states[i]), next;
            struct tq__lease_order order = order_of(verb);
            int expected = cells[i][verb - TQ_HOLD_PIN];
            int rc = tq__lease_decide(&lease, &order, &next);
            ck_assert_int_eq(rc, expected < 0 ? -expected : TQ_OK);
            ck_assert_uint_eq(next.state, expected < 0 ? states[i] : (uint32_t)expected);
            ck_assert_uint_ge(next.fence, lease.fence);
            ck_assert_int_eq(next.expires_ms > 0, next.state == TQ__LEASE_HOLD);
        }
    }
}
END_TEST

START_TEST(a_stranger_or_another_fence__is_stale_and_changes_nothing)
{
    for (int i = 0; i < STATES; i++) {
        for (uint32_t verb = TQ_HOLD_PIN; verb <= TQ_HOLD_WITHDRAW; verb++) {
            for (int variant = 0; variant < 3; variant++) {
                struct tq__lease lease = lease_in(states[i]), next;
                struct tq__lease_order order = order_of(verb);
                order.holder = variant == 0 ? "bob" : "ann";
                order.fence = variant == 1 ? 8 : variant == 2 ? 6 : 7;
                int is_old_retake = variant == 2 && verb == TQ_HOLD_RETAKE;
                int rc = tq__lease_decide(&lease, &order, &next);
                ck_assert_int_eq(rc == TQ_STALE, !is_old_retake);
                ck_assert(is_old_retake || next.state == lease.state);
                ck_assert_uint_eq(next.fence, 7);
            }
        }
    }
}
END_TEST

START_TEST(what_is_told__raises_the_fence)
{
    struct tq__lease lease = lease_in(TQ__LEASE_HOLD), next;
    struct tq__lease_order order = order_of(TQ_HOLD_PIN);
    order.is_told = 1;
    order.fence = 9;
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_OK);
    ck_assert_uint_eq(next.fence, 9);
    order.fence = 6;
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_STALE);
}
END_TEST

/* In whatever order the front is told of a retake and of what freed it again. */
START_TEST(what_is_told_late__brings_nothing_back)
{
    static const uint32_t ended[] = {TQ__LEASE_RELEASED, TQ__LEASE_EXPIRED};
    static const uint32_t freeing[] = {TQ_HOLD_RELEASE, TQ_HOLD_GIVE_BACK};
    for (int i = 0; i < 4; i++) {
        struct tq__lease lease = lease_in(ended[i / 2]), freed, next;
        struct tq__lease_order free = order_of(freeing[i % 2]), retake = order_of(TQ_HOLD_RETAKE);
        free.is_told = retake.is_told = 1;
        for (free.fence = 7; free.fence <= 8; free.fence++) {
            ck_assert_int_gt(tq__lease_decide(&lease, &free, &freed), TQ_OK);
            ck_assert_uint_eq(freed.state, TQ__LEASE_RELEASED);
            ck_assert_uint_eq(freed.fence, free.fence);
            retake.fence = free.fence;
            ck_assert_int_eq(tq__lease_decide(&freed, &retake, &next), TQ_RELEASED);
            retake.fence++;
            ck_assert_int_eq(tq__lease_decide(&freed, &retake, &next), TQ_OK);
            ck_assert_uint_eq(next.fence, retake.fence);
        }
    }
}
END_TEST

START_TEST(extension__stops_at_the_maximum_to_the_millisecond)
{
    struct tq__lease lease = lease_in(TQ__LEASE_HOLD), next;
    struct tq__lease_order order = order_of(TQ_HOLD_EXTEND);
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_OK);
    ck_assert_int_eq(next.expires_ms, NOW + 5000);
    order.extend_ms = 1000;
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_REPEAT);
    order.extend_ms = 9001;
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_OK);
    ck_assert_int_eq(next.expires_ms, NOW + 9000);
    lease.expires_ms = NOW + 9000;
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_FULL);
    lease.expires_ms = NOW + 8999;
    ck_assert_int_eq(tq__lease_decide(&lease, &order, &next), TQ_OK);
    ck_assert_int_eq(next.expires_ms, NOW + 9000);
}
END_TEST

START_TEST(only_a_hold__can_be_due)
{
    for (int i = 0; i < STATES; i++) {
        struct tq__lease lease = lease_in(states[i]);
        lease.expires_ms = NOW;
        ck_assert_int_eq(tq__lease_is_due(&lease, NOW - 1), 0);
        ck_assert_int_eq(tq__lease_is_due(&lease, NOW), states[i] == TQ__LEASE_HOLD);
        ck_assert_int_eq(tq__lease_is_live(&lease), i < 3);
    }
}
END_TEST

UNIT_MAIN("store.lease", every_cell__is_as_written,
          a_stranger_or_another_fence__is_stale_and_changes_nothing, what_is_told__raises_the_fence,
          what_is_told_late__brings_nothing_back,
          extension__stops_at_the_maximum_to_the_millisecond, only_a_hold__can_be_due)
