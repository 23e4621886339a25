/* SPDX-License-Identifier: MIT */
/*
 * News from process to process: NOTIFY behind a commit, LISTEN on a connection of its own.
 *
 * PostgreSQL holds a lock of the whole server from a NOTIFY to the end of its commit, so that
 * commits with one in them wait for each other's flush to disk. So ours is a transaction of its
 * own, sent when COMMIT was answered and not waited for; and since it has nothing to lose, it does
 * not wait for the disk either. The channel is that of the schema, the text is the set in hex.
 *
 * What was told while there was no connection is lost, so a new one begins by telling everything.
 * A pooler that hands out servers by transaction takes LISTEN and delivers nothing: where nothing
 * is prepared, and with listen=0, nobody tells or listens.
 *
 * Threads: telling is the connection's; `listen` is called once at a time; rousing is [any].
 */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/postgres/postgres.h"
#include "store/rouse.h"

static int is_on(const struct postgres_state *state)
{
    return state->target.is_listening && state->is_prepared;
}

int tq__postgres_news_open(struct postgres_state *state, struct tq_error *err)
{
    return tq__rouse_open(&state->news.rouse_fd, "store.postgres", err);
}

void tq__postgres_news_close(struct postgres_state *state)
{
    tq__postgres_wire_close(&state->news.wire);
    if (state->news.rouse_fd >= 0) {
        close(state->news.rouse_fd);
    }
}

/* ---- telling ---- */

void tq__postgres_tell(void *opaque, uint64_t news)
{
    struct postgres_conn *conn = opaque;
    conn->news = news;
}

void tq__postgres_send_news(struct postgres_conn *conn)
{
    char sql[TQ__POSTGRES_NAME_SIZE + 128];
    if (!conn->news || !is_on(conn->state)) {
        return;
    }
    snprintf(sql, sizeof sql,
             "SELECT set_config('synchronous_commit', 'off', TRUE), pg_notify('%s', '%llx')",
             conn->state->news.channel, (unsigned long long)conn->news);
    tq__postgres_ask_text(&conn->wire, sql);
    tq__postgres_ask_end(&conn->wire);
    tq__postgres_answers_later(&conn->wire);
}

/* ---- listening ---- */

static int begin(struct postgres_state *state, struct tq_error *err)
{
    struct postgres_wire *wire = &state->news.wire;
    char sql[TQ__POSTGRES_NAME_SIZE + 16];
    PGresult *bad = NULL;
    int rc = tq__postgres_wire_open(wire, &state->target, 0, err);
    if (rc == TQ_OK) {
        snprintf(sql, sizeof sql, "LISTEN \"%s\"", state->news.channel);
        tq__postgres_ask_text(wire, sql);
        tq__postgres_ask_end(wire);
        int is_ok = tq__postgres_answers_ok(wire, 1, &bad);
        is_ok &= tq__postgres_answers_end(wire);
        rc = is_ok ? TQ_OK : tq__postgres_fail_connect(wire->pg, err);
        PQclear(bad);
    }
    if (rc < 0) {
        tq__postgres_wire_close(wire);
    }
    return rc;
}

static uint64_t take(PGconn *pg)
{
    uint64_t news = 0;
    for (PGnotify *note; (note = PQnotifies(pg)); PQfreemem(note)) {
        news |= strtoull(note->extra, NULL, 16);
    }
    return news;
}

/* True when something came, be it a rouse; `*out_is_lost`: there is no connection any more. */
static int wait_for_news(struct postgres_state *state, uint32_t timeout_ms, int *out_is_lost)
{
    PGconn *pg = state->news.wire.pg;
    struct pollfd pollers[] = {
        {.fd = state->news.rouse_fd, .events = POLLIN},
        {.fd = PQsocket(pg), .events = POLLIN},
    };
    int count = poll(pollers, 2, (int)timeout_ms);
    *out_is_lost =
        count > 0 && pollers[1].revents && (!PQconsumeInput(pg) || PQstatus(pg) == CONNECTION_BAD);
    if (count > 0 && pollers[0].revents) {
        tq__rouse_done(state->news.rouse_fd);
    }
    return count != 0;
}

int tq__postgres_listen(void *opaque, uint32_t timeout_ms, uint64_t *out_news, struct tq_error *err)
{
    struct postgres_state *state = opaque;
    int is_lost;
    *out_news = 0;
    if (!is_on(state)) {
        return tq__fail(err, TQ_E_UNSUPPORTED, "store.postgres", "nothing is to be heard here");
    }
    if (!state->news.wire.pg) {
        TQ_TRY(begin(state, err));
        *out_news = UINT64_MAX;
        return TQ_OK;
    }
    int is_something = wait_for_news(state, timeout_ms, &is_lost);
    if (is_lost) {
        int rc = tq__postgres_fail_connect(state->news.wire.pg, err);
        tq__postgres_wire_close(&state->news.wire);
        return rc;
    }
    *out_news = take(state->news.wire.pg);
    return *out_news || is_something ? TQ_OK : TQ_EMPTY;
}

void tq__postgres_rouse(void *opaque)
{
    const struct postgres_state *state = opaque;
    tq__rouse(state->news.rouse_fd);
}
