/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/postgres.c: how a store is opened: a schema is made once by many starters, a
 * role needs nothing but its own schema, and a pooler that hands out servers by transaction does.
 */
#include <pthread.h>
#include <string.h>

#include <ticketq/outbox.h>
#include <ticketq/system.h>

#include "lib/ask.h"
#include "lib/postgres_schema.h"

#define STARTERS 8

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;

static int open_url(const char *url, tq_store **out_store)
{
    struct tq_env env = tq_system_env();
    return tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), out_store, &err);
}

/* ---- starters ---- */

static void *be_a_starter(void *arg)
{
    static const struct tq_migration step = {sizeof step, "t", 1, 0, "CREATE TABLE t (n BIGINT)"};
    struct tq_error own = TQ_ERROR_INIT;
    tq_store *store = postgres_place_store(arg, 0);
    int status = tq_ledger_migrate(store, &step, 1, &own);
    tq_store_close(store);
    return (void *)(intptr_t)status;
}

START_TEST(many_starters__make_one_schema)
{
    const char *server = getenv("TICKETQ_TEST_POSTGRES");
    pthread_t threads[STARTERS];
    int made = 0;
    postgres_schema_url(place.url, sizeof place.url, server, "");
    for (int i = 0; i < STARTERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_starter, &place), 0);
    }
    for (int i = 0; i < STARTERS; i++) {
        void *status;
        pthread_join(threads[i], &status);
        ck_assert_int_ge((intptr_t)status, TQ_OK);
        made += (intptr_t)status == TQ_OK;
    }
    ck_assert_int_eq(made, 1);
    postgres_schema_drop(server, place.url);
}
END_TEST

/* ---- rights ---- */

/* Every test of the driver's files runs as a role like this one. */
START_TEST(a_role__needs_its_own_schema_only)
{
    tq_store *store = NULL;
    char url[600];
    postgres_place_open(&place, "");
    snprintf(url, sizeof url, "%s_2", place.url);
    assert_status(open_url(url, &store), TQ_E_INVALID); /* it is not there and not to be made */
    ck_assert_ptr_nonnull(strstr(err.message, "42501"));
    snprintf(strstr(url, "schema="), 32, "schema=pg_toast"); /* it is there, and closed to roles */
    assert_status(open_url(url, &store), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "grant USAGE and CREATE"));
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg, "CREATE TABLE of_another (n BIGINT)", NULL, 0);
    PQfinish(pg);
    store = postgres_place_store(&place, 0);
    assert_status(tq_outbox_prepare(store, &err), TQ_OK);
    assert_status(exec_on(store, "UPDATE outbox_partitions SET epoch = 1", &err), TQ_OK);
    assert_status(exec_on(store, "SELECT n FROM of_another", &err), TQ_E_INVALID);
    tq_store_close(store);
    postgres_place_close(&place);
}
END_TEST

static int look(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return tq_tx_exec(tx, "SELECT 1", NULL, 0, NULL, NULL, failure);
}

static void assert_closed(tq_store *store, const char *words)
{
    static const struct tq_migration step = {sizeof step, "strayed", 1, 0,
                                             "CREATE TABLE strayed (n BIGINT)"};
    assert_status(exec_on(store, "CREATE TABLE astray (n BIGINT)", &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, words));
    assert_status(tq_ledger_read(store, look, NULL, &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, words));
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, words));
}

/* Nothing is made in pg_temp, and it is said why nothing goes. */
START_TEST(a_schema_that_is_closed_later__is_told_until_it_is_open_again)
{
    postgres_place_open(&place, "");
    tq_store *store = postgres_place_store(&place, 0);
    assert_status(exec_on(store, "CREATE TABLE kept (n BIGINT)", &err), TQ_OK);
    postgres_place_rule(&place, "REVOKE USAGE, CREATE ON SCHEMA %1$s FROM %1$s");
    assert_closed(store, "the role may not use the schema");
    postgres_place_rule(&place, "GRANT USAGE ON SCHEMA %1$s TO %1$s");
    assert_status(exec_on(store, "INSERT INTO kept (n) VALUES (1)", &err), TQ_OK);
    assert_status(exec_on(store, "CREATE TABLE astray (n BIGINT)", &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "42501"));
    postgres_place_rule(&place, "ALTER SCHEMA %1$s RENAME TO %1$s_away");
    assert_closed(store, "does not exist");
    postgres_place_rule(&place, "ALTER SCHEMA %1$s_away RENAME TO %1$s");
    ck_assert_int_eq(ask_number(store, "SELECT n FROM kept", NULL), 1);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM pg_class WHERE relname IN ('strayed', 'astray')",
                   NULL),
        0);
    tq_store_close(store);
    postgres_place_close(&place);
}
END_TEST

