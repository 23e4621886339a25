/* SPDX-License-Identifier: MIT */
/*
 * A purchase that is held, paid for, asked about and declined, while the n-th
 * allocation or the n-th call to the database fails, for every n. The answer tells
 * the truth, the saga and its seat always agree, and bringing the same events again
 * ends in the same place with each compensation committed once.
 */
#include <string.h>

#include "lib/ask.h"
#include "lib/fault_ledger.h"
#include "lib/outbox_world.h"
#include "lib/saga_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;
static tq_sagas *sagas;
static struct shop shop;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = fault_ledger_open(&env);
    shop = (struct shop){0};
    shop_prepare(store);
    assert_status(tq_sagas_open(store, &saga_world_type, &shop, &sagas, &err), TQ_OK);
}

static void teardown(void)
{
    fault_plan_set(FAULT_NONE, 0, 0);
    test.fail_at = 0;
    tq_sagas_close(sagas);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

/* One try of the whole way; every step may fail, and later ones then find another state. */
static void walk(void)
{
    ck_assert(fault_is_lawful(shop_start(store, sagas, "p1")));
    ck_assert(fault_is_lawful(shop_bring(store, sagas, "p1", "PayRequested")));
    test.now_ms += PAY_MS;
    ck_assert(fault_is_lawful(tq_saga_step(sagas, 10, NULL, &err)));
    ck_assert(fault_is_lawful(shop_bring(store, sagas, "p1", "Declined")));
}

/* Without faults: the saga comes to its end from wherever it was left. */
static void finish(void)
{
    int status = TQ_WAIT;
    ck_assert_int_ge(shop_start(store, sagas, "p1"), TQ_OK);
    for (int i = 0; i < 5 && status == TQ_WAIT; i++) {
        ck_assert_int_ge(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
        status = shop_bring(store, sagas, "p1", "Declined");
    }
    ck_assert(status == TQ_OK || status == TQ_REPEAT);
    shop_check_state(store, sagas, "p1", "CANCELLED");
    shop_check_seat(store, "", "AVAILABLE");
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM asked", NULL), 0);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM saga_history WHERE to_state = 'CANCELLED'", NULL),
        1);
    ck_assert_int_eq(ask_number(store,
                                "SELECT (SELECT count(*) FROM saga_history) -"
                                " (SELECT version FROM sagas)",
                                NULL),
                     0);
}

START_TEST(memory_runs_out__and_the_purchase_still_ends_undone)
{
    int is_over = 0;
    for (long n = 1; !is_over; n++) {
        setup();
        test.allocations = 0;
        test.fail_at = n;
        walk();
        is_over = test.allocations < n;
        test.fail_at = 0;
        finish();
        teardown();
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

static void run_all(int kind)
{
    int is_over = 0;
    for (long at = 1; !is_over; at++) {
        setup();
        fault_plan_set(kind, FAULT_ANY, at);
        walk();
        is_over = fault_plan.numbered < at;
        fault_plan_set(FAULT_NONE, 0, 0);
        finish();
        teardown();
        ck_assert_int_lt(at, 1000);
    }
}

START_TEST(a_refused_call__and_the_purchase_still_ends_undone)
{
    run_all(FAULT_BEFORE);
}
END_TEST

START_TEST(a_broken_connection__and_the_purchase_still_ends_undone)
{
    run_all(FAULT_CRASH);
}
END_TEST

START_TEST(a_lost_answer__and_the_purchase_still_ends_undone)
{
    run_all(FAULT_AFTER);
}
END_TEST

START_TEST(opening__leaves_nothing_behind)
{
    int status = -1;
    for (long n = 1; status != TQ_OK; n++) {
        tq_sagas *opened = NULL;
        setup();
        test.allocations = 0;
        test.fail_at = n;
        status = tq_sagas_open(store, &saga_world_type, &shop, &opened, &err);
        ck_assert(status == TQ_OK || fault_is_lawful(status));
        test.fail_at = 0;
        tq_sagas_close(opened);
        teardown();
    }
}
END_TEST

UNIT_MAIN("fault.saga.purchase", memory_runs_out__and_the_purchase_still_ends_undone,
          a_refused_call__and_the_purchase_still_ends_undone,
          a_broken_connection__and_the_purchase_still_ends_undone,
          a_lost_answer__and_the_purchase_still_ends_undone, opening__leaves_nothing_behind)
