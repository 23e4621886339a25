/* SPDX-License-Identifier: MIT */
/*
 * Transactions on connections: the ledger table.
 *
 *   begin READ    REPEATABLE READ, READ ONLY; the snapshot is taken with the clock
 *   begin WRITE   READ COMMITTED: each statement sees what others have committed, and
 *                 waits for the rows that they are changing
 *   begin SCHEMA  the same, and an advisory lock of the schema's name, which is tried
 *                 and not waited for
 *   commit        code.c says which answers leave the outcome unknown; lost without an
 *                 answer is unknown from the moment at which COMMIT was sent
 *
 * BEGIN, the settings and the clock are one round trip. The settings hold for the
 * transaction only, so that a pooler may give each transaction another server: the search
 * path, and how long a statement may take, wait for a lock, and let itself be waited for. A
 * beginning that failed because the connection was gone had no effect and is done again on
 * a new one, once. Of a rollback nobody waits for the answer.
 *
 * The search path is the schema, pg_catalog, and temporary tables last, so that none can
 * stand in for a table. A schema that is closed to the role counts for nothing in it; then
 * whatever is made would be made in pg_catalog, which nobody may, and not in pg_temp, to
 * go with the connection. So that the reason is told, a transaction is refused at its beginning.
 *
 * A server that takes no writes (a standby, one that is kept from it by
 * default_transaction_read_only) is none that we connect to but for reading; where a session that
 * we have becomes such, what it refuses is certainly not applied.
 *
 * Each writing transaction is also told when its server was started. Another time than the one
 * before is another server, or the same one again, and either may lack commits (`life`).
 *
 * An adopted connection is the host's: nothing is set and nothing prepared on it, and it is
 * in libpq's ordinary mode between two calls. Threads: pool.c.
 */
#include <string.h>

#include "core/env.h"
#include "store/postgres/postgres.h"

