/* SPDX-License-Identifier: MIT */
/*
 * Who asks far too early.
 */
#ifndef QUEUE_PACE_H
#define QUEUE_PACE_H

#include <ticketq/env.h>
#include <ticketq/status.h>

struct queue_pace;

/* A table of at least `visitors_max` entries, never more than twice that. */
int queue_pace_new(const struct tq_env *env, size_t visitors_max, struct queue_pace **out_pace,
                   struct tq_error *err);
/* NULL is allowed. */
void queue_pace_free(struct queue_pace *pace);

/* How long the visitor has still to wait before asking; 0: may ask. */
int64_t queue_pace_wait_ms(struct queue_pace *pace, const char *room, const char *visitor,
                           int64_t now_ms);
/* Note what the visitor was told: to ask again after `poll_after_ms`. */
void queue_pace_note(struct queue_pace *pace, const char *room, const char *visitor, int64_t now_ms,
                     uint32_t poll_after_ms);

#endif
