/* SPDX-License-Identifier: MIT */
/*
 * store/tx.c: statements of a body, and what a body is kept from.
 */
#include "store/ledger.h"

#include <string.h>

#include "lib/ask.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;

static void setup(void)
{
    static const struct tq_migration step = {sizeof step, "t", 1, 0,
                                             "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT);"};
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    assert_status(
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err),
        TQ_OK);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_REPEAT);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int64_t count_rows(tq_tx *tx)
{
    return ask_within(tx, "SELECT count(*) FROM t");
}

static int insert(tq_tx *tx, int64_t id, const char *name)
{
    const struct tq_value row[] = {tq_int(id), tq_text(name)};
    return tq_tx_exec(tx, "INSERT INTO t (id, name) VALUES ($1, $2)", row, 2, NULL, NULL, &err);
}

static int repeat(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    (void)failure;
    assert_status(insert(tx, 1, "a"), TQ_OK);
    ck_assert_uint_eq(tq_tx_changed(tx), 1);
    assert_status(insert(tx, 1, "b"), TQ_REPEAT);
    ck_assert_uint_eq(tq_tx_changed(tx), 0);
    assert_status(insert(tx, 2, NULL), TQ_OK);
    return count_rows(tx) == 2 ? TQ_OK : TQ_E_CORRUPT;
}

START_TEST(a_repeated_key__leaves_the_transaction_usable)
{
    setup();
    assert_status(tq_ledger_run(store, repeat, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

static int missing_arguments(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    (void)failure;
    assert_status(tq_tx_exec(NULL, "SELECT 1", NULL, 0, NULL, NULL, &err), TQ_E_INVALID);
    assert_status(tq_tx_exec(tx, NULL, NULL, 0, NULL, NULL, &err), TQ_E_INVALID);
    assert_status(tq_tx_exec(tx, "SELECT $1", NULL, 1, NULL, NULL, &err), TQ_E_INVALID);
    assert_status(tq_tx_exec_many(tx, "SELECT $1", NULL, 1, 1, NULL, &err), TQ_E_INVALID);
    return insert(tx, 1, "a");
}

START_TEST(missing_arguments__never_reach_the_driver)
{
    setup();
    assert_status(tq_ledger_run(store, missing_arguments, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

static int refuse_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns;
    (void)columns_count;
    return *(int *)arg;
}

static int refused_rows(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int refusals[] = {TQ_E_LIMIT, TQ_E_BUSY, TQ_E_UNAVAILABLE, TQ_REPEAT};
    (void)arg;
    (void)failure;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        assert_status(tq_tx_exec(tx, "SELECT 1", NULL, 0, refuse_row, &refusals[i], &err),
                      refusals[i]);
    }
    return insert(tx, 1, "a");
}

START_TEST(what_a_row_function_says__is_no_failure_of_the_statement)
{
    setup();
    assert_status(tq_ledger_run(store, refused_rows, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

static int fail_twice(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    assert_status(tq_tx_exec(tx, "INSERT INTO nowhere (id) VALUES (1)", NULL, 0, NULL, NULL, &err),
                  TQ_E_INVALID);
    assert_status(insert(tx, 1, "a"), TQ_OK);
    return tq__fail(failure, TQ_E_LIMIT, "test", "a reason of the body's own");
}

START_TEST(a_body_that_fails__gives_its_own_reason)
{
    setup();
    assert_status(tq_ledger_run(store, fail_twice, NULL, &err), TQ_E_LIMIT);
    ck_assert_str_eq(err.origin, "test");
    assert_status(tq_ledger_run(store, repeat, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

UNIT_MAIN("store.tx", a_repeated_key__leaves_the_transaction_usable,
          missing_arguments__never_reach_the_driver,
          what_a_row_function_says__is_no_failure_of_the_statement,
          a_body_that_fails__gives_its_own_reason)
