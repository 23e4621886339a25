/* SPDX-License-Identifier: MIT */
/*
 * A relay, and how it settles what was reported.
 */
#ifndef TQ_OUTBOX_SETTLE_H
#define TQ_OUTBOX_SETTLE_H

#include "outbox/pending.h"
#include "store/ledger.h"
#include "transport/transport.h"

enum tq__flight_state {
    TQ__FLIGHT_UNDER_WAY = 0,
    TQ__FLIGHT_DELIVERED, /* to be removed */
    TQ__FLIGHT_REFUSED,   /* and one of its key before it is still under way */
    TQ__FLIGHT_BLAMED     /* refused, and the first of its key: to be blocked */
};

/* What the relay knows of a slot, beside the window. */
struct tq__flight {
    uint32_t partition;
    uint32_t attempts;
    int32_t status; /* of the report */
    uint32_t state; /* enum tq__flight_state */
};

struct tq_relay {
    struct tq_env env;
    tq_store *store;
    tq_transport *transport;
    const struct tq_transport_driver *driver;
    void *state;
    void *producer;
    struct tq_relay_options options;
    struct tq__leases leases;
    struct tq__window window;
    struct tq__pending pending;
    struct tq__flight *flights; /* by the slot's place */
    size_t delivered, refused;  /* flights; who is blamed was refused */
    struct tq_report *reports;
    struct tq_message *messages;
    struct tq__message_parts *parts;
    struct tq__slot **slots;
    struct tq__commit_watch watch;
    int is_watching;
    int is_woken;     /* atomic: the next wait is none */
    int is_stirred;   /* atomic: there was a commit since the step began */
    int64_t ready_ms; /* since when something may wait to be settled */
    struct tq_relay_stats stats;
};

static inline struct tq__flight *tq__flight_of(const tq_relay *relay, const struct tq__slot *slot)
{
    return &relay->flights[slot - relay->window.slots];
}

/* The transport's answer, which is no outage. */
void tq__relay_landed(tq_relay *relay, struct tq__slot *slot, int status);
/* Sees who is to blame for what was refused. Returns how many flights are ready to be settled. */
size_t tq__relay_classify(tq_relay *relay);
/* Writes what is ready in one transaction, and what the last look found; then forgets it. */
int tq__relay_settle(tq_relay *relay, struct tq_error *err);

#endif
