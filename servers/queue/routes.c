/* SPDX-License-Identifier: MIT */
/*
 * HTTP of the queue service for visitors.
 *
 * Entering, asking and leaving are batches: what arrived in one turn of the loop is
 * one library call per room (visits.c). With lines in memory nothing here blocks, except
 * that entering writes once per QUEUE_NUMBERS visitors if the tick worker has not done so
 * before. With lines on Redis each call is a round trip, in which the next batch gathers.
 *
 *     outcome of the room        answer
 *     TQ_OK                      200 and the place
 *     TQ_FULL                    503 QUEUE_FULL, Retry-After
 *     TQ_CLOSED                  409 QUEUE_CLOSED
 *     TQ_REFUSED                 403 PLACE_TOKEN_REFUSED
 *     TQ_GONE                    404 NOT_IN_QUEUE
 *
 * Asking far too early is refused before the room is asked (pace.c); the place stays.
 * Threads: the loops.
 */
#include "queue/queue.h"

#include <string.h>

#include "app/access.h"
#include "core/env.h"

#define RETRY_FULL_MS 5000

static struct queue_room *find_room(struct http_request *request, const char *id)
{
    struct queue_room *room = id ? queue_room_find(request->arg, id) : NULL;
    if (id && !room) {
        http_problem(request, 404, "SCHEDULE_NOT_FOUND", "There is no queue for this schedule.");
    }
    return room;
}

static void refuse(struct http_request *request, struct queue *queue, int status)
{
    app_series_add(queue->refused, 1);
    switch (status) {
    case TQ_FULL:
        http_set_retry_after(request, RETRY_FULL_MS);
        http_problem(request, 503, "QUEUE_FULL", "The queue has reached its capacity.");
        return;
    case TQ_CLOSED:
        http_problem(request, 409, "QUEUE_CLOSED", "The queue takes nobody in any more.");
        return;
    case TQ_REFUSED:
        http_problem(request, 403, "PLACE_TOKEN_REFUSED",
                     "The place token is no good here; enter without it to line up anew.");
        return;
    default:
        http_problem(request, 404, "NOT_IN_QUEUE", "You are not in this queue.");
    }
}

/* Answers a visit with its place, and notes when to ask again. */
static void reply_place(struct queue *queue, const struct queue_visit *visit)
{
    struct http_request *request = visit->arg;
    const struct tq_place *place = visit->place;
    struct tq__buf json = TQ__BUF(http_env(request));
    if (visit->rc < 0) {
        app_fail(request, visit->rc, &visit->err);
        return;
    }
    if (place->status != TQ_OK) {
        refuse(request, queue, place->status);
        return;
    }
    queue_pace_note(queue->pace, visit->room->id, visit->visitor, tq__now_ms(&queue->env),
                    place->poll_after_ms);
    queue_put_place(&json, visit->room->id, place);
    http_reply_json(request, 200, &json);
}

static void reply_left(struct queue *queue, const struct queue_visit *visit)
{
    struct http_request *request = visit->arg;
    (void)queue;
    if (visit->rc < 0) {
        app_fail(request, visit->rc, &visit->err);
    } else {
        http_reply_empty(request, 204);
    }
}

/* What makes a batch: how a request becomes a visit, the call, and the answer. */
struct kind {
    /* Adds the request, or answers it. */
    void (*read)(struct http_request *request, struct queue_visits *visits);
    queue_call_fn *call;
    void (*reply)(struct queue *queue, const struct queue_visit *visit);
};

