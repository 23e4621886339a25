/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/conn.c on a server: what is told of a connection that is lost at
 * each moment, what is waited for and how long, and what asks for another attempt.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/ask.h"
#include "lib/postgres_schema.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;
static tq_store *store;

static void setup(const char *options, uint32_t busy_timeout_ms)
{
    static const struct tq_migration step = {
        sizeof step, "t", 1, 0,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT NOT NULL);"
        "INSERT INTO t (id, n) VALUES (1, 0), (2, 0)"};
    postgres_place_open(&place, options);
    store = postgres_place_store(&place, busy_timeout_ms);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
}

static void teardown(void)
{
    tq_store_close(store);
    postgres_place_close(&place);
}

static int count_up(tq_tx *tx, int64_t id, struct tq_error *failure)
{
    const struct tq_value param = tq_int(id);
    return tq_tx_exec(tx, "UPDATE t SET n = n + 1 WHERE id = $1", &param, 1, NULL, NULL, failure);
}

static int64_t sum(void)
{
    return ask_number(store, "SELECT SUM(n) FROM t", NULL);
}

/* Ends every session of the store's. */
static void end_sessions(void)
{
    char sql[256];
    PGconn *pg = postgres_place_connect(&place);
    snprintf(sql, sizeof sql,
             "SELECT COUNT(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
             " WHERE usename = '%s'",
             place.name);
    postgres_run(pg, sql, NULL, 0);
    PQfinish(pg);
}

/* ---- servers that take no writes ---- */

/* Nobody waits for its answer: it comes with the commit's. */
static int write_late(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value id = tq_int(1);
    (void)arg;
    return tq_tx_write(tx, "UPDATE t SET n = n + 1 WHERE id = $1", &id, 1, 1, NULL, failure);
}

static int write_in_a_read(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return count_up(tx, 1, failure);
}

/* As whoever runs a server does it whose disk is nearly full. */
static void take_writes(const char *setting)
{
    char sql[256];
    PGconn *pg = postgres_connect(getenv("TICKETQ_TEST_POSTGRES"));
    snprintf(sql, sizeof sql, "ALTER ROLE %s SET default_transaction_read_only = %s", place.name,
             setting);
    postgres_run(pg, sql, NULL, 0);
    PQfinish(pg);
}

START_TEST(a_server_that_takes_no_writes__is_not_there)
{
    setup("wait_ms=0&", 0);
    take_writes("on");
    end_sessions();
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "read-only"));
    ck_assert_int_eq(sum(), 0);
    take_writes("off");
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_OK);
    ck_assert_int_eq(sum(), 1);
    teardown();
}
END_TEST

/* Ends the transaction with the session's next ones being such that write nothing. */
static int end_writing(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return tq_tx_exec(tx, "SELECT set_config('default_transaction_read_only', 'on', false)", NULL,
                      0, NULL, NULL, failure);
}

START_TEST(a_session_that_takes_no_more_writes__is_no_fault_of_theirs)
{
    setup("", 0);
    assert_status(tq_ledger_run(store, write_late, NULL, &err), TQ_OK);
    assert_status(tq_ledger_run(store, end_writing, NULL, &err), TQ_OK);
    assert_status(tq_ledger_run(store, write_late, NULL, &err), TQ_E_UNAVAILABLE);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_E_UNAVAILABLE);
    assert_status(tq_ledger_read(store, write_in_a_read, NULL, &err), TQ_E_INVALID);
    ck_assert_int_eq(sum(), 1);
    end_sessions();
    assert_status(tq_ledger_run(store, write_late, NULL, &err), TQ_OK);
    ck_assert_int_eq(sum(), 2);
    teardown();
}
END_TEST

/* ---- lost connections ---- */

START_TEST(a_connection_lost_between_transactions__is_replaced)
{
    setup("", 0);
    for (int i = 0; i < 3; i++) {
        end_sessions();
        assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_OK);
        ck_assert_int_eq(sum(), i + 1);
    }
    teardown();
}
END_TEST

static int lose_before_a_statement(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    assert_status(count_up(tx, 1, failure), TQ_OK);
    end_sessions();
    return count_up(tx, 1, failure);
}

static int lose_before_the_commit(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    assert_status(count_up(tx, 1, failure), TQ_OK);
    end_sessions();
    return TQ_OK;
}

START_TEST(a_connection_lost_before_the_commit__is_not_applied)
{
    setup("", 0);
    assert_status(tq_ledger_run(store, lose_before_a_statement, NULL, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(sum(), 0);
    assert_status(tq_ledger_run(store, lose_before_the_commit, NULL, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(sum(), 0);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_OK);
    ck_assert_int_eq(sum(), 1);
    teardown();
}
END_TEST

START_TEST(a_connection_lost_in_the_commit__is_unknown)
{
    setup("", 0);
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg,
                 "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
                 " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';"
                 "CREATE CONSTRAINT TRIGGER dies AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED"
                 " FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION die()",
                 NULL, 0);
    PQfinish(pg);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 2", &err), TQ_E_UNKNOWN);
    ck_assert_int_eq(sum(), 0);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_OK);
    teardown();
}
END_TEST

/* ---- limits on waiting ---- */

START_TEST(a_lock__is_waited_for_as_long_as_said)
{
    setup("", 200);
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg, "BEGIN; UPDATE t SET n = 5 WHERE id = 1", NULL, 0);
    int64_t begun_ms = tq_system_now_ms(NULL);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_E_BUSY);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 60000);
    postgres_run(pg, "ROLLBACK", NULL, 0);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_OK);
    PQfinish(pg);
    teardown();
}
END_TEST

