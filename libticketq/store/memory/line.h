/* SPDX-License-Identifier: MIT */
/*
 * The line of a room: who waits under which number, and which numbers are spent.
 */
#ifndef TQ_STORE_MEMORY_LINE_H
#define TQ_STORE_MEMORY_LINE_H

#include <ticketq/env.h>
#include <ticketq/status.h>

struct line_inner; /* line.c */

struct tq__line {
    const struct tq_env *env;
    struct line_inner *root;
    unsigned height; /* levels of inner nodes */
    uint64_t count;  /* who waits */
};

enum tq__line_number { TQ__LINE_FREE, TQ__LINE_WAITING, TQ__LINE_SPENT };

void tq__line_init(struct tq__line *line, const struct tq_env *env);
/* Forgets everything; the visitors are the caller's. */
void tq__line_clear(struct tq__line *line);

enum tq__line_number tq__line_look(const struct tq__line *line, int64_t sequence);
/* Who waits with the smallest number; NULL when nobody does. */
void *tq__line_first(const struct tq__line *line);
/* How many wait with a smaller number. */
uint64_t tq__line_ahead(const struct tq__line *line, int64_t sequence);

/* Put a visitor at a free number. TQ_OK, or TQ_E_NOMEM and nothing changed. */
int tq__line_put(struct tq__line *line, int64_t sequence, void *visitor, struct tq_error *err);
/* Spend a free number. TQ_OK, or TQ_E_NOMEM and nothing changed. */
int tq__line_mark(struct tq__line *line, int64_t sequence, struct tq_error *err);
/* End the wait at a number, for good or so that it is free again. Cannot fail. */
void tq__line_spend(struct tq__line *line, int64_t sequence);
/* Make a number free that was just put or marked. Cannot fail. */
void tq__line_free(struct tq__line *line, int64_t sequence);

#endif
