/* SPDX-License-Identifier: MIT */
/*
 * A world for tests of rooms: a store of some driver, keys, a room, and short
 * forms of what visitors do. Every short form asserts that the call succeeds.
 */
#ifndef TESTS_CONFORM_ROOM_WORLD_H
#define TESTS_CONFORM_ROOM_WORLD_H

#include <ticketq/driver/store.h>
#include <ticketq/room.h>

#include "conform/fixtures.h"

struct room_world {
    struct world world;
    const struct tq_store_driver *driver; /* NULL: the fixture's */
    tq_store *store;
    tq_keys *keys;
    tq_room *room;
};

#define ROOM_ID "concert-1"

/* On the fixture that was chosen. Without a policy the room is not opened. */
void room_world_open(struct room_world *w, uint64_t seed, const struct tq_room_policy *policy);
void room_world_close(struct room_world *w);
/* The room of this policy instead of the one that was open, in the same store. */
void room_world_room(struct room_world *w, const struct tq_room_policy *policy);
/* The store forgets everything; the keys stay. */
void room_world_forget(struct room_world *w, const struct tq_room_policy *policy);

void room_advance(struct room_world *w, uint32_t ms);
/* The store's time. */
int64_t room_now(struct room_world *w);
/*
 * Non-zero: a server's own clock is so far beyond `since_ms`. What a promise says of the time
 * before cannot be seen any more; the machine was too slow, and nothing is to be asserted.
 */
int room_is_late(struct room_world *w, int64_t since_ms, int64_t ms);
struct tq_place room_enter(struct room_world *w, const char *id, const char *token);
struct tq_place room_place(struct room_world *w, const char *id);
int room_leave(struct room_world *w, const char *id);
struct tq_room_tick room_tick(struct room_world *w);
struct tq_room_state room_state(struct room_world *w);
/* Returns TQ_OK or TQ_REPEAT. */
int room_order(struct room_world *w, uint32_t order, int64_t value, const char *request_key);
/* The number is the next after one that was told: one more, with shards at most their number. */
void assert_next(int64_t number, int64_t told);
/* What is told where so many are ahead: with shards, that many times those of one's own. */
void assert_ahead(uint64_t told, uint64_t ahead);
/* "v<number>", good for the next 15 calls. */
const char *room_name(unsigned number);

#endif
