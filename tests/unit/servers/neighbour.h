/* SPDX-License-Identifier: MIT */
/*
 * Another service, as the inbox of one under test sees it: a ledger of its own whose
 * outbox is relayed over the in-process transport.
 */
#ifndef TESTS_UNIT_SERVERS_NEIGHBOUR_H
#define TESTS_UNIT_SERVERS_NEIGHBOUR_H

#include <ticketq/outbox.h>

#include "desk.h"

struct neighbour {
    struct desk desk;
    tq_transport *transport;
    tq_inbox *inbox; /* of the service under test, on its ledger */
    tq_relay *relay;
};

void neighbour_open(struct neighbour *neighbour, struct desk *receiver,
                    const struct tq_inbox_options *options);
/* Close it before the receiver. */
void neighbour_close(struct neighbour *neighbour);
/* Tell an event; returns when the receiver has dealt with it. */
void neighbour_tell(struct neighbour *neighbour, const char *topic, const char *type,
                    const char *key, const char *payload);

#endif
