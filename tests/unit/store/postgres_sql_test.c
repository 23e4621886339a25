/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/sql.c: words and parameters are told from strings and comments.
 */
#include "store/postgres/postgres.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

struct row {
    const char *sql;
    size_t params_count;
    int is_control;
    int is_guarded;
};

START_TEST(statements__are_read)
{
    static const struct row rows[] = {
        {"SELECT $2, $1, $2", 2, 0, 0},
        {"SELECT '$1 update', \"$2\", $$ $3 $$, $x$ $4 $$ $x$, E'\\'$5' -- $6\n/* $7 /* */ $8 */",
         0, 0, 0},
        {"SELECT 'it''s $1', e'a''\\\\' || $1", 1, 0, 0},
        {"SELECT a$1, $1", 1, 0, 0},
        {"DELETE FROM t WHERE id = $1", 1, 0, 0},
        {"UPDATE t SET a = $1", 1, 0, 1},
        {"INSERT INTO t (a) VALUES ($1)", 1, 0, 1},
        {"insert into t (a) values ($1) on conflict do nothing", 1, 0, 0},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING", 1, 0, 1},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = 1", 1, 0, 1},
        {"INSERT INTO t (a) VALUES ('conflict do nothing')", 0, 0, 1},
        {"WITH n AS (INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING) INSERT INTO u SELECT 1",
         0, 0, 1},
        {"SELECT 'insert' AS updated", 0, 0, 0},
        {"  /* first */ COMMIT", 0, 1, 0},
        {"Begin", 0, 1, 0},
        {"SET LOCAL x = 1", 0, 1, 0},
        {"savepoint s", 0, 1, 0},
        {"CREATE TABLE commit_log (x TEXT)", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct postgres_sql read;
        assert_status(tq__postgres_sql_read(&read, rows[i].sql, &err), TQ_OK);
        ck_assert_msg(read.params_count == rows[i].params_count, "%s: %zu", rows[i].sql,
                      read.params_count);
        ck_assert_msg(read.is_control == rows[i].is_control, "%s", rows[i].sql);
        ck_assert_msg(read.is_guarded == rows[i].is_guarded, "%s", rows[i].sql);
    }
}
END_TEST

/* What two rows of a statement are, or NULL where rows may depend on each other. */
static void check_widened(const char *sql, const char *expected)
{
    struct test_env test;
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct tq__buf buf = TQ__BUF(&env);
    struct postgres_sql read;
    assert_status(tq__postgres_sql_read(&read, sql, &err), TQ_OK);
    ck_assert_msg((read.row != 0) == (expected != NULL), "%s", sql);
    if (expected) {
        tq__postgres_sql_widen(&buf, sql, &read, 2);
        assert_status(tq__buf_check(&buf, "test", &err), TQ_OK);
        ck_assert_str_eq(buf.data, expected);
    }
    tq__buf_done(&buf);
    ck_assert_int_eq(test.live, 0);
}

START_TEST(a_row_of_parameters_and_constants__may_be_many)
{
    static const char *const texts[][2] = {
        {"INSERT INTO t (a) VALUES ($1)", "INSERT INTO t (a) VALUES ($1), ($2)"},
        {"insert into s.t values($2,$1, $2,NULL,1,'$1 (' ) ",
         "insert into s.t values($2,$1, $2,NULL,1,'$1 (' ), ($4,$3, $4,NULL,1,'$1 (' ) "},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING",
         "INSERT INTO t (a) VALUES ($1), ($2) ON CONFLICT DO NOTHING"},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING -- why",
         "INSERT INTO t (a) VALUES ($1), ($2) ON CONFLICT (a) DO NOTHING -- why"},
        {"INSERT INTO t (a) VALUES (1)", NULL},
        {"INSERT INTO t (a) VALUES ($1), ($2)", NULL},
        {"INSERT INTO t (a) VALUES ($1 + 1)", NULL},
        {"INSERT INTO t (a) VALUES (-$1)", NULL},
        {"INSERT INTO t (a) VALUES (f($1))", NULL},
        {"INSERT INTO t (a) VALUES ((SELECT MAX(a) FROM t WHERE a < $1))", NULL},
        {"INSERT INTO t (a) VALUES ($1) RETURNING a", NULL},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING RETURNING nothing", NULL},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = 1", NULL},
        {"INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) WHERE b = $2 DO NOTHING", NULL},
        {"INSERT INTO t (a) VALUES ($1", NULL},
        {"INSERT INTO t (a) VALUES", NULL},
        {"INSERT INTO t (a) SELECT $1", NULL},
        {"INSERT INTO t (a) SELECT b FROM (VALUES ($1)) AS v (b)", NULL},
        {"WITH x AS (SELECT $1) INSERT INTO t (a) VALUES ($1)", NULL},
        {"UPDATE t SET a = $1", NULL},
        {"VALUES ($1)", NULL},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_widened(texts[i][0], texts[i][1]);
    }
}
END_TEST