static void run_slice(const struct kind *kind, struct http_request *const *requests, size_t count)
{
    struct queue *queue = requests[0]->arg;
    struct tq_error err = TQ_ERROR_INIT;
    struct queue_visits visits;
    if (queue_visits_init(&visits, &queue->env, count, &err) < 0) {
        for (size_t i = 0; i < count; i++) {
            app_fail(requests[i], TQ_E_NOMEM, &err);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        kind->read(requests[i], &visits);
    }
    queue_visits_run(queue, &visits, kind->call);
    for (size_t i = 0; i < visits.count; i++) {
        kind->reply(queue, &visits.list[i]);
    }
    queue_visits_done(&visits);
}

static void run(const struct kind *kind, struct http_request *const *requests, size_t count)
{
    for (size_t first = 0; first < count; first += TQ_BATCH_MAX) {
        size_t left = count - first;
        run_slice(kind, requests + first, left < TQ_BATCH_MAX ? left : TQ_BATCH_MAX);
    }
}

/* The place token comes in the body or in X-Queue-Place; 0: answered. */
static int read_token(struct http_request *request, const tq__json *body, const char **out_token)
{
    const tq__json *member = tq__json_member(body, "placeToken");
    *out_token = http_header(request, "X-Queue-Place");
    if (member && !tq__json_is_null(member)) {
        *out_token = http_field_string(request, body, "placeToken", TQ_TOKEN_MAX);
        return *out_token != NULL;
    }
    return 1;
}

static void read_enter(struct http_request *request, struct queue_visits *visits)
{
    const char *token = NULL;
    const tq__json *body = http_json(request);
    const char *id = body ? http_field_id(request, body, "scheduleId") : NULL;
    if (!id || !read_token(request, body, &token)) {
        return;
    }
    struct queue_room *room = find_room(request, id);
    if (room) {
        queue_visits_add(visits, room, request->identity.subject, token)->arg = request;
        app_series_add(((struct queue *)request->arg)->entered, 1);
    }
}

static void read_status(struct http_request *request, struct queue_visits *visits)
{
    struct queue *queue = request->arg;
    struct queue_room *room = find_room(request, http_query_id(request, "scheduleId"));
    if (!room) {
        return;
    }
    int64_t wait_ms = queue_pace_wait_ms(queue->pace, room->id, request->identity.subject,
                                         tq__now_ms(&queue->env));
    if (wait_ms > 0) {
        app_series_add(queue->early, 1);
        http_set_retry_after(request, wait_ms);
        http_problem(request, 429, "POLL_TOO_EARLY",
                     "Ask again after pollAfterMs; your place is kept.");
        return;
    }
    queue_visits_add(visits, room, request->identity.subject, NULL)->arg = request;
}

static void read_leave(struct http_request *request, struct queue_visits *visits)
{
    const tq__json *body = http_json(request);
    const char *id = body ? http_field_id(request, body, "scheduleId") : NULL;
    struct queue_room *room = id ? find_room(request, id) : NULL;
    if (room) {
        queue_visits_add(visits, room, request->identity.subject, NULL)->arg = request;
    }
}

static void enter(struct http_request *const *requests, size_t count)
{
    static const struct kind kind = {read_enter, queue_call_enter, reply_place};
    run(&kind, requests, count);
}

static void status(struct http_request *const *requests, size_t count)
{
    static const struct kind kind = {read_status, queue_call_place, reply_place};
    run(&kind, requests, count);
}

static void leave(struct http_request *const *requests, size_t count)
{
    static const struct kind kind = {read_leave, queue_call_leave, reply_left};
    run(&kind, requests, count);
}

static void state(struct http_request *request)
{
    struct queue *queue = request->arg;
    struct tq_error err = TQ_ERROR_INIT;
    char json[QUEUE_STATE_SIZE];
    size_t bytes = 0;
    struct queue_room *room = find_room(request, http_query_id(request, "scheduleId"));
    if (!room) {
        return;
    }
    int rc = queue_state(queue, room, json, &bytes, &err);
    if (rc < 0) {
        app_fail(request, rc, &err);
        return;
    }
    http_set_header(request, "Cache-Control", "public, max-age=1");
    http_reply(request, 200, "application/json", json, bytes);
}

/* Only who is in the queue may listen; 0: answered. */
static int check_place(struct http_request *request, struct queue_room *room)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_place place = TQ_INIT(tq_place);
    const struct tq_visitor visitor = {.size = sizeof visitor, .id = request->identity.subject};
    int rc = tq_room_place(room->room, &visitor, 1, &place, &err);
    if (rc < 0) {
        app_fail(request, rc, &err);
        return 0;
    }
    if (place.status != TQ_OK) {
        refuse(request, request->arg, place.status);
        return 0;
    }
    return 1;
}

/* True for the id of a stream's last event: the client has its pass already. */
static int has_ended(const char *last_id)
{
    static const char tail[] = "-admitted";
    size_t bytes = last_id ? strlen(last_id) : 0;
    return bytes >= sizeof tail - 1 && strcmp(last_id + bytes - (sizeof tail - 1), tail) == 0;
}

static void listen_place(struct http_request *request)
{
    struct queue *queue = request->arg;
    char visitor[TQ_ID_SIZE];
    struct queue_room *room = find_room(request, http_query_id(request, "scheduleId"));
    if (!room) {
        return;
    }
    if (has_ended(http_header(request, "Last-Event-ID"))) {
        http_reply_empty(request, 204);
        return;
    }
    if (!check_place(request, room)) {
        return;
    }
    if (queue_streams_reserve(queue->streams) != TQ_OK) {
        http_set_retry_after(request, RETRY_FULL_MS);
        http_problem(request, 503, "STREAMS_FULL", "Too many listen already; ask instead.");
        return;
    }
    tq__id_copy(visitor, request->identity.subject);
    http_stream *stream = http_stream_open(request);
    if (stream) {
        queue_streams_add(queue->streams, stream, room, visitor);
    } else {
        queue_streams_give_back(queue->streams);
    }
}

const struct http_route queue_routes[QUEUE_ROUTES_COUNT] = {
    {.method = "POST",
     .pattern = "/v1/queue/enter",
     .batch = enter,
     .mode = HTTP_BATCH,
     .flags = APP_NEEDS_USER,
     .body_max = 4096},
    {.method = "GET",
     .pattern = "/v1/queue/status",
     .batch = status,
     .mode = HTTP_BATCH,
     .flags = APP_NEEDS_USER},
    {.method = "POST",
     .pattern = "/v1/queue/leave",
     .batch = leave,
     .mode = HTTP_BATCH,
     .flags = APP_NEEDS_USER,
     .body_max = 4096},
    {.method = "GET",
     .pattern = "/v1/queue/state",
     .handler = state,
     .mode = HTTP_DIRECT,
     .flags = HTTP_PUBLIC_CACHE},
    {.method = "GET",
     .pattern = "/v1/queue/events",
     .handler = listen_place,
     .mode = HTTP_DIRECT,
     .flags = APP_NEEDS_USER},
    {.method = "POST",
     .pattern = "/v1/admin/rooms/{scheduleId}/orders",
     .handler = queue_admin_order,
     .mode = HTTP_POOL,
     .pool = QUEUE_POOL,
     .flags = APP_NEEDS_ADMIN},
    {.method = "GET",
     .pattern = "/v1/admin/rooms/{scheduleId}/audit",
     .handler = queue_admin_audit,
     .mode = HTTP_POOL,
     .pool = QUEUE_POOL,
     .flags = APP_NEEDS_ADMIN},
};
