/* SPDX-License-Identifier: MIT */
/*
 * The PostgreSQL driver: a ledger in a schema of a server, for any number of processes.
 *
 * target.c has the URL, conn.c the transactions, wire.c how they are spoken. Needs PostgreSQL
 * 15 and libpq 14. The clock is the server's. TQ_STORE_DURABLE is what the server makes of
 * it: with synchronous_commit or fsync off, the last commits may be lost.
 *
 * The role needs USAGE and CREATE on its schema, and nothing else. A schema that is not there
 * is made when the store is opened, where the role may and the URL does not say create=0.
 *
 * Threads: [any]; pool.c says how.
 */
#include <string.h>

#include "store/builtin.h"
#include "store/postgres/postgres.h"

#define READERS_MAX 64

/* The schema's name has no character that would have to be quoted in a string. */
static void write_statements(struct postgres_state *state)
{
    const struct postgres_target *target = &state->target;
    tq__buf_format(&state->settings,
                   "SELECT set_config('search_path', '\"%s\", pg_catalog, pg_temp', TRUE),"
                   " set_config('lock_timeout', '%u', TRUE),"
                   " set_config('statement_timeout', '%u', TRUE),"
                   " set_config('idle_in_transaction_session_timeout', '%u', TRUE),"
                   " CAST(has_schema_privilege('%s', 'USAGE') AS INTEGER),"
                   " CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT),"
                   " " TQ__POSTGRES_CLOCK,
                   target->schema, state->busy_timeout_ms, target->timeout_ms, target->idle_ms,
                   target->schema);
    tq__buf_format(&state->lock,
                   "SELECT pg_try_advisory_xact_lock(hashtextextended('ticketq %s', 0))",
                   target->schema);
}

static int read_config(struct postgres_state *state, const struct tq_store_config *config,
                       struct tq_error *err)
{
    if (config->readers > READERS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.postgres", "%u readers, at most %d are allowed",
                        config->readers, READERS_MAX);
    }
    TQ_TRY(tq__postgres_target_read(&state->target, config->path, config->query, err));
    state->is_prepared = (int)state->target.is_prepared;
    state->busy_timeout_ms = config->busy_timeout_ms;
    state->conns_count = 1 + config->readers;
    write_statements(state);
    snprintf(state->news.channel, sizeof state->news.channel, "tq_%.60s", state->target.schema);
    TQ_TRY(tq__buf_check(&state->settings, "store.postgres", err));
    return tq__buf_check(&state->lock, "store.postgres", err);
}

enum schema { SCHEMA_ABSENT, SCHEMA_CLOSED, SCHEMA_OPEN };

static int note_schema(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(enum schema *)arg = columns[0].integer ? SCHEMA_OPEN : SCHEMA_CLOSED;
    return 0;
}

static int look_for_schema(struct postgres_conn *conn, enum schema *out_found, struct tq_error *err)
{
    const char *schema = conn->state->target.schema;
    const struct tq_value name = {TQ_TEXT, (uint32_t)strlen(schema), 0, schema};
    const struct tq_statement statement = {
        .size = sizeof statement,
        .sql = "SELECT has_schema_privilege(oid, 'USAGE')::integer FROM pg_catalog.pg_namespace"
               " WHERE nspname = $1",
        .params = &name,
        .params_count = 1,
        .rows_count = 1,
        .row = note_schema,
        .arg = out_found,
    };
    *out_found = SCHEMA_ABSENT;
    return tq__postgres_exec(conn, &statement, err);
}

/* Several starters may make it at once: it is there, or this one says why not. */
static int make_schema(struct postgres_conn *conn, struct tq_error *err)
{
    const struct postgres_target *target = &conn->state->target;
    struct tq_error why = TQ_ERROR_INIT;
    char sql[TQ__POSTGRES_NAME_SIZE + 32];
    enum schema found;
    TQ_TRY(look_for_schema(conn, &found, err));
    if (found == SCHEMA_ABSENT && target->is_creating) {
        snprintf(sql, sizeof sql, "CREATE SCHEMA \"%s\"", target->schema);
        if (tq__postgres_script(conn, sql, &why) == TQ_OK) {
            return TQ_OK;
        }
        TQ_TRY(look_for_schema(conn, &found, err));
    }
    if (found == SCHEMA_CLOSED) {
        return tq__postgres_closed(conn->state, TQ_E_INVALID, err);
    }
    return found == SCHEMA_OPEN ? TQ_OK
                                : tq__fail_native(err, TQ_E_INVALID, why.native, "store.postgres",
                                                  "there is no schema %s%s%s", target->schema,
                                                  *why.message ? ": " : "", why.message);
}

static int postgres_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct postgres_state *state = opaque;
    struct postgres_conn *conn;
    state->env = config->env;
    state->settings = (struct tq__buf)TQ__BUF(state->env);
    state->lock = (struct tq__buf)TQ__BUF(state->env);
    pthread_mutex_init(&state->pool.lock, NULL);
    pthread_cond_init(&state->pool.writer.freed, NULL);
    pthread_cond_init(&state->pool.readers.freed, NULL);
    TQ_TRY(tq__postgres_news_open(state, err));
    TQ_TRY(read_config(state, config, err));
    TQ_TRY(tq__postgres_pool_open(state, err));
    TQ_TRY(tq__postgres_take(state, TQ_TX_WRITE, &conn, err));
    int rc = make_schema(conn, err);
    tq__postgres_put_back(conn);
    return rc;
}

static void postgres_close(void *opaque)
{
    struct postgres_state *state = opaque;
    tq__postgres_pool_close(state);
    tq__postgres_news_close(state);
    tq__buf_done(&state->settings);
    tq__buf_done(&state->lock);
    pthread_cond_destroy(&state->pool.readers.freed);
    pthread_cond_destroy(&state->pool.writer.freed);
    pthread_mutex_destroy(&state->pool.lock);
}

static int postgres_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    struct postgres_conn *conn;
    TQ_TRY(tq__postgres_take(opaque, TQ_TX_READ, &conn, err));
    int rc = tq__postgres_clock(conn, out_now_ms, err);
    tq__postgres_put_back(conn);
    return rc == TQ_OK ? TQ_OK : TQ_E_UNAVAILABLE;
}

/* Both schemes of libpq's own URLs. */
#define DRIVER(scheme)                                                                             \
    {                                                                                              \
        .size = sizeof(struct tq_store_driver), .abi = TQ_STORE_ABI,                               \
        .caps = TQ_STORE_DURABLE | TQ_STORE_SHARED, .name = (scheme),                              \
        .state_size = sizeof(struct postgres_state), .open = postgres_open,                        \
        .close = postgres_close, .now = postgres_now, .ledger = &tq__postgres_ledger,              \
    }

const struct tq_store_driver tq__postgres_driver = DRIVER("postgres");
const struct tq_store_driver tq__postgresql_driver = DRIVER("postgresql");
