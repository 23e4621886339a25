/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/exec.c and statement.c on a server: kinds of values, statements that are
 * prepared anew, blocks of rows, and the connection of a host.
 */
#include <string.h>

#include <ticketq/system.h>

#include "lib/ask.h"
#include "lib/postgres_schema.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;
static tq_store *store;
static int warnings;

static void setup(const char *options)
{
    static const struct tq_migration step = {
        sizeof step, "t", 1, 0,
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, n BIGINT,"
        " small INTEGER, data BYTEA)"};
    postgres_place_open(&place, options);
    store = postgres_place_store(&place, 0);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
}

static void teardown(void)
{
    tq_store_close(store);
    postgres_place_close(&place);
}

/* ---- values ---- */

static int check_kinds(void *arg, const struct tq_value *columns, size_t columns_count)
{
    ck_assert_uint_eq(columns_count, 9);
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(columns[i].type, TQ_INT);
    }
    ck_assert_int_eq(columns[0].integer, 1); /* TRUE */
    ck_assert_int_eq(columns[1].integer, 0);
    ck_assert_int_eq(columns[2].integer, -7); /* smallint */
    ck_assert_int_eq(columns[3].integer, 3);  /* SUM of BIGINT */
    ck_assert(columns[4].integer == INT64_MIN);
    ck_assert(columns[5].integer == INT64_MAX);
    ck_assert_uint_eq(columns[6].type, TQ_TEXT);
    ck_assert_str_eq(columns[6].data, "1.50");
    ck_assert_uint_eq(columns[7].type, TQ_TEXT); /* beyond 64 bits */
    ck_assert_str_eq(columns[7].data, "9223372036854775808");
    ck_assert_uint_eq(columns[8].type, TQ_NULL);
    ++*(int *)arg;
    return 0;
}

static int ask_kinds(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx,
                      "SELECT 1 < 2, 2 < 1, CAST(-7 AS SMALLINT),"
                      " (SELECT SUM(CAST(x AS BIGINT)) FROM (VALUES (1), (2)) AS v (x)),"
                      " CAST('-9223372036854775808' AS NUMERIC),"
                      " CAST('9223372036854775807' AS NUMERIC), 1.50,"
                      " CAST('9223372036854775808' AS NUMERIC), NULL",
                      NULL, 0, check_kinds, arg, failure);
}

START_TEST(columns__have_the_kind_of_their_value)
{
    int rows = 0;
    setup("");
    assert_status(tq_ledger_read(store, ask_kinds, &rows, &err), TQ_OK);
    ck_assert_int_eq(rows, 1);
    teardown();
}
END_TEST

static int check_bytes(void *arg, const struct tq_value *columns, size_t columns_count)
{
    const struct tq_value *sent = arg;
    ck_assert_uint_eq(columns_count, 1);
    ck_assert_uint_eq(columns[0].type, TQ_BLOB);
    ck_assert_uint_eq(columns[0].bytes, sent->bytes);
    ck_assert_mem_eq(columns[0].data, sent->data, sent->bytes);
    return TQ_WAIT;
}

static int store_bytes(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static const unsigned char bytes[] = {0, 1, '\\', '\'', 0xff, 0, 'x'};
    for (uint32_t count = 0; count <= sizeof bytes; count++) {
        struct tq_value sent = {TQ_BLOB, count, 0, bytes};
        assert_status(tq_tx_exec(tx, "DELETE FROM t", NULL, 0, NULL, NULL, failure), TQ_OK);
        assert_status(
            tq_tx_exec(tx, "INSERT INTO t (data) VALUES ($1)", &sent, 1, NULL, NULL, failure),
            TQ_OK);
        assert_status(tq_tx_exec(tx, "SELECT data FROM t", NULL, 0, check_bytes, &sent, failure),
                      TQ_WAIT);
    }
    (void)arg;
    return TQ_OK;
}

