/* SPDX-License-Identifier: MIT */
/*
 * The desk of a room with shards: what concerns all of them.
 */
#ifndef TQ_STORE_REDIS_ROOM_DESK_H
#define TQ_STORE_REDIS_ROOM_DESK_H

#include "store/redis/call.h"
#include "store/redis/shards.h"

enum { REDIS_ORDER_WORDS = 4 };

/* After the desk was opened: every shard knows its settings. */
int tq__redis_desk_open(struct redis_state *state, struct redis_sharded *room, int is_new,
                        struct tq_error *err);
/* Makes the shards again that are not there. */
int tq__redis_desk_mend(struct redis_state *state, struct redis_sharded *room,
                        struct tq_error *err);
int tq__redis_desk_tick(struct redis_state *state, struct redis_sharded *room,
                        struct tq_room_tick *out_tick, struct tq_error *err);
/* `words` are REDIS_ORDER_WORDS. */
int tq__redis_desk_operate(struct redis_state *state, struct redis_sharded *room,
                           const struct tq_room_action *action, const struct redis_text *words,
                           struct tq_error *err);
int tq__redis_desk_view(struct redis_state *state, struct redis_sharded *room,
                        struct tq_room_view *out_view, struct tq_error *err);

#endif
