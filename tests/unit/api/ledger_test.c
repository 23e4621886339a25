/* SPDX-License-Identifier: MIT */
/*
 * ledger.h.
 */
#include <sqlite3.h>

#include <ticketq/ledger.h>

#include "lib/ask.h"
#include "api/api.h"

static struct test_env test;
static struct tq_env env;
static tq_store *store;

static const struct tq_migration table = {
    .size = sizeof table, .scope = "api", .version = 1, .sql = "CREATE TABLE t (a BIGINT)"};

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err),
        TQ_OK);
    assert_status(tq_ledger_migrate(store, &table, 1, &err), TQ_OK);
}

static int count_rows(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx, "SELECT count(*) FROM t", NULL, 0, ask_take, arg, failure);
}

/* Nothing is in the table. */
static void teardown(void)
{
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM t", NULL), 0);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int run_none(tq_tx *tx, void *const args[], size_t count, int results[],
                    struct tq_error *const errs[])
{
    (void)tx, (void)args, (void)count, (void)results, (void)errs;
    ck_abort_msg("a body ran");
    return TQ_OK;
}

START_TEST(nothing__is_no_argument)
{
    tq_tx *tx = NULL;
    setup();
    REFUSED(tq_ledger_run(NULL, count_rows, NULL, &err), TQ_E_INVALID, "store");
    REFUSED(tq_ledger_run(store, NULL, NULL, &err), TQ_E_INVALID, "fn");
    REFUSED(tq_ledger_run_each(NULL, run_none, NULL, &err), TQ_E_INVALID, "store");
    REFUSED(tq_ledger_run_each(store, NULL, NULL, &err), TQ_E_INVALID, "fn");
    REFUSED(tq_ledger_read(NULL, count_rows, NULL, &err), TQ_E_INVALID, "store");
    REFUSED(tq_ledger_read(store, NULL, NULL, &err), TQ_E_INVALID, "fn");
    REFUSED(tq_ledger_migrate(NULL, &table, 1, &err), TQ_E_INVALID, "store");
    REFUSED(tq_ledger_migrate(store, NULL, 1, &err), TQ_E_INVALID, "migrations");
    REFUSED(tq_tx_adopt(NULL, &tx, &tx, &err), TQ_E_INVALID, "store");
    REFUSED(tq_tx_adopt(store, NULL, &tx, &err), TQ_E_INVALID, "native");
    REFUSED(tq_tx_adopt(store, &tx, NULL, &err), TQ_E_INVALID, "out_tx");
    ck_assert(!tx);
    GIVES(tq_tx_changed(NULL), 0);
    GIVES(tq_tx_now_ms(NULL), 0);
    GIVES(tq_tx_env(NULL), NULL);
    IGNORED(tq_tx_disown(NULL));
    teardown();
}
END_TEST

