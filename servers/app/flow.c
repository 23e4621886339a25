/* SPDX-License-Identifier: MIT */
/*
 * The workers that every service with an outbox or an inbox has. They wait inside their
 * steps, where a commit, an acknowledgement or an arrival ends the wait at once; the
 * time in it bounds what nobody tells of: another process's commits, and leases.
 * Threads: a step is its worker's; waking and the gauge are [any].
 */
#include "app/flow.h"

#define WAIT_MS 1000

static int inbox_step(void *inbox, uint32_t wait_ms, struct tq_error *err)
{
    return tq_inbox_step(inbox, wait_ms, NULL, err);
}

static void inbox_wake(void *inbox)
{
    tq_inbox_wake(inbox);
}

static int relay_step(void *relay, uint32_t wait_ms, struct tq_error *err)
{
    return tq_relay_step(relay, wait_ms, NULL, err);
}

static void relay_wake(void *relay)
{
    tq_relay_wake(relay);
}

int app_inbox_add(struct app *app, const char *name, tq_inbox *inbox, struct tq_error *err)
{
    const struct app_worker_options options = {.name = name,
                                               .waiting_step = inbox_step,
                                               .wake = inbox_wake,
                                               .arg = inbox,
                                               .idle_ms = WAIT_MS};
    return app_worker_add(app, &options, NULL, err);
}

int app_relay_add(struct app *app, const char *name, tq_relay *relay, struct tq_error *err)
{
    const struct app_worker_options options = {.name = name,
                                               .waiting_step = relay_step,
                                               .wake = relay_wake,
                                               .arg = relay,
                                               .idle_ms = WAIT_MS};
    return app_worker_add(app, &options, NULL, err);
}

double app_outbox_pending(void *store)
{
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    return tq_outbox_stats(store, &stats, NULL) == TQ_OK ? (double)stats.pending : -1;
}
