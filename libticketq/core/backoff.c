/* SPDX-License-Identifier: MIT */
/*
 * Exponential pauses with full jitter: the n-th pause is uniform in
 * 1..min(max, first × 2^n), so that many who failed together do not come back
 * together. Without randomness the upper end is taken. Threads: [pure].
 */
#include "core/backoff.h"

#define SHIFT_MAX 20

uint32_t tq__backoff_next(struct tq__backoff *backoff, const struct tq_env *env)
{
    uint32_t shift = backoff->attempt < SHIFT_MAX ? backoff->attempt : SHIFT_MAX;
    uint64_t top = (uint64_t)backoff->first_ms << shift;
    uint32_t chance;
    backoff->attempt += backoff->attempt < SHIFT_MAX;
    if (top > backoff->max_ms) {
        top = backoff->max_ms;
    }
    if (top < 1) {
        top = 1;
    }
    if (env->random(env->ctx, &chance, sizeof chance)) {
        return (uint32_t)top;
    }
    return 1 + (uint32_t)(chance % top);
}

void tq__backoff_reset(struct tq__backoff *backoff)
{
    backoff->attempt = 0;
}
