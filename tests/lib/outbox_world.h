/* SPDX-License-Identifier: MIT */
/*
 * A service with an outbox, an inbox and a table that remembers what it applied,
 * for tests of outbox and saga on any ledger and any transport.
 *
 * Keys are "k0", "k1", ...; an event's payload {"n":N} numbers the events of its
 * key from 1, so that a gap, a repeat and a wrong order can all be seen in the
 * table `applied (consumer, event_key, n)`, in order of `id`.
 */
#ifndef TESTS_LIB_OUTBOX_WORLD_H
#define TESTS_LIB_OUTBOX_WORLD_H

#include <ticketq/outbox.h>

#include "lib/ask.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define OUTBOX_TOPIC "reservation.events"
#define OUTBOX_DEAD "dlq.reservation"

/* What the handler does with events of one key. */
struct handler_plan {
    char key[TQ_ID_SIZE];  /* "": nothing special */
    int status;            /* it returns this ... */
    int times;             /* ... so many times */
    atomic_int called;     /* the handler was called, for any key */
    atomic_int told;       /* the applied callback was given so many events, */
    atomic_int told_times; /* in so many calls */
};

tq_store *outbox_store(const struct tq_env *env, const char *url);
tq_transport *outbox_transport(const struct tq_env *env, const char *url);
/* Tables of outbox, inbox and `applied`. */
void outbox_prepare(tq_store *store);

/* Append events number `first` to `last` of a key in one transaction. */
int outbox_put(tq_store *store, const char *key, int first, int last);

/* As if the key's only event had been refused for good; its id is "parked" now. */
void outbox_park(tq_store *store, const char *key);

tq_relay *outbox_relay(tq_store *store, tq_transport *transport, const char *owner);
tq_inbox *outbox_inbox(tq_store *store, tq_transport *transport, const char *consumer,
                       struct handler_plan *plan, uint32_t attempts_max);
/* The handler: one row in `applied`, or what the plan says. */
int outbox_apply(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err);

/* Steps of both until neither has anything to do, at most `rounds`. */
void outbox_run(tq_relay *relay, tq_inbox *inbox, int rounds);

/*
 * Steps of both until the handler's plan has been told of that many events and nothing is
 * pending; of the ones that are given.
 */
void outbox_finish(tq_store *store, tq_relay *relay, tq_inbox *inbox,
                   const struct handler_plan *plan, int told);
/* A step of a relay or inbox: well, or the broker has taken too long and is asked again. */
#define assert_step(expression)                                                                    \
    do {                                                                                           \
        int step_rc = (expression);                                                                \
        ck_assert_msg(step_rc >= 0 || step_rc == TQ_E_UNAVAILABLE, "%s: %s (%s: %s)", #expression, \
                      tq_status_name(step_rc), err.origin, err.message);                           \
    } while (0)

/* Other processes may be part of the transport: things take a moment. */
int outbox_takes_a_moment(const tq_transport *transport);

int64_t outbox_pending(tq_store *store);
/* Events 1..count of the key were each applied once, in order. */
void outbox_check_key(tq_store *store, const char *consumer, const char *key, int count);

#endif
