/* SPDX-License-Identifier: MIT */
/*
 * driver/ledger.h, exec: values survive, a statement is whole or not at all,
 * constraints are told apart, and what a body must not do is refused.
 */
#include <ticketq/ledger.h>

#include <stdio.h>
#include <string.h>

#include "lib/ask.h"
#include "conform/fixtures.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_store *store;

static void setup(void)
{
    static const struct tq_migration step = {
        sizeof step, "t", 1, 0,
        "CREATE TABLE parent (id BIGINT PRIMARY KEY);"
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT UNIQUE, size BIGINT CHECK (size >= 0),"
        " parent BIGINT REFERENCES parent (id));"};
    world_open(&world);
    store = world_store(&world);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
}

static void teardown(void)
{
    tq_store_close(store);
    world_close(&world);
}

/* Runs a body in a transaction that commits. */
static void in_transaction(tq_tx_fn *body)
{
    assert_status(tq_ledger_run(store, body, NULL, &err), TQ_OK);
}

static int insert(tq_tx *tx, int64_t id, const char *name, int64_t size)
{
    const struct tq_value row[] = {tq_int(id), tq_text(name), tq_int(size)};
    return tq_tx_exec(tx, "INSERT INTO t (id, name, size) VALUES ($1, $2, $3)", row, 3, NULL, NULL,
                      &err);
}

/* ---- values ---- */

static int check_values(void *arg, const struct tq_value *columns, size_t columns_count)
{
    const struct tq_value *sent = arg;
    for (size_t i = 0; i < columns_count; i++) {
        ck_assert_uint_eq(columns[i].type, sent[i].type);
        ck_assert(columns[i].integer == sent[i].integer);
        ck_assert_uint_eq(columns[i].bytes, sent[i].bytes);
        if (sent[i].type == TQ_TEXT || sent[i].type == TQ_BLOB) {
            ck_assert_mem_eq(columns[i].data, sent[i].data, sent[i].bytes);
        }
        if (columns[i].type == TQ_TEXT) {
            ck_assert_int_eq(((const char *)columns[i].data)[columns[i].bytes], 0);
        }
    }
    return TQ_WAIT;
}

static int values(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq_value sent[] = {
        tq_int(INT64_MIN), tq_int(INT64_MAX),    tq_int(0), {0}, tq_text("\xea\xb0\x80 'x'"),
        tq_text(""),       tq_text_of("abc", 2),
    };
    (void)arg;
    (void)failure;
    assert_status(tq_tx_exec(tx,
                             "SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT),"
                             " CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT),"
                             " CAST($7 AS TEXT)",
                             sent, 7, check_values, sent, &err),
                  TQ_WAIT);
    return TQ_OK;
}

START_TEST(values__come_back_as_they_were)
{
    setup();
    in_transaction(values);
    teardown();
}
END_TEST

static int parameters(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value two[] = {tq_int(7), tq_int(30)};
    int64_t answer = 0;
    (void)arg;
    (void)failure;
    assert_status(tq_tx_exec(tx,
                             "SELECT CAST($2 AS BIGINT) + CAST($1 AS BIGINT) + CAST($2 AS BIGINT)",
                             two, 2, ask_take, &answer, &err),
                  TQ_OK);
    ck_assert_int_eq(answer, 67);
    return TQ_OK;
}

START_TEST(a_parameter__may_stand_in_several_places)
{
    setup();
    in_transaction(parameters);
    teardown();
}
END_TEST

/* ---- what is wrong with a statement ---- */

struct mistake {
    const char *sql;
    size_t params_count;
};

static int try_mistake(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct mistake *mistake = arg;
    const struct tq_value params[] = {tq_int(1), tq_int(2)};
    return tq_tx_exec(tx, mistake->sql, params, mistake->params_count, NULL, NULL, failure);
}

