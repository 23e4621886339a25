/* SPDX-License-Identifier: MIT */
/*
 * store/memory/line.c: random numbers, dense and far apart, against plain arrays;
 * the n-th allocation fails; what is served costs next to nothing.
 */
#include "store/memory/line.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define NUMBERS 3000

/* Where number n of the test lies: close together at the front, then further and further. */
static int64_t spread(unsigned n)
{
    if (n < 2000) {
        return n + 1;
    }
    return n < 2500 ? (int64_t)n * 4099 : ((int64_t)n - 2499) * ((INT64_C(1) << 52) / 501);
}

static struct test_env test;
static struct tq_env env;
static struct tq__line line;
static enum tq__line_number state[NUMBERS];
static int owners[NUMBERS];

static void setup(uint64_t seed)
{
    test_env_init(&test, seed);
    env = test_env_of(&test);
    tq__line_init(&line, &env);
    memset(state, 0, sizeof state);
}

static void teardown(void)
{
    tq__line_clear(&line);
    ck_assert_int_eq(test.live, 0);
}

static void check_all(void)
{
    uint64_t ahead = 0;
    void *first = NULL;
    for (unsigned n = 0; n < NUMBERS; n++) {
        ck_assert_int_eq(tq__line_look(&line, spread(n)), state[n]);
        ck_assert_uint_eq(tq__line_ahead(&line, spread(n)), ahead);
        if (state[n] == TQ__LINE_WAITING) {
            first = first ? first : &owners[n];
            ahead++;
        }
    }
    ck_assert_uint_eq(line.count, ahead);
    ck_assert_ptr_eq(tq__line_first(&line), first);
    ck_assert_uint_eq(tq__line_ahead(&line, INT64_C(1) << 59), ahead);
}

static void random_step(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    unsigned n = (unsigned)test_random(&test, NUMBERS);
    unsigned what = (unsigned)test_random(&test, 4);
    if (state[n] == TQ__LINE_FREE && what < 3) {
        assert_status(tq__line_put(&line, spread(n), &owners[n], &err), TQ_OK);
        state[n] = TQ__LINE_WAITING;
    } else if (state[n] == TQ__LINE_FREE) {
        assert_status(tq__line_mark(&line, spread(n), &err), TQ_OK);
        state[n] = TQ__LINE_SPENT;
    } else if (state[n] == TQ__LINE_WAITING && what < 2) {
        tq__line_spend(&line, spread(n));
        state[n] = TQ__LINE_SPENT;
    } else if (state[n] == TQ__LINE_WAITING) {
        tq__line_free(&line, spread(n));
        state[n] = TQ__LINE_FREE;
    }
}

START_TEST(it_agrees_with_plain_arrays)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        setup(seed);
        check_all();
        for (unsigned i = 0; i < 20000; i++) {
            random_step();
            if (i % 1000 == 0) {
                check_all();
            }
        }
        check_all();
        teardown();
    }
}
END_TEST

START_TEST(first_to_last_comes_out_in_order)
{
    struct tq_error err = TQ_ERROR_INIT;
    setup(9);
    for (unsigned i = 0; i < NUMBERS; i++) {
        unsigned n = (i * 1009) % NUMBERS; /* prime to it: each number once */
        assert_status(tq__line_put(&line, spread(n), &owners[n], &err), TQ_OK);
    }
    for (unsigned n = 0; n < NUMBERS; n++) {
        ck_assert_ptr_eq(tq__line_first(&line), &owners[n]);
        tq__line_spend(&line, spread(n));
    }
    ck_assert_ptr_null(tq__line_first(&line));
    teardown();
}
END_TEST

START_TEST(a_failed_allocation_changes_nothing)
{
    struct tq_error err = TQ_ERROR_INIT;
    long failed = 0;
    for (unsigned what = 0; what < 2; what++) {
        for (unsigned n = 1000; n < NUMBERS; n += 499) {
            setup(1);
            assert_status(tq__line_put(&line, 7, &owners[0], &err), TQ_OK);
            long live = 0;
            int rc = TQ_E_NOMEM;
            for (long at = 1; rc == TQ_E_NOMEM; at++) {
                test.fail_at = test.allocations + at;
                rc = what ? tq__line_mark(&line, spread(n), &err)
                          : tq__line_put(&line, spread(n), &owners[n], &err);
                test.fail_at = 0;
                failed += rc == TQ_E_NOMEM;
                live = rc == TQ_E_NOMEM ? test.live : live;
                ck_assert_ptr_eq(tq__line_first(&line), &owners[0]);
                ck_assert_uint_eq(tq__line_ahead(&line, 8), 1);
            }
            assert_status(rc, TQ_OK);
            tq__line_free(&line, spread(n));
            ck_assert_uint_eq(line.count, 1);
            ck_assert_int_le(test.live, live ? live : test.live); /* nothing is left behind */
            teardown();
        }
    }
    ck_assert_int_ge(failed, 20);
}
END_TEST

START_TEST(what_is_served_costs_next_to_nothing)
{
    struct tq_error err = TQ_ERROR_INIT;
    setup(1);
    for (int64_t n = 1; n <= 1000000; n++) {
        assert_status(tq__line_put(&line, n, &owners[0], &err), TQ_OK);
        if (n > 100) {
            tq__line_spend(&line, n - 100);
        }
    }
    ck_assert_int_le(test.live, 20); /* a hundred wait: two leaves and the paths to them */
    ck_assert_int_eq(tq__line_look(&line, 1), TQ__LINE_SPENT);
    ck_assert_int_eq(tq__line_look(&line, 999900), TQ__LINE_SPENT);
    ck_assert_int_eq(tq__line_look(&line, 999901), TQ__LINE_WAITING);
    ck_assert_uint_eq(line.count, 100);
    teardown();
}
END_TEST

START_TEST(a_mark_can_be_taken_back)
{
    struct tq_error err = TQ_ERROR_INIT;
    setup(1);
    for (int64_t n = 64; n < 128; n++) {
        assert_status(tq__line_mark(&line, n, &err), TQ_OK);
    }
    tq__line_free(&line, 127);
    ck_assert_int_eq(tq__line_look(&line, 127), TQ__LINE_FREE);
    ck_assert_int_eq(tq__line_look(&line, 126), TQ__LINE_SPENT);
    assert_status(tq__line_put(&line, 127, &owners[0], &err), TQ_OK);
    tq__line_spend(&line, 127);
    ck_assert_int_eq(tq__line_look(&line, 64), TQ__LINE_SPENT);
    teardown();
}
END_TEST

UNIT_MAIN("store.memory.line", it_agrees_with_plain_arrays, first_to_last_comes_out_in_order,
          a_failed_allocation_changes_nothing, what_is_served_costs_next_to_nothing,
          a_mark_can_be_taken_back)
