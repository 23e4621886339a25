/* SPDX-License-Identifier: MIT */
/*
 * store/merge.c: every row of its table for bodies that are given many requests, with a
 * driver that fails on purpose. merge_test.c has bodies of one.
 */
#include "store/ledger.h"

#include <stdio.h>

#include "lib/fault_batch.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define BATCH 64
#define CALLS_MAX 256

static struct test_env test;
static struct tq_env env;
static tq_store *store;

/* One caller of a batch. */
struct caller {
    int64_t id;
    int64_t parent;      /* 0: none; any other is not there */
    int result;          /* that its body gives, at least among others */
    int is_fine_alone;   /* then it gives TQ_OK */
    int loses_commit;    /* the commit of the run in which it is alone */
    tq_tx_each_fn *each; /* its body; NULL: one of its own */
    int status;          /* that it got */
    struct tq_error err;
    int runs;
};

static struct caller callers[BATCH];

/* How often bodies were called, and for how many; by one thread at a time. */
static size_t calls[CALLS_MAX];
static size_t calls_count;
static int group_status;  /* that a call for several gives */
static const char *extra; /* a statement that a call for several runs and forgets */

static tq_tx_each_fn add_each, add_others;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    store = fault_batch_open(&env);
    calls_count = 0;
    group_status = TQ_OK;
    extra = NULL;
    for (int64_t i = 0; i < BATCH; i++) {
        callers[i] =
            (struct caller){.id = i + 1, .each = add_each, .err = TQ_ERROR_INIT, .status = 99};
    }
}

static void teardown(void)
{
    fault_plan_set(FAULT_NONE, 0, 0);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static void note_call(struct caller *const these[], size_t count)
{
    ck_assert_uint_lt(calls_count, CALLS_MAX);
    calls[calls_count++] = count;
    for (size_t i = 0; i < count; i++) {
        these[i]->runs++;
    }
}

/* What a caller is to come to in a call for so many. */
static int wanted(const struct caller *caller, size_t count)
{
    return caller->is_fine_alone && count == 1 ? TQ_OK : caller->result;
}

/* What a caller's body comes to, after its row was written or not. */
static int result_of(const struct caller *caller, size_t count, uint32_t changed,
                     struct tq_error *failure)
{
    int result = wanted(caller, count);
    if (caller->loses_commit && count == 1) {
        fault_plan_set(FAULT_AFTER, 1u << FAULT_COMMIT, 1);
    }
    if (result == TQ_OK && !changed) {
        result = TQ_E_LIMIT; /* somebody has the row */
    }
    return result < 0 ? tq__fail(failure, result, "test", "caller %lld", (long long)caller->id)
                      : result;
}

/* Adds the row of each with one statement; those that are refused add none. */
static int add_each(tq_tx *tx, void *const args[], size_t count, int results[],
                    struct tq_error *const errs[])
{
    struct caller *const *these = (struct caller *const *)args;
    struct tq_value rows[BATCH][2];
    uint32_t changed[BATCH] = {0};
    size_t made = 0;
    note_call(these, count);
    if (count > 1 && extra) {
        ck_assert_int_lt(tq_tx_exec(tx, extra, NULL, 0, NULL, NULL, NULL), 0);
        return TQ_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (wanted(these[i], count) <= 0) {
            rows[made][0] = tq_int(these[i]->id);
            rows[made++][1] = these[i]->parent ? tq_int(these[i]->parent) : tq_text(NULL);
        }
    }
    int rc = made ? tq_tx_exec_many(
                        tx, "INSERT INTO t (id, parent) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                        rows[0], 2, made, changed, errs[0])
                  : TQ_OK;
    for (size_t i = 0, row = 0; rc == TQ_OK && i < count; i++) {
        uint32_t own = wanted(these[i], count) <= 0 ? changed[row++] : 0;
        results[i] = result_of(these[i], count, own, errs[i]);
    }
    return rc ? rc : count > 1 ? group_status : TQ_OK;
}

/* The same under another address. */
static int add_others(tq_tx *tx, void *const args[], size_t count, int results[],
                      struct tq_error *const errs[])
{
    int rc = add_each(tx, args, count, results, errs);
    return rc;
}

static int add_one(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int result = TQ_OK;
    int rc = add_each(tx, &arg, 1, &result, &failure);
    return rc ? rc : result;
}

static void call(void *arg, size_t n)
{
    struct caller *caller = (struct caller *)arg + n;
    caller->status = caller->each ? tq_ledger_run_each(store, caller->each, caller, &caller->err)
                                  : tq_ledger_run(store, add_one, caller, &caller->err);
}

static void run_batch(struct fault fault)
{
    fault_batch_run(store, BATCH, call, callers, fault);
}

static const struct fault no_fault = {0};

static void check(size_t n, int status)
{
    const struct caller *caller = &callers[n];
    ck_assert_msg(caller->status == status, "caller %zu: %s (%s)", n,
                  tq_status_name(caller->status), caller->err.message);
    ck_assert_int_eq(caller->err.status, (status < 0 ? status : 0));
}

static void check_all_but(size_t bad, int status)
{
    for (size_t i = 0; i < BATCH; i++) {
        if (i != bad) {
            check(i, status);
        }
    }
}
#define check_all(status) check_all_but(BATCH, (status))

static void check_calls(const size_t *expected, size_t count)
{
    ck_assert_uint_eq(calls_count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(calls[i], expected[i]);
    }
}

static void check_group_then_each(void)
{
    ck_assert_uint_eq(calls_count, 1 + BATCH);
    ck_assert_uint_eq(calls[0], BATCH);
    for (size_t i = 1; i < calls_count; i++) {
        ck_assert_uint_eq(calls[i], 1);
    }
}

/* ---- groups ---- */

START_TEST(requests_of_one_body__are_one_call)
{
    static const size_t expected[] = {BATCH};
    setup();
    callers[5].result = TQ_TAKEN;
    run_batch(no_fault);
    check_all_but(5, TQ_OK);
    check(5, TQ_TAKEN);
    check_calls(expected, 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_BEGIN], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_EXEC], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_SAVEPOINT], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_RELEASE], 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
    teardown();
}
END_TEST