START_TEST(mistakes__are_invalid)
{
    static const struct mistake mistakes[] = {
        {"SELEC 1", 0},
        {"SELECT * FROM nowhere", 0},
        {"", 0},
        {"SELECT 1; SELECT 2", 0},
        {"INSERT INTO t (id) VALUES ($1)", 0},
        {"INSERT INTO t (id) VALUES ($1)", 2},
        {"INSERT INTO t (id) VALUES ($2)", 2},
        {"INSERT INTO t (id) VALUES ($01)", 1},
        {"BEGIN", 0},
        {"COMMIT", 0},
        {"ROLLBACK", 0},
        {"SAVEPOINT mine", 0},
        {"INSERT INTO t (id, size) VALUES (1, -1)", 0},
        {"INSERT INTO t (id, parent) VALUES (1, 99)", 0},
    };
    setup();
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        int status = tq_ledger_run(store, try_mistake, (void *)&mistakes[i], &err);
        ck_assert_msg(status == TQ_E_INVALID, "%s: %s", mistakes[i].sql, tq_status_name(status));
        ck_assert_int_eq(err.status, TQ_E_INVALID);
    }
    teardown();
}
END_TEST

static int unknown_type(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value odd = {.type = 9};
    (void)arg;
    return tq_tx_exec(tx, "INSERT INTO t (id) VALUES ($1)", &odd, 1, NULL, NULL, failure);
}

START_TEST(values_of_no_known_type__are_invalid)
{
    setup();
    assert_status(tq_ledger_run(store, unknown_type, NULL, &err), TQ_E_INVALID);
    teardown();
}
END_TEST

/* ---- constraints ---- */

static int repeats(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    (void)failure;
    assert_status(insert(tx, 1, "a", 0), TQ_OK);
    assert_status(insert(tx, 1, "b", 0), TQ_REPEAT);
    assert_status(insert(tx, 2, "a", 0), TQ_REPEAT);
    assert_status(insert(tx, 2, "b", 0), TQ_OK);
    assert_status(tq_tx_exec(tx, "INSERT INTO t (id, name) VALUES (3, 'c'), (4, 'c')", NULL, 0,
                             NULL, NULL, &err),
                  TQ_REPEAT);
    ck_assert_uint_eq(tq_tx_changed(tx), 0);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t"), 2);
    return TQ_OK;
}

START_TEST(a_repeated_key__undoes_the_statement_only)
{
    setup();
    in_transaction(repeats);
    teardown();
}
END_TEST

static int changes(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    (void)failure;
    for (int64_t i = 0; i < 5; i++) {
        assert_status(insert(tx, i, NULL, i), TQ_OK);
        ck_assert_uint_eq(tq_tx_changed(tx), 1);
    }
    const struct tq_value least = tq_int(3);
    assert_status(tq_tx_exec(tx, "UPDATE t SET size = size + 1 WHERE size >= $1", &least, 1, NULL,
                             NULL, &err),
                  TQ_OK);
    ck_assert_uint_eq(tq_tx_changed(tx), 2);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t WHERE size = 5"), 1);
    ck_assert_uint_eq(tq_tx_changed(tx), 0);
    assert_status(tq_tx_exec(tx, "DELETE FROM t WHERE size > 100", NULL, 0, NULL, NULL, &err),
                  TQ_OK);
    ck_assert_uint_eq(tq_tx_changed(tx), 0);
    assert_status(tq_tx_exec(tx, "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO NOTHING", NULL,
                             0, NULL, NULL, &err),
                  TQ_OK);
    ck_assert_uint_eq(tq_tx_changed(tx), 0);
    return TQ_OK;
}

START_TEST(changed_rows__are_counted)
{
    setup();
    in_transaction(changes);
    teardown();
}
END_TEST

/* ---- rows ---- */

struct scan {
    tq_tx *tx;
    int rows;
    int stop_at;
};

static int stop(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct scan *scan = arg;
    (void)columns;
    (void)columns_count;
    return ++scan->rows == scan->stop_at ? TQ_E_LIMIT : 0;
}

static int returning(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct scan scan = {tx, 0, 2};
    (void)arg;
    (void)failure;
    assert_status(tq_tx_exec(tx, "INSERT INTO t (id) VALUES (1), (2), (3) RETURNING id", NULL, 0,
                             stop, &scan, &err),
                  TQ_E_LIMIT);
    ck_assert_int_eq(scan.rows, 2);
    ck_assert_uint_eq(tq_tx_changed(tx), 3);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t"), 3);
    return TQ_OK;
}