START_TEST(a_statement_that_takes_too_long__is_not_applied)
{
    setup("timeout_ms=3000&", 0); /* enough for what is quick */
    assert_status(exec_on(store, "SELECT pg_sleep(20)", &err), TQ_E_UNAVAILABLE);
    assert_status(exec_on(store, "UPDATE t SET n = n + 1 WHERE id = 1", &err), TQ_OK);
    teardown();
}
END_TEST

/* Goes on when the server has ended all that was open. */
static int be_idle(tq_tx *tx, void *arg, struct tq_error *failure)
{
    char sql[256], open[16] = "";
    (void)arg;
    int status = count_up(tx, 1, failure);
    if (status < 0) {
        return status;
    }
    PGconn *pg = postgres_place_connect(&place);
    snprintf(
        sql, sizeof sql,
        "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '%s' AND xact_start IS NOT NULL",
        place.name);
    while (strcmp(open, "0") != 0) {
        postgres_run(pg, sql, open, sizeof open);
    }
    PQfinish(pg);
    return count_up(tx, 1, failure);
}

START_TEST(a_body_that_is_silent_for_too_long__is_given_up)
{
    setup("idle_ms=2000&", 0);
    assert_status(tq_ledger_run(store, be_idle, NULL, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(sum(), 0);
    teardown();
}
END_TEST

/* ---- attempts ---- */

/* Two transactions that take two rows in opposite orders, and wait for each other between. */
struct taker {
    int64_t first, second;
    int runs, status;
};

static pthread_barrier_t both;

static int take_two(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct taker *taker = arg;
    int status = count_up(tx, taker->first, failure);
    if (taker->runs++ == 0) {
        pthread_barrier_wait(&both);
    }
    return status < 0 ? status : count_up(tx, taker->second, failure);
}

static void *be_a_taker(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    struct taker *taker = arg;
    tq_store *mine = postgres_place_store(&place, 0);
    taker->status = tq_ledger_run(mine, take_two, taker, &own);
    tq_store_close(mine);
    return NULL;
}

START_TEST(a_deadlock__is_run_again)
{
    struct taker takers[2] = {{.first = 1, .second = 2}, {.first = 2, .second = 1}};
    pthread_t threads[2];
    setup("", 20000);
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_taker, &takers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(takers[i].status, TQ_OK);
    }
    pthread_barrier_destroy(&both);
    ck_assert_int_ge(takers[0].runs + takers[1].runs, 3);
    ck_assert_int_eq(sum(), 4);
    teardown();
}
END_TEST

/* A function that raises the state in its first calls, and counts them. */
static void make_stumble(const char *state, int calls)
{
    char sql[512];
    PGconn *pg = postgres_place_connect(&place);
    snprintf(sql, sizeof sql,
             "CREATE SEQUENCE tries; GRANT USAGE, SELECT ON tries TO PUBLIC;"
             "CREATE FUNCTION stumble() RETURNS BIGINT LANGUAGE plpgsql AS 'BEGIN"
             " IF nextval(''tries'') <= %d THEN RAISE EXCEPTION USING ERRCODE = ''%s'';"
             " END IF; RETURN 1; END'",
             calls, state);
    postgres_run(pg, sql, NULL, 0);
    PQfinish(pg);
}

static const char stumbling[] = "UPDATE t SET n = n + stumble() WHERE id = 1";
static const char *const passing_states[] = {"40001", "40P01"};

START_TEST(what_passes__is_run_again)
{
    for (int i = 0; i < 2; i++) {
        setup("", 0);
        make_stumble(passing_states[i], 2);
        assert_status(exec_on(store, stumbling, &err), TQ_OK);
        ck_assert_int_eq(sum(), 1);
        ck_assert_int_eq(ask_number(store, "SELECT last_value FROM tries", NULL), 3);
        teardown();
    }
}
END_TEST

START_TEST(what_never_passes__is_given_up_when_the_time_is_over)
{
    for (int i = 0; i < 2; i++) {
        setup("", 500);
        make_stumble(passing_states[i], 1000000);
        assert_status(exec_on(store, stumbling, &err), TQ_E_BUSY);
        int64_t tries = ask_number(store, "SELECT last_value FROM tries", NULL);
        ck_assert_int_gt(tries, 1);
        ck_assert_int_le(tries, 501); /* after each a pause of a millisecond, at least */
        ck_assert_int_eq(sum(), 0);
        teardown();
    }
}
END_TEST

/* ---- the clock ---- */

START_TEST(time__is_the_servers)
{
    int64_t now_ms = 0;
    setup("", 0);
    int64_t least =
        ask_number(store, "SELECT CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)", NULL);
    assert_status(tq_store_now(store, &now_ms, &err), TQ_OK);
    ck_assert_int_ge(now_ms, least - 1);
    int64_t most =
        ask_number(store, "SELECT CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)", NULL);
    ck_assert_int_le(now_ms, most + 1);
    teardown();
}
END_TEST

POSTGRES_MAIN("store.postgres.conn", a_server_that_takes_no_writes__is_not_there,
              a_session_that_takes_no_more_writes__is_no_fault_of_theirs,
              a_connection_lost_between_transactions__is_replaced,
              a_connection_lost_before_the_commit__is_not_applied,
              a_connection_lost_in_the_commit__is_unknown, a_lock__is_waited_for_as_long_as_said,
              a_statement_that_takes_too_long__is_not_applied,
              a_body_that_is_silent_for_too_long__is_given_up, a_deadlock__is_run_again,
              what_passes__is_run_again, what_never_passes__is_given_up_when_the_time_is_over,
              time__is_the_servers)
