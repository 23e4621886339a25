/* SPDX-License-Identifier: MIT */
/*
 * Opens the reservation service: its ledger, its book, its workers.
 *
 * The book has a front and its authority in the ledger. Before
 * anybody is served, everything that is on sale comes back from the ledger and
 * the front is rebuilt from it (schedules_restore). Workers:
 *
 *     inbox      applies events of the event and payment services
 *     relay      publishes what the outbox holds
 *     sweep      ends holds and reservations whose time ran out; tells the front what it missed
 *     deadlines  brings the deadlines of sagas
 *     loader     fetches the seats of schedules that were published
 *     cleaner    removes what nobody will ask for again
 *
 * Everything that must go on after a crash is in the ledger; there is no
 * shutdown that matters and no recovery but opening.
 */
#include "reservation/service.h"

#include <string.h>

#include "app/flow.h"
#include "core/env.h"
#include "core/error.h"
#include "reservation/reservation.h"
#include "reservation/routes.h"
#include "reservation_sql.h"

#define ORIGIN "reservation"
#define POOL_THREADS 64 /* each waits for the commit that its request shares with others */
#define POOL_QUEUE 4096

static int open_ledger(struct reservations *service, struct tq_error *err)
{
    const struct tq_migration migration = {
        .size = sizeof migration, .scope = "reservation", .version = 1, .sql = RESERVATION_v1};
    TQ_TRY(app_store_open(service->app, "reservation", &service->ledger, err));
    TQ_TRY(app_flow_prepare(service->ledger, err));
    return tq_ledger_migrate(service->ledger, &migration, 1, err);
}

static int open_book(struct reservations *service, struct tq_error *err)
{
    TQ_TRY(app_front_open(service->app, &service->front, err));
    TQ_TRY(tq_book_open(
        &service->env, TQ_ARGS(tq_book_options, .front = service->front, .ledger = service->ledger),
        &service->book, err));
    TQ_TRY(tq_sagas_open(service->ledger, &purchase_type, service, &service->purchases, err));
    return schedules_restore(service, err);
}

static int open_events(struct reservations *service, struct tq_error *err)
{
    tq_transport *transport = app_transport(service->app);
    TQ_TRY(
        tq_inbox_open(service->ledger, transport,
                      TQ_ARGS(tq_inbox_options, .consumer = "reservation", .batch = APP_INBOX_BATCH,
                              .topics = reservation_topics, .topics_count = 2,
                              .dead_letter_topic = "dlq.reservation", .handler = reservation_event,
                              .applied = reservation_applied, .arg = service),
                      &service->inbox, err));
    return app_relay_open(service->app, "reservation", service->ledger, &service->relay, err);
}

static int add_workers(struct reservations *service, struct tq_error *err)
{
    const struct app_flow flow = {service->ledger, service->inbox, service->relay,
                                  service->purchases};
    const struct app_worker_options sweep = {
        .name = "reservation.sweep", .step = reservation_sweep, .arg = service, .idle_ms = 200};
    const struct app_worker_options loader = {
        .name = "reservation.loader", .step = schedules_step, .arg = service, .idle_ms = 1000};
    const struct app_worker_options cleaner = {.name = "reservation.cleaner",
                                               .step = app_flow_clean,
                                               .arg = service->ledger,
                                               .idle_ms = 60000};
    TQ_TRY(app_flow_add(service->app, "reservation", &flow, err));
    TQ_TRY(app_worker_add(service->app, &sweep, NULL, err));
    TQ_TRY(app_worker_add(service->app, &loader, &service->loader, err));
    TQ_TRY(app_worker_add(service->app, &cleaner, NULL, err));
    return http_pool_add(app_server(service->app), "reservation", POOL_THREADS, POOL_QUEUE, err);
}

static void close_service(void *state)
{
    struct reservations *service = state;
    if (!service) {
        return;
    }
    tq_relay_close(service->relay);
    tq_inbox_close(service->inbox);
    tq_sagas_close(service->purchases);
    tq_book_close(service->book);
    schedules_done(service);
    purchase_reflect_done(service);
    tq_store_close(service->front);
    tq_store_close(service->ledger);
    tq__release(&service->env, service);
}

static int open_service(struct app *app, void **out_state, struct tq_error *err)
{
    const struct tq_env *env = app_env(app);
    struct reservations *service = tq__alloc(env, 1, sizeof *service);
    if (!service) {
        return tq__nomem(ORIGIN, err);
    }
    service->app = app;
    service->env = *env;
    service->hold_ttl_ms = (uint32_t)app_config_number(app_config(app), "hold-ttl-ms");
    purchase_reflect_init(service);
    int rc = schedules_init(service, err);
    rc = rc < 0 ? rc : open_ledger(service, err);
    rc = rc < 0 ? rc : open_book(service, err);
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
    {.name = "hold-ttl-ms",
     .value = "MS",
     .help = "how long seats are held for a buyer",
     .fallback = "300000",
     .kind = APP_NUMBER,
     .min = TQ_HOLD_TTL_MIN_MS,
     .max = TQ_HOLD_TTL_MAX_MS},
};

const struct app_service reservation_service = {
    .name = "reservation",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .purposes = APP_PURPOSE(TQ_PURPOSE_INTERNAL),
    .open = open_service,
    .routes = reservation_routes,
    .routes_count = RESERVATION_ROUTES,
    .internal_routes = reservation_internal_routes,
    .internal_routes_count = RESERVATION_INTERNAL_ROUTES,
    .close = close_service,
};
