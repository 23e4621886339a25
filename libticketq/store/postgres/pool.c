/* SPDX-License-Identifier: MIT */
/*
 * The connections of a store: one that writes, `readers` that read.
 *
 * Requests that write are merged by the core, so one connection serves all of them; a
 * change of the schema waits for it. A connection is made when it is first needed, or when
 * the one before was lost: with jittered pauses, for at most `wait_ms`. While no connection
 * can be made, whoever waits for the same kind fails with the one who tries, so that nobody
 * waits longer than two attempts. No thread of its own looks after idle ones: they are
 * looked at when they are taken.
 *
 * Threads: the pool is locked; a connection belongs to who took it out.
 */
#include "core/backoff.h"
#include "core/env.h"
#include "store/postgres/postgres.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS 500

static struct postgres_lane *lane_of(struct postgres_state *state, uint32_t mode)
{
    return mode == TQ_TX_READ ? &state->pool.readers : &state->pool.writer;
}

int tq__postgres_pool_open(struct postgres_state *state, struct tq_error *err)
{
    state->conns = tq__alloc(state->env, state->conns_count, sizeof *state->conns);
    if (!state->conns) {
        return tq__nomem("store.postgres", err);
    }
    for (size_t i = 0; i < state->conns_count; i++) {
        struct postgres_conn *conn = &state->conns[i];
        struct postgres_lane *lane = i ? &state->pool.readers : &state->pool.writer;
        conn->state = state;
        conn->next = lane->free;
        lane->free = conn;
    }
    return TQ_OK;
}

static void disconnect(struct postgres_conn *conn)
{
    tq__postgres_statements_done(&conn->statements);
    tq__postgres_wire_close(&conn->wire);
}

void tq__postgres_pool_close(struct postgres_state *state)
{
    for (size_t i = state->conns ? state->conns_count : 0; i-- > 0;) {
        disconnect(&state->conns[i]);
    }
    tq__release(state->env, state->conns);
}

static int connect_once(struct postgres_conn *conn, struct tq_error *err)
{
    struct postgres_state *state = conn->state;
    int rc = tq__postgres_statements_init(&conn->statements, state->is_prepared, state->env, err);
    if (rc == TQ_OK) {
        rc = tq__postgres_wire_open(&conn->wire, &state->target, conn->mode == TQ_TX_READ, err);
    }
    if (rc < 0) {
        disconnect(conn);
    }
    return rc;
}

/* An attempt takes its time from what is left, too. */
static int connect_in_time(struct postgres_conn *conn, struct tq_error *err)
{
    const struct tq_env *env = conn->state->env;
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    uint32_t left_ms = conn->state->target.wait_ms;
    int rc;
    do {
        int64_t begun_ms = tq__now_ms(env);
        rc = connect_once(conn, err);
        tq__backoff_count(begun_ms, env, &left_ms);
    } while (rc == TQ_E_UNAVAILABLE && tq__backoff_wait(&backoff, env, &left_ms));
    return rc;
}

static int make_ready(struct postgres_conn *conn, struct tq_error *err)
{
    if (tq__postgres_wire_is_alive(&conn->wire)) {
        return TQ_OK;
    }
    disconnect(conn);
    return connect_in_time(conn, err);
}

static void push(struct postgres_conn *conn, int is_failure)
{
    struct postgres_state *state = conn->state;
    struct postgres_lane *lane = lane_of(state, conn->mode);
    pthread_mutex_lock(&state->pool.lock);
    conn->next = lane->free;
    lane->free = conn;
    if (is_failure) {
        lane->failures++;
        pthread_cond_broadcast(&lane->freed);
    } else {
        pthread_cond_signal(&lane->freed);
    }
    pthread_mutex_unlock(&state->pool.lock);
}

/* NULL when somebody who has one of the kind could not connect. */
static struct postgres_conn *pop(struct postgres_state *state, struct postgres_lane *lane)
{
    pthread_mutex_lock(&state->pool.lock);
    unsigned failures = lane->failures;
    while (!lane->free && failures == lane->failures) {
        pthread_cond_wait(&lane->freed, &state->pool.lock);
    }
    struct postgres_conn *conn = failures == lane->failures ? lane->free : NULL;
    if (conn) {
        lane->free = conn->next;
    }
    pthread_mutex_unlock(&state->pool.lock);
    return conn;
}

int tq__postgres_take(struct postgres_state *state, uint32_t mode, struct postgres_conn **out_conn,
                      struct tq_error *err)
{
    struct postgres_conn *conn = pop(state, lane_of(state, mode));
    if (!conn) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.postgres", "no connection can be made");
    }
    conn->mode = mode;
    int rc = make_ready(conn, err);
    if (rc < 0) {
        push(conn, 1);
        return rc;
    }
    *out_conn = conn;
    return TQ_OK;
}

void tq__postgres_put_back(struct postgres_conn *conn)
{
    if (conn->wire.is_lost) {
        disconnect(conn);
    }
    push(conn, 0);
}