static const char *const begin_sql[] = {
    [TQ_TX_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    [TQ_TX_WRITE] = "BEGIN ISOLATION LEVEL READ COMMITTED",
    [TQ_TX_SCHEMA] = "BEGIN ISOLATION LEVEL READ COMMITTED",
};

/* The last columns of the answer to a question without parameters. */
struct reply {
    int64_t is_open, started_us, last;
};

static int take_reply(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct reply *reply = arg;
    if (columns_count >= 3) {
        reply->is_open = columns[columns_count - 3].integer;
        reply->started_us = columns[columns_count - 2].integer;
    }
    reply->last = columns[columns_count - 1].integer;
    return 0;
}

static int ask_all(struct postgres_conn *conn, const char *sql, struct reply *out,
                   struct tq_error *err)
{
    const struct tq_statement statement = {
        .size = sizeof statement, .sql = sql, .rows_count = 1, .row = take_reply, .arg = out};
    *out = (struct reply){0};
    return tq__postgres_exec(conn, &statement, err);
}

static int ask(struct postgres_conn *conn, const char *sql, int64_t *out, struct tq_error *err)
{
    struct reply reply;
    int rc = ask_all(conn, sql, &reply, err);
    *out = reply.last;
    return rc;
}

int tq__postgres_clock(struct postgres_conn *conn, int64_t *out_now_ms, struct tq_error *err)
{
    return ask(conn, "SELECT " TQ__POSTGRES_CLOCK, out_now_ms, err);
}

/* ---- begin ---- */

static int lock_schema(struct postgres_conn *conn, struct tq_error *err)
{
    int64_t is_locked;
    TQ_TRY(ask(conn, conn->state->lock.data, &is_locked, err));
    return is_locked
               ? TQ_OK
               : tq__fail(err, TQ_E_BUSY, "store.postgres", "somebody else is changing the schema");
}

static void note_server(struct postgres_state *state, int64_t started_us)
{
    if (state->started_us && state->started_us != started_us) {
        atomic_fetch_add(&state->lives, 1);
    }
    state->started_us = started_us;
}

int tq__postgres_closed(const struct postgres_state *state, int status, struct tq_error *err)
{
    return tq__fail(err, status, "store.postgres",
                    "the role may not use the schema %s: its owner has to grant USAGE and"
                    " CREATE on it",
                    state->target.schema);
}

static int begin_on(struct postgres_conn *conn, int64_t *out_now_ms, struct tq_error *err)
{
    struct reply reply;
    tq__postgres_ask_text(&conn->wire, begin_sql[conn->mode]);
    TQ_TRY(ask_all(conn, conn->state->settings.data, &reply, err));
    if (!reply.is_open) {
        return tq__postgres_closed(conn->state, TQ_E_UNAVAILABLE, err);
    }
    *out_now_ms = reply.last;
    if (conn->mode != TQ_TX_READ) {
        note_server(conn->state, reply.started_us);
    }
    return conn->mode == TQ_TX_SCHEMA ? lock_schema(conn, err) : TQ_OK;
}

static void postgres_rollback(void *opaque)
{
    struct postgres_conn *conn = opaque;
    conn->wire.pending_count = 0;
    tq__postgres_catch_up(conn, NULL); /* a failure would make the server pass over the rollback */
    tq__postgres_ask_control(&conn->wire, POSTGRES_ROLLBACK);
    tq__postgres_ask_end(&conn->wire);
    tq__postgres_answers_later(&conn->wire);
    tq__postgres_put_back(conn);
}

/* What the caller can act on: the server is not there, or does not want to. */
static int begin_status(int status, struct tq_error *err)
{
    int is_known = status == TQ_E_BUSY || status == TQ_E_NOMEM || status == TQ_E_UNAVAILABLE;
    if (!is_known && err) {
        err->status = TQ_E_UNAVAILABLE;
    }
    return is_known ? status : TQ_E_UNAVAILABLE;
}

static int postgres_begin(void *opaque, uint32_t mode, void **out_conn, int64_t *out_now_ms,
                          struct tq_error *err)
{
    struct postgres_conn *conn = NULL;
    int status = TQ_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        TQ_TRY(tq__postgres_take(opaque, mode, &conn, err));
        conn->news = 0;
        status = begin_on(conn, out_now_ms, err);
        if (status == TQ_OK) {
            *out_conn = conn;
            return TQ_OK;
        }
        int is_lost = conn->wire.is_lost;
        postgres_rollback(conn);
        if (!is_lost) {
            break;
        }
    }
    return begin_status(status, err);
}

/* ---- statements ---- */

static int postgres_exec(void *conn, const struct tq_statement *statement, struct tq_error *err)
{
    return tq__postgres_exec(conn, statement, err);
}

static int postgres_script(void *conn, const char *sql, struct tq_error *err)
{
    return tq__postgres_script(conn, sql, err);
}

static int later(struct postgres_conn *conn, enum postgres_control control, struct tq_error *err)
{
    tq__postgres_later(&conn->wire, control);
    return tq__postgres_settle(conn, err);
}

static int postgres_savepoint(void *conn, struct tq_error *err)
{
    return later(conn, POSTGRES_SAVEPOINT, err);
}

static int postgres_release(void *conn, struct tq_error *err)
{
    TQ_TRY(later(conn, POSTGRES_RELEASE, err));
    return tq__postgres_catch_up(conn, err);
}

static int postgres_rollback_to(void *conn, struct tq_error *err)
{
    tq__postgres_catch_up(conn, NULL); /* it is undone, whatever came of it */
    return later(conn, POSTGRES_ROLLBACK_TO, err);
}

/* ---- commit ---- */

static int gone(struct tq_error *err)
{
    return tq__fail(err, TQ_E_UNAVAILABLE, "store.postgres",
                    "the connection was lost before the commit");
}