START_TEST(a_stopped_scan__keeps_the_statement_and_is_no_failure)
{
    setup();
    in_transaction(returning);
    teardown();
}
END_TEST

static int nested(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct scan *scan = arg;
    (void)columns;
    (void)columns_count;
    scan->rows++;
    return tq_tx_exec(scan->tx, "SELECT 1", NULL, 0, NULL, NULL, &err);
}

static int nest(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct scan scan = {tx, 0, 0};
    (void)arg;
    return tq_tx_exec(tx, "SELECT 1", NULL, 0, nested, &scan, failure);
}

START_TEST(a_statement_inside_a_scan__is_refused)
{
    setup();
    assert_status(tq_ledger_run(store, nest, NULL, &err), TQ_E_INVALID);
    teardown();
}
END_TEST

/* ---- many rows of parameters ---- */

#define MANY_SQL "INSERT INTO t (id, name) VALUES ($1, $2)"

static int many(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq_value rows[] = {tq_int(1),    tq_text("a"), tq_int(2),
                              tq_text("b"), tq_int(3),    tq_text("b")};
    uint32_t changed[3] = {9, 9, 9};
    (void)arg;
    (void)failure;
    assert_status(tq_tx_exec_many(tx, MANY_SQL, rows, 2, 3, NULL, &err), TQ_REPEAT);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t"), 0);
    rows[5] = tq_text("c");
    assert_status(tq_tx_exec_many(tx, MANY_SQL, rows, 2, 3, changed, &err), TQ_OK);
    ck_assert(changed[0] == 1 && changed[1] == 1 && changed[2] == 1);
    const struct tq_value keys[] = {tq_text("a"), tq_text("x"), tq_text("c")};
    assert_status(
        tq_tx_exec_many(tx, "UPDATE t SET size = 1 WHERE name >= $1", keys, 1, 3, changed, &err),
        TQ_OK);
    ck_assert(changed[0] == 3 && changed[1] == 0 && changed[2] == 1);
    return TQ_OK;
}

START_TEST(many_rows__are_all_or_none)
{
    setup();
    in_transaction(many);
    teardown();
}
END_TEST

static int at_the_limit(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static struct tq_value rows[TQ_BATCH_MAX + 1];
    (void)arg;
    (void)failure;
    for (int64_t i = 0; i <= TQ_BATCH_MAX; i++) {
        rows[i] = tq_int(i);
    }
    const char *sql = "INSERT INTO t (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
    assert_status(tq_tx_exec_many(tx, sql, rows, 1, 0, NULL, &err), TQ_E_LIMIT);
    assert_status(tq_tx_exec_many(tx, sql, rows, 1, TQ_BATCH_MAX + 1, NULL, &err), TQ_E_LIMIT);
    assert_status(tq_tx_exec_many(tx, sql, rows, 1, TQ_BATCH_MAX - 1, NULL, &err), TQ_OK);
    assert_status(tq_tx_exec_many(tx, sql, rows, 1, TQ_BATCH_MAX, NULL, &err), TQ_OK);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t"), TQ_BATCH_MAX);
    return TQ_OK;
}

START_TEST(rows__are_limited)
{
    setup();
    in_transaction(at_the_limit);
    teardown();
}
END_TEST

/* More different statements than any driver keeps. */
static int different(tq_tx *tx, void *arg, struct tq_error *failure)
{
    char sql[64];
    (void)arg;
    (void)failure;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(sql, sizeof sql, "SELECT CAST(%d AS BIGINT)", i);
            ck_assert_int_eq(ask_within(tx, sql), i);
        }
    }
    return TQ_OK;
}

START_TEST(many_different_statements__all_run)
{
    setup();
    in_transaction(different);
    teardown();
}
END_TEST

CONFORM_MAIN("ledger.statement", values__come_back_as_they_were,
             a_parameter__may_stand_in_several_places, mistakes__are_invalid,
             values_of_no_known_type__are_invalid, a_repeated_key__undoes_the_statement_only,
             changed_rows__are_counted, a_stopped_scan__keeps_the_statement_and_is_no_failure,
             a_statement_inside_a_scan__is_refused, many_rows__are_all_or_none, rows__are_limited,
             many_different_statements__all_run)
