/* SPDX-License-Identifier: MIT */
/*
 * store/store.c: which driver a URL chooses, which tables are refused, who
 * keeps a store alive, and that every failed allocation leaves nothing behind.
 */
#include "store/store.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

/* A driver of the host's own that counts how often it is opened and closed. */
struct own_state {
    int is_open;
};

static int opened, closed, fail_open;

static int own_open(void *state, const struct tq_store_config *config, struct tq_error *error)
{
    (void)error;
    ck_assert_str_eq(config->scheme, "own");
    ck_assert_str_eq(config->path, "a b");
    ck_assert_str_eq(config->query, "x=1");
    ck_assert_int_eq(config->busy_timeout_ms, 5000);
    ck_assert_int_eq(((struct own_state *)state)->is_open, 0);
    ((struct own_state *)state)->is_open = 1;
    opened++;
    return fail_open ? TQ_E_UNAVAILABLE : TQ_OK;
}

static void own_close(void *state)
{
    (void)state;
    closed++;
}

static int own_now(void *state, int64_t *out_now_ms, struct tq_error *error)
{
    (void)state;
    (void)error;
    *out_now_ms = 42;
    return TQ_OK;
}

static struct tq_store_driver own_driver(void)
{
    struct tq_store_driver driver = {
        .size = sizeof driver,
        .abi = TQ_STORE_ABI,
        .caps = TQ_STORE_SHARED,
        .name = "own",
        .state_size = sizeof(struct own_state),
        .open = own_open,
        .close = own_close,
        .now = own_now,
    };
    return driver;
}

static void begin(void)
{
    test_env_init(&test, 7);
    env = test_env_of(&test);
    opened = closed = fail_open = 0;
}

static int open_url(const char *url, const struct tq_store_driver *driver, tq_store **out_store)
{
    return tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url, .driver = driver), out_store,
                         &err);
}

START_TEST(urls__choose_the_driver_or_say_why_not)
{
    tq_store *store = NULL;
    begin();
    assert_status(open_url("memory:", NULL, &store), TQ_OK);
    ck_assert_uint_eq(tq_store_caps(store), TQ_STORE_ROOM | TQ_STORE_HOLD);
    tq_store_close(store);
    store = NULL;
    assert_status(open_url("memory:path", NULL, &store), TQ_E_INVALID);
    assert_status(open_url("nobody:", NULL, &store), TQ_E_INVALID);
    assert_status(open_url("rediss://x", NULL, &store), TQ_E_UNSUPPORTED);
    assert_status(open_url("no scheme", NULL, &store), TQ_E_INVALID);
    assert_status(open_url(NULL, NULL, &store), TQ_E_INVALID);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_foreign_driver__is_opened_and_closed_once)
{
    struct tq_store_driver driver = own_driver();
    tq_store *store = NULL;
    int64_t now = 0;
    begin();
    assert_status(open_url("own:a%20b?x=1", &driver, &store), TQ_OK);
    ck_assert_uint_eq(tq_store_caps(store), TQ_STORE_SHARED);
    assert_status(tq_store_now(store, &now, &err), TQ_OK);
    ck_assert_int_eq(now, 42);
    ck_assert_ptr_eq(tq__store_ref(store), store);
    tq_store_close(store);
    ck_assert_int_eq(closed, 0);
    tq_store_close(store);
    ck_assert_int_eq(opened, 1);
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_driver_that_cannot_open__is_closed)
{
    struct tq_store_driver driver = own_driver();
    tq_store *store = NULL;
    begin();
    fail_open = 1;
    assert_status(open_url("own:a%20b?x=1", &driver, &store), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(closed, 1);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(broken_tables__are_refused)
{
    struct tq_store_driver driver = own_driver();
    tq_store *store = NULL;
    begin();
    driver.abi++;
    assert_status(open_url("own:", &driver, &store), TQ_E_ABI);
    driver = own_driver();
    driver.close = NULL;
    assert_status(open_url("own:", &driver, &store), TQ_E_ABI);
    driver = own_driver();
    driver.size--;
    assert_status(open_url("own:", &driver, &store), TQ_E_ABI);
    ck_assert_int_eq(opened, 0);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_driver_of_a_later_release__is_taken_while_its_tail_is_zero)
{
    struct {
        struct tq_store_driver driver;
        void *later;
    } longer = {own_driver(), NULL};
    tq_store *store = NULL;
    begin();
    longer.driver.size = sizeof longer;
    assert_status(open_url("own:a%20b?x=1", &longer.driver, &store), TQ_OK);
    tq_store_close(store);
    longer.later = &longer;
    assert_status(open_url("own:a%20b?x=1", &longer.driver, &store), TQ_E_ABI);
}
END_TEST

START_TEST(allocations__fail_cleanly_at_every_point)
{
    tq_store *store = NULL;
    int rc = TQ_E_NOMEM;
    for (long n = 1; rc != TQ_OK; n++) {
        begin();
        test.fail_at = n;
        store = NULL;
        rc = open_url("memory:", NULL, &store);
        ck_assert(rc == TQ_OK || (rc == TQ_E_NOMEM && !store && test.live == 0));
        ck_assert_int_lt(n, 100);
    }
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(environments__must_be_complete)
{
    tq_store *store = NULL;
    begin();
    env.unpark = NULL;
    assert_status(open_url("memory:", NULL, &store), TQ_E_INVALID);
    begin();
    env.random = NULL;
    assert_status(open_url("memory:", NULL, &store), TQ_E_INVALID);
    begin();
    env.size = 1;
    assert_status(open_url("memory:", NULL, &store), TQ_E_ABI);
}
END_TEST

UNIT_MAIN("store.store", urls__choose_the_driver_or_say_why_not,
          a_foreign_driver__is_opened_and_closed_once, a_driver_that_cannot_open__is_closed,
          broken_tables__are_refused,
          a_driver_of_a_later_release__is_taken_while_its_tail_is_zero,
          allocations__fail_cleanly_at_every_point, environments__must_be_complete)
