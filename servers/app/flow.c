/* SPDX-License-Identifier: MIT */
/*
 * The steps that every service with an outbox or an inbox has its workers do.
 * They never wait: the worker sleeps between them and is woken by who appends.
 * Threads: a step is its worker's; the gauge is [any].
 */
#include "app/flow.h"

int app_inbox_step(void *inbox, struct tq_error *err)
{
    return tq_inbox_step(inbox, 0, NULL, err);
}

int app_relay_step(void *relay, struct tq_error *err)
{
    return tq_relay_step(relay, 0, NULL, err);
}

double app_outbox_pending(void *store)
{
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    return tq_outbox_stats(store, &stats, NULL) == TQ_OK ? (double)stats.pending : -1;
}
