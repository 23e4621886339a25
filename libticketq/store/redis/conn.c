/* SPDX-License-Identifier: MIT */
/*
 * One connection to a Redis server, in the hands of one thread at a time.
 *
 *     not connected -> connected -> logged in, scripts loaded -> broken -> not connected
 *
 * hiredis connects and parses; its replies and buffers come from the C library's
 * heap, because before 1.0 it has no hooks for that. Commands are written by us:
 * into one buffer of the host's memory, and with MSG_NOSIGNAL, since a library may
 * not leave it to its host to survive SIGPIPE. `sent` says what the kernel took, so
 * after a failure it is known which commands certainly did not arrive. A server
 * reads on while answers wait for us, so a pipeline is written as a whole first.
 *
 * A connection that was closed while nobody used it is noticed before the next
 * command is sent, or that command's fate would be unknown for no reason. After a
 * failed attempt the next is made after a pause that grows and is spread by chance;
 * until then calls fail at once, and say why the attempt failed.
 */
#include "store/redis/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/env.h"
#include "core/error.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS 1000

void tq__redis_conn_init(struct redis_conn *conn, const struct tq_env *env,
                         const struct redis_target *target, const struct redis_address *address)
{
    *conn = (struct redis_conn){
        .env = env,
        .target = target,
        .address = *address,
        .backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0},
        .out = TQ__BUF(env),
        .has_scripts = 1,
    };
}

static void hang_up(struct redis_conn *conn)
{
    if (conn->context) {
        redisFree(conn->context);
    }
    conn->context = NULL;
    conn->is_broken = conn->is_misled = 0;
}

void tq__redis_conn_done(struct redis_conn *conn)
{
    hang_up(conn);
    tq__buf_done(&conn->out);
}

/* `*12\r\n`, `$5\r\n` */
static void put_head(struct tq__buf *out, char kind, size_t number)
{
    char text[24], *at = text + sizeof text;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    *--at = kind;
    tq__buf_add(out, at, (size_t)(text + sizeof text - at));
}

void tq__redis_put_array(struct tq__buf *out, size_t elements)
{
    put_head(out, '*', elements);
}

void tq__redis_put(struct tq__buf *out, const char *data, size_t bytes)
{
    put_head(out, '$', bytes);
    tq__buf_add(out, data, bytes);
    tq__buf_add(out, "\r\n", 2);
}

void tq__redis_put_text(struct tq__buf *out, const char *text)
{
    tq__redis_put(out, text, strlen(text));
}

void tq__redis_put_number(struct tq__buf *out, size_t number)
{
    char text[24];
    int bytes = snprintf(text, sizeof text, "%zu", number);
    tq__redis_put(out, text, (size_t)bytes);
}

void tq__redis_put_script(struct tq__buf *out, const struct redis_script *script)
{
    size_t bytes = 0;
    for (size_t i = 0; i < REDIS_SCRIPT_PARTS && script->parts[i]; i++) {
        bytes += strlen(script->parts[i]);
    }
    put_head(out, '$', bytes);
    for (size_t i = 0; i < REDIS_SCRIPT_PARTS && script->parts[i]; i++) {
        tq__buf_text(out, script->parts[i]);
    }
    tq__buf_add(out, "\r\n", 2);
}

void tq__redis_conn_send(struct redis_conn *conn)
{
    while (!conn->is_broken && conn->sent < conn->out.bytes) {
        ssize_t got = send(conn->context->fd, conn->out.data + conn->sent,
                           conn->out.bytes - conn->sent, MSG_NOSIGNAL);
        if (got > 0) {
            conn->sent += (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            conn->is_broken = 1;
        }
    }
}

redisReply *tq__redis_conn_receive(struct redis_conn *conn)
{
    void *reply = NULL;
    if (!conn->is_broken && redisGetReply(conn->context, &reply) != REDIS_OK) {
        conn->is_broken = 1;
        return NULL;
    }
    return reply;
}

void tq__redis_conn_rest(struct redis_conn *conn)
{
    tq__buf_clear(&conn->out);
    conn->sent = 0;
    if (conn->is_broken || conn->is_misled) {
        hang_up(conn);
    }
}

static int broken(const struct redis_conn *conn, struct tq_error *err)
{
    return tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "%.100s:%u hung up", conn->address.host,
                    conn->address.port);
}

static int refused(const struct redis_conn *conn, const redisReply *reply, struct tq_error *err)
{
    return tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "%.60s:%u: %.100s", conn->address.host,
                    conn->address.port, reply->str);
}

/* The reply to one of the first commands. */
static int greet(struct redis_conn *conn, char *sha, struct tq_error *err)
{
    redisReply *reply = tq__redis_conn_receive(conn);
    int rc = TQ_OK;
    if (!reply) {
        return broken(conn, err);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        rc = refused(conn, reply, err);
    } else if (sha && (reply->type != REDIS_REPLY_STRING || reply->len != REDIS_SHA_SIZE - 1)) {
        rc = tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "a script cannot be loaded");
    } else if (sha) {
        memcpy(sha, reply->str, REDIS_SHA_SIZE);
    }
    freeReplyObject(reply);
    return rc;
}

