/* SPDX-License-Identifier: MIT */
/*
 * HTTP for administrators: halls and events are made here.
 *
 * Everything is checked before anything is written, and what is wrong is named in
 * the answer. Threads: [any], in the pool "event".
 */
#include "event/event.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

typedef int hall_reader(struct event_hall *hall, const struct tq_env *env, const tq__json *root,
                        struct tq_error *err);

/* ---- halls ---- */

static void reply_venue(struct http_request *request, const char *id, const struct event_hall *hall)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "venueId", id);
    tq__put_string(&json, "name", hall->name);
    tq__put_int(&json, "seats", (int64_t)hall->seats_count);
    tq__put_object_end(&json);
    http_reply_json(request, 201, &json);
}

static int keep_hall(struct http_request *request, const tq__json *root, hall_reader *read)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct event_hall hall;
    char id[TQ_ID_SIZE];
    int rc = read(&hall, http_env(request), root, &err);
    if (rc == TQ_E_INVALID || rc == TQ_E_LIMIT) {
        http_problem(request, 400, "VENUE_INVALID", "%s", err.message);
    } else {
        rc = rc < 0 ? rc : event_venue_add(request->arg, &hall, id, &err);
        if (rc < 0) {
            app_fail(request, rc, &err);
        } else {
            reply_venue(request, id, &hall);
        }
    }
    event_hall_done(&hall);
    return rc;
}

/* A plan may be far larger than other bodies, so it is parsed with limits of its own. */
static void make_venue(struct http_request *request, hall_reader *read)
{
    const struct tq__json_limits limits = {.bytes_max = EVENT_PLAN_BYTES_MAX,
                                           .flags = TQ__JSON_UNIQUE};
    struct tq_error err = TQ_ERROR_INIT;
    tq__json *root = NULL;
    int rc =
        tq__json_parse(http_env(request), request->body, request->body_bytes, &limits, &root, &err);
    if (rc == TQ_OK) {
        keep_hall(request, root, read);
        tq__json_free(root);
    } else if (rc == TQ_E_INVALID || rc == TQ_E_LIMIT) {
        http_problem(request, 400, "JSON_INVALID", "%s", err.message);
    } else {
        app_fail(request, rc, &err);
    }
}

void event_admin_import(struct http_request *request)
{
    make_venue(request, event_hall_import);
}

void event_admin_generate(struct http_request *request)
{
    make_venue(request, event_hall_generate);
}

/* ---- events ---- */

/* Members of a room's policy, with the limits of room.h. */
static const struct {
    const char *name;
    int64_t max;
} room_members[] = {
    {"rate", TQ_ROOM_RATE_MAX},         {"burst", TQ_ROOM_RATE_MAX},
    {"maxActive", TQ_ROOM_LINE_MAX},    {"capacity", TQ_ROOM_LINE_MAX},
    {"waitingMs", TQ_ROOM_SPAN_MAX_MS}, {"activeMs", TQ_ROOM_SPAN_MAX_MS},
    {"passMs", TQ_ROOM_SPAN_MAX_MS},    {"pollMinMs", TQ_ROOM_SPAN_MAX_MS},
    {"pollMaxMs", TQ_ROOM_SPAN_MAX_MS}, {"shards", TQ_ROOM_SHARDS_MAX},
};
#define ROOM_MEMBERS (sizeof room_members / sizeof *room_members)

static int put_room_member(struct tq__buf *json, const tq__json *member)
{
    int64_t value = 0;
    for (size_t i = 0; i < ROOM_MEMBERS; i++) {
        if (strcmp(room_members[i].name, tq__json_name(member)) == 0) {
            int is_good =
                tq__json_int64(member, &value) && value >= 1 && value <= room_members[i].max;
            tq__put_int(json, room_members[i].name, value);
            return is_good;
        }
    }
    return 0;
}

/* The room's policy as JSON of known members only; 0: answered. */
static int read_room(struct http_request *request, const tq__json *room, char *target)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    int is_good = !room || tq__json_is_object(room);
    tq__put_object(&json, NULL);
    for (const tq__json *at = tq__json_first(room); at && is_good; at = tq__json_next(at)) {
        is_good = put_room_member(&json, at);
    }
    tq__put_object_end(&json);
    is_good = is_good && !json.is_failed && json.bytes < EVENT_ROOM_SIZE;
    if (is_good) {
        memcpy(target, json.data, json.bytes + 1);
    } else {
        http_problem(request, 400, "ROOM_INVALID",
                     "A room has known members only, each a whole number within its limit.");
    }
    tq__buf_done(&json);
    return is_good;
}

static int read_schedule(struct http_request *request, const tq__json *node,
                         struct event_schedule *schedule)
{
    if (!tq__json_is_object(node)) {
        http_problem(request, 400, "SCHEDULES_INVALID", "Each schedule is an object.");
        return 0;
    }
    if (!app_field_time(request, node, "startsAt", &schedule->starts_ms) ||
        !app_field_time(request, node, "salesOpenAt", &schedule->open_ms) ||
        !app_field_time(request, node, "salesCloseAt", &schedule->close_ms) ||
        !http_field_int_or(request, node, "personLimit", 0, EVENT_PERSON_LIMIT_MAX, 0,
                           &schedule->person_limit)) {
        return 0;
    }
    if (schedule->close_ms <= schedule->open_ms) {
        http_problem(request, 400, "SALE_TIMES_INVALID", "A sale closes after it has opened.");
        return 0;
    }
    return read_room(request, tq__json_member(node, "room"), schedule->room);
}

