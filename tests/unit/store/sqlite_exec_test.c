/* SPDX-License-Identifier: MIT */
/*
 * store/sqlite/exec.c: what is particular to SQLite in running a statement; the
 * promises of every driver are in conform/ledger.
 */
#include "store/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static sqlite3 *db;
static struct sqlite_statements statements;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    memset(&statements, 0, sizeof statements);
    assert_status(tq__sqlite_statements_init(&statements, db, &env, &err), TQ_OK);
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t (x); BEGIN", NULL, NULL, NULL), SQLITE_OK);
}

static void teardown(void)
{
    tq__sqlite_statements_done(&statements);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    ck_assert_int_eq(test.live, 0);
}

static int exec(const char *sql, const struct tq_value *params, size_t params_count, tq_row_fn *row)
{
    const struct tq_statement statement = {
        .size = sizeof statement,
        .sql = sql,
        .params = params,
        .params_count = params_count,
        .rows_count = 1,
        .row = row,
    };
    return tq__sqlite_exec(&statements, &statement, 1, &err);
}

static int is_text(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)arg;
    ck_assert_uint_eq(columns_count, 1);
    ck_assert_uint_eq(columns[0].type, TQ_TEXT);
    ck_assert_str_eq(columns[0].data, "1.5");
    return TQ_WAIT;
}

START_TEST(fractions__come_as_text)
{
    setup();
    assert_status(exec("SELECT 1.5", NULL, 0, is_text), TQ_WAIT);
    teardown();
}
END_TEST

static int is_blob(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)arg;
    ck_assert_uint_eq(columns_count, 2);
    ck_assert_uint_eq(columns[0].type, TQ_BLOB);
    ck_assert_uint_eq(columns[0].bytes, 3);
    ck_assert_mem_eq(columns[0].data, "a\0b", 3);
    ck_assert_uint_eq(columns[1].type, TQ_BLOB);
    ck_assert_uint_eq(columns[1].bytes, 0);
    return TQ_WAIT;
}

START_TEST(blobs__keep_their_bytes)
{
    const struct tq_value blobs[] = {{.type = TQ_BLOB, .bytes = 3, .data = "a\0b"},
                                     {.type = TQ_BLOB}};
    setup();
    assert_status(exec("SELECT $1, $2", blobs, 2, is_blob), TQ_WAIT);
    teardown();
}
END_TEST

static int count_columns(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)arg;
    (void)columns;
    return (int)columns_count;
}

static int select_columns(int count)
{
    char sql[512] = "SELECT 1";
    for (int i = 1; i < count; i++) {
        strcat(sql, ",1");
    }
    return exec(sql, NULL, 0, count_columns);
}

START_TEST(columns__are_limited)
{
    setup();
    assert_status(select_columns(63), 63);
    assert_status(select_columns(64), 64);
    assert_status(select_columns(65), TQ_E_LIMIT);
    teardown();
}
END_TEST

START_TEST(values_too_large__are_over_the_limit)
{
    static char text[2001];
    struct tq_value value = {.type = TQ_TEXT, .bytes = 1000, .data = text};
    setup();
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000);
    assert_status(exec("SELECT $1", &value, 1, NULL), TQ_OK);
    value.bytes = 1001;
    assert_status(exec("SELECT $1", &value, 1, NULL), TQ_E_LIMIT);
    teardown();
}
END_TEST

START_TEST(nothing__runs_outside_a_transaction)
{
    setup();
    assert_status(exec("INSERT OR ROLLBACK INTO t (x) VALUES (1)", NULL, 0, NULL), TQ_OK);
    ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_status(exec("INSERT INTO t (x) VALUES (1)", NULL, 0, NULL), TQ_E_UNAVAILABLE);
    teardown();
}
END_TEST

START_TEST(a_full_database__undoes_all_rows)
{
    static char text[5000];
    struct tq_value rows[64];
    for (size_t i = 0; i < 64; i++) {
        rows[i] = tq_text_of(text, sizeof text);
    }
    const struct tq_statement statement = {
        .size = sizeof statement,
        .sql = "INSERT INTO t (x) VALUES ($1)",
        .params = rows,
        .params_count = 1,
        .rows_count = 64,
    };
    setup();
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA max_page_count=20", NULL, NULL, NULL), SQLITE_OK);
    assert_status(tq__sqlite_exec(&statements, &statement, 1, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(err.native & 0xff, SQLITE_FULL);
    if (!sqlite3_get_autocommit(db)) {
        ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    }
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_status(exec("SELECT x FROM t", NULL, 0, count_columns), TQ_OK);
    teardown();
}
END_TEST

static int script(const char *sql)
{
    return tq__sqlite_script(db, sql, &err);
}

START_TEST(scripts__run_statement_by_statement)
{
    setup();
    assert_status(script("CREATE TABLE a (x);;\n-- remark\nCREATE TABLE b (y);"
                         "CREATE TRIGGER c AFTER INSERT ON a BEGIN DELETE FROM b; END;"),
                  TQ_OK);
    assert_status(script(""), TQ_OK);
    assert_status(script("CREATE TABLE d (x); nonsense; CREATE TABLE e (x)"), TQ_E_INVALID);
    assert_status(exec("SELECT 1 FROM e", NULL, 0, NULL), TQ_E_INVALID);
    assert_status(script("SELECT 1; COMMIT"), TQ_E_INVALID);
    ck_assert(!sqlite3_get_autocommit(db));
    teardown();
}
END_TEST

UNIT_MAIN("store.sqlite.exec", fractions__come_as_text, blobs__keep_their_bytes,
          columns__are_limited, values_too_large__are_over_the_limit,
          nothing__runs_outside_a_transaction, a_full_database__undoes_all_rows,
          scripts__run_statement_by_statement)