START_TEST(blobs__come_back_as_they_were)
{
    setup("");
    assert_status(tq_ledger_run(store, store_bytes, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

/* ---- prepared statements ---- */

static int insert(tq_tx *tx, const char *name, struct tq_value n, struct tq_error *failure)
{
    const struct tq_value params[] = {tq_text(name), n};
    return tq_tx_exec(tx, "INSERT INTO t (name, n) VALUES ($1, $2)", params, 2, NULL, NULL,
                      failure);
}

/* A value after NULLs, NULL after values, and a kind that does not fit. */
static int change_types(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value null = {0};
    (void)arg;
    assert_status(insert(tx, NULL, null, failure), TQ_OK);
    assert_status(insert(tx, "a", null, failure), TQ_OK);
    assert_status(insert(tx, "b", tq_int(INT64_MAX), failure), TQ_OK);
    assert_status(insert(tx, "c", null, failure), TQ_OK);
    return insert(tx, "d", tq_text("five"), failure);
}

START_TEST(statements__follow_the_kinds_of_their_values)
{
    setup("");
    for (int i = 0; i < 2; i++) {
        assert_status(tq_ledger_run(store, change_types, NULL, &err), TQ_E_INVALID);
    }
    ck_assert_int_eq(ask_number(store, "SELECT COUNT(*) FROM t", NULL), 0);
    assert_status(exec_on(store, "INSERT INTO t (name, n) VALUES ('e', 5)", &err), TQ_OK);
    teardown();
}
END_TEST

static int take_bit(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[0].integer;
    return 0;
}

static int shift(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value mask = tq_int(INT64_MIN);
    return tq_tx_exec(tx, "SELECT ($1 >> small) & 1 FROM t", &mask, 1, take_bit, arg, failure);
}

/* Left to itself PostgreSQL takes $1 for an INTEGER, as what is beside it. */
START_TEST(a_number__has_64_bits_beside_a_smaller_one)
{
    int64_t bit = -1;
    setup("");
    assert_status(exec_on(store, "INSERT INTO t (small) VALUES (63)", &err), TQ_OK);
    assert_status(tq_ledger_read(store, shift, &bit, &err), TQ_OK);
    ck_assert_int_eq(bit, 1);
    teardown();
}
END_TEST

static int count_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns;
    *(size_t *)arg = columns_count;
    return 0;
}

static int look_at_all(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx, "SELECT * FROM t", NULL, 0, count_row, arg, failure);
}

START_TEST(a_statement_that_no_longer_fits_its_table__is_prepared_anew)
{
    static const char *const changes[] = {"ALTER TABLE t ADD c TEXT", "ALTER TABLE t ADD d TEXT"};
    size_t columns = 0;
    setup("");
    assert_status(exec_on(store, "INSERT INTO t (n) VALUES (1)", &err), TQ_OK);
    PGconn *pg = postgres_place_connect(&place);
    for (size_t i = 0; i < 2; i++) {
        assert_status(tq_ledger_run(store, look_at_all, &columns, &err), TQ_OK);
        ck_assert_uint_eq(columns, 5 + i);
        postgres_run(pg, changes[i], NULL, 0);
    }
    assert_status(tq_ledger_run(store, look_at_all, &columns, &err), TQ_OK);
    ck_assert_uint_eq(columns, 7);
    PQfinish(pg);
    teardown();
}
END_TEST

/* ---- blocks of rows ---- */

#define BLOCK_ROWS 43 /* two of 16, two of 4, three alone */

struct block {
    size_t count;
    int64_t first; /* `n` of the first row; the others follow */
    int status;
    int64_t prepared; /* statements on the server behind it */
};

static int read_count(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[0].integer;
    return 0;
}

/* Every other row has no name, and none has a small one. */
static void fill(struct tq_value (*rows)[3], char (*names)[16], const struct block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        int64_t n = block->first + (int64_t)i;
        snprintf(names[i], sizeof names[i], "n%lld", (long long)n);
        rows[i][0] = n % 2 ? tq_text(names[i]) : (struct tq_value){0};
        rows[i][1] = tq_int(n);
        rows[i][2] = (struct tq_value){0};
    }
}

