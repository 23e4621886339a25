/* SPDX-License-Identifier: MIT */
/*
 * tq_ledger_run(), tq_ledger_run_each() and tq_ledger_read(): what is committed, what is
 * undone, what readers see, and that merged requests succeed or fail each for itself.
 */
#include <ticketq/ledger.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/ask.h"
#include "conform/fixtures.h"
#include "core/error.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_store *store;

static void setup(void)
{
    static const struct tq_migration step = {
        sizeof step, "t", 1, 0,
        "CREATE TABLE parent (id BIGINT PRIMARY KEY);"
        "CREATE TABLE t (id BIGINT PRIMARY KEY, who BIGINT,"
        " parent BIGINT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"};
    world_open(&world);
    store = world_store(&world);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
}

static void teardown(void)
{
    tq_store_close(store);
    world_close(&world);
}

static int64_t rows_of(tq_store *where)
{
    return ask_number(where, "SELECT count(*) FROM t", NULL);
}

/* Adds a row and gives a result. */
struct request {
    int64_t id;
    int64_t who;
    const char *parent; /* SQL of the parent's id */
    int result;
};

static int add(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct request *request = arg;
    const struct tq_value row[] = {tq_int(request->id), tq_int(request->who)};
    int rc = tq_tx_exec(tx,
                        request->parent ? "INSERT INTO t (id, who, parent) VALUES ($1, $2, 77)"
                                        : "INSERT INTO t (id, who) VALUES ($1, $2)",
                        row, 2, NULL, NULL, failure);
    return rc ? rc : request->result;
}

START_TEST(results__decide_between_commit_and_undo)
{
    struct request request = {1, 0, NULL, TQ_OK};
    setup();
    assert_status(tq_ledger_run(store, add, &request, &err), TQ_OK);
    request = (struct request){2, 0, NULL, TQ_REFUSED};
    assert_status(tq_ledger_run(store, add, &request, &err), TQ_REFUSED);
    ck_assert_int_eq(rows_of(store), 2);
    request = (struct request){3, 0, NULL, TQ_E_LIMIT};
    assert_status(tq_ledger_run(store, add, &request, &err), TQ_E_LIMIT);
    ck_assert_int_eq(rows_of(store), 2);
    request = (struct request){2, 0, NULL, TQ_OK};
    assert_status(tq_ledger_run(store, add, &request, &err), TQ_REPEAT);
    ck_assert_int_eq(rows_of(store), 2);
    teardown();
}
END_TEST

static int forget_failure(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct request request = {5, 0, NULL, TQ_OK};
    (void)arg;
    ck_assert_int_eq(add(tx, &request, failure), TQ_OK);
    ck_assert_int_lt(tq_tx_exec(tx, "nonsense", NULL, 0, NULL, NULL, NULL), 0);
    return TQ_OK;
}

START_TEST(a_forgotten_failure__is_not_committed)
{
    setup();
    assert_status(tq_ledger_run(store, forget_failure, NULL, &err), TQ_E_INVALID);
    ck_assert_int_eq(err.status, TQ_E_INVALID);
    ck_assert_int_eq(rows_of(store), 0);
    teardown();
}
END_TEST

START_TEST(a_deferred_constraint__stops_the_commit)
{
    struct request request = {1, 0, "77", TQ_OK};
    setup();
    assert_status(tq_ledger_run(store, add, &request, &err), TQ_E_INVALID);
    ck_assert_int_eq(rows_of(store), 0);
    teardown();
}
END_TEST

START_TEST(writes__are_refused_to_readers)
{
    struct request request = {1, 0, NULL, TQ_OK};
    setup();
    assert_status(tq_ledger_read(store, add, &request, &err), TQ_E_INVALID);
    ck_assert_int_eq(rows_of(store), 0);
    assert_status(tq_ledger_run(store, add, &request, &err), TQ_OK);
    teardown();
}
END_TEST

static int look_at_clock(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)failure;
    int64_t first = tq_tx_now_ms(tx);
    world.test.now_ms += 1000;
    ck_assert_int_eq(tq_tx_now_ms(tx), first);
    ck_assert_ptr_nonnull(tq_tx_env(tx)->alloc);
    *(int64_t *)arg = first;
    return TQ_OK;
}