/* Refused before the engine is asked, so that the transaction goes on. */
static int refuse_statements(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static const char insert[] = "INSERT INTO t (a) VALUES ($1)";
    const struct tq_value one = tq_int(1);
    uint32_t changed = 77;
    (void)failure;
    REFUSED(tq_tx_exec(NULL, insert, &one, 1, NULL, NULL, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_tx_exec(tx, NULL, &one, 1, NULL, NULL, &err), TQ_E_INVALID, "sql");
    REFUSED(tq_tx_exec(tx, insert, NULL, 1, NULL, NULL, &err), TQ_E_INVALID, "params");
    REFUSED(tq_tx_exec_many(NULL, insert, &one, 1, 1, &changed, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_tx_exec_many(tx, NULL, &one, 1, 1, &changed, &err), TQ_E_INVALID, "sql");
    REFUSED(tq_tx_exec_many(tx, insert, NULL, 1, 1, &changed, &err), TQ_E_INVALID, "params");
    REFUSED(tq_tx_exec_many(tx, insert, &one, 1, 0, &changed, &err), TQ_E_LIMIT, "rows_count");
    REFUSED(tq_tx_exec_many(tx, insert, &one, 1, TQ_BATCH_MAX + 1, &changed, &err), TQ_E_LIMIT,
            "rows_count");
    REFUSED(tq_tx_exec_many(tx, insert, &one, 1, SIZE_MAX, &changed, &err), TQ_E_LIMIT,
            "rows_count");
    REFUSED(tq_tx_write(NULL, insert, &one, 1, 1, &changed, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_tx_write(tx, NULL, &one, 1, 1, &changed, &err), TQ_E_INVALID, "sql");
    REFUSED(tq_tx_write(tx, insert, NULL, 1, 1, &changed, &err), TQ_E_INVALID, "params");
    REFUSED(tq_tx_write(tx, insert, &one, 1, 0, &changed, &err), TQ_E_LIMIT, "rows_count");
    REFUSED(tq_tx_write(tx, insert, &one, 1, TQ_BATCH_MAX + 1, &changed, &err), TQ_E_LIMIT,
            "rows_count");
    ck_assert_uint_eq(changed, 77);
    ACCEPTED(tq_tx_exec(tx, "DELETE FROM t", NULL, 0, NULL, NULL, &err), TQ_OK);
    ACCEPTED(tq_tx_exec_many(tx, "DELETE FROM t WHERE a = $1", &one, 1, 1, NULL, &err), TQ_OK);
    ACCEPTED(tq_tx_write(tx, "DELETE FROM t WHERE a = $1", &one, 1, 1, NULL, &err), TQ_OK);
    GIVES(tq_tx_now_ms(tx) > 0, 1);
    *(int *)arg = 1;
    return TQ_OK;
}

START_TEST(statements__have_a_text_and_parameters)
{
    int is_run = 0;
    setup();
    assert_status(tq_ledger_run(store, refuse_statements, &is_run, &err), TQ_OK);
    ck_assert(is_run);
    teardown();
}
END_TEST

struct statement {
    const char *sql;
    const struct tq_value *params;
    size_t params_count;
};

static int run_statement(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct statement *statement = arg;
    int rc = tq_tx_exec(tx, statement->sql, statement->params, statement->params_count, NULL, NULL,
                        failure);
    return rc < 0 ? rc : TQ_E_BUSY; /* and undo what it did */
}

/* What would break out of the transaction, or is no statement, comes to nothing. */
START_TEST(statements__stay_in_their_transaction)
{
    const struct tq_value odd[] = {{.type = 99}, {.type = TQ_TEXT, .bytes = 5, .data = NULL}};
    const struct statement rows[] = {
        {"", NULL, 0},
        {";", NULL, 0},
        {"COMMIT", NULL, 0},
        {"ROLLBACK", NULL, 0},
        {"BEGIN", NULL, 0},
        {"SAVEPOINT a", NULL, 0},
        {"RELEASE a", NULL, 0},
        {"INSERT INTO t VALUES (1); COMMIT", NULL, 0},
        {"SELECT FROM", NULL, 0},
        {"INSERT INTO t VALUES ($1)", NULL, 0},
        {"INSERT INTO t VALUES ($1)", odd, 2},
        {"INSERT INTO t VALUES ($1)", odd, 1},
    };
    setup();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct statement statement = rows[i];
        int rc = tq_ledger_run(store, run_statement, &statement, &err);
        ck_assert_msg(rc == TQ_E_INVALID, "%s: %s (%s)", statement.sql, tq_status_name(rc),
                      err.message);
    }
    teardown();
}
END_TEST

static int with_migration(const void *argument)
{
    return tq_ledger_migrate(store, argument, 1, &err);
}

static int with_scope(const void *argument)
{
    return with_migration(
        TQ_ARGS(tq_migration, .scope = argument, .version = 1, .sql = "SELECT 1"));
}

START_TEST(migrations__are_whole)
{
    static const size_t counts[] = {0, TQ_BATCH_MAX + 1, SIZE_MAX};
    struct tq_migration bad = table;
    setup();
    check_sized(&(struct sized){"", SIZED_IN, sizeof table, &table, with_migration});
    check_ids(with_scope, "scope");
    for (size_t i = 0; i < COUNT(counts); i++) {
        REFUSED(tq_ledger_migrate(store, &table, counts[i], &err), TQ_E_LIMIT, "migrations_count");
    }
    bad.sql = NULL;
    REFUSED(with_migration(&bad), TQ_E_INVALID, "step 1");
    bad = table;
    bad.version = UINT32_MAX;
    REFUSED(with_migration(&bad), TQ_E_INVALID, "step 1");
    teardown();
}
END_TEST

START_TEST(a_connection__is_adopted_inside_a_transaction)
{
    sqlite3 *native = NULL;
    tq_store *memory = NULL;
    tq_tx *tx = NULL;
    setup();
    ck_assert_int_eq(sqlite3_open(":memory:", &native), SQLITE_OK);
    REFUSED(tq_tx_adopt(store, native, &tx, &err), TQ_E_INVALID, "transaction");
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &memory, &err),
                  TQ_OK);
    REFUSED(tq_tx_adopt(memory, native, &tx, &err), TQ_E_UNSUPPORTED, "ledger");
    REFUSED(tq_ledger_run(memory, count_rows, NULL, &err), TQ_E_UNSUPPORTED, "ledger");
    ck_assert(!tx);
    tq_store_close(memory);
    sqlite3_close(native);
    teardown();
}
END_TEST

UNIT_MAIN("api.ledger", nothing__is_no_argument, statements__have_a_text_and_parameters,
          statements__stay_in_their_transaction, migrations__are_whole,
          a_connection__is_adopted_inside_a_transaction)
