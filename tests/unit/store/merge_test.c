/* SPDX-License-Identifier: MIT */
/*
 * store/merge.c: every row of its table for bodies of one request, with a driver that fails
 * on purpose. merge_each_test.c has bodies for many.
 */
#include "store/ledger.h"

#include <string.h>

#include "lib/fault_batch.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define BATCH 8

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;

/* One caller of a batch. */
struct caller {
    int64_t id;
    int result; /* that its body gives */
    const char *sql;
    int status; /* that it got */
    struct tq_error err;
    int runs; /* of its body */
};

static struct caller callers[BATCH];

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    store = fault_batch_open(&env);
    for (int64_t i = 0; i < BATCH; i++) {
        callers[i] = (struct caller){.id = i, .err = TQ_ERROR_INIT, .status = 99};
    }
}

static void teardown(void)
{
    fault_plan_set(FAULT_NONE, 0, 0);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct caller *caller = arg;
    const struct tq_value id = tq_int(caller->id);
    caller->runs++;
    int rc = tq_tx_exec(tx, caller->sql ? caller->sql : "INSERT INTO t (id) VALUES ($1)", &id, 1,
                        NULL, NULL, failure);
    if (rc == TQ_OK && caller->result < 0) {
        return tq__fail(failure, caller->result, "test", "by request");
    }
    return rc ? rc : caller->result;
}

static void call(void *arg, size_t n)
{
    struct caller *caller = (struct caller *)arg + n;
    caller->status = tq_ledger_run(store, body, caller, &caller->err);
}

/* Runs all callers as one batch, which meets the fault. */
static void run_batch(struct fault fault)
{
    fault_batch_run(store, BATCH, call, callers, fault);
}

static void check_all(int status)
{
    for (int i = 0; i < BATCH; i++) {
        ck_assert_msg(callers[i].status == status, "caller %d: %s (%s)", i,
                      tq_status_name(callers[i].status), callers[i].err.message);
        ck_assert_int_eq(callers[i].err.status, (status < 0 ? status : 0));
    }
}

static const struct fault no_fault = {0};

START_TEST(a_batch__has_one_commit)
{
    setup();
    run_batch(no_fault);
    check_all(TQ_OK);
    ck_assert_int_eq(fault_plan.calls[FAULT_BEGIN], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_SAVEPOINT], BATCH);
    ck_assert_int_eq(fault_plan.calls[FAULT_RELEASE], BATCH);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
}
END_TEST

START_TEST(a_lone_request__needs_no_savepoint)
{
    setup();
    fault_plan_set(FAULT_NONE, 0, 0);
    call(callers, 0);
    ck_assert_int_eq(callers[0].status, TQ_OK);
    ck_assert_int_eq(fault_plan.calls[FAULT_SAVEPOINT], 0);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    teardown();
}
END_TEST

START_TEST(results__are_each_callers_own)
{
    setup();
    callers[2].result = TQ_E_LIMIT;
    callers[3].result = TQ_TAKEN;
    callers[4].id = 3;
    run_batch(no_fault);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_ROLLBACK_TO], 1);
    for (int i = 0; i < BATCH; i++) {
        int status = callers[i].status;
        ck_assert_int_eq(callers[i].runs, 1);
        if (i == 2) {
            ck_assert_int_eq(status, TQ_E_LIMIT);
            ck_assert_str_eq(callers[i].err.origin, "test");
        } else if (i != 3 && i != 4) {
            ck_assert_int_eq(status, TQ_OK);
            ck_assert_int_eq(callers[i].err.status, 0);
        }
    }
    /* Who comes first of 3 and 4 gets the row. */
    ck_assert(callers[3].status == TQ_TAKEN || callers[3].status == TQ_REPEAT);
    ck_assert((callers[3].status == TQ_REPEAT) == (callers[4].status == TQ_OK));
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 2);
    teardown();
}
END_TEST

START_TEST(a_batch_that_wants_nothing__does_not_commit)
{
    setup();
    for (int i = 0; i < BATCH; i++) {
        callers[i].result = TQ_E_LIMIT;
    }
    run_batch(no_fault);
    check_all(TQ_E_LIMIT);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 0);
    ck_assert_int_eq(fault_batch_rows(store), 0);
    teardown();
}
END_TEST

/* A refusal may have been for the sake of work that is gone. */
START_TEST(a_failed_commit__reaches_everybody)
{
    setup();
    callers[1].result = TQ_E_LIMIT;
    run_batch((struct fault){FAULT_BEFORE, 1u << FAULT_COMMIT, 1, 0});
    check_all(TQ_E_UNAVAILABLE);
    ck_assert_str_eq(callers[0].err.origin, "fault");
    ck_assert_str_eq(callers[1].err.origin, "fault");
    ck_assert_int_eq(fault_batch_rows(store), 0);
    teardown();
}
END_TEST

START_TEST(what_a_lost_commit_had_refused__is_certainly_not_applied)
{
    setup();
    callers[1].result = TQ_E_LIMIT;
    run_batch((struct fault){FAULT_AFTER, 1u << FAULT_COMMIT, 1, 0});
    ck_assert_int_eq(callers[1].status, TQ_E_UNAVAILABLE);
    ck_assert_int_eq(callers[1].err.flags, TQ_ERROR_RETRY);
    callers[1] = callers[0];
    check_all(TQ_E_UNKNOWN);
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
    teardown();
}
END_TEST