START_TEST(what_is_no_statement__is_refused)
{
    static const char *const mistakes[] = {
        "",           "  -- nothing\n", "/* open",     "SELECT $2", "SELECT $1, $3",
        "SELECT $01", "SELECT $0",      "SELECT $257",
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct postgres_sql read;
        ck_assert_msg(tq__postgres_sql_read(&read, mistakes[i], &err) == TQ_E_INVALID, "%s",
                      mistakes[i]);
    }
}
END_TEST

START_TEST(parameters__are_limited)
{
    for (int count = TQ__POSTGRES_PARAMS_MAX - 1; count <= TQ__POSTGRES_PARAMS_MAX + 1; count++) {
        char sql[4096];
        struct postgres_sql read;
        int bytes = snprintf(sql, sizeof sql, "SELECT 1");
        for (int i = 1; i <= count; i++) {
            bytes += snprintf(sql + bytes, sizeof sql - (size_t)bytes, ", $%d", i);
        }
        int expected = count <= TQ__POSTGRES_PARAMS_MAX ? TQ_OK : TQ_E_INVALID;
        ck_assert_int_eq(tq__postgres_sql_read(&read, sql, &err), expected);
    }
}
END_TEST

START_TEST(a_script__is_taken_apart)
{
    static const char *const parts[] = {
        "CREATE TABLE a (x TEXT DEFAULT ';')",
        "DO $f$ BEGIN; END $f$",
        "INSERT INTO a VALUES ('a''; b') -- one; two\n",
        "SELECT 1 /* ; */",
    };
    char script[512];
    size_t bytes = 0, count = 0;
    snprintf(script, sizeof script, " ;%s;\n%s;;%s;%s\n-- end; end\n", parts[0], parts[1], parts[2],
             parts[3]);
    for (const char *at = script; (at = tq__postgres_sql_next(at, &bytes)); at += bytes) {
        ck_assert_uint_lt(count, 4);
        ck_assert_msg(strncmp(at, parts[count], strlen(parts[count])) == 0, "%.*s", (int)bytes, at);
        count++;
    }
    ck_assert_uint_eq(count, 4);
}
END_TEST

static void check_translation(const char *sql, const char *expected)
{
    struct test_env test;
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct tq__buf buf = TQ__BUF(&env);
    tq__postgres_sql_translate(&buf, sql, strlen(sql));
    assert_status(tq__buf_check(&buf, "test", &err), TQ_OK);
    ck_assert_str_eq(buf.data, expected);
    tq__buf_done(&buf);
    ck_assert_int_eq(test.live, 0);
}

#define QUEUE                                                                                      \
    "\nWITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,"              \
    " autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 0)"

START_TEST(an_issued_key__has_another_name)
{
    check_translation("CREATE TABLE q (a INTEGER, id INTEGER PRIMARY\n KEY autoincrement, b TEXT)",
                      "CREATE TABLE q (a INTEGER, id BIGINT GENERATED BY DEFAULT AS IDENTITY"
                      " (CACHE 1) PRIMARY KEY, b TEXT)" QUEUE);
    check_translation("CREATE TABLE t (id INTEGER PRIMARY KEY)",
                      "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    check_translation("INSERT INTO t VALUES ('INTEGER PRIMARY KEY AUTOINCREMENT')",
                      "INSERT INTO t VALUES ('INTEGER PRIMARY KEY AUTOINCREMENT')");
}
END_TEST

UNIT_MAIN("store.postgres.sql", statements__are_read,
          a_row_of_parameters_and_constants__may_be_many, what_is_no_statement__is_refused,
          parameters__are_limited, a_script__is_taken_apart, an_issued_key__has_another_name)