/* COMMIT of a transaction that has failed is a ROLLBACK, and says so. */
static int read_commit(struct postgres_wire *wire, struct tq_error *err)
{
    PGresult *result = tq__postgres_answer(wire);
    int status = TQ_OK;
    if (!result || !tq__postgres_is_ok(result)) {
        status = tq__postgres_fail_commit(wire->pg, result, err);
    } else if (strcmp(PQcmdStatus(result), "COMMIT") != 0) {
        status = tq__fail(err, TQ_E_UNAVAILABLE, "store.postgres", "the transaction has failed");
    }
    PQclear(result);
    return status;
}

static int commit_on(struct postgres_wire *wire, struct tq_error *err)
{
    PGresult *bad = NULL;
    if (!tq__postgres_wire_is_alive(wire)) {
        return gone(err);
    }
    tq__postgres_ask_pending(wire);
    size_t before = wire->asked;
    tq__postgres_ask_control(wire, POSTGRES_COMMIT);
    if (wire->is_lost) {
        return gone(err);
    }
    tq__postgres_ask_end(wire);
    int status = TQ_OK;
    if (tq__postgres_answers_ok(wire, before, &bad)) {
        status = read_commit(wire, err);
    } else {
        /* Passed over, and COMMIT with it, when that was an answer. */
        status = tq__postgres_fail_commit(wire->pg, bad, err);
    }
    PQclear(bad);
    tq__postgres_answers_end(wire);
    return status;
}

static int postgres_commit(void *opaque, struct tq_error *err)
{
    struct postgres_conn *conn = opaque;
    int status = commit_on(&conn->wire, err);
    if (!conn->wire.is_lost && PQtransactionStatus(conn->wire.pg) != PQTRANS_IDLE) {
        postgres_rollback(conn);
        return status;
    }
    if (status == TQ_OK) {
        tq__postgres_send_news(conn);
    }
    tq__postgres_put_back(conn);
    return status;
}

/* ---- adoption ---- */

static int adopt_on(struct postgres_conn *conn, PGconn *pg, int64_t *out_now_ms,
                    struct tq_error *err)
{
    const struct postgres_state *state = conn->state;
    conn->wire = (struct postgres_wire){.pg = pg, .timeout_ms = state->target.timeout_ms};
    conn->is_adopted = 1;
    conn->mode = TQ_TX_WRITE;
    TQ_TRY(tq__postgres_statements_init(&conn->statements, 0, state->env, err));
    return tq__postgres_clock(conn, out_now_ms, err);
}

static void postgres_disown(void *opaque)
{
    struct postgres_conn *conn = opaque;
    tq__postgres_statements_done(&conn->statements);
    tq__release(conn->state->env, conn);
}

static int postgres_adopt(void *opaque, void *native, void **out_conn, int64_t *out_now_ms,
                          struct tq_error *err)
{
    struct postgres_state *state = opaque;
    if (!native || PQtransactionStatus(native) != PQTRANS_INTRANS ||
        PQpipelineStatus(native) != PQ_PIPELINE_OFF) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "the connection is not inside a transaction, or in a pipeline");
    }
    struct postgres_conn *conn = tq__alloc(state->env, 1, sizeof *conn);
    if (!conn) {
        return tq__nomem("store.postgres", err);
    }
    conn->state = state;
    int status = adopt_on(conn, native, out_now_ms, err);
    if (status < 0) {
        postgres_disown(conn);
        return status == TQ_E_NOMEM ? status : TQ_E_UNAVAILABLE;
    }
    *out_conn = conn;
    return TQ_OK;
}

static uint64_t postgres_life(void *opaque)
{
    struct postgres_state *state = opaque;
    return atomic_load(&state->lives);
}

const struct tq_ledger_driver tq__postgres_ledger = {
    .size = sizeof(struct tq_ledger_driver),
    .begin = postgres_begin,
    .exec = postgres_exec,
    .script = postgres_script,
    .savepoint = postgres_savepoint,
    .release = postgres_release,
    .rollback_to = postgres_rollback_to,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
    .adopt = postgres_adopt,
    .disown = postgres_disown,
    .tell = tq__postgres_tell,
    .listen = tq__postgres_listen,
    .rouse = tq__postgres_rouse,
    .life = postgres_life,
};
