/* SPDX-License-Identifier: MIT */
/*
 * A bounded set of events under way, in order, and who waits for whom.
 */
#ifndef TQ_OUTBOX_WINDOW_H
#define TQ_OUTBOX_WINDOW_H

#include "core/map.h"

/* All events of one key in the window. */
struct tq__lane {
    struct tq__lane *next_free;
    char key[TQ_ID_SIZE];
    size_t count;
    int is_shut;           /* relay: one failed; no more before all are back */
    struct tq__slot *head; /* relay: the first one that is not delivered */
    int64_t until_ms;      /* inbox: the first one waits until then */
    uint32_t attempts;     /* inbox: times the first one was refused */
    size_t last_entry;     /* inbox: 1 + the lane's last place in the batch; 0: none */
};

struct tq__slot {
    struct tq__slot *next, *previous; /* by number */
    struct tq__lane *lane;            /* NULL: the slot is free */
    int64_t number;
    uint32_t generation; /* raised when the slot is given back */
};

struct tq__window {
    const struct tq_env *env;
    struct tq__slot *slots;
    struct tq__lane *lanes;
    struct tq__slot *first, *last;
    struct tq__slot *free_slots;
    struct tq__lane *free_lanes;
    size_t count, room;
    struct tq__map by_key;
};

int tq__window_open(struct tq__window *window, const struct tq_env *env, size_t room,
                    struct tq_error *err);
void tq__window_done(struct tq__window *window);
/* There must be room. NULL: out of memory. Cheap when the number is a high one. */
struct tq__slot *tq__window_add(struct tq__window *window, int64_t number, const char *key,
                                struct tq_error *err);
void tq__window_drop(struct tq__window *window, struct tq__slot *slot);
/* NULL: nothing of this key is under way. */
struct tq__lane *tq__window_lane(const struct tq__window *window, const char *key);

/* A slot as the cookie of a message; NULL when it is of an earlier use. */
uint64_t tq__window_cookie(const struct tq__window *window, const struct tq__slot *slot);
struct tq__slot *tq__window_slot(struct tq__window *window, uint64_t cookie);

#endif
