/* SPDX-License-Identifier: MIT */
/*
 * What carries a service's events, as steps of a worker (app.h) and as a gauge.
 */
#ifndef TICKETQ_APP_FLOW_H
#define TICKETQ_APP_FLOW_H

#include <ticketq/outbox.h>

/* app_step_fn: `inbox` is a tq_inbox *. */
int app_inbox_step(void *inbox, struct tq_error *err);
/* app_step_fn: `relay` is a tq_relay *. */
int app_relay_step(void *relay, struct tq_error *err);
/* app_gauge_fn: events in the outbox of `store`, a tq_store *; -1: it does not say. */
double app_outbox_pending(void *store);

#endif
