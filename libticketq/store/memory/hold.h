/* SPDX-License-Identifier: MIT */
/*
 * The records of the memory front: schedules, seats, leases. hold.c has the
 * slots of the driver, lease.c what happens to one lease, load.c how a schedule
 * comes in.
 */
#ifndef TQ_STORE_MEMORY_HOLD_H
#define TQ_STORE_MEMORY_HOLD_H

#include <pthread.h>

#include <ticketq/driver/hold.h>

#include "core/heap.h"
#include "core/map.h"
#include "store/lease.h"

/* A request key as it is known within a schedule: "<holder> <key>". */
#define TQ__HOLD_KEY_SIZE (2 * TQ_ID_SIZE)

struct memory_lease;

struct memory_seat {
    struct memory_lease *owner; /* NULL: available */
    uint32_t place;             /* in the seat map */
    char id[TQ_ID_SIZE];
};

struct memory_watcher {
    struct memory_watcher *next;
    tq_front_freed_fn *freed;
    void *arg;
};

/* Seats that came in one load. */
struct memory_block {
    struct memory_block *next;
    struct memory_seat seats[];
};

struct memory_schedule {
    struct tq__map seats;   /* id -> memory_seat */
    struct tq__map leases;  /* id -> memory_lease */
    struct tq__map keys;    /* "<holder> <key>" -> memory_lease */
    struct tq__map holders; /* holder -> first of its live leases */
    struct memory_block *blocks;
    uint8_t *bits; /* the seat map as it is handed out */
    uint32_t seats_count;
    uint32_t counts[4];
    uint64_t fence;
    uint64_t version;
    struct memory_lease *ended_first; /* oldest first */
    struct memory_lease *ended_last;
    size_t ended_count;
    struct memory_watcher *watchers;
    uint32_t round;    /* of the load */
    uint32_t pending;  /* claims of the running batch that have room */
    uint32_t is_known; /* seats were loaded; a subscription alone does not make it known */
    char id[TQ_ID_SIZE];
};

struct memory_lease {
    struct tq__heap_item timer; /* in the heap until swept, settled or released; must be first */
    struct memory_schedule *schedule;
    struct memory_lease *holder_next; /* live leases of one holder */
    struct memory_lease *holder_prev;
    struct memory_lease *ended_next;
    struct memory_lease *ended_prev;
    struct tq__lease core;
    int64_t ended_ms;
    uint32_t seats_count;
    uint32_t round; /* of the load that last named it */
    char id[TQ_ID_SIZE];
    char holder[TQ_ID_SIZE];
    char key[TQ__HOLD_KEY_SIZE];
    struct memory_seat *seats[];
};

struct memory_holds {
    const struct tq_env *env;
    pthread_mutex_t lock; /* guards everything below */
    struct tq__map schedules;
    struct tq__heap timers;
};

/* lease.c: all with the lock held. */

void tq__memory_key(char target[TQ__HOLD_KEY_SIZE], const char *holder, const char *request_key);
/* A lease that is not linked anywhere; NULL without memory. */
struct memory_lease *tq__memory_lease_new(struct memory_holds *holds,
                                          struct memory_schedule *schedule, size_t seats_count);
/* Make the lease known by id and key. There is room in the maps. */
void tq__memory_lease_link(struct memory_lease *lease);
/* Give a linked lease its seats, which are free, and a timer when it has one. There is room. */
void tq__memory_lease_begin(struct memory_holds *holds, struct memory_lease *lease);
/* Store a decided change of a live lease that goes on living. */
void tq__memory_lease_update(struct memory_holds *holds, struct memory_lease *lease,
                             const struct tq__lease *next);
/* Take the seats away; `state` is RELEASED or EXPIRED. */
void tq__memory_lease_end(struct memory_holds *holds, struct memory_lease *lease, uint32_t state,
                          int64_t now_ms);
/* Ended leases are forgotten while others end: keep one out of it, and put it back. */
void tq__memory_lease_recall(struct memory_lease *lease);
void tq__memory_lease_retire(struct memory_holds *holds, struct memory_lease *lease,
                             int64_t now_ms);
/* End a HOLD as if it had never been; it is freed. */
void tq__memory_lease_withdraw(struct memory_holds *holds, struct memory_lease *lease,
                               int64_t now_ms);
/* End it if its time ran out. Non-zero when it did. */
int tq__memory_lease_lapse(struct memory_holds *holds, struct memory_lease *lease, int64_t now_ms);
/* Whether so many more seats would be above the holder's limit; 0: there is none. */
int tq__memory_is_full(struct memory_holds *holds, struct memory_schedule *schedule,
                       const char *holder, size_t more, uint32_t limit, int64_t now_ms);

/* load.c: with the lock held. */

/* The schedule, made if it is not there. NULL without memory. */
struct memory_schedule *tq__memory_schedule(struct memory_holds *holds, const char *id,
                                            struct tq_error *err);
void tq__memory_schedule_free(struct memory_holds *holds, struct memory_schedule *schedule);
int tq__memory_load(struct memory_holds *holds, const struct tq_front_load *load,
                    struct tq_error *err);
/* Free the seats of `lease` of holders that must yield to `fence`; TQ_OK or TQ_TAKEN. */
int tq__memory_displace(struct memory_holds *holds, struct memory_lease *lease, uint64_t fence,
                        int64_t now_ms);

#endif
