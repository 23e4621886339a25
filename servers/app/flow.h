/* SPDX-License-Identifier: MIT */
/*
 * What carries a service's events: its tables, its relay, its workers (app.h).
 */
#ifndef TICKETQ_APP_FLOW_H
#define TICKETQ_APP_FLOW_H

#include <ticketq/outbox.h>
#include <ticketq/saga.h>

#include "app/app.h"

/* Events that an inbox applies in one transaction, for which the requests of buyers wait. */
#define APP_INBOX_BATCH 64

/* The worker SERVICE.inbox applies what arrives. The inbox is borrowed and outlives the workers. */
int app_inbox_add(struct app *app, const char *service, tq_inbox *inbox, struct tq_error *err);
/* A relay of the service's outbox, under a name of this process's own. */
int app_relay_open(struct app *app, const char *service, tq_store *ledger, tq_relay **out_relay,
                   struct tq_error *err);
/*
 * The worker SERVICE.relay publishes what is committed, and from now on its outbox counts for who
 * is let in (app_share). Relay and ledger are borrowed likewise.
 */
int app_relay_add(struct app *app, const char *service, tq_store *ledger, tq_relay *relay,
                  struct tq_error *err);

/* A service that takes part in sagas. All of it is borrowed and outlives the workers. */
struct app_flow {
    tq_store *ledger;
    tq_inbox *inbox;
    tq_relay *relay;
    tq_sagas *sagas;
};

/* Create the tables of outbox and inbox, of the journal (told.h), of answers (idempotency.h). */
int app_flow_prepare(tq_store *ledger, struct tq_error *err);
/* The workers SERVICE.inbox, SERVICE.relay and SERVICE.deadlines. */
int app_flow_add(struct app *app, const char *service, const struct app_flow *flow,
                 struct tq_error *err);
/* A worker's step: removes some of what those tables have and nobody asks for any more. */
int app_flow_clean(void *ledger, struct tq_error *err);

#endif
