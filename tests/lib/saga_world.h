/* SPDX-License-Identifier: MIT */
/*
 * A small purchase: one seat, one buyer per saga, a payment that may be declined,
 * time out, or come too late. Enough of a shop to show each rule of a saga.
 *
 *     HELD -> PAYING -> CONFIRMED
 *       |       |  \-> ASKING -> CONFIRMED or CANCELLED
 *       +-------+----> CANCELLED -> CONFIRMED (paid late, seat free)
 *                          \-> REFUNDING -> REFUNDED (paid late, seat taken)
 */
#ifndef TESTS_LIB_SAGA_WORLD_H
#define TESTS_LIB_SAGA_WORLD_H

#include <ticketq/saga.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define SEAT "A-1"

enum { HOLD_MS = 300000, PAY_MS = 60000, ASK_MS = 5000 };

/* What the handlers do, besides their work. */
struct shop {
    const char *failing; /* the handler of this event fails with `status` */
    int status;
    int asked;       /* times the provider was asked */
    int compensated; /* compensations that ran, committed or not */
    char order[256]; /* their names, first to last */
};

extern const struct tq_saga_type saga_world_type;

/* The table of seats, with SEAT free. */
void shop_prepare(tq_store *store);
/* Begin a purchase that holds SEAT. */
int shop_start(tq_store *store, tq_sagas *sagas, const char *id);
/* Bring an event in a transaction of its own. */
int shop_bring(tq_store *store, tq_sagas *sagas, const char *id, const char *event);
/* The same for a payment: when the seat cannot be had any more, for a refund. */
int shop_paid(tq_store *store, tq_sagas *sagas, const char *id);
/* Give SEAT to somebody else, as a later buyer would. */
void shop_sell_to(tq_store *store, const char *owner);

void shop_check_state(tq_store *store, tq_sagas *sagas, const char *id, const char *state);
void shop_check_seat(tq_store *store, const char *owner, const char *status);
/* Refunds that were ordered for a saga. */
int64_t shop_refunds(tq_store *store, const char *id);

#endif
