/* SPDX-License-Identifier: MIT */
/*
 * What carries a service's events, as workers (app.h) and as a gauge.
 */
#ifndef TICKETQ_APP_FLOW_H
#define TICKETQ_APP_FLOW_H

#include <ticketq/outbox.h>

#include "app/app.h"

/* A worker that applies what arrives. The inbox is borrowed and outlives the workers. */
int app_inbox_add(struct app *app, const char *name, tq_inbox *inbox, struct tq_error *err);
/* A worker that publishes what is committed; it needs no waking. The relay is borrowed likewise. */
int app_relay_add(struct app *app, const char *name, tq_relay *relay, struct tq_error *err);
/* app_gauge_fn: events in the outbox of `store`, a tq_store *; -1: it does not say. */
double app_outbox_pending(void *store);

#endif
