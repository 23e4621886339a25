/* SPDX-License-Identifier: MIT */
/*
 * The ops listener, and how long requests take.
 *
 *     /livez    the process runs; asks nothing of anybody
 *     /readyz   200 from the transport's first answer to the drain, 503 before and after, with
 *               the reason where there is one
 *     /metrics  Prometheus text, on a thread of its own: gauges may read a database
 *
 * Durations are kept per route and status. To find a route's series costs one
 * look into a table by the address of the route, which is built before the start;
 * a series is made when a status is first seen. Threads: [any].
 */
#include "app/internal.h"

#include <stdio.h>
#include <string.h>

#define METERS 512 /* a power of two, larger than all routes */

/* ---- durations ---- */

static const unsigned short statuses[APP__STATUSES - 1] = {
    200, 201, 202, 204, 206, 304, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410,
    412, 413, 414, 415, 417, 422, 423, 425, 429, 431, 500, 501, 502, 503, 504};

static struct app_meter *meter_of(struct app *app, const struct http_route *route)
{
    size_t at = ((uintptr_t)route >> 4) * 0x9e3779b1u % METERS;
    while (app->meters[at].route && app->meters[at].route != route) {
        at = (at + 1) % METERS;
    }
    return &app->meters[at];
}

static void add_meters(struct app *app, const struct http_route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        meter_of(app, &routes[i])->route = &routes[i];
    }
}

int app__meters_make(struct app *app, struct tq_error *err)
{
    const struct app_program *program = app->program;
    size_t routes = 0;
    app->meters = tq__alloc(&app->env, METERS, sizeof *app->meters);
    if (!app->meters) {
        return tq__nomem("app", err);
    }
    for (size_t i = 0; i < program->services_count; i++) {
        const struct app_service *service = program->services[i];
        routes += service->routes_count + service->internal_routes_count;
        if (routes > METERS / 2) {
            return tq__fail(err, TQ_E_LIMIT, "app", "more than %d routes", METERS / 2);
        }
        add_meters(app, service->routes, service->routes_count);
        add_meters(app, service->internal_routes, service->internal_routes_count);
    }
    return TQ_OK;
}

static struct app_series *duration_series(struct app *app, const struct http_request *request,
                                          unsigned status)
{
    char labels[256];
    const char *route = request->route ? request->route->pattern : "";
    snprintf(labels, sizeof labels,
             "http_request_method=\"%s\",http_route=\"%s\",http_response_status_code=\"%u\"",
             request->route ? request->route->method : "_OTHER", route, status);
    return app_histogram(app->metrics, "http_server_request_duration_seconds",
                         "Time from the request line to the last byte of the answer.", labels);
}

void app__observe(void *arg, const struct http_request *request, unsigned status,
                  uint64_t duration_us)
{
    struct app *app = arg;
    struct app_meter *meter = request->route ? meter_of(app, request->route) : NULL;
    size_t index = 0;
    while (index < APP__STATUSES - 1 && statuses[index] != status) {
        index++;
    }
    if (!meter || !meter->route || index == APP__STATUSES - 1) {
        app_series_observe_us(duration_series(app, request, status), duration_us);
        return;
    }
    struct app_series *series = atomic_load(&meter->by_status[index]);
    if (!series) {
        series = duration_series(app, request, status);
        atomic_store(&meter->by_status[index], series);
    }
    app_series_observe_us(series, duration_us);
}

/* ---- routes ---- */

/* `reason` may be empty. */
static void reply_status(struct http_request *request, unsigned status, const char *word,
                         const char *reason)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "status", word);
    if (*reason) {
        tq__put_string(&json, "reason", reason);
    }
    tq__put_object_end(&json);
    http_reply_json(request, status, &json);
}

static void get_livez(struct http_request *request)
{
    reply_status(request, 200, "alive", "");
}

void app__health_note(struct app *app, const char *trouble)
{
    pthread_mutex_lock(&app->trouble.lock);
    snprintf(app->trouble.text, sizeof app->trouble.text, "%s", trouble);
    pthread_mutex_unlock(&app->trouble.lock);
}

static void reply_starting(struct http_request *request, struct app *app)
{
    char reason[sizeof app->trouble.text];
    pthread_mutex_lock(&app->trouble.lock);
    memcpy(reason, app->trouble.text, sizeof reason);
    pthread_mutex_unlock(&app->trouble.lock);
    reply_status(request, 503, "starting", reason);
}

static void get_readyz(struct http_request *request)
{
    struct app *app = request->arg;
    if (atomic_load(&app->is_draining)) {
        reply_status(request, 503, "draining", "");
    } else if (atomic_load(&app->is_ready)) {
        reply_status(request, 200, "ready", "");
    } else {
        reply_starting(request, app);
    }
}

static void get_metrics(struct http_request *request)
{
    struct app *app = request->arg;
    struct tq__buf text = TQ__BUF(&app->env);
    app_metrics_write(app->metrics, &text);
    http_reply(request, text.is_failed ? 503 : 200, "text/plain; version=0.0.4; charset=utf-8",
               text.data, text.bytes);
    tq__buf_done(&text);
}

static const struct http_route ops_routes[] = {
    {.method = "GET", .pattern = "/livez", .handler = get_livez},
    {.method = "GET", .pattern = "/readyz", .handler = get_readyz},
    {.method = "GET",
     .pattern = "/metrics",
     .handler = get_metrics,
     .mode = HTTP_POOL,
     .pool = "ops"},
};

int app__ops_mount(struct app *app, struct tq_error *err)
{
    app_series_set(app_gauge(app->metrics, "ticketq_build_info", "Version of this program.",
                             "version=\"" TQ_VERSION_STRING "\""),
                   1);
    TQ_TRY(http_pool_add(app->server, "ops", 1, 16, err));
    return http_mount(app->server, "ops", ops_routes, sizeof ops_routes / sizeof *ops_routes, app,
                      err);
}
