/* SPDX-License-Identifier: MIT */
/*
 * The state of the memory driver: one part per table, each with a lock of its own.
 */
#ifndef TQ_STORE_MEMORY_H
#define TQ_STORE_MEMORY_H

#include <ticketq/driver/store.h>

struct memory_rooms; /* room.c */
struct memory_holds; /* hold.c */

struct memory_state {
    const struct tq_env *env;
    struct memory_rooms *rooms;
    struct memory_holds *holds;
};

extern const struct tq_room_driver tq__memory_room;
extern const struct tq_hold_driver tq__memory_hold;

int tq__memory_rooms_open(struct memory_state *state, struct tq_error *err);
void tq__memory_rooms_close(struct memory_state *state);
int tq__memory_holds_open(struct memory_state *state, struct tq_error *err);
void tq__memory_holds_close(struct memory_state *state);

#endif
