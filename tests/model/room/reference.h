/* SPDX-License-Identifier: MIT */
/*
 * A room written as plainly as can be: arrays, loops over everything, and a
 * bucket that is filled millisecond by millisecond.
 */
#ifndef TESTS_MODEL_ROOM_REFERENCE_H
#define TESTS_MODEL_ROOM_REFERENCE_H

#include <ticketq/room.h>

#define REF_VISITORS 12
#define REF_NUMBERS 65536

/* What a visitor holds in the hand. */
struct ref_token {
    int64_t sequence; /* 0: none */
    int64_t epoch;
    int64_t good_until_ms;
    int is_pass;
};

struct ref_visitor {
    enum tq_visit visit;
    int64_t sequence;
    int64_t seen_ms;
    int64_t since_ms;
};

struct ref_spot {
    int status;
    enum tq_visit visit;
    int64_t sequence;
    uint64_t ahead;
    int64_t expires_ms;
};

struct ref_room {
    struct tq_room_policy policy;
    int64_t now_ms;
    uint64_t level; /* of the bucket, in 1/rate_per_ms */
    struct ref_visitor visitors[REF_VISITORS];
    char spent[REF_NUMBERS];
    int64_t next, serving, epoch;
    uint64_t admitted, skipped;
    int is_paused, is_draining;
    int64_t shards; /* 1: none; otherwise the numbers that are so far apart are of one shard */
    int has_bug;    /* capacity is off by one: the suite must find it */
};

void ref_begin(struct ref_room *room, const struct tq_room_policy *policy, int64_t now_ms);
/* Advances the time and ends leases; returns how many inside were freed. */
unsigned ref_clock(struct ref_room *room, int64_t now_ms);
/* `told`: the number that the store gave; the reference cannot know whose shard is which. */
struct ref_spot ref_enter(struct ref_room *room, unsigned visitor, const struct ref_token *token,
                          int is_genuine, int64_t told);
struct ref_spot ref_place(struct ref_room *room, unsigned visitor);
int ref_leave(struct ref_room *room, unsigned visitor);
unsigned ref_tick(struct ref_room *room);
void ref_order(struct ref_room *room, uint32_t order, int64_t value);
unsigned ref_count(const struct ref_room *room, enum tq_visit visit);

#endif
