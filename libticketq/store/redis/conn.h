/* SPDX-License-Identifier: MIT */
/*
 * One connection: log in, load the scripts, send many, receive one by one.
 */
#ifndef TQ_STORE_REDIS_CONN_H
#define TQ_STORE_REDIS_CONN_H

#include <hiredis/hiredis.h>

#include "core/backoff.h"
#include "core/bytes.h"
#include "store/redis/address.h"
#include "store/redis/scripts.h"

#define REDIS_SHA_SIZE 41

struct redis_conn {
    const struct tq_env *env;
    const struct redis_target *target;
    struct redis_address address;
    redisContext *context; /* NULL: not connected */
    struct tq__backoff backoff;
    int64_t retry_ms;   /* host's clock: no attempt to connect before */
    char trouble[160];  /* why the last attempt failed */
    struct tq__buf out; /* what is to be sent */
    size_t sent;        /* of it */
    int is_broken;
    int is_misled;   /* to a replica: the name stands for another server by now */
    int has_scripts; /* false for a connection that calls none */
    int is_new;      /* and nobody has asked yet for its */
    uint64_t life;   /* which stands for the server's data since it became a master; 0: unknown */
    char shas[REDIS_SCRIPTS][REDIS_SHA_SIZE];
};

void tq__redis_conn_init(struct redis_conn *conn, const struct tq_env *env,
                         const struct redis_target *target, const struct redis_address *address);
void tq__redis_conn_done(struct redis_conn *conn);

/* Ready to send: connected anew if need be. TQ_OK, TQ_E_UNAVAILABLE, TQ_E_NOMEM. */
int tq__redis_conn_ready(struct redis_conn *conn, struct tq_error *err);

/* The parts of a command, appended to `out`: how many, then each. */
void tq__redis_put_array(struct tq__buf *out, size_t elements);
void tq__redis_put(struct tq__buf *out, const char *data, size_t bytes);
void tq__redis_put_text(struct tq__buf *out, const char *text);
void tq__redis_put_number(struct tq__buf *out, size_t number);
void tq__redis_put_script(struct tq__buf *out, const struct redis_script *script);

/* Sends `out` as far as that is possible: `sent` tells. A failure breaks the connection. */
void tq__redis_conn_send(struct redis_conn *conn);
/* The next reply, which the caller frees; NULL: the connection is broken. */
redisReply *tq__redis_conn_receive(struct redis_conn *conn);
/* When everything was answered: forgets what was sent, and lets go if broken or misled. */
void tq__redis_conn_rest(struct redis_conn *conn);
/* One command of words without spaces, on a connection at rest. NULL: `err` is filled. */
redisReply *tq__redis_conn_ask(struct redis_conn *conn, const char *const *words, size_t count,
                               struct tq_error *err);

#endif