START_TEST(a_lost_commit__is_unknown_to_all_whether_applied_or_not)
{
    setup();
    run_batch((struct fault){FAULT_AFTER, 1u << FAULT_COMMIT, 1, 0});
    check_all(TQ_E_UNKNOWN);
    ck_assert_int_eq(callers[0].err.flags, TQ_ERROR_MAYBE_APPLIED);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
    setup();
    run_batch((struct fault){FAULT_CRASH, 1u << FAULT_COMMIT, 1, 0});
    check_all(TQ_E_UNKNOWN);
    ck_assert_int_eq(fault_batch_rows(store), 0);
    teardown();
}
END_TEST

START_TEST(a_busy_begin_or_commit__is_tried_again)
{
    static const unsigned slots[] = {1u << FAULT_BEGIN, 1u << FAULT_COMMIT};
    for (int i = 0; i < 2; i++) {
        setup();
        run_batch((struct fault){FAULT_BEFORE, slots[i], 1, TQ_E_BUSY});
        check_all(TQ_OK);
        ck_assert_int_eq(fault_plan.calls[FAULT_BEGIN], 2);
        ck_assert_int_eq(callers[0].runs, 1 + i);
        ck_assert_int_eq(fault_batch_rows(store), BATCH);
        teardown();
    }
}
END_TEST

START_TEST(a_broken_transaction__is_split_and_only_the_culprit_fails)
{
    static const unsigned slots[] = {1u << FAULT_SAVEPOINT, 1u << FAULT_EXEC, 1u << FAULT_RELEASE};
    static const int kinds[] = {FAULT_CRASH, FAULT_AFTER};
    for (int i = 0; i < 6; i++) {
        setup();
        run_batch((struct fault){kinds[i % 2], slots[i / 2], 3, 0});
        check_all(TQ_OK);
        ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], BATCH);
        ck_assert_int_eq(fault_batch_rows(store), BATCH);
        teardown();
    }
}
END_TEST

START_TEST(a_statement_that_wants_a_retry__gets_one)
{
    setup();
    run_batch((struct fault){FAULT_BEFORE, 1u << FAULT_EXEC, 3, TQ_E_BUSY});
    check_all(TQ_OK);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    fault_plan_set(FAULT_BEFORE, 1u << FAULT_EXEC, 1);
    fault_plan.status = TQ_E_BUSY;
    callers[0].id = BATCH;
    call(callers, 0);
    ck_assert_int_eq(callers[0].status, TQ_OK);
    ck_assert_int_eq(fault_batch_rows(store), BATCH + 1);
    teardown();
}
END_TEST

START_TEST(a_deferred_constraint__fails_its_own_caller)
{
    setup();
    callers[5].sql = "INSERT INTO t (id, parent) VALUES ($1, 100)";
    run_batch(no_fault);
    ck_assert_int_eq(callers[5].status, TQ_E_INVALID);
    callers[5] = callers[4];
    check_all(TQ_OK);
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
    teardown();
}
END_TEST

/* Every attempt is busy. */
static int always_busy(tq_tx *tx, void *arg, struct tq_error *failure)
{
    ++*(int *)arg;
    fault_plan.numbered = 0;
    return tq_tx_exec(tx, "SELECT 1", NULL, 0, NULL, NULL, failure);
}

START_TEST(waiting__has_an_end)
{
    int runs = 0;
    setup();
    struct tq__ledger *ledger = tq__store_attachment(store);
    ledger->busy_timeout_ms = 30;
    fault_plan_set(FAULT_BEFORE, 1u << FAULT_EXEC, 1);
    fault_plan.status = TQ_E_BUSY;
    assert_status(tq_ledger_run(store, always_busy, &runs, &err), TQ_E_BUSY);
    ck_assert_int_gt(runs, 2);
    ck_assert_int_lt(runs, 32);
    teardown();
}
END_TEST

START_TEST(without_a_way_to_wait__there_is_one_attempt)
{
    int runs = 0;
    setup();
    struct tq__ledger *ledger = tq__store_attachment(store);
    struct tq_env blind = env;
    blind.park = NULL;
    blind.unpark = NULL;
    ledger->env = &blind;
    fault_plan_set(FAULT_BEFORE, 1u << FAULT_EXEC, 1);
    fault_plan.status = TQ_E_BUSY;
    assert_status(tq_ledger_run(store, always_busy, &runs, &err), TQ_E_BUSY);
    ck_assert_int_eq(runs, 1);
    ledger->env = tq__store_env(store);
    teardown();
}
END_TEST

UNIT_MAIN("store.merge", a_batch__has_one_commit, a_lone_request__needs_no_savepoint,
          results__are_each_callers_own, a_batch_that_wants_nothing__does_not_commit,
          a_failed_commit__reaches_everybody,
          what_a_lost_commit_had_refused__is_certainly_not_applied,
          a_lost_commit__is_unknown_to_all_whether_applied_or_not,
          a_busy_begin_or_commit__is_tried_again,
          a_broken_transaction__is_split_and_only_the_culprit_fails,
          a_statement_that_wants_a_retry__gets_one, a_deferred_constraint__fails_its_own_caller,
          waiting__has_an_end, without_a_way_to_wait__there_is_one_attempt)
