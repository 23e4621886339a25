/* SPDX-License-Identifier: MIT */
/*
 * The queue service: its options, stores, inbox and workers.
 *
 *     queue.inbox    opens a room for each SchedulePublished
 *     queue.relay    publishes the outbox, which has dead letters only
 *     queue.tick     lets visitors in, reserves numbers ahead
 *     queue.streams  tells those who listen
 *     queue.rooms    opens what is not open: its store was away, or its row is another process's;
 *                    asks rooms again that could not be asked
 *     queue.clean    removes old rows of the inbox
 *
 * Lines may be in memory. A room is written down in the inbox's transaction and opened
 * after its commit; a process that dies between the two opens it at its start.
 */
#include "queue/service.h"

#include "app/flow.h"
#include "core/env.h"
#include "core/error.h"
#include "queue/queue.h"
#include "queue_sql.h"

#define POOL_QUEUE 256
#define CLEAN_AGE_MS (INT64_C(30) * 24 * 3600 * 1000)
#define CLEAN_ROWS 500
#define PACES_MAX (1u << 18) /* visitors whose last question is remembered */

static const char *const topics[] = {"event.events"};

static const struct app_option options[] = {
    {.name = "queue-streams",
     .value = "N",
     .help = "most event streams of places",
     .fallback = "4096",
     .kind = APP_NUMBER,
     .min = 0,
     .max = 100000},
    {.name = "queue-recovery-ms",
     .value = "MS",
     .help = "after a start, how long those who stood in line may take to come back",
     .fallback = "5000",
     .kind = APP_NUMBER,
     .min = 0,
     .max = 3600000},
};

/* ---- inbox ---- */

static int read_member(const tq__json *room, const char *name, uint32_t *target)
{
    const tq__json *member = tq__json_member(room, name);
    int64_t value = 0;
    if (!member) {
        return 1;
    }
    if (!tq__json_int64(member, &value) || value < 1 || value > TQ_ROOM_SPAN_MAX_MS) {
        return 0;
    }
    *target = (uint32_t)value;
    return 1;
}

static int read_policy(const tq__json *room, struct tq_room_policy *policy)
{
    return read_member(room, "rate", &policy->rate) && read_member(room, "burst", &policy->burst) &&
           read_member(room, "maxActive", &policy->max_active) &&
           read_member(room, "capacity", &policy->capacity) &&
           read_member(room, "waitingMs", &policy->waiting_ms) &&
           read_member(room, "activeMs", &policy->active_ms) &&
           read_member(room, "passMs", &policy->pass_ms) &&
           read_member(room, "pollMinMs", &policy->poll_min_ms) &&
           read_member(room, "pollMaxMs", &policy->poll_max_ms) &&
           read_member(room, "shards", &policy->shards);
}

static int note_schedule(tq_tx *tx, const tq__json *payload, struct tq_error *err)
{
    struct queue_row row = {.policy = TQ_INIT(tq_room_policy)};
    const char *id = tq__json_string(tq__json_member(payload, "scheduleId"));
    if (!tq__id_is_valid(id) ||
        !tq__json_int64(tq__json_member(payload, "salesOpenAt"), &row.policy.open_ms) ||
        !tq__json_int64(tq__json_member(payload, "salesCloseAt"), &row.policy.close_ms) ||
        !read_policy(tq__json_member(payload, "room"), &row.policy)) {
        return tq__fail(err, TQ_E_INVALID, "queue", "a SchedulePublished is malformed");
    }
    tq__id_copy(row.id, id);
    return queue_room_add(tx, &row, err);
}

static int is_published(const struct tq_event *event)
{
    return __builtin_strcmp(event->type, "SchedulePublished") == 0;
}

static int apply(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err)
{
    tq__json *payload = NULL;
    (void)arg;
    if (!is_published(event)) {
        return TQ_OK;
    }
    TQ_TRY(
        tq__json_parse(tq_tx_env(tx), event->payload, event->payload_bytes, NULL, &payload, err));
    int rc = note_schedule(tx, payload, err);
    tq__json_free(payload);
    return rc;
}

static void applied(const struct tq_event *const events[], size_t count, void *arg)
{
    for (size_t i = 0; i < count; i++) {
        const char *id = events[i]->aggregate_id;
        struct tq_error err = TQ_ERROR_INIT;
        if (is_published(events[i]) && queue_room_open(arg, id, &err) < 0) {
            app_log(TQ_LOG_ERROR, "queue", "room %s cannot be opened: %s", id, err.message);
        }
    }
}

static int clean_step(void *arg, struct tq_error *err)
{
    struct queue *queue = arg;
    return tq_inbox_clean(queue->store, CLEAN_AGE_MS, CLEAN_ROWS, err);
}

static int look_step(void *arg, struct tq_error *err)
{
    struct queue *queue = arg;
    queue_tick_away(queue);
    int rc = queue_rooms_look(queue, queue->looked_at, err);
    return rc < 0 ? rc : TQ_EMPTY;
}

/* ---- metrics ---- */

/* Of the rooms that can be asked. */
struct depth {
    uint64_t waiting;
    uint64_t active;
};

static int add_depth(void *arg, struct queue_room *room)
{
    struct depth *depth = arg;
    struct tq_room_state state = TQ_INIT(tq_room_state);
    if (!atomic_load(&room->is_away) && tq_room_state(room->room, &state, NULL) == TQ_OK) {
        depth->waiting += state.waiting;
        depth->active += state.active;
    }
    return 0;
}

static double ask_waiting(void *arg)
{
    struct depth depth = {0, 0};
    queue_rooms_each(arg, add_depth, &depth);
    return (double)depth.waiting;
}

static double ask_active(void *arg)
{
    struct depth depth = {0, 0};
    queue_rooms_each(arg, add_depth, &depth);
    return (double)depth.active;
}

