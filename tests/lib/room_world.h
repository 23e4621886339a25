/* SPDX-License-Identifier: MIT */
/*
 * A world for tests of rooms: a store of some driver, keys, a room, and short
 * forms of what visitors do. Every short form asserts that the call succeeds.
 */
#ifndef TESTS_LIB_ROOM_WORLD_H
#define TESTS_LIB_ROOM_WORLD_H

#include <ticketq/room.h>

#include "lib/test_env.h"

struct room_world;

/* A driver as the suites see it. */
struct room_case {
    const char *name;
    /* Open a clean store with w->env into w->store; TQ_OK or a failure in w->err. */
    int (*open)(struct room_world *w);
    /* Let the store's clock go on. */
    void (*advance)(struct room_world *w, uint32_t ms);
    int is_exact; /* the clock stands still otherwise */
};

/* One line each; the table of room_world.c has the other. */
extern const struct room_case room_case_memory;
extern const struct room_case *const room_cases[];
extern const size_t room_cases_count;

struct room_world {
    const struct room_case *driver;
    struct test_env test;
    struct tq_env env;
    struct tq_error err;
    tq_store *store;
    tq_keys *keys;
    tq_room *room;
};

#define ROOM_ID "concert-1"

/* Without a policy the room is not opened. */
void room_world_open(struct room_world *w, const struct room_case *driver, uint64_t seed,
                     const struct tq_room_policy *policy);
void room_world_close(struct room_world *w);
/* The room of this policy instead of the one that was open, in the same store. */
void room_world_room(struct room_world *w, const struct tq_room_policy *policy);
/* The store forgets everything; the keys stay. */
void room_world_forget(struct room_world *w, const struct tq_room_policy *policy);

void room_advance(struct room_world *w, uint32_t ms);
struct tq_place room_enter(struct room_world *w, const char *id, const char *token);
struct tq_place room_place(struct room_world *w, const char *id);
int room_leave(struct room_world *w, const char *id);
struct tq_room_tick room_tick(struct room_world *w);
struct tq_room_state room_state(struct room_world *w);
/* Returns TQ_OK or TQ_REPEAT. */
int room_order(struct room_world *w, uint32_t order, int64_t value, const char *request_key);
/* "v<number>", good for the next 15 calls. */
const char *room_name(unsigned number);

#endif
