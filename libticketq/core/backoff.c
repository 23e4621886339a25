/* SPDX-License-Identifier: MIT */
/*
 * Exponential pauses with full jitter: the n-th pause is uniform in
 * 1..min(max, first × 2^n), so that many who failed together do not come back
 * together. Without randomness the upper end is taken. Threads: [pure].
 */
#include "core/backoff.h"

#include "core/env.h"

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

int tq__backoff_wait(struct tq__backoff *backoff, const struct tq_env *env, uint32_t *left_ms)
{
    const uint32_t nobody_wakes = 0;
    if (*left_ms == 0 || !tq__can_park(env)) {
        return 0;
    }
    uint32_t pause = tq__backoff_next(backoff, env);
    if (pause > *left_ms) {
        pause = *left_ms;
    }
    env->park(env->ctx, &nobody_wakes, 0, pause);
    *left_ms -= pause;
    return 1;
}

void tq__backoff_count(int64_t begun_ms, const struct tq_env *env, uint32_t *left_ms)
{
    int64_t spent_ms = tq__now_ms(env) - begun_ms;
    if (spent_ms > 0) {
        *left_ms = spent_ms < *left_ms ? *left_ms - (uint32_t)spent_ms : 0;
    }
}
