/* SPDX-License-Identifier: MIT */
/*
 * A rush: sixteen threads line visitors up in a room of a real server, each until
 * it succeeds, while the server is mistreated.
 */
#ifndef TESTS_LIB_ROOM_RUSH_H
#define TESTS_LIB_ROOM_RUSH_H

#include <stdatomic.h>

#include <ticketq/room.h>

#define RUSH_THREADS 16
#define RUSH_EACH 300
#define RUSH_VISITORS (RUSH_THREADS * RUSH_EACH)

struct rush {
    tq_store *store;
    tq_keys *keys;
    tq_room *room;
    const char *prefix;                            /* of the visitors' names */
    atomic_uint done, unavailable, unknown, other; /* results of calls */
    atomic_int is_disturbed;                       /* it is over */
    atomic_uint moved;                     /* came back with a place, and got another number */
    struct tq_place places[RUSH_VISITORS]; /* what each was told last */
};

void rush_begin(struct rush *rush, const char *url);
void rush_begin_shards(struct rush *rush, const char *url, unsigned shards);
void rush_end(struct rush *rush);
/*
 * Lines everybody up, and calls `disturb`, which may be NULL, when a third of them are there. The
 * last third comes when it has returned: until then who is there asks again and again.
 */
void rush_run(struct rush *rush, void (*disturb)(void));
/* Lines everybody up once more, one by one, with the place of before. */
void rush_again(struct rush *rush);
/* Everybody is in line under a number of his own, the one that he was told last. */
void rush_check(struct rush *rush);
void rush_order(struct rush *rush, uint32_t order, int64_t value);
struct tq_room_state rush_state(struct rush *rush);

#endif
