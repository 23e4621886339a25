/* SPDX-License-Identifier: MIT */
/*
 * Calls of scripts on a Redis server or cluster: what the tables of the driver
 * are built on. client.c says how; this is what a table needs to know.
 */
#ifndef TQ_STORE_REDIS_CLIENT_H
#define TQ_STORE_REDIS_CLIENT_H

#include "store/redis/call.h"
#include "store/redis/conn.h"

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
