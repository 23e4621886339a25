/* SPDX-License-Identifier: MIT */
/*
 * store/memory/admit.c: the bucket against one that is filled millisecond by
 * millisecond, at the limits of a policy, across changes; when to tick again.
 */
#include "store/memory/admit.h"

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_room_policy policy_of(uint32_t rate, uint32_t rate_per_ms, uint32_t burst)
{
    return (struct tq_room_policy){.rate = rate,
                                   .rate_per_ms = rate_per_ms,
                                   .burst = burst,
                                   .max_active = 1000,
                                   .pass_ms = 600000};
}

START_TEST(a_bucket_is_filled_exactly)
{
    struct test_env test;
    test_env_init(&test, 5);
    for (unsigned world = 0; world < 200; world++) {
        struct tq_room_policy policy =
            policy_of(1 + (uint32_t)test_random(&test, 50), 1 + (uint32_t)test_random(&test, 3000),
                      (uint32_t)test_random(&test, 20));
        uint64_t burst = policy.burst ? policy.burst : policy.rate;
        uint64_t plain = burst * policy.rate_per_ms;
        struct tq__bucket bucket;
        int64_t now_ms = 1000;
        tq__bucket_init(&bucket, &policy, now_ms);
        for (unsigned step = 0; step < 50; step++) {
            for (uint64_t ms = test_random(&test, 400); ms > 0; ms--, now_ms++) {
                plain += policy.rate;
                plain = plain < burst * policy.rate_per_ms ? plain : burst * policy.rate_per_ms;
            }
            uint64_t may = tq__bucket_fill(&bucket, &policy, now_ms);
            ck_assert_uint_eq(may, plain / policy.rate_per_ms);
            uint64_t taken = test_random(&test, may + 1);
            tq__bucket_take(&bucket, &policy, taken);
            plain -= taken * policy.rate_per_ms;
        }
    }
}
END_TEST

START_TEST(the_largest_policy_does_not_overflow)
{
    struct tq_room_policy policy =
        policy_of(TQ_ROOM_RATE_MAX, TQ_ROOM_SPAN_MAX_MS, TQ_ROOM_RATE_MAX);
    struct tq__bucket bucket;
    tq__bucket_init(&bucket, &policy, 0);
    ck_assert_uint_lt(bucket.level, UINT64_C(1) << 53); /* for engines that count in doubles */
    ck_assert_uint_eq(tq__bucket_fill(&bucket, &policy, TQ_ROOM_TIME_MAX_MS), TQ_ROOM_RATE_MAX);
    tq__bucket_take(&bucket, &policy, TQ_ROOM_RATE_MAX);
    ck_assert_uint_eq(bucket.level, 0);
    ck_assert_uint_eq(tq__bucket_fill(&bucket, &policy, TQ_ROOM_TIME_MAX_MS + 605), 1);
    struct tq_room_policy small = policy_of(1, 1, 1);
    tq__bucket_fill(&bucket, &policy, 2 * TQ_ROOM_TIME_MAX_MS);
    tq__bucket_convert(&bucket, &policy, &small);
    ck_assert_uint_eq(bucket.level, 1);
}
END_TEST

START_TEST(a_change_keeps_what_is_there)
{
    struct tq_room_policy from = policy_of(10, 1000, 20), to = policy_of(10, 500, 50);
    struct tq__bucket bucket;
    tq__bucket_init(&bucket, &from, 0);
    tq__bucket_take(&bucket, &from, 17);
    bucket.level += 500; /* three and a half */
    tq__bucket_convert(&bucket, &from, &to);
    ck_assert_uint_eq(bucket.level, 3 * 500 + 250);
    to.burst = 2;
    tq__bucket_convert(&bucket, &to, &to);
    ck_assert_uint_eq(bucket.level, 2 * 500);
}
END_TEST

START_TEST(the_least_of_all_limits_is_let_in)
{
    struct tq_room_policy policy = policy_of(10, 1000, 10);
    policy.max_active = 100;
    policy.open_ms = 500;
    policy.close_ms = 2000;
    static const struct {
        int64_t now_ms;
        uint64_t active, waiting, expected;
        int is_paused;
    } rows[] = {
        {500, 0, 50, 10, 0},  {500, 0, 3, 3, 0},   {500, 95, 50, 5, 0}, {500, 100, 50, 0, 0},
        {500, 101, 50, 0, 0}, {500, 0, 0, 0, 0},   {500, 0, 50, 0, 1},  {499, 0, 50, 0, 0},
        {1999, 0, 50, 10, 0}, {2000, 0, 50, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tq__bucket bucket;
        tq__bucket_init(&bucket, &policy, 400);
        struct tq__admit admit = {&policy,         rows[i].now_ms, rows[i].active,
                                  rows[i].waiting, policy.open_ms, rows[i].is_paused};
        ck_assert_uint_eq(tq__admit_count(&admit, &bucket), rows[i].expected);
    }
    policy = policy_of(TQ_ROOM_RATE_MAX, 1000, 0);
    policy.max_active = TQ_ROOM_LINE_MAX;
    struct tq__bucket bucket;
    tq__bucket_init(&bucket, &policy, 0);
    struct tq__admit admit = {.policy = &policy, .waiting = 100000};
    ck_assert_uint_eq(tq__admit_count(&admit, &bucket), TQ_BATCH_MAX);
}
END_TEST

START_TEST(the_next_tick_is_when_it_is_of_use)
{
    struct tq_room_policy policy = policy_of(10, 1000, 10);
    policy.max_active = 100;
    struct tq__bucket bucket;
    tq__bucket_init(&bucket, &policy, 0);
    struct tq__admit admit = {.policy = &policy, .waiting = 50};
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 0), 1); /* the bucket has some */
    tq__bucket_take(&bucket, &policy, 10);
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 0), 500); /* half a burst */
    admit.waiting = 2;
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 0), 200);
    admit.active = 100;
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 70), 70); /* a slot ends */
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 90000), 1000);
    admit.opens_ms = 30;
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 0), 30);
    admit.opens_ms = 0;
    admit.is_paused = 1;
    ck_assert_uint_eq(tq__admit_next_ms(&admit, &bucket, 0), 1000);
}
END_TEST

START_TEST(the_flow_is_of_the_last_ten_to_twenty_seconds)
{
    struct tq__flow flow;
    tq__flow_init(&flow, 0);
    tq__flow_note(&flow, 3000, 5, 1);
    ck_assert_uint_eq(tq__flow_ms(&flow, 9999), 0);
    tq__flow_note(&flow, 10000, 2, 0);
    ck_assert_uint_eq(tq__flow_ms(&flow, 12000), 12000);
    ck_assert_uint_eq(flow.admitted[0] + flow.admitted[1], 7);
    ck_assert_uint_eq(flow.gone[0] + flow.gone[1], 1);
    tq__flow_note(&flow, 20000, 1, 0);
    ck_assert_uint_eq(flow.admitted[0] + flow.admitted[1], 3);
    tq__flow_note(&flow, 90000, 0, 0);
    ck_assert_uint_eq(flow.admitted[0] + flow.admitted[1], 0);
    ck_assert_uint_eq(tq__flow_ms(&flow, 90000), 10000);
}
END_TEST

UNIT_MAIN("store.memory.admit", a_bucket_is_filled_exactly, the_largest_policy_does_not_overflow,
          a_change_keeps_what_is_there, the_least_of_all_limits_is_let_in,
          the_next_tick_is_when_it_is_of_use, the_flow_is_of_the_last_ten_to_twenty_seconds)