START_TEST(what_cannot_be_opened__is_told)
{
    char url[512];
    tq_store *store = NULL;
    snprintf(url, sizeof url, "postgresql://nobody_at_all:secret@%s?wait_ms=0",
             strrchr(getenv("TICKETQ_TEST_POSTGRES"), '@') + 1);
    assert_status(open_url(url, &store), TQ_E_UNAVAILABLE);
    ck_assert_ptr_null(strstr(err.message, "secret"));
    assert_status(open_url("postgres:", &store), TQ_E_INVALID);
    assert_status(open_url("postgres://h/d?schema=a%3Bb", &store), TQ_E_INVALID);
    snprintf(url, sizeof url, "%s?schema=tq_is_not_there&create=0",
             getenv("TICKETQ_TEST_POSTGRES"));
    for (int i = 0; i < 2; i++) { /* nor after the first time */
        assert_status(open_url(url, &store), TQ_E_INVALID);
        ck_assert_str_eq(err.message, "there is no schema tq_is_not_there");
    }
    struct tq_env env = tq_system_env();
    for (uint32_t readers = 63; readers <= 65; readers++) {
        int status = tq_store_open(
            &env,
            TQ_ARGS(tq_store_options, .url = getenv("TICKETQ_TEST_POSTGRES"), .readers = readers),
            &store, &err);
        ck_assert_int_eq(status, readers <= 64 ? TQ_OK : TQ_E_LIMIT);
        if (status == TQ_OK) {
            ck_assert_uint_eq(tq_store_caps(store),
                              TQ_STORE_LEDGER | TQ_STORE_DURABLE | TQ_STORE_SHARED);
            tq_store_close(store);
        }
    }
}
END_TEST

/* ---- behind a pooler ---- */

static void *be_a_client(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    tq_store *store = NULL;
    struct tq_env env = tq_system_env();
    int status = tq_store_open(&env, TQ_ARGS(tq_store_options, .url = arg), &store, &own);
    for (int i = 0; i < 50 && status >= 0; i++) {
        status = exec_on(store, "UPDATE t SET n = n + 1", &own);
    }
    tq_store_close(store);
    return (void *)(intptr_t)status;
}

/* Servers are swapped below the clients: they find out, and none gets another's statement. */
START_TEST(statements_that_do_not_stay_prepared__are_found_out)
{
    pthread_t threads[4];
    char url[512];
    const char *pooler = getenv("TICKETQ_TEST_PGBOUNCER");
    if (!pooler) {
        return;
    }
    postgres_place_open(&place, "");
    tq_store *store = postgres_place_store(&place, 0);
    assert_status(exec_on(store, "CREATE TABLE t (n BIGINT)", &err), TQ_OK);
    assert_status(exec_on(store, "INSERT INTO t (n) VALUES (0)", &err), TQ_OK);
    snprintf(url, sizeof url, "%s%s", pooler, strchr(place.url, '?'));
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_client, url), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *status;
        pthread_join(threads[i], &status);
        ck_assert_int_eq((intptr_t)status, TQ_OK);
    }
    ck_assert_int_eq(ask_number(store, "SELECT n FROM t", NULL), 200);
    tq_store_close(store);
    postgres_place_close(&place);
}
END_TEST

POSTGRES_MAIN("store.postgres", many_starters__make_one_schema, a_role__needs_its_own_schema_only,
              a_schema_that_is_closed_later__is_told_until_it_is_open_again,
              what_cannot_be_opened__is_told, statements_that_do_not_stay_prepared__are_found_out)
