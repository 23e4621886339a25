/* SPDX-License-Identifier: MIT */
/*
 * The HTTP face of reservations: decode, one call, encode.
 *
 * Whatever touches the ledger runs on the pool "reservation". A reservation of
 * somebody else is as good as none: 404.
 */
#include "reservation/routes.h"

#include <stdio.h>
#include <string.h>

#include "app/access.h"
#include "core/env.h"
#include "reservation/reservation.h"

#define NOT_FOUND(request)                                                                         \
    http_problem((request), 404, "RESERVATION_NOT_FOUND", "There is no such reservation.")

/* ---- hold ---- */

/* The seats of the body into the row, in their order; 0: answered. */
static int read_seats(struct http_request *request, const tq__json *body, struct reservation *row)
{
    const tq__json *seats = tq__json_member(body, "seatIds");
    size_t count = tq__json_is_array(seats) ? tq__json_count(seats) : 0;
    int is_good = count >= 1 && count <= TQ_HOLD_SEATS_MAX;
    for (const tq__json *at = tq__json_first(seats); is_good && at; at = tq__json_next(at)) {
        const char *id = tq__json_string(at);
        is_good = id && tq__id_is_valid(id);
        for (size_t i = 0; is_good && i < row->seats_count; i++) {
            is_good = strcmp(row->seats[i].id, id) != 0;
        }
        if (is_good) {
            tq__id_copy(row->seats[row->seats_count++].id, id);
        }
    }
    if (!is_good) {
        http_problem(request, 400, "FIELD_INVALID", "seatIds: 1 to %d different seat ids.",
                     TQ_HOLD_SEATS_MAX);
    }
    return is_good;
}

/* 0: answered. */
static int read_wish(struct http_request *request, struct hold_wish *wish)
{
    const tq__json *body = http_json(request);
    const char *schedule = body ? http_field_id(request, body, "scheduleId") : NULL;
    if (!schedule || !read_seats(request, body, &wish->row)) {
        return 0;
    }
    if (strcmp(request->identity.scope, schedule) != 0) {
        http_problem(request, 403, "QUEUE_TOKEN_MISMATCH", "The pass is for another schedule.");
        return 0;
    }
    tq__id_copy(wish->row.schedule, schedule);
    tq__id_copy(wish->row.user, request->identity.subject);
    const char *trace = app_traceparent(request);
    snprintf(wish->row.trace, sizeof wish->row.trace, "%s", trace ? trace : "");
    return app_once_read(wish->once, request, "hold", wish->row.user);
}

static void seats_problem(struct http_request *request, const struct hold_wish *wish,
                          unsigned status, const char *code, const char *name)
{
    struct tq__buf members = TQ__BUF(http_env(request));
    tq__put_object(&members, NULL);
    tq__put_array(&members, name);
    for (size_t i = 0; i < wish->row.seats_count; i++) {
        if (wish->taken >> i & 1) {
            tq__put_string(&members, NULL, wish->row.seats[i].id);
        }
    }
    tq__put_array_end(&members);
    http_problem_with(request, status, code, &members, "Some of the seats cannot be had.");
}

static void limit_problem(struct http_request *request, int64_t limit)
{
    struct tq__buf members = TQ__BUF(http_env(request));
    tq__put_object(&members, NULL);
    tq__put_int(&members, "limit", limit);
    http_problem_with(request, 409, "PERSON_LIMIT", &members,
                      "One person may have %lld seats of this schedule.", (long long)limit);
}

static void hold_refused(struct http_request *request, const struct hold_wish *wish, int rc,
                         const struct tq_error *err)
{
    switch (rc) {
    case TQ_TAKEN:
        seats_problem(request, wish, 409, "SEATS_TAKEN", "takenSeatIds");
        break;
    case TQ_FULL:
        limit_problem(request, wish->sale.person_limit);
        break;
    case TQ_GONE:
        if (wish->taken) {
            seats_problem(request, wish, 404, "SEAT_NOT_FOUND", "seatIds");
        } else {
            http_problem(request, 404, "SCHEDULE_NOT_FOUND", "There is no such schedule on sale.");
        }
        break;
    case TQ_CLOSED:
        http_problem(request, 409, "SALE_NOT_OPEN", "This is not the time of the sale.");
        break;
    case TQ_EXPIRED:
        http_problem(request, 409, "HOLD_ENDED", "The hold of this key has ended.");
        break;
    default:
        app_fail(request, rc, err);
    }
}

