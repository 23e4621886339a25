/* SPDX-License-Identifier: MIT */
/*
 * Opens the payment service: its database, the provider, its workers.
 *
 *     inbox      applies events of the reservation service
 *     relay      publishes what the outbox holds
 *     callers    call the provider, PAYMENT_CALLERS at a time (calls.c)
 *     deadlines  brings the deadlines of sagas
 *     rechecks   has ended payments asked for again (recheck.c)
 *     cleaner    removes what nobody will ask for again
 *
 * After a crash every call that was under way is due again, and is looked up in
 * the provider's book before it is repeated.
 */
#include "payment/service.h"

#include <stdio.h>

#include "app/flow.h"
#include "core/env.h"
#include "core/error.h"
#include "payment/payment.h"
#include "payment/routes.h"

#define ORIGIN "payment"
#define POOL_THREADS 64 /* each waits for the commit that its request shares with others */
#define POOL_QUEUE 4096
#define DAY_MS INT64_C(86400000)

/* One batch, then a pause: it can wait. A drain begins none, the next start does. */
static int recheck_step(void *arg, struct tq_error *err)
{
    struct payments *service = arg;
    int rc = app_is_draining(service->app) ? TQ_EMPTY : rechecks_put(service, err);
    TQ_TRY(rc);
    if (rc == TQ_OK) {
        calls_wake(service);
    }
    return TQ_EMPTY;
}

/* Webhooks are sent again for six hours. */
static int clean_step(void *arg, struct tq_error *err)
{
    struct payments *service = arg;
    int flow = app_flow_clean(service->ledger, err);
    TQ_TRY(flow);
    int webhooks = webhooks_clean(service->ledger, 30 * DAY_MS, 1000, err);
    TQ_TRY(webhooks);
    return flow == TQ_OK || webhooks == TQ_OK ? TQ_OK : TQ_EMPTY;
}

static int open_ledger(struct payments *service, struct tq_error *err)
{
    TQ_TRY(app_store_open(service->app, "payment", &service->ledger, err));
    TQ_TRY(app_flow_prepare(service->ledger, err));
    TQ_TRY(payment_rows_prepare(service->ledger, err));
    TQ_TRY(tq_sagas_open(service->ledger, &charge_type, service, &service->charges, err));
    return calls_restore(service, err);
}

static int open_provider(struct payments *service, struct tq_error *err)
{
    char *text = NULL;
    TQ_TRY(portone_open(&service->portone, service->app, err));
    TQ_TRY(app_config_secret(app_config(service->app), "webhook-secret", &text, err));
    int rc = webhook_keys_read(text, service->keys, &service->keys_count, err);
    app_secret_free(text);
    return rc;
}

static int open_events(struct payments *service, struct tq_error *err)
{
    tq_transport *transport = app_transport(service->app);
    TQ_TRY(tq_inbox_open(service->ledger, transport,
                         TQ_ARGS(tq_inbox_options, .consumer = "payment", .batch = APP_INBOX_BATCH,
                                 .topics = payment_topics, .topics_count = 1,
                                 .dead_letter_topic = "dlq.payment", .handler = payment_event,
                                 .applied = payment_applied, .arg = service),
                         &service->inbox, err));
    return app_relay_open(service->app, "payment", service->ledger, &service->relay, err);
}

static int add_callers(struct payments *service, struct tq_error *err)
{
    for (size_t i = 0; i < PAYMENT_CALLERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "payment.caller-%zu", i);
        const struct app_worker_options options = {
            .name = name, .step = calls_step, .arg = service, .idle_ms = 250};
        TQ_TRY(app_worker_add(service->app, &options, &service->callers[i], err));
    }
    return TQ_OK;
}

static int add_workers(struct payments *service, struct tq_error *err)
{
    const struct app_flow flow = {service->ledger, service->inbox, service->relay,
                                  service->charges};
    const struct app_worker_options rechecks = {
        .name = "payment.rechecks", .step = recheck_step, .arg = service, .idle_ms = 1000};
    const struct app_worker_options cleaner = {
        .name = "payment.cleaner", .step = clean_step, .arg = service, .idle_ms = 60000};
    TQ_TRY(app_flow_add(service->app, "payment", &flow, err));
    TQ_TRY(app_worker_add(service->app, &rechecks, NULL, err));
    TQ_TRY(app_worker_add(service->app, &cleaner, NULL, err));
    TQ_TRY(add_callers(service, err));
    return http_pool_add(app_server(service->app), "payment", POOL_THREADS, POOL_QUEUE, err);
}

static void close_service(void *state)
{
    struct payments *service = state;
    if (!service) {
        return;
    }
    tq_relay_close(service->relay);
    tq_inbox_close(service->inbox);
    tq_sagas_close(service->charges);
    tq_store_close(service->ledger);
    portone_close(&service->portone);
    tq__release(&service->env, service);
}

static int open_service(struct app *app, void **out_state, struct tq_error *err)
{
    const struct tq_env *env = app_env(app);
    struct payments *service = tq__alloc(env, 1, sizeof *service);
    if (!service) {
        return tq__nomem(ORIGIN, err);
    }
    service->app = app;
    service->env = *env;
    service->portone.env = env;
    service->recheck_ms = app_config_number(app_config(app), "payment-recheck-ms");
    int rc = open_ledger(service, err);
    rc = rc < 0 ? rc : open_provider(service, err);
    rc = rc < 0 ? rc : open_events(service, err);
    rc = rc < 0 ? rc : add_workers(service, err);
    if (rc < 0) {
        close_service(service);
        return rc;
    }
    *out_state = service;
    return TQ_OK;
}

static const struct app_option options[] = {
    {.name = "portone",
     .value = "URL",
     .help = "the payment provider, PortOne V2 or the sandbox",
     .is_required = 1},
    {.name = "portone-secret", .value = "FILE", .help = "the API secret", .is_required = 1},
    {.name = "portone-channel",
     .value = "TYPE",
     .help = "the type of channel that is real money: LIVE, TEST; empty for any",
     .fallback = "LIVE"},
    {.name = "portone-store",
     .value = "ID",
     .help = "the provider's id of our store; empty for any",
     .fallback = ""},
    {.name = "portone-timeout-ms",
     .value = "MS",
     .help = "how long a call may take before its outcome is unknown",
     .fallback = "60000",
     .kind = APP_NUMBER,
     .min = 100,
     .max = 120000},
    {.name = "payment-recheck-ms",
     .value = "MS",
     .help =
         "how long after it failed a payment is asked for again; then after 5, 30 and 720 times "
         "that, a paid one after the last two",
     .fallback = "120000",
     .kind = APP_NUMBER,
     .min = 10,
     .max = 3600000},
    {.name = "webhook-secret",
     .value = "FILE",
     .help = "secrets of webhooks, one a line",
     .is_required = 1},
};

const struct app_service payment_service = {
    .name = "payment",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .purposes = APP_PURPOSE(TQ_PURPOSE_INTERNAL),
    .open = open_service,
    .routes = payment_routes,
    .routes_count = PAYMENT_ROUTES,
    .internal_routes = payment_internal_routes,
    .internal_routes_count = PAYMENT_INTERNAL_ROUTES,
    .close = close_service,
};
