/* SPDX-License-Identifier: MIT */
/*
 * What a room, its shards and its desk share.
 */
#ifndef TQ_STORE_REDIS_ROOM_H
#define TQ_STORE_REDIS_ROOM_H

#include "store/redis/client.h"
#include "store/redis/shards.h"

#define REDIS_ARRIVAL_SIZE (TQ_ID_SIZE + 64)

enum { REDIS_ORDER_WORDS = 4 };

/* One caller's part of the places that are told. */
struct redis_places {
    size_t count;
    struct tq_room_spot *spots;
    struct tq_room_view *view;
};

/* ---- room.c ---- */

struct redis_text tq__redis_text(const char *text);
/* As a word; `word` has REDIS_ARRIVAL_SIZE bytes, and is needed where there is a token. */
struct redis_text tq__redis_arrival(const struct tq_room_arrival *arrival, char *word);
/* `out`: struct redis_places, int32_t for each argument, struct tq_room_view, nothing. */
int tq__redis_read_places(struct redis_call *call, struct redis_answer *answer);
int tq__redis_read_statuses(struct redis_call *call, struct redis_answer *answer);
int tq__redis_read_view(struct redis_call *call, struct redis_answer *answer);
int tq__redis_read_status(struct redis_call *call, struct redis_answer *answer);

/* ---- room_shards.c: what visitors ask; slots of struct tq_room_driver ---- */

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

/* ---- room_desk.c: what concerns all shards ---- */

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
