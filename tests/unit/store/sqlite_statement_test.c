/* SPDX-License-Identifier: MIT */
/*
 * store/sqlite/statement.c: statements are found again, at most so many are kept,
 * parameters are numbered, and every lack of memory is survived.
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
}

static void teardown(void)
{
    tq__sqlite_statements_done(&statements);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    ck_assert_int_eq(test.live, 0);
}

static struct sqlite_statement *find(int number)
{
    struct sqlite_statement *found = NULL;
    char sql[32];
    snprintf(sql, sizeof sql, "SELECT %d", number);
    assert_status(tq__sqlite_find(&statements, sql, &found, &err), TQ_OK);
    return found;
}

START_TEST(statements__are_found_by_text)
{
    setup();
    struct sqlite_statement *one = find(1);
    ck_assert_ptr_ne(find(2), one);
    ck_assert_ptr_eq(find(1), one);
    ck_assert_ptr_eq(statements.newest, one);
    ck_assert_uint_eq(statements.by_sql.count, 2);
    teardown();
}
END_TEST

START_TEST(the_one_unused_for_longest__goes)
{
    setup();
    struct sqlite_statement *first = find(0);
    for (int i = 1; i < TQ__SQLITE_STATEMENTS_MAX; i++) {
        find(i);
    }
    ck_assert_uint_eq(statements.by_sql.count, TQ__SQLITE_STATEMENTS_MAX);
    ck_assert_ptr_eq(find(0), first);
    find(TQ__SQLITE_STATEMENTS_MAX);
    ck_assert_uint_eq(statements.by_sql.count, TQ__SQLITE_STATEMENTS_MAX);
    ck_assert_ptr_null(tq__map_get(&statements.by_sql, "SELECT 1"));
    ck_assert_ptr_eq(find(0), first);
    teardown();
}
END_TEST

START_TEST(parameters__are_numbered_by_name)
{
    struct sqlite_statement *found = NULL;
    setup();
    assert_status(tq__sqlite_find(&statements, "SELECT $3, $1, $3, $2", &found, &err), TQ_OK);
    ck_assert_uint_eq(found->params_count, 3);
    ck_assert_uint_eq(found->numbers[0], 3);
    ck_assert_uint_eq(found->numbers[1], 1);
    ck_assert_uint_eq(found->numbers[2], 2);
    teardown();
}
END_TEST

START_TEST(other_texts__are_refused)
{
    static const char *const bad[] = {"SELECT $0",
                                      "SELECT $2",
                                      "SELECT ?",
                                      "SELECT :a",
                                      "SELECT $a",
                                      "SELECT $1a, $1",
                                      "SELECT $01",
                                      "SELECT $99999999999",
                                      "",
                                      "  \n",
                                      "-- nothing",
                                      "SELECT 1; SELECT 2",
                                      "SELECT 1; --",
                                      "SELECT",
                                      "SELECT \xff\xfe FROM"};
    struct sqlite_statement *found = NULL;
    setup();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status = tq__sqlite_find(&statements, bad[i], &found, &err);
        ck_assert_msg(status == TQ_E_INVALID, "%s: %s", bad[i], tq_status_name(status));
        ck_assert_ptr_null(found);
    }
    ck_assert_uint_eq(statements.by_sql.count, 0);
    assert_status(tq__sqlite_find(&statements, "SELECT 1 ;\n", &found, &err), TQ_OK);
    teardown();
}
END_TEST

START_TEST(control_statements__are_known)
{
    static const char *const controls[] = {"BEGIN",
                                           "COMMIT",
                                           "ROLLBACK",
                                           "SAVEPOINT a",
                                           "RELEASE a",
                                           "ROLLBACK TO a",
                                           "ATTACH ':memory:' AS other",
                                           "PRAGMA synchronous=OFF"};
    static const char *const others[] = {"SELECT 1", "CREATE TABLE IF NOT EXISTS t (x)",
                                         "DELETE FROM sqlite_stat1"};
    struct sqlite_statement *found;
    setup();
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t (x); ANALYZE", NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        assert_status(tq__sqlite_find(&statements, controls[i], &found, &err), TQ_OK);
        ck_assert_msg(found->is_control, "%s", controls[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_status(tq__sqlite_find(&statements, others[i], &found, &err), TQ_OK);
        ck_assert_msg(!found->is_control, "%s", others[i]);
    }
    teardown();
}
END_TEST

START_TEST(the_drivers_own__run_without_the_hosts_memory)
{
    setup();
    assert_status(tq__sqlite_controls_prepare(&statements, &err), TQ_OK);
    test.fail_at = test.allocations + 1;
    test.fail_forever = 1;
    ck_assert_int_eq(tq__sqlite_control(&statements, SQLITE_CONTROL_BEGIN_WRITE), SQLITE_OK);
    ck_assert_int_eq(tq__sqlite_control(&statements, SQLITE_CONTROL_SAVEPOINT), SQLITE_OK);
    ck_assert_int_eq(tq__sqlite_control(&statements, SQLITE_CONTROL_ROLLBACK_TO), SQLITE_OK);
    ck_assert_int_eq(tq__sqlite_control(&statements, SQLITE_CONTROL_RELEASE), SQLITE_OK);
    ck_assert_int_eq(tq__sqlite_control(&statements, SQLITE_CONTROL_ROLLBACK), SQLITE_OK);
    ck_assert_int_eq(tq__sqlite_control(&statements, SQLITE_CONTROL_COMMIT), SQLITE_ERROR);
    teardown();
}
END_TEST

START_TEST(a_lack_of_memory__leaves_nothing_behind)
{
    struct sqlite_statement *found = NULL;
    setup();
    long failures = 0;
    for (int status = TQ_E_NOMEM; status == TQ_E_NOMEM; failures++) {
        test.allocations = 0;
        test.fail_at = failures + 1;
        status = tq__sqlite_find(&statements, "SELECT $1", &found, &err);
        ck_assert(status == TQ_OK || status == TQ_E_NOMEM);
        ck_assert_uint_eq(statements.by_sql.count, status == TQ_OK);
    }
    ck_assert_int_ge(failures, 3);
    teardown();
}
END_TEST

UNIT_MAIN("store.sqlite.statement", statements__are_found_by_text, the_one_unused_for_longest__goes,
          parameters__are_numbered_by_name, other_texts__are_refused, control_statements__are_known,
          the_drivers_own__run_without_the_hosts_memory, a_lack_of_memory__leaves_nothing_behind)
