/* SPDX-License-Identifier: MIT */
/*
 * A store driver around the memory driver whose rooms fail on purpose.
 *
 *     fault_room_set(FAULT_ROOM_AFTER, 2);   the second call: done, but the answer is lost
 *     tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:",
 *                                 .driver = &fault_room_driver), &store, &err);
 */
#ifndef TESTS_LIB_FAULT_ROOM_H
#define TESTS_LIB_FAULT_ROOM_H

#include <ticketq/driver/store.h>

enum fault_room_kind {
    FAULT_ROOM_NONE,
    FAULT_ROOM_BEFORE, /* TQ_E_UNAVAILABLE, nothing was done */
    FAULT_ROOM_AFTER,  /* done, TQ_E_UNKNOWN */
    FAULT_ROOM_LOST,   /* the store forgets everything before it does what is asked */
    FAULT_ROOM_DEAF    /* from here on it knows no room, however often one is opened */
};

extern const struct tq_store_driver fault_room_driver;

/* The call number `at` from here on, 1 is the next, fails; one plan for the process. */
void fault_room_set(enum fault_room_kind kind, long at);
/* Calls since the plan was set. */
long fault_room_calls(void);

#endif
