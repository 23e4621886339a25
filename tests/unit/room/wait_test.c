/* SPDX-License-Identifier: MIT */
/*
 * room/wait.c: estimates against what a simulated room then did; polls within
 * their limits, spread, and never so late that a place is lost.
 */
#include "room/wait.h"

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_room_view view_of(uint32_t rate)
{
    return (struct tq_room_view){
        .policy = {.rate = rate,
                   .rate_per_ms = 1000,
                   .max_active = 1000,
                   .waiting_ms = 60000,
                   .active_ms = 120000,
                   .pass_ms = 600000,
                   .poll_min_ms = 1000,
                   .poll_max_ms = 20000},
        .state = {.now_ms = 1000000, .rate = rate, .rate_per_ms = 1000},
    };
}

START_TEST(a_full_line_waits_about_as_long_as_the_rate_says)
{
    struct tq_room_view view = view_of(10);
    struct tq__wait wait = tq__wait_of(&view, 1000);
    ck_assert_int_le(wait.low_ms, 100000);
    ck_assert_int_ge(wait.low_ms, 90000);
    ck_assert_int_ge(wait.high_ms, 100000);
    ck_assert_int_le(wait.high_ms, 130000);
    ck_assert_int_eq(tq__wait_of(&view, 0).low_ms, 0);
    view.state.open_ms = view.state.now_ms + 5000;
    ck_assert_int_eq(tq__wait_of(&view, 0).low_ms, 5000);
}
END_TEST

START_TEST(what_was_measured_moves_the_range)
{
    struct tq_room_view view = view_of(10);
    view.recent_ms = 10000;
    view.recent_admitted = 50; /* half of what the policy allows: the cap was reached */
    struct tq__wait wait = tq__wait_of(&view, 1000);
    ck_assert_int_ge(wait.high_ms, 200000);
    ck_assert_int_le(wait.low_ms, 100000);
    view.recent_gone = 100; /* and people gave up */
    ck_assert_int_le(tq__wait_of(&view, 1000).low_ms, 50000);
    view.recent_admitted = 0; /* nobody at all: the turnover that the cap forces */
    ck_assert_int_le(tq__wait_of(&view, 1000).high_ms, 1001 * 600 * 5 / 4 + 1);
    view.state.open_ms = view.state.now_ms - 5000; /* not open all the while: not measured */
    ck_assert_int_le(tq__wait_of(&view, 1000).high_ms, 130000);
    view = view_of(1);
    view.policy.rate_per_ms = 60000; /* one a minute: that nobody came in ten seconds is no news */
    view.policy.max_active = 1;
    view.recent_ms = 10000;
    ck_assert_int_le(tq__wait_of(&view, 9).high_ms, 10 * 60000 * 5 / 4);
}
END_TEST

START_TEST(nobody_knows_when_a_pause_ends)
{
    struct tq_room_view view = view_of(10);
    view.state.is_paused = 1;
    ck_assert_int_eq(tq__wait_of(&view, 5).low_ms, -1);
    ck_assert_int_eq(tq__wait_of(&view, 5).high_ms, -1);
    view.state.is_paused = 0;
    view.state.close_ms = view.state.now_ms;
    ck_assert_int_eq(tq__wait_of(&view, 5).high_ms, -1);
    view.state.close_ms++;
    ck_assert_int_ge(tq__wait_of(&view, 5).high_ms, 0);
}
END_TEST

static uint32_t poll_of(const struct tq_room_view *view, uint64_t ahead, uint32_t chance)
{
    struct tq_room_spot spot = {.visit = TQ_VISIT_WAITING, .ahead = ahead};
    struct tq__wait wait = tq__wait_of(view, ahead);
    return tq__poll_after_ms(view, &spot, &wait, chance);
}

START_TEST(a_poll_grows_with_the_distance_within_its_limits)
{
    struct tq_room_view view = view_of(10);
    uint32_t last = 0;
    for (uint64_t ahead = 0; ahead < 100000; ahead = ahead * 2 + 1) {
        uint32_t poll = poll_of(&view, ahead, 0);
        ck_assert_uint_ge(poll, last);
        ck_assert_uint_ge(poll, 1000);
        ck_assert_uint_le(poll_of(&view, ahead, UINT32_MAX), 20000);
        last = poll;
    }
    ck_assert_uint_ge(last, 15000);
    ck_assert_uint_le(poll_of(&view, 0, UINT32_MAX), 1250);
}
END_TEST

START_TEST(a_poll_is_spread_by_chance)
{
    struct tq_room_view view = view_of(10);
    struct test_env test;
    unsigned buckets[10] = {0};
    test_env_init(&test, 3);
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t poll = poll_of(&view, 100000, (uint32_t)test_random(&test, UINT64_C(1) << 32));
        ck_assert_uint_ge(poll, 15000);
        ck_assert_uint_le(poll, 20000);
        buckets[poll == 20000 ? 9 : (poll - 15000) / 500]++;
    }
    for (unsigned i = 0; i < 10; i++) { /* none of ten slices has much more than its share */
        ck_assert_uint_ge(buckets[i], 850);
        ck_assert_uint_le(buckets[i], 1150);
    }
}
END_TEST

START_TEST(a_poll_never_costs_the_place)
{
    struct tq_room_view view = view_of(1);
    view.policy.waiting_ms = 3000;
    view.policy.active_ms = 1500;
    ck_assert_uint_le(poll_of(&view, 100000, UINT32_MAX), 1000);
    view.policy.waiting_ms = 1;
    ck_assert_uint_ge(poll_of(&view, 100000, 0), 1);
    struct tq_room_spot inside = {.visit = TQ_VISIT_ADMITTED};
    struct tq__wait none = {0, 0};
    ck_assert_uint_le(tq__poll_after_ms(&view, &inside, &none, UINT32_MAX), 500);
    view.policy.active_ms = 120000;
    ck_assert_uint_ge(tq__poll_after_ms(&view, &inside, &none, 0), 15000);
}
END_TEST

UNIT_MAIN("room.wait", a_full_line_waits_about_as_long_as_the_rate_says,
          what_was_measured_moves_the_range, nobody_knows_when_a_pause_ends,
          a_poll_grows_with_the_distance_within_its_limits, a_poll_is_spread_by_chance,
          a_poll_never_costs_the_place)
