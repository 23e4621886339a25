/* SPDX-License-Identifier: MIT */
/*
 * What visitors ask of a room with shards; slots of struct tq_room_driver.
 */
#ifndef TQ_STORE_REDIS_ROOM_SHARDS_H
#define TQ_STORE_REDIS_ROOM_SHARDS_H

#include "store/redis/shards.h"

int tq__redis_shards_enter(struct redis_state *state, struct redis_sharded *room,
                           const struct tq_room_arrival *arrivals, size_t count,
                           struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                           struct tq_error *err);
int tq__redis_shards_place(struct redis_state *state, struct redis_sharded *room,
                           const char *const *visitors, size_t count,
                           struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                           struct tq_error *err);
int tq__redis_shards_leave(struct redis_state *state, struct redis_sharded *room,
                           const char *const *visitors, size_t count, int32_t *out_statuses,
                           struct tq_error *err);

#endif