static void hold(struct http_request *request)
{
    struct reservations *service = request->arg;
    struct app_once once;
    struct hold_wish wish = {.once = &once, .answer = TQ__BUF(&service->env)};
    struct tq_error err = TQ_ERROR_INIT;
    if (!read_wish(request, &wish)) {
        return;
    }
    int rc = reservation_hold(service, &wish, &err);
    if (rc == TQ_OK) {
        http_reply_json(request, 201, &wish.answer);
    } else if (!app_once_reply(&once, request, rc)) {
        hold_refused(request, &wish, rc, &err);
    }
    app_once_done(&once);
    tq__buf_done(&wish.answer);
}

/* ---- the owner's verbs ---- */

/* Answer with a row; for outcomes of the verbs see reservation.h. */
static void reply_row(struct http_request *request, unsigned status, const struct reservation *row)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    reservation_row_put(&json, row);
    http_reply_json(request, status, &json);
}

static void verb_refused(struct http_request *request, const struct reservation *row, int rc,
                         const struct tq_error *err)
{
    switch (rc) {
    case TQ_GONE:
        NOT_FOUND(request);
        break;
    case TQ_REFUSED:
        http_problem(request, 409, "RESERVATION_NOT_OPEN", "The reservation is in phase %s.",
                     row->phase);
        break;
    case TQ_FULL:
        http_problem(request, 409, "EXTEND_LIMIT", "A hold cannot live longer than this.");
        break;
    case TQ_EXPIRED:
    case TQ_RELEASED:
    case TQ_SETTLED:
        http_problem(request, 409, "HOLD_ENDED", "The hold has ended.");
        break;
    default:
        app_fail(request, rc, err);
    }
}

typedef int verb_fn(struct reservations *service, const char *id, const char *user,
                    struct reservation *row, struct tq_error *err);

/* Carries a verb out on the reservation of the path, for who asks. */
static void serve_owner(struct http_request *request, verb_fn *verb, unsigned status)
{
    const char *id = http_param_id(request, "reservationId");
    struct reservation row;
    struct tq_error err = TQ_ERROR_INIT;
    if (!id) {
        return;
    }
    int rc = verb(request->arg, id, request->identity.subject, &row, &err);
    if (rc == TQ_OK || rc == TQ_REPEAT) {
        reply_row(request, status, &row);
    } else {
        verb_refused(request, &row, rc, &err);
    }
}

static void extend(struct http_request *request)
{
    serve_owner(request, reservation_extend, 200);
}

static void cancel(struct http_request *request)
{
    serve_owner(request, reservation_cancel, 202);
}

static void get(struct http_request *request)
{
    serve_owner(request, reservation_get, 200);
}

static void list(struct http_request *request)
{
    const struct reservations *service = request->arg;
    app_page_reply(request, service->ledger, &reservation_page);
}

/* ---- for operators ---- */

#define REASON_MAX 159

/* Why it is done, for the log; NULL: answered. */
static const char *read_reason(struct http_request *request)
{
    const tq__json *body = http_json(request);
    const char *reason = body ? http_field_string(request, body, "reason", REASON_MAX) : NULL;
    if (reason && !tq__text_is_valid(reason, REASON_MAX)) {
        http_problem(request, 400, "REASON_INVALID", "A reason has no control characters.");
        return NULL;
    }
    return reason;
}

static void free_seats(struct http_request *request)
{
    const char *id = http_param_id(request, "reservationId");
    const char *reason = id ? read_reason(request) : NULL;
    struct reservation row;
    struct reservation_payment payment;
    struct tq_error err = TQ_ERROR_INIT;
    if (!reason) {
        return;
    }
    int rc = reservation_free(request->arg, id, &row, &payment, &err);
    if (rc == TQ_OK) {
        app_log(TQ_LOG_WARN, "reservation", "%s freed the seats of %s: %s",
                request->identity.subject, id, reason);
    }
    if (rc == TQ_OK || rc == TQ_REPEAT) {
        reply_row(request, 200, &row);
    } else if (rc == TQ_TAKEN) {
        http_problem(request, 409, "PAYMENT_KNOWN", "Its payment %s is in phase %s and ends it.",
                     payment.id, payment.phase);
    } else {
        verb_refused(request, &row, rc, &err);
    }
}

/* ---- for other services ---- */

