/* SPDX-License-Identifier: MIT */
/*
 * A lane: callers that come at the same time, and a connection to each server.
 */
#ifndef TQ_STORE_REDIS_LANE_H
#define TQ_STORE_REDIS_LANE_H

#include <stdatomic.h>

#include "store/redis/call.h"
#include "store/redis/conn.h"
#include "store/redis/slots.h"

/* An execution of a script, for one call or several that were joined. */
struct redis_request {
    struct redis_call *first;
    struct redis_call *last;
    size_t args_count;
    size_t endings_count;
    uint16_t slot;
    uint16_t node;  /* where it goes in this round */
    int is_asking;  /* at `node`, whatever the map says */
    int is_spelled; /* with the script's text */
    int is_open;    /* not yet answered */
    size_t end;     /* in the connection's `out` */
};

struct redis_lane {
    struct redis_client *client;
    struct tq__combine combine;
    atomic_uint load;                          /* calls that wait or are carried out */
    struct redis_conn *conns[REDIS_NODES_MAX]; /* NULL: never used */
    struct redis_request requests[REDIS_BATCH_MAX];
    size_t requests_count;
};

struct redis_client {
    const struct tq_env *env;
    struct redis_target target;
    pthread_mutex_t lock; /* guards the slots and the lives */
    struct redis_slots slots;
    uint64_t lives[REDIS_NODES_MAX]; /* of each node, as of its latest connection; 0: unknown */
    atomic_int has_changed;          /* who has a slot, or a life, since the client was opened */
    atomic_int is_doubtful;          /* the map, that is */
    struct redis_lane lanes[];
};

void tq__redis_lane_init(struct redis_lane *lane, struct redis_client *client);
void tq__redis_lane_done(struct redis_lane *lane);
/* The lane's connection to a node, not necessarily connected. NULL: `err` is filled. */
struct redis_conn *tq__redis_lane_conn(struct redis_lane *lane, uint16_t node,
                                       struct tq_error *err);
/* Reads the map of the slots from whoever has it. For the lane's leader. 0, or -1: nobody. */
int tq__redis_lane_survey(struct redis_lane *lane);

#endif
