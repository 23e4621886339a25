/* SPDX-License-Identifier: MIT */
/*
 * What goes to the scripts of a room, its shards and its desk, and what comes back.
 */
#ifndef TQ_STORE_REDIS_ROOM_WORDS_H
#define TQ_STORE_REDIS_ROOM_WORDS_H

#include <ticketq/driver/room.h>

#include "store/redis/call.h"

#define REDIS_ARRIVAL_SIZE (TQ_ID_SIZE + 64)

/* One caller's part of the places that are told. */
struct redis_places {
    size_t count;
    struct tq_room_spot *spots;
    struct tq_room_view *view;
};

/* As a word; `word` has REDIS_ARRIVAL_SIZE bytes, and is needed where there is a token. */
struct redis_text tq__redis_arrival(const struct tq_room_arrival *arrival, char *word);
/* Numbers one after the other, from an array of integers only; 0 where it is none. */
struct redis_numbers {
    const redisReply *array;
    size_t next;
    int is_bad;
};
int64_t tq__redis_next_number(struct redis_numbers *numbers);

/* `out`: struct redis_places, int32_t for each argument, struct tq_room_view, nothing. */
int tq__redis_read_places(struct redis_call *call, struct redis_answer *answer);
int tq__redis_read_statuses(struct redis_call *call, struct redis_answer *answer);
int tq__redis_read_view(struct redis_call *call, struct redis_answer *answer);
int tq__redis_read_status(struct redis_call *call, struct redis_answer *answer);

#endif
