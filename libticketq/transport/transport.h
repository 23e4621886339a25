/* SPDX-License-Identifier: MIT */
/*
 * What relays and inboxes see of an open transport.
 */
#ifndef TQ_TRANSPORT_TRANSPORT_H
#define TQ_TRANSPORT_TRANSPORT_H

#include <ticketq/driver/transport.h>

#include "core/error.h"

/* Complete: no slot is NULL. */
const struct tq_transport_driver *tq__transport_driver(const tq_transport *transport);
void *tq__transport_state(const tq_transport *transport);
tq_transport *tq__transport_ref(tq_transport *transport);

/* Whether it is ids joined by dots (TQ_E_INVALID) of at most TQ_TOPIC_MAX bytes (TQ_E_LIMIT). */
int tq__topic_check(const char *topic, const char *field, const char *origin, struct tq_error *err);

/* The value of a header; "" when there is none. */
const char *tq__header(const struct tq_header *headers, size_t count, const char *name);

TQ_AUTO_DEFINE(tq_transport, tq_transport_close)

#endif
