/* SPDX-License-Identifier: MIT */
/*
 * The event service: its options, tables, caches and workers.
 *
 *     event.relay     publishes the outbox
 *     event.announce  tells of schedules whose status changed
 *     event.clean     removes old rows of the journal of events
 *     event-pages     hears what has changed, where pages are shared
 *
 * The caches have more entries than the pool has threads (cache.c asks for that).
 */
#include "event/service.h"

#include "app/flow.h"
#include "app/told.h"
#include "core/env.h"
#include "core/error.h"
#include "event/event.h"
#include "event_sql.h"

#define POOL_QUEUE 16384
#define LAYOUT_TTL_MS 600000
#define DOCUMENT_TTL_MS 10000 /* of what an event may fail to drop */
#define LAYOUTS_MAX 80
#define SEAT_MAPS_MAX 1024
#define CLEAN_AGE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define CLEAN_ROWS 500

static const struct app_option options[] = {
    {.name = "seat-map-ttl-ms",
     .value = "MS",
     .help = "how old an answer with a seat map may be",
     .fallback = "250",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 60000},
    {.name = "event-threads",
     .value = "N",
     .help = "threads that read events and load seat maps",
     .fallback = "2",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 64},
};

static void close_events(void *state)
{
    struct events *events = state;
    if (events) {
        struct tq_env env = events->env;
        tq_relay_close(events->relay);
        app_listener_close(events->listener);
        event_cache_free(events->layouts);
        event_cache_free(events->seat_maps);
        for (size_t i = 0; i < EVENT_KINDS; i++) {
            event_shared_free(events->pages[i]);
        }
        tq__cache_close(events->cache);
        tq_store_close(events->store);
        tq__release(&env, events);
    }
}

static int clean_step(void *arg, struct tq_error *err)
{
    struct events *events = arg;
    return app_told_clean(events->store, CLEAN_AGE_MS, CLEAN_ROWS, err);
}

static double loads(void *arg)
{
    return (double)event_cache_loads(arg);
}

static int open_store(struct events *events, struct tq_error *err)
{
    const struct tq_migration migration = {
        .size = sizeof migration, .scope = "event", .version = 1, .sql = EVENT_v1};
    TQ_TRY(app_store_open(events->app, "event", &events->store, err));
    TQ_TRY(tq_ledger_migrate(events->store, &migration, 1, err));
    TQ_TRY(tq_outbox_prepare(events->store, err));
    return app_told_prepare(events->store, err);
}

static int open_pages(struct events *events, struct tq_error *err)
{
    uint32_t map_ms = (uint32_t)app_config_number(app_config(events->app), "seat-map-ttl-ms");
    const struct {
        const char *kind;
        uint32_t ttl_ms;
        event_load_fn *load;
    } kinds[EVENT_KINDS] = {
        [EVENT_LIST] = {"list", DOCUMENT_TTL_MS, event_list_load},
        [EVENT_EVENT] = {"event", DOCUMENT_TTL_MS, event_event_load},
        [EVENT_SCHEDULE] = {"schedule", DOCUMENT_TTL_MS, event_schedule_load},
        [EVENT_LAYOUT] = {"layout", LAYOUT_TTL_MS, event_layout_load},
        [EVENT_SEAT_MAP] = {"seat-map", map_ms, event_seat_map_load},
    };
    TQ_TRY(app_cache_open(events->app, &events->cache, err));
    for (size_t i = 0; i < EVENT_KINDS; i++) {
        const struct event_shared_options page = {.kind = kinds[i].kind,
                                                  .ttl_ms = kinds[i].ttl_ms,
                                                  .load = kinds[i].load,
                                                  .arg = events,
                                                  .cache = events->cache,
                                                  .keys = app_keys(events->app),
                                                  .metrics = app_metrics(events->app)};
        TQ_TRY(event_shared_new(&events->env, &page, &events->pages[i], err));
    }
    return TQ_OK;
}