START_TEST(a_lone_request__is_a_call_for_one_without_savepoint)
{
    static const size_t expected[] = {1};
    setup();
    fault_plan_set(FAULT_NONE, 0, 0);
    call(callers, 0);
    check(0, TQ_OK);
    check_calls(expected, 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_SAVEPOINT], 0);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    callers[1].result = TQ_E_LIMIT;
    call(callers, 1);
    check(1, TQ_E_LIMIT);
    ck_assert_str_eq(callers[1].err.message, "caller 2");
    ck_assert_int_eq(fault_batch_rows(store), 1);
    teardown();
}
END_TEST

START_TEST(each_body__has_its_own_group_in_one_transaction)
{
    size_t sizes[3] = {0};
    setup();
    for (size_t i = 0; i < BATCH; i++) {
        callers[i].each = i < 4 ? NULL : i % 2 ? add_each : add_others;
    }
    run_batch(no_fault);
    check_all(TQ_OK);
    ck_assert_uint_eq(calls_count, 4 + 2);
    for (size_t i = 0; i < calls_count; i++) {
        sizes[calls[i] == 1 ? 0 : calls[i] == (BATCH - 4) / 2 ? 1 : 2]++;
    }
    ck_assert_uint_eq(sizes[0], 4);
    ck_assert_uint_eq(sizes[1], 2);
    ck_assert_int_eq(fault_plan.calls[FAULT_SAVEPOINT], 4 + 2);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
}
END_TEST

/* ---- failures in a group ---- */

START_TEST(one_bad_of_many__fails_alone)
{
    static const size_t expected[] = {BATCH, BATCH - 1, 1};
    setup();
    callers[3].result = TQ_E_LIMIT;
    run_batch(no_fault);
    check_all_but(3, TQ_OK);
    check(3, TQ_E_LIMIT);
    ck_assert_str_eq(callers[3].err.origin, "test");
    ck_assert_str_eq(callers[3].err.message, "caller 4");
    check_calls(expected, 3);
    ck_assert_int_eq(callers[3].runs, 2);
    ck_assert_int_eq(callers[4].runs, 2);
    ck_assert_int_eq(fault_plan.calls[FAULT_ROLLBACK_TO], 2);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
    teardown();
}
END_TEST

