/* SPDX-License-Identifier: MIT */
/*
 * How many a tick may let in, and when to tick again: arithmetic only.
 */
#ifndef TQ_STORE_MEMORY_ADMIT_H
#define TQ_STORE_MEMORY_ADMIT_H

#include <ticketq/room.h>

/* A token bucket: `level` in units of which an admission costs `rate_per_ms`. */
struct tq__bucket {
    int64_t at_ms;
    uint64_t level;
};

/* Who left the line, in this window of ten seconds and the one before. */
struct tq__flow {
    int64_t begin_ms;
    uint64_t admitted[2]; /* now, before */
    uint64_t gone[2];
    int has_before;
};

/* What a tick has to go by. */
struct tq__admit {
    const struct tq_room_policy *policy;
    int64_t now_ms;
    uint64_t active;
    uint64_t waiting;
    int64_t opens_ms; /* of the policy, or the end of a recovery that is later */
    int is_paused;
};

void tq__bucket_init(struct tq__bucket *bucket, const struct tq_room_policy *policy,
                     int64_t now_ms);
/* Let time pass. Returns the whole admissions that are in it. */
uint64_t tq__bucket_fill(struct tq__bucket *bucket, const struct tq_room_policy *policy,
                         int64_t now_ms);
void tq__bucket_take(struct tq__bucket *bucket, const struct tq_room_policy *policy,
                     uint64_t admissions);
/* Keep what is in it, at most the new burst. Fill it by the old policy first. */
void tq__bucket_convert(struct tq__bucket *bucket, const struct tq_room_policy *from,
                        const struct tq_room_policy *to);

/* How many may come in. */
uint64_t tq__admit_count(const struct tq__admit *admit, struct tq__bucket *bucket);
/* When another tick may let somebody in; `freed_ms` is the next end of a slot, 0: none. */
uint32_t tq__admit_next_ms(const struct tq__admit *admit, struct tq__bucket *bucket,
                           int64_t freed_ms);

void tq__flow_init(struct tq__flow *flow, int64_t now_ms);
/* The time that the flow covers; 0: too young to tell. */
uint32_t tq__flow_ms(const struct tq__flow *flow, int64_t now_ms);
void tq__flow_note(struct tq__flow *flow, int64_t now_ms, uint64_t admitted, uint64_t gone);

#endif