static int insert_block(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct block *block = arg;
    struct tq_value rows[BLOCK_ROWS][3];
    char names[BLOCK_ROWS][16];
    fill(rows, names, block);
    block->status = tq_tx_exec_many(tx, "INSERT INTO t (name, n, small) VALUES ($1, $2, $3)",
                                    rows[0], 3, block->count, NULL, failure);
    assert_status(tq_tx_exec(tx,
                             "SELECT COUNT(*) FROM pg_prepared_statements"
                             " WHERE statement LIKE 'INSERT INTO t (name%'",
                             NULL, 0, read_count, &block->prepared, failure),
                  TQ_OK);
    return TQ_OK;
}

static void check_rows(size_t count)
{
    ck_assert_int_eq(ask_number(store, "SELECT COUNT(*) FROM t", NULL), (int64_t)count);
    ck_assert_int_eq(ask_number(store,
                                "SELECT COUNT(*) FROM t WHERE small IS NOT NULL"
                                " OR name IS DISTINCT FROM"
                                " CASE WHEN n % 2 = 1 THEN 'n' || n END",
                                NULL),
                     0);
    ck_assert_int_eq(
        ask_number(store, "SELECT COUNT(*) FROM t a JOIN t b ON a.id < b.id AND a.n >= b.n", NULL),
        0);
}

START_TEST(rows_that_go_in_blocks__are_all_there_in_their_order)
{
    static const size_t counts[] = {1, 3, 4, 5, 15, 16, 17, 20, 21, BLOCK_ROWS};
    size_t all = 0;
    setup("");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct block block = {.count = counts[i], .first = (int64_t)all};
        assert_status(tq_ledger_run(store, insert_block, &block, &err), TQ_OK);
        assert_status(block.status, TQ_OK);
        all += counts[i];
        check_rows(all);
        ck_assert_int_eq(block.prepared, i < 2 ? 1 : i < 5 ? 2 : 3);
    }
    teardown();
}
END_TEST

START_TEST(a_row_that_is_there__undoes_all_blocks_and_the_transaction_goes_on)
{
    setup("");
    for (int64_t there = 1; there < BLOCK_ROWS; there += 2) {
        struct block one = {.count = 1, .first = there}, all = {.count = BLOCK_ROWS, .first = 0};
        assert_status(exec_on(store, "DELETE FROM t", &err), TQ_OK);
        assert_status(tq_ledger_run(store, insert_block, &one, &err), TQ_OK);
        assert_status(tq_ledger_run(store, insert_block, &all, &err), TQ_OK);
        assert_status(all.status, TQ_REPEAT);
        check_rows(1);
    }
    teardown();
}
END_TEST

/* The types of a block change with those of its statement. */
static int change_block_types(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq_value rows[BLOCK_ROWS][3];
    char names[BLOCK_ROWS][16];
    struct block block = {.count = 20};
    (void)arg;
    fill(rows, names, &block);
    rows[19][2] = tq_int(7);
    assert_status(insert_block(tx, &(struct block){.count = 20, .first = 1000}, failure), TQ_OK);
    assert_status(tq_tx_exec_many(tx, "INSERT INTO t (name, n, small) VALUES ($1, $2, $3)", rows[0],
                                  3, block.count, NULL, failure),
                  TQ_OK);
    block = (struct block){.count = 1, .first = 2000};
    assert_status(insert_block(tx, &block, failure), TQ_OK);
    ck_assert_int_eq(block.prepared, 3); /* those before are gone */
    return TQ_OK;
}

START_TEST(blocks__follow_the_kinds_of_their_values)
{
    setup("");
    assert_status(tq_ledger_run(store, change_block_types, NULL, &err), TQ_OK);
    ck_assert_int_eq(ask_number(store, "SELECT SUM(small) FROM t", NULL), 7);
    ck_assert_int_eq(ask_number(store, "SELECT COUNT(*) FROM t", NULL), 41);
    teardown();
}
END_TEST

static int count_each(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq_value rows[BLOCK_ROWS][3];
    char names[BLOCK_ROWS][16];
    const struct block block = {.count = BLOCK_ROWS};
    fill(rows, names, &block);
    return tq_tx_exec_many(
        tx, "INSERT INTO t (name, n, small) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", rows[0], 3,
        block.count, arg, failure);
}

