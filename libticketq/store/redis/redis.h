/* SPDX-License-Identifier: MIT */
/*
 * The state of the Redis driver, and its tables.
 */
#ifndef TQ_STORE_REDIS_H
#define TQ_STORE_REDIS_H

#include <ticketq/driver/store.h>

struct redis_client; /* client.h */
struct redis_ears;   /* ears.h */
struct redis_shards; /* shards.h */

struct redis_state {
    struct redis_client *client;
    struct redis_ears *ears;
    struct redis_shards *shards;
};

extern const struct tq_room_driver tq__redis_room;
extern const struct tq_hold_driver tq__redis_hold;

#endif
