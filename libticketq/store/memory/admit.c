/* SPDX-License-Identifier: MIT */
/*
 * How many a tick may let in.
 *
 * The bucket gains `rate` units a millisecond and an admission costs
 * `rate_per_ms` units, so that nothing is ever rounded: in any window of t ms at
 * most burst + t * rate / rate_per_ms admissions fit, however many tick and
 * however often. Its level stays below 2^53, so a script that knows only doubles
 * counts the same.
 *
 * A tick lets in the least of: what the bucket holds, free slots inside, who
 * waits; and nobody in a pause or outside the opening times. [pure]
 */
#include "store/memory/admit.h"

#define TICK_MAX_MS 1000
#define IDLE_MS 100
#define WINDOW_MS 10000

static uint64_t burst_of(const struct tq_room_policy *policy)
{
    return policy->burst ? policy->burst : policy->rate;
}

static uint64_t brim(const struct tq_room_policy *policy)
{
    return burst_of(policy) * policy->rate_per_ms;
}

void tq__bucket_init(struct tq__bucket *bucket, const struct tq_room_policy *policy, int64_t now_ms)
{
    *bucket = (struct tq__bucket){now_ms, brim(policy)};
}

uint64_t tq__bucket_fill(struct tq__bucket *bucket, const struct tq_room_policy *policy,
                         int64_t now_ms)
{
    uint64_t full = brim(policy);
    uint64_t lacks = full > bucket->level ? full - bucket->level : 0;
    uint64_t passed = (uint64_t)(now_ms - bucket->at_ms);
    bucket->level = passed > lacks / policy->rate ? full : bucket->level + passed * policy->rate;
    bucket->at_ms = now_ms;
    return bucket->level / policy->rate_per_ms;
}

void tq__bucket_take(struct tq__bucket *bucket, const struct tq_room_policy *policy,
                     uint64_t admissions)
{
    bucket->level -= admissions * policy->rate_per_ms;
}

void tq__bucket_convert(struct tq__bucket *bucket, const struct tq_room_policy *from,
                        const struct tq_room_policy *to)
{
    uint64_t whole = bucket->level / from->rate_per_ms;
    uint64_t rest = bucket->level % from->rate_per_ms;
    uint64_t level = whole * to->rate_per_ms + rest * to->rate_per_ms / from->rate_per_ms;
    bucket->level = level < brim(to) ? level : brim(to);
}

static int is_open(const struct tq__admit *admit)
{
    const struct tq_room_policy *policy = admit->policy;
    int is_closed = policy->close_ms && admit->now_ms >= policy->close_ms;
    return !admit->is_paused && admit->now_ms >= admit->opens_ms && !is_closed;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t tq__admit_count(const struct tq__admit *admit, struct tq__bucket *bucket)
{
    uint64_t may = tq__bucket_fill(bucket, admit->policy, admit->now_ms);
    uint64_t cap = admit->policy->max_active;
    if (!is_open(admit) || admit->active >= cap) {
        return 0;
    }
    return least(least(may, cap - admit->active), least(admit->waiting, TQ_BATCH_MAX));
}

/* Until the bucket holds half its burst, so that few ticks do, or who waits if that is less. */
static uint64_t refill_ms(const struct tq__admit *admit, const struct tq__bucket *bucket)
{
    const struct tq_room_policy *policy = admit->policy;
    uint64_t half = (burst_of(policy) + 1) / 2;
    uint64_t want = least(half, admit->waiting ? admit->waiting : 1) * policy->rate_per_ms;
    return bucket->level >= want ? 0 : (want - bucket->level + policy->rate - 1) / policy->rate;
}

uint32_t tq__admit_next_ms(const struct tq__admit *admit, struct tq__bucket *bucket,
                           int64_t freed_ms)
{
    uint64_t wait = refill_ms(admit, bucket);
    if (admit->now_ms < admit->opens_ms) {
        wait = (uint64_t)(admit->opens_ms - admit->now_ms);
    } else if (!is_open(admit)) {
        wait = TICK_MAX_MS;
    } else if (admit->active >= admit->policy->max_active && freed_ms) {
        wait = (uint64_t)(freed_ms - admit->now_ms);
    } else if (admit->waiting == 0 && wait < IDLE_MS) {
        wait = IDLE_MS;
    }
    return wait == 0 ? 1 : (uint32_t)least(wait, TICK_MAX_MS);
}

void tq__flow_note(struct tq__flow *flow, int64_t now_ms, uint64_t admitted, uint64_t gone)
{
    int64_t passed = now_ms - flow->begin_ms;
    if (passed >= WINDOW_MS) {
        int is_next = passed < 2 * WINDOW_MS;
        flow->admitted[1] = is_next ? flow->admitted[0] : 0;
        flow->gone[1] = is_next ? flow->gone[0] : 0;
        flow->admitted[0] = flow->gone[0] = 0;
        flow->begin_ms = is_next ? flow->begin_ms + WINDOW_MS : now_ms;
        flow->has_before = 1;
    }
    flow->admitted[0] += admitted;
    flow->gone[0] += gone;
}

void tq__flow_init(struct tq__flow *flow, int64_t now_ms)
{
    *flow = (struct tq__flow){.begin_ms = now_ms};
}

uint32_t tq__flow_ms(const struct tq__flow *flow, int64_t now_ms)
{
    return flow->has_before ? (uint32_t)(WINDOW_MS + now_ms - flow->begin_ms) : 0;
}
