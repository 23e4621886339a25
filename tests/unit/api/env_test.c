/* SPDX-License-Identifier: MIT */
/*
 * env.h: the host's functions, as every open() takes them.
 */
#include <ticketq/store.h>

#include "api/api.h"

static struct test_env test;
static struct tq_env env;

static int with_env(const void *argument)
{
    tq_store *store = NULL;
    int rc = tq_store_open(argument, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err);
    ck_assert_int_eq(store != NULL, rc == TQ_OK);
    tq_store_close(store);
    return rc;
}

START_TEST(an_environment__is_as_long_as_it_says)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    check_sized(&(struct sized){"env", SIZED_IN, sizeof env, &env, with_env});
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(what_the_library_cannot_do_without__is_required)
{
    struct tq_env bad;
    test_env_init(&test, 1);
    env = test_env_of(&test);
#define WITHOUT(function)                                                                          \
    bad = env;                                                                                     \
    bad.function = NULL;                                                                           \
    REFUSED(with_env(&bad), TQ_E_INVALID, "function")
    WITHOUT(now_ms);
    WITHOUT(random);
    WITHOUT(alloc);
    WITHOUT(resize);
    WITHOUT(release);
#undef WITHOUT
    bad = env;
    bad.park = NULL;
    REFUSED(with_env(&bad), TQ_E_INVALID, "unpark");
    bad.unpark = NULL;
    bad.log = NULL;
    ACCEPTED(with_env(&bad), TQ_OK);
}
END_TEST

UNIT_MAIN("api.env", an_environment__is_as_long_as_it_says,
          what_the_library_cannot_do_without__is_required)
