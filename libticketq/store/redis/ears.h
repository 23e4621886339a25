/* SPDX-License-Identifier: MIT */
/*
 * Who wants to hear of freed seats.
 */
#ifndef TQ_STORE_REDIS_EARS_H
#define TQ_STORE_REDIS_EARS_H

#include <ticketq/driver/hold.h>

struct redis_client;
struct redis_ears;

int tq__redis_ears_open(struct redis_client *client, struct redis_ears **out_ears,
                        struct tq_error *err);
void tq__redis_ears_close(struct redis_ears *ears);

/* The slots of the hold table. */
int tq__redis_ears_subscribe(void *state, const char *schedule, tq_front_freed_fn *freed, void *arg,
                             struct tq_error *err);
void tq__redis_ears_unsubscribe(void *state, const char *schedule, tq_front_freed_fn *freed,
                                void *arg);
int tq__redis_ears_listen(void *state, uint32_t timeout_ms, struct tq_error *err);
void tq__redis_ears_rouse(void *state);

#endif
