/* SPDX-License-Identifier: MIT */
/*
 * Which partitions of an outbox a relay may publish from.
 */
#ifndef TQ_OUTBOX_LEASE_H
#define TQ_OUTBOX_LEASE_H

#include <ticketq/ledger.h>

#include "outbox/event.h"

struct tq__leases {
    char owner[TQ_ID_SIZE];
    uint32_t lease_ms;
    uint32_t partitions_max;
    int is_known;     /* the first claim was made */
    uint32_t relays;  /* that lived when it was last renewed */
    uint32_t share;   /* most to hold among so many */
    uint64_t held;    /* a bit for each partition */
    uint64_t leaving; /* of those: to be handed back when nothing is under way */
    int64_t until_ms; /* store's clock; also when nothing is held: look again */
    int64_t epochs[TQ__PARTITIONS];
};

/* Time to renew, claim or hand back: a third of the lease is gone. */
int tq__leases_are_due(const struct tq__leases *leases, int64_t now_ms);
/* Look at the others: they became more or fewer, or there is something to claim. */
int tq__leases_look(tq_tx *tx, const struct tq__leases *leases, int *out_is_due,
                    struct tq_error *err);
/*
 * The body of that transaction: `*target` becomes what `leases` will be once it is
 * committed. Partitions of `busy` are kept.
 */
int tq__leases_renew(tq_tx *tx, const struct tq__leases *leases, uint64_t busy,
                     struct tq__leases *target, struct tq_error *err);
/* Which partitions the database still has as this relay's, in the epochs that it knows. */
int tq__leases_confirm(tq_tx *tx, const struct tq__leases *leases, uint64_t *out_held,
                       struct tq_error *err);
/* The body that hands everything back. */
int tq__leases_release(tq_tx *tx, const struct tq__leases *leases, struct tq_error *err);

#endif