START_TEST(where_it_is_asked_for__each_row_tells_what_it_changed)
{
    struct block there = {.count = 1, .first = 17};
    uint32_t changed[BLOCK_ROWS];
    setup("");
    assert_status(tq_ledger_run(store, insert_block, &there, &err), TQ_OK);
    assert_status(tq_ledger_run(store, count_each, changed, &err), TQ_OK);
    for (size_t i = 0; i < BLOCK_ROWS; i++) {
        ck_assert_uint_eq(changed[i], i == 17 ? 0 : 1);
    }
    assert_status(tq_ledger_run(store, count_each, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

START_TEST(where_nothing_stays_prepared__rows_go_alone)
{
    struct block block = {.count = BLOCK_ROWS};
    setup("prepared=0&");
    assert_status(tq_ledger_run(store, insert_block, &block, &err), TQ_OK);
    assert_status(block.status, TQ_OK);
    ck_assert_int_eq(block.prepared, 0);
    check_rows(BLOCK_ROWS);
    teardown();
}
END_TEST

/* ---- statements that are gone ---- */

static int use(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return tq_tx_exec(tx, "SELECT COUNT(*) FROM t", NULL, 0, NULL, NULL, failure);
}

static int use_and_lose(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int rc = use(tx, arg, failure);
    return rc < 0 ? rc : tq_tx_exec(tx, "SELECT lose()", NULL, 0, NULL, NULL, failure);
}

static void count_warnings(void *ctx, int level, const char *origin, const char *message)
{
    (void)ctx;
    (void)origin;
    warnings += level == TQ_LOG_WARN && strstr(message, "prepared=0");
}

/* As behind a pooler that gives each transaction another server. */
START_TEST(a_statement_that_does_not_stay__is_told_once_for_all_connections)
{
    setup("");
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg,
                 "CREATE FUNCTION lose() RETURNS BIGINT LANGUAGE plpgsql AS "
                 "'BEGIN EXECUTE ''DEALLOCATE ALL''; RETURN 1; END'",
                 NULL, 0);
    PQfinish(pg);
    struct tq_env env = tq_system_env();
    env.log = count_warnings;
    tq_store *other = NULL;
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = place.url), &other, &err),
                  TQ_OK);
    assert_status(tq_ledger_run(other, use_and_lose, NULL, &err), TQ_OK);
    assert_status(tq_ledger_read(other, use_and_lose, NULL, &err), TQ_OK);
    for (int i = 0; i < 2; i++) {
        assert_status(tq_ledger_run(other, use, NULL, &err), TQ_OK);
        assert_status(tq_ledger_read(other, use, NULL, &err), TQ_OK);
    }
    ck_assert_int_eq(warnings, 1);
    tq_store_close(other);
    teardown();
}
END_TEST

/* ---- the search path ---- */

static int stand_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    assert_status(
        tq_tx_exec(tx, "CREATE TEMPORARY TABLE t (n BIGINT)", NULL, 0, NULL, NULL, failure), TQ_OK);
    return insert(tx, "real", tq_int(1), failure);
}

START_TEST(no_table__can_stand_in_for_one_of_the_schema)
{
    setup("");
    assert_status(tq_ledger_run(store, stand_in, NULL, &err), TQ_OK);
    ck_assert_int_eq(ask_number(store, "SELECT n FROM t WHERE name = 'real'", NULL), 1);
    teardown();
}
END_TEST

/* ---- adoption ---- */

static tq_tx *adopt(PGconn *pg)
{
    tq_tx *tx = NULL;
    assert_status(tq_tx_adopt(store, pg, &tx, &err), TQ_OK);
    return tx;
}