/* Those that answer within a turn of the loop. */
static int open_caches(struct events *events, struct tq_error *err)
{
    const struct app_config *config = app_config(events->app);
    struct app_metrics *metrics = app_metrics(events->app);
    const char *help = "Pages that were fetched into this process, by kind.";
    const struct event_cache_options layouts = {LAYOUT_TTL_MS, LAYOUTS_MAX, event_shared_load,
                                                events->pages[EVENT_LAYOUT]};
    const struct event_cache_options seat_maps = {
        (uint32_t)app_config_number(config, "seat-map-ttl-ms"), SEAT_MAPS_MAX, event_shared_load,
        events->pages[EVENT_SEAT_MAP]};
    TQ_TRY(event_cache_new(&events->env, &layouts, &events->layouts, err));
    TQ_TRY(event_cache_new(&events->env, &seat_maps, &events->seat_maps, err));
    app_gauge_ask(metrics, "ticketq_event_loads", help, "kind=\"layout\"", loads, events->layouts);
    app_gauge_ask(metrics, "ticketq_event_loads", help, "kind=\"seat_map\"", loads,
                  events->seat_maps);
    return TQ_OK;
}

static int listen_for_changes(struct events *events, struct tq_error *err)
{
    static const char *const topics[] = {EVENT_TOPIC, "reservation.events"};
    const struct app_listener_options hearing = {.group = "event-pages",
                                                 .topics = topics,
                                                 .topics_count = 2,
                                                 .heard = event_heard,
                                                 .rest = event_forget_maps,
                                                 .arg = events};
    return events->cache ? app_listener_open(events->app, &hearing, &events->listener, err) : TQ_OK;
}

static int add_workers(struct events *events, struct tq_error *err)
{
    const struct app_worker_options announcer = {
        .name = "event.announce", .step = event_announce, .arg = events, .idle_ms = 500};
    const struct app_worker_options cleaner = {
        .name = "event.clean", .step = clean_step, .arg = events, .idle_ms = 60000};
    TQ_TRY(app_relay_add(events->app, "event", events->store, events->relay, err));
    TQ_TRY(app_worker_add(events->app, &announcer, NULL, err));
    return app_worker_add(events->app, &cleaner, NULL, err);
}

static int open_parts(struct events *events, struct tq_error *err)
{
    struct app_metrics *metrics = app_metrics(events->app);
    events->published = app_counter(metrics, "ticketq_event_schedules_published_total",
                                    "Schedules that were published.", NULL);
    events->announced = app_counter(metrics, "ticketq_event_status_changes_total",
                                    "Changes of a schedule's status that were announced.", NULL);
    TQ_TRY(open_store(events, err));
    TQ_TRY(open_pages(events, err));
    TQ_TRY(listen_for_changes(events, err));
    TQ_TRY(app_relay_open(events->app, "event", events->store, &events->relay, err));
    TQ_TRY(open_caches(events, err));
    TQ_TRY(http_pool_add(app_server(events->app), EVENT_POOL,
                         (unsigned)app_config_number(app_config(events->app), "event-threads"),
                         POOL_QUEUE, err));
    return add_workers(events, err);
}

static int open_events(struct app *app, void **out_state, struct tq_error *err)
{
    struct events *events = tq__alloc(app_env(app), 1, sizeof *events);
    if (!events) {
        return tq__nomem("event", err);
    }
    events->app = app;
    events->env = *app_env(app);
    int rc = open_parts(events, err);
    if (rc < 0) {
        close_events(events);
        return rc;
    }
    *out_state = events;
    return TQ_OK;
}

const struct app_service event_service = {
    .name = "event",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .purposes = APP_PURPOSE(TQ_PURPOSE_INTERNAL),
    .open = open_events,
    .routes = event_routes,
    .routes_count = EVENT_ROUTES_COUNT,
    .internal_routes = event_internal_routes,
    .internal_routes_count = EVENT_INTERNAL_ROUTES_COUNT,
    .close = close_events,
};
