/* SPDX-License-Identifier: MIT */
/*
 * What every service with an outbox or an inbox has. Inbox and relay wait inside their
 * steps, where a commit, an acknowledgement or an arrival ends the wait at once; the
 * time in it bounds what nobody may tell of: another process's commits, and leases.
 * Threads: a step is its worker's; waking is [any].
 */
#include "app/flow.h"

#include <stdio.h>

#include "app/idempotency.h"
#include "app/internal.h"
#include "app/told.h"
#include "core/error.h"

#define WAIT_MS 1000
#define CLEAN_ROWS 1000
#define DAY_MS INT64_C(86400000)

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

static int add(struct app *app, const char *service, const char *what,
               struct app_worker_options options, struct tq_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", service, what);
    options.name = name;
    options.idle_ms = WAIT_MS;
    return app_worker_add(app, &options, NULL, err);
}

int app_inbox_add(struct app *app, const char *service, tq_inbox *inbox, struct tq_error *err)
{
    const struct app_worker_options options = {
        .waiting_step = inbox_step, .wake = inbox_wake, .arg = inbox};
    return add(app, service, "inbox", options, err);
}

int app_relay_open(struct app *app, const char *service, tq_store *ledger, tq_relay **out_relay,
                   struct tq_error *err)
{
    char owner[TQ_ID_SIZE];
    if (!app->instance[0]) {
        TQ_TRY(app__instance_open(app, app_config_text(app->config, "data"), err));
    }
    snprintf(owner, sizeof owner, "%s-%.16s", service, app->instance);
    return tq_relay_open(ledger, app_transport(app), TQ_ARGS(tq_relay_options, .owner = owner),
                         out_relay, err);
}

int app_relay_add(struct app *app, const char *service, tq_store *ledger, tq_relay *relay,
                  struct tq_error *err)
{
    const struct app_worker_options options = {
        .waiting_step = relay_step, .wake = relay_wake, .arg = relay};
    TQ_TRY(app__backlog_add(app, service, ledger, err));
    return add(app, service, "relay", options, err);
}

int app_flow_prepare(tq_store *ledger, struct tq_error *err)
{
    TQ_TRY(tq_outbox_prepare(ledger, err));
    TQ_TRY(app_told_prepare(ledger, err));
    return app_once_prepare(ledger, err);
}

static int deadline_step(void *sagas, struct tq_error *err)
{
    return tq_saga_step(sagas, 128, NULL, err);
}

int app_flow_add(struct app *app, const char *service, const struct app_flow *flow,
                 struct tq_error *err)
{
    const struct app_worker_options deadlines = {.step = deadline_step, .arg = flow->sagas};
    TQ_TRY(app_inbox_add(app, service, flow->inbox, err));
    TQ_TRY(app_relay_add(app, service, flow->ledger, flow->relay, err));
    return add(app, service, "deadlines", deadlines, err);
}

/* The journal goes before the inbox of others does, and answers when nobody repeats any more. */
int app_flow_clean(void *ledger, struct tq_error *err)
{
    int told = app_told_clean(ledger, 6 * DAY_MS, CLEAN_ROWS, err);
    TQ_TRY(told);
    int once = app_once_clean(ledger, DAY_MS, CLEAN_ROWS, err);
    TQ_TRY(once);
    int inbox = tq_inbox_clean(ledger, 7 * DAY_MS, CLEAN_ROWS, err);
    TQ_TRY(inbox);
    return told == TQ_OK || once == TQ_OK || inbox == TQ_OK ? TQ_OK : TQ_EMPTY;
}