static void internal_get(struct http_request *request)
{
    struct reservations *service = request->arg;
    const char *id = http_param_id(request, "reservationId");
    struct reservation row;
    struct tq_error err = TQ_ERROR_INIT;
    if (!id) {
        return;
    }
    int rc = reservation_get(service, id, NULL, &row, &err);
    if (rc != TQ_OK) {
        verb_refused(request, &row, rc, &err);
        return;
    }
    struct tq__buf json = TQ__BUF(&service->env);
    tq__put_object(&json, NULL);
    tq__put_string(&json, "reservationId", row.id);
    tq__put_string(&json, "userId", row.user);
    tq__put_string(&json, "scheduleId", row.schedule);
    tq__put_string(&json, "status", row.status);
    tq__put_string(&json, "phase", row.phase);
    tq__put_int(&json, "totalAmount", row.total);
    tq__put_string(&json, "currency", row.currency);
    app_put_time(&json, "holdExpiresAt", row.expires_ms);
    tq__put_object_end(&json);
    http_reply_json(request, 200, &json);
}

static void put_map(struct tq__buf *json, const char *schedule, const struct tq_seat_map *map)
{
    static const char *const names[4] = {"available", "hold", "paying", "sold"};
    char *text = tq__alloc(json->env, map->bits_bytes / 3 * 4 + 5, 1);
    tq__put_object(json, NULL);
    tq__put_string(json, "scheduleId", schedule);
    tq__put_int(json, "version", (int64_t)map->version);
    tq__put_int(json, "seats", map->seats_count);
    for (size_t i = 0; i < 4; i++) {
        tq__put_int(json, names[i], map->counts[i]);
    }
    if (text) {
        size_t bytes = tq__base64url_encode(text, map->bits, map->bits_bytes);
        tq__put_string_of(json, "bits", text, bytes);
    } else {
        json->is_failed = 1;
    }
    tq__put_object_end(json);
    tq__release(json->env, text);
}

/* A schedule whose seats are still being fetched is not there yet. */
static int read_map(struct reservations *service, const char *id, struct tq_seat_map *map,
                    struct tq_error *err)
{
    struct sale sale;
    int rc = schedules_sale(service, id, &sale);
    return rc == TQ_OK ? tq_book_map(service->book, id, map, err) : rc;
}

static void internal_map(struct http_request *request)
{
    struct reservations *service = request->arg;
    const char *id = http_param_id(request, "scheduleId");
    uint8_t *bits = tq__alloc(&service->env, TQ_SCHEDULE_SEATS_MAX / 4, 1);
    struct tq_seat_map map = {
        .size = sizeof map, .bits = bits, .bits_bytes = TQ_SCHEDULE_SEATS_MAX / 4};
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__buf json = TQ__BUF(&service->env);
    int rc = id && bits ? read_map(service, id, &map, &err) : TQ_E_NOMEM;
    if (rc == TQ_OK) {
        put_map(&json, id, &map);
        http_reply_json(request, 200, &json);
    } else if (rc == TQ_GONE) {
        http_problem(request, 404, "SCHEDULE_NOT_FOUND", "There is no such schedule on sale.");
    } else if (id) {
        app_fail(request, rc, &err);
    }
    tq__release(&service->env, bits);
}

#define POOLED .mode = HTTP_POOL, .pool = "reservation"

const struct http_route reservation_routes[RESERVATION_ROUTES] = {
    {.method = "POST",
     .pattern = "/v1/reservations/hold",
     .handler = hold,
     .flags = APP_NEEDS_PASS,
     POOLED},
    {.method = "POST",
     .pattern = "/v1/reservations/{reservationId}/extend",
     .handler = extend,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "DELETE",
     .pattern = "/v1/reservations/{reservationId}",
     .handler = cancel,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "GET",
     .pattern = "/v1/reservations/{reservationId}",
     .handler = get,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "GET",
     .pattern = "/v1/reservations",
     .handler = list,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "POST",
     .pattern = "/v1/admin/reservations/{reservationId}/free",
     .handler = free_seats,
     .flags = APP_NEEDS_ADMIN,
     POOLED},
};

const struct http_route reservation_internal_routes[RESERVATION_INTERNAL_ROUTES] = {
    {.method = "GET",
     .pattern = "/internal/reservations/{reservationId}",
     .handler = internal_get,
     POOLED},
    {.method = "GET",
     .pattern = "/internal/schedules/{scheduleId}/seat-map",
     .handler = internal_map,
     POOLED},
};