static size_t put_login(struct redis_conn *conn)
{
    const struct redis_target *target = conn->target;
    size_t count = 0;
    if (target->password[0] || target->user[0]) {
        tq__redis_put_array(&conn->out, target->user[0] ? 3 : 2);
        tq__redis_put_text(&conn->out, "AUTH");
        if (target->user[0]) {
            tq__redis_put_text(&conn->out, target->user);
        }
        tq__redis_put_text(&conn->out, target->password);
        count++;
    }
    if (target->db) {
        tq__redis_put_array(&conn->out, 2);
        tq__redis_put_text(&conn->out, "SELECT");
        tq__redis_put_number(&conn->out, target->db);
        count++;
    }
    return count;
}

/* A server gets a new replication id with each start, and when it stops following another. */
static int read_life(struct redis_conn *conn, struct tq_error *err)
{
    static const char name[] = "master_replid:";
    redisReply *reply = tq__redis_conn_receive(conn);
    if (!reply) {
        return broken(conn, err);
    }
    int rc = reply->type == REDIS_REPLY_ERROR ? refused(conn, reply, err) : TQ_OK;
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, name) : NULL;
    char id[64] = "";
    if (at) {
        at += sizeof name - 1;
        tq__text_copy(id, sizeof id, at, strcspn(at, "\r\n"));
    }
    conn->life = id[0] ? tq__hash(id) : 0;
    conn->is_new = 1;
    freeReplyObject(reply);
    return rc;
}

/* Logs in, loads the scripts and asks for the life, in one round trip. */
static int introduce(struct redis_conn *conn, struct tq_error *err)
{
    size_t logins = put_login(conn), scripts = conn->has_scripts ? REDIS_SCRIPTS : 0;
    for (size_t i = 0; i < scripts; i++) {
        tq__redis_put_array(&conn->out, 3);
        tq__redis_put_text(&conn->out, "SCRIPT");
        tq__redis_put_text(&conn->out, "LOAD");
        tq__redis_put_script(&conn->out, &tq__redis_scripts[i]);
    }
    if (scripts) {
        tq__redis_put_array(&conn->out, 2);
        tq__redis_put_text(&conn->out, "INFO");
        tq__redis_put_text(&conn->out, "replication");
    }
    TQ_TRY(tq__buf_check(&conn->out, "store.redis", err));
    tq__redis_conn_send(conn);
    for (size_t i = 0; i < logins; i++) {
        TQ_TRY(greet(conn, NULL, err));
    }
    for (size_t i = 0; i < scripts; i++) {
        TQ_TRY(greet(conn, conn->shas[i], err));
    }
    return scripts ? read_life(conn, err) : TQ_OK;
}

static struct timeval span(uint32_t ms)
{
    return (struct timeval){ms / 1000, (suseconds_t)(ms % 1000) * 1000};
}

static int dial(struct redis_conn *conn, struct tq_error *err)
{
    redisContext *context = redisConnectWithTimeout(conn->address.host, conn->address.port,
                                                    span(conn->target->connect_ms));
    if (!context) {
        return tq__nomem("store.redis", err);
    }
    conn->context = context;
    if (context->err) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "%.60s:%u: %.100s",
                        conn->address.host, conn->address.port, context->errstr);
    }
    redisEnableKeepAlive(context);
    redisSetTimeout(context, span(conn->target->timeout_ms));
    return introduce(conn, err);
}

/* Something to read where nothing was asked: the server has hung up. */
static int is_stale(const struct redis_conn *conn)
{
    struct pollfd poller = {.fd = conn->context->fd, .events = POLLIN};
    return poll(&poller, 1, 0) != 0;
}

int tq__redis_conn_ready(struct redis_conn *conn, struct tq_error *err)
{
    if (conn->context && (conn->is_broken || is_stale(conn))) {
        hang_up(conn);
    }
    if (conn->context) {
        return TQ_OK;
    }
    if (tq__now_ms(conn->env) < conn->retry_ms) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "a moment ago: %s", conn->trouble);
    }
    struct tq_error trouble = TQ_ERROR_INIT;
    int rc = dial(conn, &trouble);
    tq__redis_conn_rest(conn);
    if (rc == TQ_OK) {
        tq__backoff_reset(&conn->backoff);
        conn->retry_ms = 0;
        return TQ_OK;
    }
    hang_up(conn);
    conn->retry_ms = tq__now_ms(conn->env) + tq__backoff_next(&conn->backoff, conn->env);
    snprintf(conn->trouble, sizeof conn->trouble, "%s", trouble.message);
    return tq__fail_native(err, rc, trouble.native, trouble.origin, "%s", trouble.message);
}

redisReply *tq__redis_conn_ask(struct redis_conn *conn, const char *const *words, size_t count,
                               struct tq_error *err)
{
    if (tq__redis_conn_ready(conn, err) != TQ_OK) {
        return NULL;
    }
    tq__redis_put_array(&conn->out, count);
    for (size_t i = 0; i < count; i++) {
        tq__redis_put_text(&conn->out, words[i]);
    }
    redisReply *reply = NULL;
    if (tq__buf_check(&conn->out, "store.redis", err) == TQ_OK) {
        tq__redis_conn_send(conn);
        reply = tq__redis_conn_receive(conn);
        if (!reply) {
            broken(conn, err);
        } else if (reply->type == REDIS_REPLY_ERROR) {
            refused(conn, reply, err);
            freeReplyObject(reply);
            reply = NULL;
        }
    }
    tq__redis_conn_rest(conn);
    return reply;
}