START_TEST(a_hosts_transaction__is_taken_part_in)
{
    setup("");
    PGconn *pg = postgres_place_connect(&place);
    for (int round = 0; round < 2; round++) {
        postgres_run(pg, "BEGIN", NULL, 0);
        postgres_run(pg, "INSERT INTO t (name, n) VALUES ('host', 1)", NULL, 0);
        tq_tx *tx = adopt(pg);
        ck_assert_int_gt(tq_tx_now_ms(tx), 1600000000000);
        assert_status(insert(tx, "lib", tq_int(2), &err), TQ_OK);
        assert_status(insert(tx, "host", tq_int(3), &err), TQ_REPEAT);
        /* The host goes on with its connection in between and afterwards. */
        postgres_run(pg, "INSERT INTO t (name, n) VALUES ('host 2', 4)", NULL, 0);
        assert_status(insert(tx, "lib 2", tq_int(8), &err), TQ_OK);
        tq_tx_disown(tx);
        ck_assert_int_eq(PQtransactionStatus(pg), PQTRANS_INTRANS);
        ck_assert_int_eq(PQisnonblocking(pg), 0);
        postgres_run(pg, round ? "COMMIT" : "ROLLBACK", NULL, 0);
        ck_assert_int_eq(ask_number(store, "SELECT COALESCE(SUM(n), 0) FROM t", NULL),
                         round ? 15 : 0);
    }
    char left[8];
    postgres_run(pg, "SELECT COUNT(*) FROM pg_prepared_statements WHERE name LIKE 'tq%'", left,
                 sizeof left);
    ck_assert_str_eq(left, "0");
    PQfinish(pg);
    teardown();
}
END_TEST

/* Nobody would ask again: the host's own commit would be a rollback without a word. */
START_TEST(a_hosts_transaction__hears_of_a_failed_write_at_once)
{
    const struct tq_value row[] = {tq_text("host"), tq_int(2)};
    setup("");
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg, "BEGIN", NULL, 0);
    tq_tx *tx = adopt(pg);
    for (int round = 0; round < 2; round++) {
        assert_status(
            tq_tx_write(tx, "INSERT INTO t (name, n) VALUES ($1, $2)", row, 2, 1, NULL, &err),
            round ? TQ_E_INVALID : TQ_OK);
    }
    tq_tx_disown(tx);
    ck_assert_int_eq(PQtransactionStatus(pg), PQTRANS_INERROR);
    PQfinish(pg);
    teardown();
}
END_TEST

START_TEST(what_is_in_no_transaction__is_not_adopted)
{
    tq_tx *tx = NULL;
    setup("");
    PGconn *pg = postgres_place_connect(&place);
    assert_status(tq_tx_adopt(store, pg, &tx, &err), TQ_E_INVALID);
    PQclear(PQexec(pg, "BEGIN"));
    PQclear(PQexec(pg, "nonsense"));
    assert_status(tq_tx_adopt(store, pg, &tx, &err), TQ_E_INVALID);
    PQfinish(pg);
    teardown();
}
END_TEST

/* ---- what a queue's table is like ---- */

START_TEST(a_table_with_issued_keys__is_vacuumed_as_a_queue)
{
    char options[256];
    setup("");
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg, "SELECT reloptions FROM pg_class WHERE oid = 't'::regclass", options,
                 sizeof options);
    ck_assert_ptr_nonnull(strstr(options, "autovacuum_vacuum_scale_factor=0"));
    ck_assert_ptr_nonnull(strstr(options, "autovacuum_vacuum_threshold=2000"));
    postgres_run(pg, "SELECT seqcache FROM pg_sequence WHERE seqrelid = 't_id_seq'::regclass",
                 options, sizeof options);
    ck_assert_str_eq(options, "1");
    PQfinish(pg);
    teardown();
}
END_TEST

POSTGRES_MAIN("store.postgres.exec", columns__have_the_kind_of_their_value,
              blobs__come_back_as_they_were, statements__follow_the_kinds_of_their_values,
              a_number__has_64_bits_beside_a_smaller_one,
              a_statement_that_no_longer_fits_its_table__is_prepared_anew,
              rows_that_go_in_blocks__are_all_there_in_their_order,
              a_row_that_is_there__undoes_all_blocks_and_the_transaction_goes_on,
              blocks__follow_the_kinds_of_their_values,
              where_it_is_asked_for__each_row_tells_what_it_changed,
              where_nothing_stays_prepared__rows_go_alone,
              a_statement_that_does_not_stay__is_told_once_for_all_connections,
              no_table__can_stand_in_for_one_of_the_schema, a_hosts_transaction__is_taken_part_in,
              a_hosts_transaction__hears_of_a_failed_write_at_once,
              what_is_in_no_transaction__is_not_adopted,
              a_table_with_issued_keys__is_vacuumed_as_a_queue)
