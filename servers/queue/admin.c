/* SPDX-License-Identifier: MIT */
/*
 * HTTP of the queue service for operators, and the internal read of the epochs.
 *
 * An order is answered with the state of the room after it. The actor in the audit
 * trail is the administrator's id from the access token. Threads: the pool "queue".
 */
#include "queue/queue.h"

#include <string.h>

#include "core/env.h"

/* The room of the path; NULL: answered. */
static struct queue_room *room_of(struct http_request *request)
{
    const char *id = http_param_id(request, "scheduleId");
    struct queue_room *room = id ? queue_room_find(request->arg, id) : NULL;
    if (id && !room) {
        http_problem(request, 404, "SCHEDULE_NOT_FOUND", "There is no queue for this schedule.");
    }
    return room;
}

/* The value that the verb wants; 0: answered. */
static int read_value(struct http_request *request, const tq__json *body, struct queue_order *order)
{
    const tq__json *value = tq__json_member(body, "value");
    int64_t min = 0;
    int64_t max = 0;
    queue_verb_limits(order->verb, &min, &max);
    if (max == 0 || (queue_verb_has_time(order->verb) && tq__json_is_null(value))) {
        return 1;
    }
    if (!queue_verb_has_time(order->verb)) {
        return http_field_int(request, body, "value", min, max, &order->value);
    }
    return app_field_time(request, body, "value", &order->value);
}

static int read_order(struct http_request *request, struct queue_order *order)
{
    const tq__json *body = http_json(request);
    const char *verb = body ? http_field_string(request, body, "order", 32) : NULL;
    const char *reason =
        verb ? http_field_string(request, body, "reason", TQ_ROOM_REASON_SIZE - 1) : NULL;
    if (!reason) {
        return 0;
    }
    order->verb = queue_verb_find(verb);
    if (!order->verb) {
        http_problem(request, 400, "ORDER_INVALID", "There is no such order.");
        return 0;
    }
    if (!tq__text_is_valid(reason, TQ_ROOM_REASON_SIZE - 1)) {
        http_problem(request, 400, "REASON_INVALID", "A reason has no control characters.");
        return 0;
    }
    memcpy(order->reason, reason, strlen(reason) + 1);
    tq__id_copy(order->actor, request->identity.subject);
    return read_value(request, body, order);
}

static void reply_state(struct http_request *request, struct queue_room *room)
{
    struct tq_error err = TQ_ERROR_INIT;
    char json[QUEUE_STATE_SIZE];
    size_t bytes = 0;
    queue_state_forget(room);
    int rc = queue_state(request->arg, room, json, &bytes, &err);
    if (rc < 0) {
        app_fail(request, rc, &err);
    } else {
        http_reply(request, 200, "application/json", json, bytes);
    }
}

void queue_admin_order(struct http_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct queue_order order = {0};
    struct queue_room *room = room_of(request);
    if (!room || !read_order(request, &order)) {
        return;
    }
    int rc = queue_order(request->arg, room, &order, &err);
    if (rc == TQ_OK) {
        reply_state(request, room);
    } else if (rc == TQ_REFUSED) {
        http_problem(request, 409, "ROOM_TIMES_INVALID", "The room would close before it opens.");
    } else {
        app_fail(request, rc, &err);
    }
}

void queue_admin_audit(struct http_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__buf json = TQ__BUF(http_env(request));
    int64_t after = 0;
    struct queue_room *room = room_of(request);
    if (!room || !http_query_int_or(request, "after", 0, INT32_MAX, 0, &after)) {
        return;
    }
    int rc = queue_audit(request->arg, room->id, after, &json, &err);
    if (rc == TQ_OK) {
        http_reply_json(request, 200, &json);
    } else {
        tq__buf_done(&json);
        app_fail(request, rc, &err);
    }
}

static int put_epoch(void *arg, struct queue_room *room)
{
    struct tq__buf *json = arg;
    int64_t epoch = atomic_load(&room->epoch);
    if (epoch > 1) {
        tq__put_object(json, NULL);
        tq__put_string(json, "scheduleId", room->id);
        tq__put_int(json, "epoch", epoch);
        tq__put_object_end(json);
    }
    return 0;
}

/* Rooms that were reset: passes of an earlier epoch are revoked. */
static void show_epochs(struct http_request *request)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_array(&json, "rooms");
    queue_rooms_each(request->arg, put_epoch, &json);
    tq__put_array_end(&json);
    tq__put_object_end(&json);
    http_reply_json(request, 200, &json);
}

const struct http_route queue_internal_routes[QUEUE_INTERNAL_ROUTES_COUNT] = {
    {.method = "GET", .pattern = "/internal/rooms", .handler = show_epochs, .mode = HTTP_DIRECT},
};
