/* SPDX-License-Identifier: MIT */
/*
 * Calls of scripts on a Redis server or cluster: what the tables of the driver
 * are built on. client.c says how; this is what a table needs to know.
 *
 * A call names a script, a tag (the id of a room or a schedule: what stands between
 * the braces of its keys, so what decides its slot), arguments, and a function
 * that reads the answer:
 *
 *     struct redis_call call = {.script = REDIS_ROOM_LEAVE, .tag = room, .args = args,
 *                               .args_count = count, .is_joinable = 1, .read = read_leave,
 *                               .out = &mine};
 *     return tq__redis_run(client, &call, 1, err);
 *
 * Keys of a script are the prefix of the URL, `stem`, `{tag}`, and each ending of
 * its row in scripts.c, then the call's own endings (`A-11`, behind the row's mark): all are
 * declared.
 *
 * Joinable calls of the same script and tag that come at the same time become one
 * execution: their own keys and arguments one after the other, in order of arrival.
 * Such a script answers for each argument separately, and `read` takes what is its
 * caller's from the common answer, whose `cursor` and `memo` go on from call to call.
 * `read` runs in the thread of whoever leads, so it writes to its call's `out` only.
 */
#ifndef TQ_STORE_REDIS_CLIENT_H
#define TQ_STORE_REDIS_CLIENT_H

#include <hiredis/hiredis.h>

#include "core/combine.h"
#include "store/redis/address.h"
#include "store/redis/conn.h"
#include "store/redis/scripts.h"
#include "store/redis/slots.h"

#define REDIS_JOINED_MAX 512 /* arguments and keys of joined calls; one call may have more */
#define REDIS_BATCH_MAX 256  /* calls in one pipeline */

struct redis_text {
    const char *data;
    size_t bytes;
};

struct redis_answer {
    const redisReply *reply; /* not an error */
    size_t cursor;           /* 0 for the first call */
    int64_t memo[4];         /* zeros for the first call */
};

struct redis_call;
/* What the call comes to: TQ_OK, an outcome, or tq__redis_nonsense(). Runs in any thread. */
typedef int redis_read_fn(struct redis_call *call, struct redis_answer *answer);

struct redis_call {
    struct tq__combine_item item;
    enum redis_script_id script;
    const char *tag;            /* an id */
    const char *const *endings; /* of the call's own keys */
    size_t endings_count;
    const struct redis_text *args;
    size_t args_count;
    int is_joinable;
    redis_read_fn *read;
    void *out;

    /* Written by tq__redis_run(). */
    int status;
    int is_again; /* had no effect: worth another try after a pause */
    struct tq_error err;
    struct redis_call *joined; /* next in the same execution */
};

struct redis_client;

/* Connects, and checks the server; takes no call when it fails. `env` is borrowed. */
int tq__redis_client_open(const struct tq_env *env, const struct redis_target *target,
                          struct redis_client **out_client, struct tq_error *err);
void tq__redis_client_close(struct redis_client *client);

/*
 * Carry out calls, all in one pipeline where they go to one server. Returns when all
 * have their status. `err` has the first failure, which is also the result;
 * otherwise the result is TQ_OK, or with one call its outcome.
 * Failures: TQ_E_UNAVAILABLE, TQ_E_NOMEM (had no effect); TQ_E_UNKNOWN (the answer is
 * lost); TQ_E_CORRUPT, TQ_E_INTERNAL.
 */
int tq__redis_run(struct redis_client *client, struct redis_call *calls, size_t count,
                  struct tq_error *err);

/* The server's clock. */
int tq__redis_now(struct redis_client *client, int64_t *out_now_ms, struct tq_error *err);

/*
 * A connection of the caller's own to the server that has a tag, for subscriptions:
 * logged in, without scripts (conn.h). It is the caller's to tq__redis_conn_done(); when it
 * breaks, a new one finds the server that has the tag by then.
 */
int tq__redis_subscriber(struct redis_client *client, const char *tag, struct redis_conn *out_conn,
                         struct tq_error *err);
/* The server that has a tag, as far as is known. */
void tq__redis_find(struct redis_client *client, const char *tag,
                    struct redis_address *out_address);
/*
 * Which data the server with a tag has: another number when another server has it by now, or that
 * server was started anew or promoted, so that changes may be lost. 0: nothing of the kind since
 * the client was opened.
 */
uint64_t tq__redis_life(struct redis_client *client, const char *tag);
/* The map of the slots may be out of date: read it with the next call. */
void tq__redis_doubt(struct redis_client *client);
const struct tq_env *tq__redis_env(const struct redis_client *client);
const struct redis_target *tq__redis_target(const struct redis_client *client);

/* For `read`: fills the call's error record; the answer is none that the script gives. */
int tq__redis_nonsense(struct redis_call *call);

#endif
