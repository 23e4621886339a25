/* SPDX-License-Identifier: MIT */
/*
 * What may happen to a hold: the one state table of all stores.
 */
#ifndef TQ_STORE_LEASE_H
#define TQ_STORE_LEASE_H

#include <ticketq/hold.h>

/* The first three are enum tq_seat_state; the others have no seats. */
enum tq__lease_state {
    TQ__LEASE_HOLD = TQ_SEAT_HOLD,
    TQ__LEASE_PAYING = TQ_SEAT_PAYING,
    TQ__LEASE_SOLD = TQ_SEAT_SOLD,
    TQ__LEASE_RELEASED = 4,
    TQ__LEASE_EXPIRED = 5,
};

struct tq__lease {
    uint32_t state;
    uint64_t fence;
    int64_t granted_ms;
    int64_t expires_ms; /* 0: no timer */
    const char *holder;
};

/* What somebody wants to happen. */
struct tq__lease_order {
    uint32_t verb; /* enum tq_hold_verb */
    int is_told;   /* the ledger has decided: its fence may be higher than ours */
    const char *holder;
    uint64_t fence;
    int64_t now_ms;
    uint32_t extend_ms;
    uint32_t life_max_ms;
};

/*
 * Decide about a lease that is not due: `*next` is the lease as it has to be stored,
 * changed or not. The result is the status for the caller.
 */
int tq__lease_decide(const struct tq__lease *lease, const struct tq__lease_order *order,
                     struct tq__lease *next);

/* Its time ran out and nothing was done about it yet. */
int tq__lease_is_due(const struct tq__lease *lease, int64_t now_ms);
/* It has its seats. */
int tq__lease_is_live(const struct tq__lease *lease);
/* What its request key gets to hear: TQ_REPEAT while it lives, else how it ended. */
int tq__lease_status(const struct tq__lease *lease);

#endif