START_TEST(several_bad__each_get_their_own_record)
{
    setup();
    for (size_t i = 0; i < BATCH; i += 3) {
        callers[i].result = i % 2 ? TQ_E_LIMIT : TQ_E_UNSUPPORTED;
    }
    run_batch(no_fault);
    for (size_t i = 0; i < BATCH; i++) {
        char message[32];
        snprintf(message, sizeof message, "caller %zu", i + 1);
        check(i, callers[i].result);
        ck_assert_str_eq(callers[i].err.message, i % 3 ? "" : message);
    }
    ck_assert_int_eq(fault_batch_rows(store), BATCH - (BATCH + 2) / 3);
    teardown();
}
END_TEST

START_TEST(a_failure__counts_only_when_no_other_work_was_there)
{
    setup();
    /* 8 and 9 want one row; whoever comes first would have it, but 8 fails in the end. */
    callers[8].id = callers[9].id;
    callers[8].result = TQ_E_UNSUPPORTED;
    callers[20].result = TQ_E_LIMIT;
    callers[20].is_fine_alone = 1;
    run_batch(no_fault);
    check_all_but(8, TQ_OK);
    check(8, TQ_E_UNSUPPORTED);
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
    teardown();
}
END_TEST

START_TEST(a_body_that_fails_for_several__runs_for_each_alone)
{
    setup();
    group_status = TQ_E_INTERNAL;
    callers[7].result = TQ_E_LIMIT;
    run_batch(no_fault);
    check_all_but(7, TQ_OK);
    check(7, TQ_E_LIMIT);
    check_group_then_each();
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
    teardown();
}
END_TEST

/* Fails for any number but one, however few they are. */
static int never_twice(tq_tx *tx, void *const args[], size_t count, int results[],
                       struct tq_error *const errs[])
{
    int rc = add_each(tx, args, count, results, errs);
    if (count > 1) {
        results[0] = TQ_E_LIMIT;
    }
    return rc;
}

START_TEST(a_group_that_fails_twice__runs_for_each_alone)
{
    setup();
    for (size_t i = 0; i < BATCH; i++) {
        callers[i].each = never_twice;
    }
    run_batch(no_fault);
    check_all(TQ_OK);
    ck_assert_uint_eq(calls_count, 2 + BATCH);
    ck_assert_uint_eq(calls[0], BATCH);
    ck_assert_uint_eq(calls[1], BATCH - 1);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 1);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
}
END_TEST

START_TEST(a_forgotten_failure__fails_the_group)
{
    setup();
    extra = "nonsense";
    run_batch(no_fault);
    check_all(TQ_OK);
    check_group_then_each();
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
}
END_TEST

START_TEST(a_group_that_wants_nothing__does_not_commit)
{
    setup();
    for (size_t i = 0; i < BATCH; i++) {
        callers[i].result = TQ_E_LIMIT;
    }
    run_batch(no_fault);
    check_all(TQ_E_LIMIT);
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], 0);
    ck_assert_int_eq(fault_batch_rows(store), 0);
    teardown();
}
END_TEST

/* ---- failures of the transaction ---- */

START_TEST(a_broken_transaction__is_split)
{
    static const unsigned slots[] = {1u << FAULT_SAVEPOINT, 1u << FAULT_EXEC, 1u << FAULT_RELEASE};
    static const int kinds[] = {FAULT_CRASH, FAULT_AFTER};
    for (int i = 0; i < 6; i++) {
        setup();
        callers[2].result = TQ_E_LIMIT;
        run_batch((struct fault){kinds[i % 2], slots[i / 2], 1, 0});
        check_all_but(2, TQ_OK);
        check(2, TQ_E_LIMIT);
        ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], BATCH - 1);
        ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
        teardown();
    }
}
END_TEST

START_TEST(a_group_that_cannot_be_undone__is_split)
{
    static const int kinds[] = {FAULT_BEFORE, FAULT_CRASH, FAULT_AFTER};
    for (int i = 0; i < 3; i++) {
        for (long at = 1; at <= 2; at++) {
            setup();
            callers[2].result = TQ_E_LIMIT;
            run_batch((struct fault){kinds[i], 1u << FAULT_ROLLBACK_TO, at, 0});
            check_all_but(2, TQ_OK);
            check(2, TQ_E_LIMIT);
            ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
            teardown();
        }
    }
}
END_TEST

