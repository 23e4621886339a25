/* SPDX-License-Identifier: MIT */
/*
 * Waiting times between attempts: exponential, capped, with full jitter.
 */
#ifndef TQ_CORE_BACKOFF_H
#define TQ_CORE_BACKOFF_H

#include <ticketq/env.h>

struct tq__backoff {
    uint32_t first_ms;
    uint32_t max_ms;
    uint32_t attempt;
};

/* The next pause in milliseconds, at least 1; grows from call to call. */
uint32_t tq__backoff_next(struct tq__backoff *backoff, const struct tq_env *env);
void tq__backoff_reset(struct tq__backoff *backoff);
/*
 * Sleep for the next pause and take it off `left_ms`. Zero, without sleeping, when
 * nothing is left or the host cannot wait: give up.
 */
int tq__backoff_wait(struct tq__backoff *backoff, const struct tq_env *env, uint32_t *left_ms);
/* Take the time since `begun_ms` off `left_ms`: for an attempt that may itself wait. */
void tq__backoff_count(int64_t begun_ms, const struct tq_env *env, uint32_t *left_ms);

#endif