static int read_schedules(struct http_request *request, const tq__json *body,
                          struct event_draft *draft)
{
    const tq__json *schedules = tq__json_member(body, "schedules");
    size_t count = tq__json_count(schedules);
    if (!tq__json_is_array(schedules) || count == 0 || count > EVENT_SCHEDULES_MAX) {
        http_problem(request, 400, "SCHEDULES_INVALID", "An event has 1 to %d schedules.",
                     EVENT_SCHEDULES_MAX);
        return 0;
    }
    for (const tq__json *at = tq__json_first(schedules); at; at = tq__json_next(at)) {
        if (!read_schedule(request, at, &draft->schedules[draft->schedules_count++])) {
            return 0;
        }
    }
    return 1;
}

static int read_prices(struct http_request *request, const tq__json *body,
                       struct event_draft *draft)
{
    const tq__json *prices = tq__json_member(body, "prices");
    size_t count = tq__json_count(prices);
    int is_good = tq__json_is_object(prices) && count >= 1 && count <= EVENT_GRADES_MAX;
    const tq__json *at = is_good ? tq__json_first(prices) : NULL;
    for (; at && is_good; at = tq__json_next(at)) {
        struct event_price *price = &draft->prices[draft->prices_count++];
        const char *grade = tq__json_name(at);
        is_good = tq__text_is_valid(grade, EVENT_TEXT_MAX) && tq__json_int64(at, &price->price) &&
                  price->price > 0 && price->price <= EVENT_PRICE_MAX;
        if (is_good) {
            memcpy(price->grade, grade, strlen(grade) + 1);
        }
    }
    if (!is_good) {
        http_problem(request, 400, "PRICES_INVALID",
                     "Prices are whole numbers above 0 in the currency's smallest unit, by grade.");
    }
    return is_good;
}

static int read_currency(struct http_request *request, const tq__json *body, char *target)
{
    const char *currency = http_field_string(request, body, "currency", EVENT_CURRENCY_SIZE - 1);
    if (!currency) {
        return 0;
    }
    if (strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != EVENT_CURRENCY_SIZE - 1) {
        http_problem(request, 400, "CURRENCY_INVALID", "A currency is three capitals (ISO 4217).");
        return 0;
    }
    memcpy(target, currency, EVENT_CURRENCY_SIZE);
    return 1;
}

static int read_draft(struct http_request *request, struct event_draft *draft)
{
    const tq__json *body = http_json(request);
    const char *title = body ? http_field_string(request, body, "title", EVENT_NAME_MAX) : NULL;
    const char *venue = title ? http_field_id(request, body, "venueId") : NULL;
    if (!venue) {
        return 0;
    }
    if (!tq__text_is_valid(title, EVENT_NAME_MAX)) {
        http_problem(request, 400, "TITLE_INVALID", "A title has no control characters.");
        return 0;
    }
    memcpy(draft->title, title, strlen(title) + 1);
    tq__id_copy(draft->venue, venue);
    return http_field_int_or(request, body, "seatsLimit", 1, TQ_SCHEDULE_SEATS_MAX,
                             TQ_SCHEDULE_SEATS_MAX, &draft->seats) &&
           read_currency(request, body, draft->currency) && read_prices(request, body, draft) &&
           read_schedules(request, body, draft);
}

static void reply_event(struct http_request *request, const struct event_draft *draft)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "eventId", draft->id);
    tq__put_array(&json, "schedules");
    for (size_t i = 0; i < draft->schedules_count; i++) {
        tq__put_object(&json, NULL);
        tq__put_string(&json, "scheduleId", draft->schedules[i].id);
        tq__put_object_end(&json);
    }
    tq__put_array_end(&json);
    tq__put_object_end(&json);
    http_reply_json(request, 201, &json);
}

void event_admin_create(struct http_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct event_draft *draft = tq__alloc(http_env(request), 1, sizeof *draft);
    if (!draft) {
        app_fail(request, TQ_E_NOMEM, NULL);
        return;
    }
    const struct tq_env *env = http_env(request);
    if (read_draft(request, draft)) {
        draft->traceparent = app_traceparent(request);
        int rc = event_create(request->arg, draft, &err);
        if (rc == TQ_OK) {
            reply_event(request, draft);
        } else if (rc == TQ_GONE) {
            http_problem(request, 404, "VENUE_NOT_FOUND", "There is no such venue.");
        } else if (rc == TQ_REFUSED) {
            http_problem(request, 422, "PRICE_MISSING", "Grade %s has no price.",
                         draft->missing_grade);
        } else {
            app_fail(request, rc, &err);
        }
    }
    tq__release(env, draft);
}
