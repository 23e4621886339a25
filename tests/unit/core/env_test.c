/* SPDX-License-Identifier: MIT */
/*
 * core/env.c: an environment that lacks something is refused, memory is zeroed
 * and checked for overflow, what the host refuses comes back as a failure.
 */
#include "core/env.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static char logged[300];

static void begin(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
}

static int no_random(void *ctx, void *bytes, size_t count)
{
    (void)ctx, (void)bytes, (void)count;
    return -1;
}

static void note(void *ctx, int level, const char *origin, const char *message)
{
    (void)ctx;
    snprintf(logged, sizeof logged, "%d %s %s", level, origin, message);
}

START_TEST(what_is_required__must_be_there)
{
    begin();
    struct tq_env copy, bad = env;
    assert_status(tq__env_read(&copy, &env, &err), TQ_OK);
    ck_assert(copy.now_ms == env.now_ms && copy.ctx == env.ctx);
    assert_status(tq__env_read(&copy, NULL, &err), TQ_E_INVALID);
    bad.now_ms = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad = env, bad.random = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad = env, bad.alloc = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad = env, bad.resize = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad = env, bad.release = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad = env, bad.park = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad = env, bad.unpark = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_E_INVALID);
    bad.park = NULL;
    assert_status(tq__env_read(&copy, &bad, &err), TQ_OK);
    ck_assert(!tq__can_park(&copy) && tq__can_park(&env));
}
END_TEST

START_TEST(memory__is_zeroed_and_checked_for_overflow)
{
    begin();
    static const char zeros[64];
    char *memory = tq__alloc(&env, 8, 8);
    ck_assert_mem_eq(memory, zeros, 64);
    memory[0] = 'x';
    memory = tq__resize(&env, memory, 16, 8);
    ck_assert_int_eq(memory[0], 'x');
    ck_assert_ptr_null(tq__resize(&env, memory, SIZE_MAX / 2, 3));
    tq__release(&env, memory);
    ck_assert_ptr_null(tq__alloc(&env, SIZE_MAX / 2, 3));
    memory = tq__alloc(&env, 0, 8);
    ck_assert_ptr_nonnull(memory);
    tq__release(&env, memory);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(string__is_copied)
{
    begin();
    char *copy = tq__strdup(&env, "seat");
    ck_assert_str_eq(copy, "seat");
    tq__release(&env, copy);
    test.fail_at = test.allocations + 1;
    ck_assert_ptr_null(tq__strdup(&env, "seat"));
}
END_TEST

START_TEST(failures_of_the_host__come_back)
{
    begin();
    char bytes[4];
    assert_status(tq__random(&env, bytes, sizeof bytes, &err), TQ_OK);
    env.random = no_random;
    assert_status(tq__random(&env, bytes, sizeof bytes, &err), TQ_E_UNAVAILABLE);
    assert_status(tq__nomem("room", &err), TQ_E_NOMEM);
    ck_assert_str_eq(err.origin, "room");
    ck_assert_int_eq(tq__now_ms(&env), test.now_ms);
}
END_TEST

START_TEST(log__is_cut_and_may_be_missing)
{
    begin();
    char long_text[600];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    tq__log(&env, TQ_LOG_WARN, "hold", "%d", 1); /* nobody listens */
    env.log = note;
    tq__log(&env, TQ_LOG_WARN, "hold", "seat %s", "A-1");
    ck_assert_str_eq(logged, "2 hold seat A-1");
    tq__log(&env, TQ_LOG_WARN, "hold", "%s", long_text);
    ck_assert_uint_eq(strlen(logged), strlen("2 hold ") + 255);
}
END_TEST

UNIT_MAIN("core.env", what_is_required__must_be_there, memory__is_zeroed_and_checked_for_overflow,
          string__is_copied, failures_of_the_host__come_back, log__is_cut_and_may_be_missing)