START_TEST(time__stands_still_within_a_transaction)
{
    int64_t first = 0, second = 0;
    setup();
    assert_status(tq_ledger_run(store, look_at_clock, &first, &err), TQ_OK);
    assert_status(tq_ledger_read(store, look_at_clock, &second, &err), TQ_OK);
    ck_assert_int_ge(second, first);
    teardown();
}
END_TEST

/* ---- snapshots ---- */

static void *write_one(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    return (void *)(intptr_t)tq_ledger_run(store, add, arg, &own);
}

static int read_beside_a_writer(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct request request = {1, 0, NULL, TQ_OK};
    pthread_t writer;
    void *result;
    (void)arg;
    (void)failure;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_one, &request), 0);
    pthread_join(writer, &result);
    ck_assert_int_eq((intptr_t)result, TQ_OK);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t"), 0);
    return TQ_OK;
}

START_TEST(readers__see_the_moment_they_began)
{
    setup();
    if (!strstr(world.url, ":memory:")) {
        assert_status(tq_ledger_read(store, read_beside_a_writer, NULL, &err), TQ_OK);
        ck_assert_int_eq(rows_of(store), 1);
    }
    teardown();
}
END_TEST

/* ---- many at once ---- */

#define THREADS 64
#define ROUNDS 20

/* What request n of a thread does, and what must become of it. */
static struct request request_of(int64_t who, int64_t round)
{
    struct request request = {who * ROUNDS + round, who, NULL, TQ_OK};
    if (round % 4 == 1) {
        request.result = TQ_E_LIMIT - (int)(who % 2);
    } else if (round % 4 == 2) {
        request.result = TQ_REFUSED;
    } else if (round % 10 == 3) {
        request.parent = "77";
    }
    return request;
}

static void *write_many(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    int64_t who = (intptr_t)arg;
    intptr_t wrong = 0;
    for (int64_t round = 0; round < ROUNDS; round++) {
        struct request request = request_of(who, round);
        int rc = tq_ledger_run(store, add, &request, &own);
        int expected = request.parent ? TQ_E_INVALID : request.result;
        wrong += rc != expected;
        wrong += rc == TQ_E_INVALID && own.status != TQ_E_INVALID;
    }
    return (void *)wrong;
}

static int64_t wrong_rows(void)
{
    return ask_number(
        store, "SELECT count(*) FROM t WHERE (id - who * 20) % 4 = 1 OR parent IS NOT NULL", NULL);
}

START_TEST(merged_requests__succeed_or_fail_each_for_itself)
{
    pthread_t threads[THREADS];
    int64_t kept = 0;
    setup();
    for (intptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_int_eq((intptr_t)wrong, 0);
    }
    for (int64_t round = 0; round < ROUNDS; round++) {
        struct request request = request_of(0, round);
        kept += request.result >= 0 && !request.parent;
    }
    ck_assert_int_eq(rows_of(store), kept * THREADS);
    ck_assert_int_eq(wrong_rows(), 0);
    teardown();
}
END_TEST

/* ---- many at once with one body for all ---- */

