/* SPDX-License-Identifier: MIT */
/*
 * A room of the memory driver. room.c looks it up and locks it; with the lock
 * held, visit.c moves visitors and orders.c carries out orders.
 */
#ifndef TQ_STORE_MEMORY_ROOM_H
#define TQ_STORE_MEMORY_ROOM_H

#include <pthread.h>

#include <ticketq/driver/room.h>

#include "core/map.h"
#include "store/memory/admit.h"
#include "store/memory/line.h"

/* A ring of links; an empty one points to itself. */
struct tq__link {
    struct tq__link *previous;
    struct tq__link *next;
};

struct tq__visitor {
    struct tq__link by_seen;   /* in `waiting` or `active` */
    struct tq__link by_age;    /* in `inside`; only who is inside */
    struct tq__visitor *newer; /* who came next in this batch */
    int64_t sequence;
    int64_t seen_ms;
    int64_t admitted_ms;
    int is_inside; /* otherwise waits */
    char id[];
};

struct tq__room {
    pthread_mutex_t lock; /* guards all below but the id */
    const struct tq_env *env;
    struct tq_room_policy policy;
    struct tq__bucket bucket;
    struct tq__flow flow;
    struct tq__map visitors; /* by id */
    struct tq__line line;
    struct tq__link waiting; /* longest silence first */
    struct tq__link active;  /* longest silence first */
    struct tq__link inside;  /* longest inside first */
    uint64_t active_count;
    uint64_t admitted;
    uint64_t skipped;
    int64_t now_ms; /* never goes back */
    int64_t next_sequence;
    int64_t recovered_ms; /* those who stood in a lost line have come back, or have had the time */
    int64_t serving;
    int64_t epoch;
    int is_paused;
    int is_draining;
    struct tq_room_action *trail; /* action n at (n - 1) % trail_room */
    size_t trail_room;
    uint64_t trail_last;
    char id[TQ_ID_SIZE];
};

/* visit.c */

struct tq__swept {
    uint32_t skipped;
    uint32_t freed;
};

/* Advance the room's time and end every lease whose time has come. */
struct tq__swept tq__room_sweep(struct tq__room *room, int64_t now_ms);
/* TQ_OK, or TQ_E_NOMEM and nothing changed. Newcomers are chained to `newest`. */
int tq__room_arrive(struct tq__room *room, const struct tq_room_arrival *arrival,
                    struct tq__visitor **newest, struct tq_room_spot *out_spot,
                    struct tq_error *err);
/* Take back the newcomers of a batch. */
void tq__room_take_back(struct tq__room *room, struct tq__visitor *newest);
void tq__room_hear(struct tq__room *room, const char *id, struct tq_room_spot *out_spot);
int tq__room_depart(struct tq__room *room, const char *id);
/* Let in the first `count` of the line, or all that there are; says how many. */
uint64_t tq__room_let_in(struct tq__room *room, uint64_t count);
void tq__room_tick(struct tq__room *room, struct tq_room_tick *out_tick);
void tq__room_empty(struct tq__room *room);
void tq__room_show(struct tq__room *room, struct tq_room_view *out_view);

/* orders.c */

void tq__room_set_policy(struct tq__room *room, const struct tq_room_policy *policy);
int tq__room_order(struct tq__room *room, const struct tq_room_action *action,
                   struct tq_error *err);
size_t tq__room_trail(const struct tq__room *room, uint64_t after,
                      struct tq_room_action *out_actions, size_t room_for);

#endif
