/* SPDX-License-Identifier: MIT */
/*
 * store.h.
 */
#include <ticketq/driver/store.h>
#include <ticketq/store.h>

#include "api/api.h"

static struct test_env test;
static struct tq_env env;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
}

static int with_options(const void *argument)
{
    tq_store *store = NULL;
    int rc = tq_store_open(&env, argument, &store, &err);
    ck_assert_int_eq(store != NULL, rc == TQ_OK);
    tq_store_close(store);
    return rc;
}

static int with_url(const char *url)
{
    return with_options(TQ_ARGS(tq_store_options, .url = url));
}

START_TEST(nothing__is_no_argument)
{
    const struct tq_store_options *options = TQ_ARGS(tq_store_options, .url = "memory:");
    tq_store *store = NULL;
    int64_t now_ms = 77;
    setup();
    REFUSED(tq_store_open(NULL, options, &store, &err), TQ_E_INVALID, "env");
    REFUSED(tq_store_open(&env, NULL, &store, &err), TQ_E_INVALID, "options");
    REFUSED(tq_store_open(&env, options, NULL, &err), TQ_E_INVALID, "out_store");
    ck_assert(!store);
    ACCEPTED(tq_store_open(&env, options, &store, &err), TQ_OK);
    REFUSED(tq_store_now(NULL, &now_ms, &err), TQ_E_INVALID, "store");
    REFUSED(tq_store_now(store, NULL, &err), TQ_E_INVALID, "out_now_ms");
    ck_assert_int_eq(now_ms, 77);
    GIVES(tq_store_caps(NULL), 0);
    IGNORED(tq_store_close(NULL));
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(options__are_as_long_as_they_say)
{
    const struct tq_store_options good = {.size = sizeof good, .url = "memory:"};
    setup();
    check_sized(&(struct sized){"options", SIZED_IN, sizeof good, &good, with_options});
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(urls__are_understood_or_refused)
{
    static const char *const bad[] = {NULL,         "",         ":",       "memory",
                                      "memory:x",   "nothing:", "MEMORY:", "memory:?a=b",
                                      "memory:%zz", "memory:\n"};
    char longest[TQ_URL_MAX + 2];
    setup();
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_msg(with_url(bad[i]) == TQ_E_INVALID, "%s", bad[i] ? bad[i] : "NULL");
        ck_assert(err.message[0]);
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "memory:", 7);
    longest[TQ_URL_MAX + 1] = '\0';
    int rc = with_url(longest);
    ck_assert(rc == TQ_E_LIMIT || rc == TQ_E_INVALID);
    REFUSED(with_url("rediss://x"), TQ_E_UNSUPPORTED, "rediss");
    ck_assert_int_eq(test.live, 0);
}
END_TEST

/* A driver of the host's own may be no driver at all. */
START_TEST(drivers__are_looked_at_before_they_are_called)
{
    struct tq_store_driver driver = {.size = sizeof driver, .abi = TQ_STORE_ABI, .name = "own"};
    const struct tq_store_options options = {
        .size = sizeof options, .url = "own:", .driver = &driver};
    setup();
    REFUSED(with_options(&options), TQ_E_ABI, "slot");
    driver.abi++;
    REFUSED(with_options(&options), TQ_E_ABI, "ABI");
    driver.size = 0;
    REFUSED(with_options(&options), TQ_E_ABI, "driver");
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("api.store", nothing__is_no_argument, options__are_as_long_as_they_say,
          urls__are_understood_or_refused, drivers__are_looked_at_before_they_are_called)
