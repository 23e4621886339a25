/* SPDX-License-Identifier: MIT */
/*
 * The HTTP face of payments: decode, one call, encode.
 *
 * Everything runs on the pool "payment"; no request ever waits for the payment
 * provider. A payment of somebody else is as good as none: 404.
 */
#include "payment/routes.h"

#include <stdio.h>

#include "app/access.h"
#include "core/env.h"
#include "payment/payment.h"

static void refused(struct http_request *request, int rc, const struct tq_error *err)
{
    switch (rc) {
    case TQ_GONE:
        http_problem(request, 404, "PAYMENT_NOT_FOUND", "There is no such payment.");
        break;
    case TQ_CLOSED:
        http_problem(request, 409, "PAYMENT_NOT_OPEN", "The payment has ended.");
        break;
    default:
        app_fail(request, rc, err);
    }
}

static void begin_refused(struct http_request *request, int rc, const struct tq_error *err)
{
    switch (rc) {
    case TQ_GONE:
        http_problem(request, 404, "RESERVATION_NOT_FOUND", "There is no such reservation.");
        break;
    case TQ_EXPIRED:
        http_problem(request, 409, "RESERVATION_NOT_OPEN", "Its seats are not held any more.");
        break;
    default:
        app_fail(request, rc, err);
    }
}

static void begin(struct http_request *request)
{
    struct payments *service = request->arg;
    struct app_once once;
    struct payment_wish wish = {.once = &once, .answer = TQ__BUF(&service->env)};
    struct tq_error err = TQ_ERROR_INIT;
    const tq__json *body = http_json(request);
    const char *reservation = body ? http_field_id(request, body, "reservationId") : NULL;
    if (!reservation || !app_once_read(&once, request, "payment", request->identity.subject)) {
        return;
    }
    tq__id_copy(wish.row.reservation, reservation);
    tq__id_copy(wish.row.user, request->identity.subject);
    const char *trace = app_traceparent(request);
    snprintf(wish.row.trace, sizeof wish.row.trace, "%s", trace ? trace : "");
    int rc = payment_begin(service, &wish, &err);
    if (rc == TQ_OK) {
        http_reply_json(request, 201, &wish.answer);
    } else if (!app_once_reply(&once, request, rc)) {
        begin_refused(request, rc, &err);
    }
    app_once_done(&once);
    tq__buf_done(&wish.answer);
}

static void confirm(struct http_request *request)
{
    struct payments *service = request->arg;
    struct app_once once;
    struct payment_wish wish = {.once = &once, .answer = TQ__BUF(&service->env)};
    struct tq_error err = TQ_ERROR_INIT;
    const char *id = http_param_id(request, "paymentId");
    const tq__json *body = id ? http_json(request) : NULL;
    const char *token =
        body ? http_field_string(request, body, "paymentToken", PAYMENT_TOKEN_SIZE - 1) : NULL;
    if (!token || !app_once_read(&once, request, "confirm", request->identity.subject)) {
        return;
    }
    tq__id_copy(wish.row.id, id);
    tq__id_copy(wish.row.user, request->identity.subject);
    snprintf(wish.row.token, sizeof wish.row.token, "%s", token);
    int rc = payment_confirm(service, &wish, &err);
    if (rc == TQ_OK) {
        http_reply_json(request, 202, &wish.answer);
    } else if (!app_once_reply(&once, request, rc)) {
        refused(request, rc, &err);
    }
    app_once_done(&once);
    tq__buf_done(&wish.answer);
}

static void get(struct http_request *request)
{
    struct payments *service = request->arg;
    const char *id = http_param_id(request, "paymentId");
    struct payment row;
    struct tq_error err = TQ_ERROR_INIT;
    if (!id) {
        return;
    }
    int rc = payment_get(service, id, request->identity.subject, &row, &err);
    if (rc != TQ_OK) {
        refused(request, rc, &err);
        return;
    }
    struct tq__buf json = TQ__BUF(&service->env);
    payment_row_put(&json, &row);
    http_reply_json(request, 200, &json);
}

static void list(struct http_request *request)
{
    const struct payments *service = request->arg;
    app_page_reply(request, service->ledger, &payment_page);
}

/* Answered only when it is on disk: whoever sends it will not send it again. */
static void take_webhook(struct http_request *request)
{
    struct payments *service = request->arg;
    struct tq_error err = TQ_ERROR_INIT;
    int64_t now_ms = tq__now_ms(&service->env);
    if (app_webhook_verify_request(service->keys, service->keys_count, request, now_ms) != TQ_OK) {
        http_problem(request, 401, "WEBHOOK_REFUSED", "The signature or the time is not good.");
        return;
    }
    int rc = webhook_take(service, http_header(request, "webhook-id"), request->body,
                          request->body_bytes, &err);
    if (rc < 0) {
        app_fail(request, rc, &err);
        return;
    }
    calls_wake(service);
    http_reply(request, 200, "application/json", "{}", 2);
}

/* ---- for other services ---- */

static void internal_get(struct http_request *request)
{
    struct payments *service = request->arg;
    const char *id = http_param_id(request, "reservationId");
    struct payment row;
    struct tq_error err = TQ_ERROR_INIT;
    if (!id) {
        return;
    }
    int rc = payment_of_reservation(service, id, &row, &err);
    if (rc != TQ_OK) {
        refused(request, rc, &err);
        return;
    }
    struct tq__buf json = TQ__BUF(&service->env);
    tq__put_object(&json, NULL);
    tq__put_string(&json, "paymentId", row.id);
    tq__put_string(&json, "reservationId", row.reservation);
    tq__put_string(&json, "phase", row.phase);
    tq__put_object_end(&json);
    http_reply_json(request, 200, &json);
}

#define POOLED .mode = HTTP_POOL, .pool = "payment"

const struct http_route payment_routes[PAYMENT_ROUTES] = {
    {.method = "POST",
     .pattern = "/v1/payments",
     .handler = begin,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "POST",
     .pattern = "/v1/payments/{paymentId}/confirm",
     .handler = confirm,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "GET",
     .pattern = "/v1/payments/{paymentId}",
     .handler = get,
     .flags = APP_NEEDS_USER,
     POOLED},
    {.method = "GET", .pattern = "/v1/payments", .handler = list, .flags = APP_NEEDS_USER, POOLED},
    {.method = "POST", .pattern = "/v1/webhooks/portone", .handler = take_webhook, POOLED},
};

const struct http_route payment_internal_routes[PAYMENT_INTERNAL_ROUTES] = {
    {.method = "GET",
     .pattern = "/internal/reservations/{reservationId}/payment",
     .handler = internal_get,
     POOLED},
};
