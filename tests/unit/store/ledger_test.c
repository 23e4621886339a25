/* SPDX-License-Identifier: MIT */
/*
 * store/ledger.c: what is refused at the door, and who is told of a commit.
 */
#include "store/ledger.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_error err = TQ_ERROR_INIT;

static tq_store *open_store(const char *url)
{
    tq_store *store = NULL;
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK);
    return store;
}

static int give(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)tx;
    (void)failure;
    return *(int *)arg;
}

static int run_inside(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int result = TQ_OK;
    (void)tx;
    ck_assert_int_eq(tq_ledger_read(arg, give, &result, failure), TQ_E_INVALID);
    return tq_ledger_run(arg, give, &result, failure);
}

START_TEST(nesting__is_refused_and_does_not_wait)
{
    tq_store *store = open_store("sqlite::memory:");
    int result = TQ_WAIT;
    assert_status(tq_ledger_run(store, run_inside, store, &err), TQ_E_INVALID);
    assert_status(tq_ledger_read(store, run_inside, store, &err), TQ_E_INVALID);
    assert_status(tq_ledger_run(store, give, &result, &err), TQ_WAIT);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(stores_without_a_ledger__are_refused)
{
    tq_store *store = open_store("memory:");
    int result = TQ_OK;
    assert_status(tq_ledger_run(store, give, &result, &err), TQ_E_UNSUPPORTED);
    assert_status(tq_ledger_run(NULL, give, &result, &err), TQ_E_INVALID);
    tq_store_close(store);
    store = open_store("sqlite::memory:");
    assert_status(tq_ledger_run(store, NULL, &result, &err), TQ_E_INVALID);
    tq_store_close(store);
}
END_TEST

static void count(void *arg)
{
    ++*(int *)arg;
}

static int tell(tq_tx *tx, void *arg, struct tq_error *failure)
{
    tq__tx_tell(tx, 2);
    return give(tx, arg, failure);
}

START_TEST(watches__hear_of_what_they_want_until_removed)
{
    tq_store *store = open_store("sqlite::memory:");
    int first = 0, second = 0, third = 0, good = TQ_OK, bad = TQ_E_LIMIT;
    struct tq__commit_watch one = {.on_commit = count, .arg = &first, .wanted = 3};
    struct tq__commit_watch two = {.on_commit = count, .arg = &second, .wanted = 6};
    struct tq__commit_watch deaf = {.on_commit = count, .arg = &third, .wanted = 5};
    tq__ledger_watch(store, &one);
    tq__ledger_watch(store, &two);
    tq__ledger_watch(store, &deaf);
    assert_status(tq_ledger_run(store, tell, &good, &err), TQ_OK);
    assert_status(tq_ledger_run(store, give, &good, &err), TQ_OK);
    assert_status(tq_ledger_run(store, tell, &bad, &err), TQ_E_LIMIT);
    assert_status(tq_ledger_read(store, tell, &good, &err), TQ_OK);
    ck_assert_int_eq(first, 1);
    tq__ledger_unwatch(store, &one);
    assert_status(tq_ledger_run(store, tell, &good, &err), TQ_OK);
    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(second, 2);
    ck_assert_int_eq(third, 0);
    tq__ledger_unwatch(store, &two);
    tq__ledger_unwatch(store, &deaf);
    tq_store_close(store);
}
END_TEST

UNIT_MAIN("store.ledger", nesting__is_refused_and_does_not_wait,
          stores_without_a_ledger__are_refused, watches__hear_of_what_they_want_until_removed)
