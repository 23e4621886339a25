/* SPDX-License-Identifier: MIT */
/*
 * core/backoff.c: pauses stay in their bounds, use the whole of them, grow to
 * the cap and start again.
 */
#include "core/backoff.h"

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;

static int no_random(void *ctx, void *bytes, size_t count)
{
    (void)ctx, (void)bytes, (void)count;
    return -1;
}

START_TEST(pauses__stay_in_their_bounds_and_use_them)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    uint32_t longest[8] = {0}, shortest[8];
    for (int i = 0; i < 8; i++) {
        shortest[i] = UINT32_MAX;
    }
    for (int round = 0; round < 500; round++) {
        struct tq__backoff backoff = {10, 320, 0};
        for (int i = 0; i < 8; i++) {
            uint32_t pause = tq__backoff_next(&backoff, &env);
            longest[i] = pause > longest[i] ? pause : longest[i];
            shortest[i] = pause < shortest[i] ? pause : shortest[i];
        }
    }
    for (int i = 0; i < 8; i++) {
        uint32_t top = i < 5 ? 10u << i : 320;
        ck_assert_uint_le(longest[i], top);
        ck_assert_uint_gt(longest[i], top * 9 / 10 - 1);
        ck_assert_uint_ge(shortest[i], 1);
        ck_assert_uint_lt(shortest[i], top / 10 + 2);
    }
}
END_TEST

START_TEST(without_chance__the_upper_end_is_taken)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct tq__backoff backoff = {10, 35, 0};
    env.random = no_random;
    ck_assert_uint_eq(tq__backoff_next(&backoff, &env), 10);
    ck_assert_uint_eq(tq__backoff_next(&backoff, &env), 20);
    ck_assert_uint_eq(tq__backoff_next(&backoff, &env), 35);
    ck_assert_uint_eq(tq__backoff_next(&backoff, &env), 35);
    tq__backoff_reset(&backoff);
    ck_assert_uint_eq(tq__backoff_next(&backoff, &env), 10);
}
END_TEST

START_TEST(extreme_values__do_not_overflow)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct tq__backoff large = {UINT32_MAX, UINT32_MAX, 0}, none = {0, 0, 0};
    env.random = no_random;
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(tq__backoff_next(&large, &env), UINT32_MAX);
        ck_assert_uint_eq(tq__backoff_next(&none, &env), 1);
    }
}
END_TEST

static uint32_t slept_ms;

static void sleep_at_once(void *ctx, const uint32_t *word, uint32_t expected, uint32_t timeout_ms)
{
    (void)ctx;
    ck_assert_uint_eq(*word, expected);
    ck_assert_uint_gt(timeout_ms, 0);
    slept_ms += timeout_ms;
}

START_TEST(waits__use_up_what_is_left_and_no_more)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct tq__backoff backoff = {10, 320, 0};
    uint32_t left_ms = 1000;
    env.park = sleep_at_once;
    slept_ms = 0;
    while (tq__backoff_wait(&backoff, &env, &left_ms)) {
        ck_assert_uint_eq(slept_ms + left_ms, 1000);
    }
    ck_assert_uint_eq(slept_ms, 1000);
    left_ms = 1000;
    env.park = NULL;
    ck_assert(!tq__backoff_wait(&backoff, &env, &left_ms));
    ck_assert_uint_eq(left_ms, 1000);
}
END_TEST

UNIT_MAIN("core.backoff", pauses__stay_in_their_bounds_and_use_them,
          without_chance__the_upper_end_is_taken, extreme_values__do_not_overflow,
          waits__use_up_what_is_left_and_no_more)
