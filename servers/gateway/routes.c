/* SPDX-License-Identifier: MIT */
/*
 * The filter of the public listener, and the answer to other gateways.
 *
 * The filter enforces what a route asks of its caller (app/access.h) and gives every
 * answer an X-Request-Id, which is the trace's id. Who a caller is comes from tokens
 * only: X-User-Id and its like are never read by anybody.
 *
 * GET /v1/authz?scheduleId= answers nginx auth_request, Envoy ext_authz, Traefik and
 * Caddy forward auth whether a visitor may pass. nginx knows three answers:
 *
 *     200  the pass is good       X-Ticketq-Visitor, X-Ticketq-Expires
 *     401  none, or not any more  X-Ticketq-Location: where to line up; Retry-After
 *     403  for another schedule, of another visitor, or no schedule was asked about
 *
 * Threads: the loops. No I/O.
 */
#include "gateway/gateway.h"

#include <stdio.h>
#include <string.h>

#include "app/access.h"
#include "core/bytes.h"

#define RETRY_MS 5000
#define TRACE_AT 3 /* 00-<32 hex>-... */
#define TRACE_BYTES 32

static const struct {
    unsigned status;
    const char *code;
    const char *detail;
} answers[GATEWAY_VERDICTS] = {
    [GATEWAY_NO_ACCESS] = {401, "ACCESS_TOKEN_REQUIRED", "Sign in first."},
    [GATEWAY_ACCESS_EXPIRED] = {401, "ACCESS_TOKEN_EXPIRED", "Sign in again."},
    [GATEWAY_NOT_ADMIN] = {403, "ADMIN_ONLY", "This is for administrators."},
    [GATEWAY_NO_PASS] = {401, "QUEUE_TOKEN_REQUIRED", "Line up first."},
    [GATEWAY_PASS_EXPIRED] = {401, "QUEUE_TOKEN_EXPIRED", "The pass has ended; line up again."},
    [GATEWAY_PASS_OF_ANOTHER] = {403, "QUEUE_TOKEN_MISMATCH", "The pass is not for this."},
};

static void set_request_id(struct http_request *request)
{
    char id[TRACE_BYTES + 1];
    const char *trace = app_traceparent(request);
    if (trace) {
        memcpy(id, trace + TRACE_AT, TRACE_BYTES);
        id[TRACE_BYTES] = '\0';
        http_set_header(request, "X-Request-Id", id);
    }
}

static enum gateway_verdict check(struct gateway *gateway, struct http_request *request,
                                  uint32_t flags)
{
    enum gateway_verdict verdict =
        gateway_check_access(gateway, http_header(request, "Authorization"), &request->identity);
    if (verdict != GATEWAY_OK) {
        return verdict;
    }
    if ((flags & APP_NEEDS_ADMIN) == APP_NEEDS_ADMIN &&
        strcmp(request->identity.role, APP_ROLE_ADMIN) != 0) {
        return GATEWAY_NOT_ADMIN;
    }
    if ((flags & APP_NEEDS_PASS) == APP_NEEDS_PASS) {
        return gateway_check_pass(gateway, http_header(request, "X-Queue-Token"),
                                  &request->identity);
    }
    return GATEWAY_OK;
}

int gateway_filter(struct http_request *request, void *arg)
{
    struct gateway *gateway = arg;
    uint32_t flags = request->route ? request->route->flags : 0;
    set_request_id(request);
    if (!(flags & APP_NEEDS_USER)) {
        return 0;
    }
    enum gateway_verdict verdict = check(gateway, request, flags);
    app_series_add(gateway->verdicts[verdict], 1);
    if (verdict == GATEWAY_OK) {
        return 0;
    }
    http_problem(request, answers[verdict].status, answers[verdict].code, "%s",
                 answers[verdict].detail);
    return 1;
}

static void set_location(struct http_request *request, const struct gateway *gateway,
                         const char *schedule)
{
    char location[sizeof gateway->location + TQ_ID_SIZE];
    snprintf(location, sizeof location, "%s%s", gateway->location, schedule);
    http_set_header(request, "X-Ticketq-Location", location);
    http_set_retry_after(request, RETRY_MS);
}

static enum gateway_verdict check_visitor(struct gateway *gateway, struct http_request *request,
                                          const char *schedule)
{
    const char *authorization = http_header(request, "Authorization");
    enum gateway_verdict verdict = GATEWAY_OK;
    if (authorization) {
        verdict = gateway_check_access(gateway, authorization, &request->identity);
    }
    if (verdict == GATEWAY_OK) {
        verdict =
            gateway_check_pass(gateway, http_header(request, "X-Queue-Token"), &request->identity);
    }
    if (verdict == GATEWAY_OK && strcmp(request->identity.scope, schedule) != 0) {
        verdict = GATEWAY_PASS_OF_ANOTHER;
    }
    return verdict;
}

static void authorize(struct http_request *request)
{
    struct gateway *gateway = request->arg;
    char expires[APP_TIME_SIZE];
    const char *schedule = http_query(request, "scheduleId");
    if (!tq__id_is_valid(schedule)) {
        http_problem(request, 403, "SCHEDULE_REQUIRED", "Say which schedule it is about.");
        return;
    }
    enum gateway_verdict verdict = check_visitor(gateway, request, schedule);
    app_series_add(gateway->verdicts[verdict], 1);
    if (verdict == GATEWAY_OK) {
        http_set_header(request, "X-Ticketq-Visitor", request->identity.subject);
        http_set_header(request, "X-Ticketq-Expires",
                        app_time_format(request->identity.scope_expires_ms, expires));
        http_reply_empty(request, 200);
        return;
    }
    if (answers[verdict].status == 401) {
        set_location(request, gateway, schedule);
    }
    http_problem(request, answers[verdict].status, answers[verdict].code, "%s",
                 answers[verdict].detail);
}

const struct http_route gateway_routes[GATEWAY_ROUTES_COUNT] = {
    {.method = "GET", .pattern = "/v1/authz", .handler = authorize, .mode = HTTP_DIRECT},
};
