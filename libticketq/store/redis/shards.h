/* SPDX-License-Identifier: MIT */
/*
 * Rooms over several slots: which shard a visitor has, whose number is whose, whose turn
 * it is.
 */
#ifndef TQ_STORE_REDIS_SHARDS_H
#define TQ_STORE_REDIS_SHARDS_H

#include <stdatomic.h>

#include <ticketq/driver/room.h>

#include "store/redis/redis.h"

#define REDIS_SHARD_TAG_SIZE (TQ_ID_SIZE + 4)

/* A room with shards, as far as this process knows. Kept until the store closes. */
struct redis_sharded {
    char id[TQ_ID_SIZE];
    atomic_uint count; /* of shards; 1: it has none any more */
    atomic_llong seen; /* the highest number that was seen here */
    char tags[TQ_ROOM_SHARDS_MAX][REDIS_SHARD_TAG_SIZE];
};

/* The first of the line of a shard, in its own numbers. */
struct redis_front {
    const int64_t *numbers;
    size_t count;
    size_t waiting; /* also behind them */
};

struct redis_shards;

int tq__redis_shards_open(const struct tq_env *env, struct redis_shards **out_shards,
                          struct tq_error *err);
void tq__redis_shards_close(struct redis_shards *shards);
/* NULL: the room has no shards. */
struct redis_sharded *tq__redis_sharded(struct redis_shards *shards, const char *room);
/* How many shards a room has; `out_room` is NULL for one. */
int tq__redis_shards_note(struct redis_shards *shards, const char *room, unsigned count,
                          struct redis_sharded **out_room, struct tq_error *err);

/* A number was seen. */
void tq__redis_shards_see(struct redis_sharded *room, int64_t number);

/* [pure] */
unsigned tq__redis_shard_of(const char *visitor, unsigned count);
/* The room's number for a shard's own. */
int64_t tq__redis_shard_number(int64_t own, unsigned shard, unsigned count);
/* The shard's own number for one of the room; 0: it is no number of this shard. */
int64_t tq__redis_shard_own(int64_t number, unsigned shard, unsigned count);
/* The smallest own number that is not below one of the room. */
int64_t tq__redis_shard_next(int64_t number, unsigned shard, unsigned count);
/*
 * Whose turn it is, in the order of the room's numbers: a byte for each turn, which
 * is the shard counted from 1. Ends where the next number is not known. Returns how many.
 */
size_t tq__redis_shard_turns(const struct redis_front *fronts, unsigned count, char *turns,
                             size_t room_for);
/* Adds what a shard shows to what the room shows. */
void tq__redis_shard_add(struct tq_room_view *view, const struct tq_room_view *part, unsigned shard,
                         unsigned count);

#endif
