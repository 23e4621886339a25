/* SPDX-License-Identifier: MIT */
/*
 * Reading the next events of the pending set.
 */
#ifndef TQ_OUTBOX_PENDING_H
#define TQ_OUTBOX_PENDING_H

#include "outbox/event.h"
#include "outbox/lease.h"
#include "outbox/window.h"

#define TQ__DUE_MAX 64

/* What one look at the outbox found. */
struct tq__pending {
    const struct tq__window *window; /* what is under way already */
    const struct tq__leases *leases;
    size_t room;   /* most rows to find; 0: only keys that are due */
    int is_serial; /* no row becomes visible below one that was seen */

    int is_lease_due; /* nothing was read: renew first */
    int64_t now_ms;
    struct tq__row *rows; /* to publish, by id; room for `rows_max` */
    size_t rows_count, rows_max;
    struct tq__row *behind; /* rows of a blocked key, to be marked; room for `rows_max` */
    size_t behind_count;
    char (*due)[TQ_ID_SIZE]; /* blocked keys whose time has come */
    size_t due_count;
    struct tq__buf text;

    int64_t others_ms; /* when it was last looked who else relays */
    struct {
        int64_t at_ms;       /* when a look last began at the first id */
        int64_t mask;        /* of which partitions */
        uint32_t pause_ms;   /* until one may again */
        int64_t from, later; /* where looks begin meanwhile, and after the next one */
        int is_wanted;       /* something may be pending below what is under way */
    } whole;
    int64_t highest; /* id that was ever seen */

    const struct tq__slot *at; /* while scanning: the window, beside the rows */
    int64_t first;             /* 0: none yet */
    int64_t low, high;
    size_t found;
};

int tq__pending_open(struct tq__pending *pending, const struct tq_env *env, size_t rows_max,
                     struct tq_error *err);
void tq__pending_done(struct tq__pending *pending);
/* A row that was found has left the window otherwise than by its removal, or was not let in. */
static inline void tq__pending_missed(struct tq__pending *pending)
{
    pending->whole.is_wanted = 1;
}
/* The next look is one at everything, whatever the looks before it saw. */
static inline void tq__pending_anew(struct tq__pending *pending)
{
    pending->whole.mask = 0;
}
/* The body of a reading transaction; `arg` is the record. */
int tq__pending_read(tq_tx *tx, void *arg, struct tq_error *err);
/* The key of a kept row. */
const char *tq__pending_key(const struct tq__pending *pending, const struct tq__row *row);

#endif
