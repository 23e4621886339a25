/* SPDX-License-Identifier: MIT */
/*
 * store/migrate.c: whatever fails on the way, and wherever, the schema is the old
 * one or the new one, and starting again finishes the work. The rest is in
 * conform/ledger/migration_test.c.
 */
#include <ticketq/ledger.h>

#include "lib/ask.h"
#include "lib/fault_ledger.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static const struct tq_migration steps[] = {
    {sizeof *steps, "shop", 1, 0, "CREATE TABLE a (id BIGINT PRIMARY KEY)"},
    {sizeof *steps, "shop", 2, 0, "INSERT INTO a (id) VALUES (1); INSERT INTO a (id) VALUES (2)"},
};

static struct test_env test;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = fault_ledger_open(&env);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int count(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx, "SELECT count(*) FROM a", NULL, 0, ask_take, arg, failure);
}

/* The schema is the old one or the new one; then it is brought to the new one. */
static void check_and_finish(int status)
{
    int64_t rows = -1;
    int found = tq_ledger_read(store, count, &rows, &err);
    ck_assert(found == TQ_E_INVALID || (found == TQ_OK && rows == 2));
    ck_assert(found == TQ_E_INVALID || status >= 0 || status == TQ_E_UNKNOWN);
    int again = tq_ledger_migrate(store, steps, 2, &err);
    ck_assert_int_eq(again, found == TQ_OK ? TQ_REPEAT : TQ_OK);
    assert_status(tq_ledger_read(store, count, &rows, &err), TQ_OK);
    ck_assert_int_eq(rows, 2);
}

START_TEST(driver_calls_that_fail__leave_all_or_nothing)
{
    for (int kind = FAULT_BEFORE; kind <= FAULT_AFTER; kind++) {
        int status = TQ_E_UNAVAILABLE;
        long at = 0;
        while (status < 0) {
            setup();
            fault_plan_set(kind, FAULT_ANY, ++at);
            status = tq_ledger_migrate(store, steps, 2, &err);
            fault_plan_set(FAULT_NONE, 0, 0);
            ck_assert(status == TQ_OK || status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN);
            check_and_finish(status);
            teardown();
        }
        ck_assert_int_ge(at, 8);
    }
}
END_TEST

START_TEST(allocations_that_fail__leave_all_or_nothing)
{
    int status = TQ_E_NOMEM;
    long at = 0;
    while (status < 0) {
        setup();
        test.allocations = 0;
        test.fail_at = ++at;
        status = tq_ledger_migrate(store, steps, 2, &err);
        test.fail_at = 0;
        ck_assert(status == TQ_OK || status == TQ_E_NOMEM);
        check_and_finish(status);
        teardown();
    }
    ck_assert_int_ge(at, 3);
}
END_TEST

UNIT_MAIN("store.migrate", driver_calls_that_fail__leave_all_or_nothing,
          allocations_that_fail__leave_all_or_nothing)