START_TEST(a_statement_that_wants_a_retry__gets_one)
{
    setup();
    run_batch((struct fault){FAULT_BEFORE, 1u << FAULT_EXEC, 1, TQ_E_BUSY});
    check_all(TQ_OK);
    check_group_then_each();
    ck_assert_int_eq(fault_plan.calls[FAULT_COMMIT], BATCH);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
}
END_TEST

START_TEST(a_deferred_constraint__fails_its_own_caller)
{
    setup();
    callers[5].parent = 1000;
    run_batch(no_fault);
    check_all_but(5, TQ_OK);
    check(5, TQ_E_INVALID);
    check_group_then_each();
    ck_assert_int_eq(fault_batch_rows(store), BATCH - 1);
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
        ck_assert_uint_eq(calls_count, 1 + (size_t)i);
        ck_assert_int_eq(fault_batch_rows(store), BATCH);
        teardown();
    }
}
END_TEST

/* Who was refused may have been for the sake of somebody whose work is gone. */
START_TEST(a_failed_commit__reaches_everybody)
{
    setup();
    callers[1].result = TQ_E_LIMIT;
    run_batch((struct fault){FAULT_BEFORE, 1u << FAULT_COMMIT, 1, 0});
    check_all(TQ_E_UNAVAILABLE);
    ck_assert_str_eq(callers[1].err.origin, "fault");
    ck_assert_int_eq(fault_batch_rows(store), 0);
    teardown();
}
END_TEST

START_TEST(a_lost_commit__is_unknown_to_all_whether_applied_or_not)
{
    setup();
    run_batch((struct fault){FAULT_AFTER, 1u << FAULT_COMMIT, 1, 0});
    check_all(TQ_E_UNKNOWN);
    ck_assert_int_eq(callers[BATCH - 1].err.flags, TQ_ERROR_MAYBE_APPLIED);
    ck_assert_int_eq(fault_batch_rows(store), BATCH);
    teardown();
    setup();
    run_batch((struct fault){FAULT_CRASH, 1u << FAULT_COMMIT, 1, 0});
    check_all(TQ_E_UNKNOWN);
    ck_assert_int_eq(fault_batch_rows(store), 0);
    teardown();
}
END_TEST

/* What it came to first was given up with the transaction; then its own commit is lost. */
START_TEST(the_result_of_an_earlier_run__is_forgotten)
{
    static const int results[] = {TQ_TAKEN, TQ_E_LIMIT};
    static const unsigned slots[] = {1u << FAULT_RELEASE, 1u << FAULT_ROLLBACK_TO};
    for (int i = 0; i < 2; i++) {
        setup();
        callers[6].result = results[i];
        callers[6].is_fine_alone = 1;
        callers[6].loses_commit = 1;
        run_batch((struct fault){FAULT_CRASH, slots[i], 1, 0});
        check_all_but(6, TQ_OK);
        check(6, TQ_E_UNKNOWN);
        ck_assert_str_eq(callers[6].err.origin, "fault");
        ck_assert_int_eq(callers[6].runs, 2);
        ck_assert_int_eq(fault_batch_rows(store), BATCH);
        teardown();
    }
}
END_TEST

UNIT_MAIN("store.merge_each", requests_of_one_body__are_one_call,
          a_lone_request__is_a_call_for_one_without_savepoint,
          each_body__has_its_own_group_in_one_transaction, one_bad_of_many__fails_alone,
          several_bad__each_get_their_own_record,
          a_failure__counts_only_when_no_other_work_was_there,
          a_body_that_fails_for_several__runs_for_each_alone,
          a_group_that_fails_twice__runs_for_each_alone, a_forgotten_failure__fails_the_group,
          a_group_that_wants_nothing__does_not_commit, a_broken_transaction__is_split,
          a_group_that_cannot_be_undone__is_split, a_statement_that_wants_a_retry__gets_one,
          a_deferred_constraint__fails_its_own_caller, a_busy_begin_or_commit__is_tried_again,
          a_failed_commit__reaches_everybody,
          a_lost_commit__is_unknown_to_all_whether_applied_or_not,
          the_result_of_an_earlier_run__is_forgotten)