/* Adds rows with few statements; refuses without a trace, and fails what has to be undone. */
static int add_each(tq_tx *tx, void *const args[], size_t requests_count, int results[],
                    struct tq_error *const errs[])
{
    struct tq_value rows[TQ_EACH_MAX][2];
    uint32_t changed[TQ_EACH_MAX];
    size_t made = 0;
    for (size_t i = 0; i < requests_count; i++) {
        const struct request *request = args[i];
        results[i] = request->result;
        if (request->result <= 0) {
            rows[made][0] = tq_int(request->id);
            rows[made++][1] = tq_int(request->who);
        }
    }
    int rc =
        made ? tq_tx_exec_many(tx, "INSERT INTO t (id, who) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                               rows[0], 2, made, changed, errs[0])
             : TQ_OK;
    for (size_t i = 0, row = 0; rc == TQ_OK && i < requests_count; i++) {
        const struct request *request = args[i];
        if (request->result <= 0 && !changed[row++] && results[i] == TQ_OK) {
            results[i] = TQ_REPEAT;
        }
        if (results[i] < 0) {
            tq__fail(errs[i], results[i], "test", "row %lld", (long long)request->id);
        }
    }
    return rc;
}

START_TEST(a_body_for_many__is_given_one_alone)
{
    struct request request = {1, 0, NULL, TQ_OK};
    setup();
    assert_status(tq_ledger_run_each(store, add_each, &request, &err), TQ_OK);
    assert_status(tq_ledger_run_each(store, add_each, &request, &err), TQ_REPEAT);
    request = (struct request){2, 0, NULL, TQ_REFUSED};
    assert_status(tq_ledger_run_each(store, add_each, &request, &err), TQ_REFUSED);
    request = (struct request){3, 0, NULL, TQ_E_LIMIT};
    assert_status(tq_ledger_run_each(store, add_each, &request, &err), TQ_E_LIMIT);
    ck_assert_str_eq(err.message, "row 3");
    ck_assert_int_eq(rows_of(store), 1);
    assert_status(tq_ledger_run_each(store, NULL, &request, &err), TQ_E_INVALID);
    teardown();
}
END_TEST

static void *write_many_each(void *arg)
{
    int64_t who = (intptr_t)arg;
    intptr_t wrong = 0;
    for (int64_t round = 0; round < ROUNDS; round++) {
        struct tq_error own = TQ_ERROR_INIT;
        struct request request = request_of(who, round);
        char message[32];
        int rc = who % 8 ? tq_ledger_run_each(store, add_each, &request, &own)
                         : tq_ledger_run(store, add, &request, &own);
        int expected = request.parent && who % 8 == 0 ? TQ_E_INVALID : request.result;
        snprintf(message, sizeof message, "row %lld", (long long)request.id);
        wrong += rc != expected;
        wrong += rc < 0 && who % 8 && (own.status != rc || strcmp(own.message, message) != 0);
    }
    return (void *)wrong;
}

START_TEST(requests_of_a_body_for_many__succeed_or_fail_each_for_itself)
{
    pthread_t threads[THREADS];
    int64_t kept = 0;
    setup();
    for (intptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many_each, (void *)i), 0);
    }
    for (int64_t i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_int_eq((intptr_t)wrong, 0);
        for (int64_t round = 0; round < ROUNDS; round++) {
            struct request request = request_of(i, round);
            kept += i % 8 ? request.result == TQ_OK : request.result >= 0 && !request.parent;
        }
    }
    ck_assert_int_eq(rows_of(store), kept);
    ck_assert_int_eq(wrong_rows(), 0);
    teardown();
}
END_TEST

/* ---- several stores on one database ---- */

static void *write_through_own_store(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    tq_store *mine = NULL;
    int64_t who = (intptr_t)arg;
    int rc = tq_store_open(&world.env, TQ_ARGS(tq_store_options, .url = world.url), &mine, &own);
    for (int64_t round = 0; round < ROUNDS && rc == TQ_OK; round++) {
        struct request request = {who * ROUNDS + round, who, NULL, TQ_OK};
        rc = tq_ledger_run(mine, add, &request, &own);
    }
    tq_store_close(mine);
    return (void *)(intptr_t)rc;
}

START_TEST(several_stores__take_turns)
{
    pthread_t threads[4];
    setup();
    if (!strstr(world.url, ":memory:")) {
        for (intptr_t i = 0; i < 4; i++) {
            ck_assert_int_eq(pthread_create(&threads[i], NULL, write_through_own_store, (void *)i),
                             0);
        }
        for (int i = 0; i < 4; i++) {
            void *result;
            pthread_join(threads[i], &result);
            ck_assert_int_eq((intptr_t)result, TQ_OK);
        }
        ck_assert_int_eq(rows_of(store), 4 * ROUNDS);
    }
    teardown();
}
END_TEST

CONFORM_MAIN("ledger.run", results__decide_between_commit_and_undo,
             a_forgotten_failure__is_not_committed, a_deferred_constraint__stops_the_commit,
             writes__are_refused_to_readers, time__stands_still_within_a_transaction,
             readers__see_the_moment_they_began, merged_requests__succeed_or_fail_each_for_itself,
             a_body_for_many__is_given_one_alone,
             requests_of_a_body_for_many__succeed_or_fail_each_for_itself,
             several_stores__take_turns)