static double ask_streams(void *arg)
{
    return (double)queue_streams_count(arg);
}

/* ---- opening and closing ---- */

static void close_queue(void *state)
{
    struct queue *queue = state;
    if (queue) {
        struct tq_env env = queue->env;
        tq_relay_close(queue->relay);
        tq_inbox_close(queue->inbox);
        queue_streams_free(queue->streams);
        queue_rooms_close(queue);
        pthread_rwlock_destroy(&queue->lock);
        queue_pace_free(queue->pace);
        tq_store_close(queue->lines);
        tq_store_close(queue->store);
        tq__release(&env, queue);
    }
}

static void make_metrics(struct queue *queue)
{
    struct app_metrics *metrics = app_metrics(queue->app);
    queue->entered = app_counter(metrics, "ticketq_queue_enters_total", "Requests to enter.", NULL);
    queue->refused = app_counter(metrics, "ticketq_queue_refusals_total",
                                 "Enters and questions that a room refused.", NULL);
    queue->early =
        app_counter(metrics, "ticketq_queue_early_polls_total", "Polls far too early.", NULL);
    queue->admitted =
        app_counter(metrics, "ticketq_queue_admissions_total", "Visitors who were let in.", NULL);
    queue->skipped = app_counter(metrics, "ticketq_queue_skips_total",
                                 "Visitors who lost their place by silence.", NULL);
    app_gauge_ask(metrics, "ticketq_queue_waiting", "Visitors in line.", NULL, ask_waiting, queue);
    app_gauge_ask(metrics, "ticketq_queue_active", "Visitors inside.", NULL, ask_active, queue);
    app_gauge_ask(metrics, "ticketq_queue_streams", "Event streams of places.", NULL, ask_streams,
                  queue->streams);
}

static int open_stores(struct queue *queue, struct tq_error *err)
{
    const struct tq_migration migrations[] = {
        {.size = sizeof *migrations, .scope = "queue", .version = 1, .sql = QUEUE_v1},
        {.size = sizeof *migrations, .scope = "queue", .version = 2, .sql = QUEUE_v2}};
    TQ_TRY(app_store_open(queue->app, "queue", &queue->store, err));
    TQ_TRY(
        tq_ledger_migrate(queue->store, migrations, sizeof migrations / sizeof *migrations, err));
    TQ_TRY(tq_outbox_prepare(queue->store, err));
    TQ_TRY(app_lines_open(queue->app, &queue->lines, err));
    return queue_rooms_open(queue, err);
}

static int add_workers(struct queue *queue, struct tq_error *err)
{
    const struct app_worker_options workers[] = {
        {.name = "queue.tick", .step = queue_tick_step, .arg = queue, .idle_ms = 20},
        {.name = "queue.streams", .step = queue_streams_step, .arg = queue->streams, .idle_ms = 50},
        {.name = "queue.rooms", .step = look_step, .arg = queue, .idle_ms = 1000},
        {.name = "queue.clean", .step = clean_step, .arg = queue, .idle_ms = 60000},
    };
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        TQ_TRY(app_worker_add(queue->app, &workers[i], NULL, err));
    }
    TQ_TRY(app_inbox_add(queue->app, "queue", queue->inbox, err));
    return app_relay_add(queue->app, "queue", queue->store, queue->relay, err);
}

static int open_parts(struct queue *queue, struct tq_error *err)
{
    const struct app_config *config = app_config(queue->app);
    const struct tq_inbox_options inbox = {.size = sizeof inbox,
                                           .consumer = "queue",
                                           .topics = topics,
                                           .topics_count = 1,
                                           .dead_letter_topic = "dlq.queue",
                                           .handler = apply,
                                           .applied = applied,
                                           .arg = queue};
    TQ_TRY(queue_pace_new(&queue->env, PACES_MAX, &queue->pace, err));
    TQ_TRY(queue_streams_new(queue, (size_t)app_config_number(config, "queue-streams"),
                             &queue->streams, err));
    TQ_TRY(open_stores(queue, err));
    TQ_TRY(tq_inbox_open(queue->store, app_transport(queue->app), &inbox, &queue->inbox, err));
    TQ_TRY(app_relay_open(queue->app, "queue", queue->store, &queue->relay, err));
    TQ_TRY(http_pool_add(app_server(queue->app), QUEUE_POOL, 1, POOL_QUEUE, err));
    make_metrics(queue);
    return add_workers(queue, err);
}

static int open_queue(struct app *app, void **out_state, struct tq_error *err)
{
    struct queue *queue = tq__alloc(app_env(app), 1, sizeof *queue);
    if (!queue) {
        return tq__nomem("queue", err);
    }
    queue->app = app;
    queue->env = *app_env(app);
    queue->recovery_ms = (uint32_t)app_config_number(app_config(app), "queue-recovery-ms");
    pthread_rwlock_init(&queue->lock, NULL);
    int rc = tq__map_init(&queue->rooms, &queue->env, err);
    if (rc == TQ_OK) {
        rc = open_parts(queue, err);
    }
    if (rc < 0) {
        close_queue(queue);
        return rc;
    }
    *out_state = queue;
    return TQ_OK;
}

const struct app_service queue_service = {
    .name = "queue",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .purposes = APP_PURPOSE(TQ_PURPOSE_PLACE) | APP_PURPOSE(TQ_PURPOSE_PASS) |
                APP_PURPOSE(TQ_PURPOSE_INTERNAL),
    .open = open_queue,
    .routes = queue_routes,
    .routes_count = QUEUE_ROUTES_COUNT,
    .internal_routes = queue_internal_routes,
    .internal_routes_count = QUEUE_INTERNAL_ROUTES_COUNT,
    .close = close_queue,
};
