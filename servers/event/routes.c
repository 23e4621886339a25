/* SPDX-License-Identifier: MIT */
/*
 * HTTP of the event service for everybody, and the internal read.
 *
 * Layouts and seat maps come out of the caches, in the turn when they are there;
 * everything else is read in the pool "event", because a cache may have to load or to be asked:
 * the list's first page, events and schedules are in the one that processes share. Threads: [any].
 */
#include "event/event.h"

#include "app/access.h"

#define LAYOUT_CACHING "public, max-age=3600, immutable"
#define SEAT_MAP_CACHING "public, max-age=0, must-revalidate"
#define QUICK_BYTES_MAX 262144 /* of a page that is copied in the turn of a loop */

static void reply_document(struct http_request *request, int rc, const struct tq_error *err,
                           struct tq__buf *json, const char *missing_code)
{
    if (rc == TQ_OK) {
        http_reply_json(request, 200, json);
        return;
    }
    tq__buf_done(json);
    if (rc == TQ_GONE) {
        http_problem(request, 404, missing_code, "There is nothing of that id.");
        return;
    }
    app_fail(request, rc, err);
}

static void reply_read(struct http_request *request, enum event_kind kind, const char *id,
                       const char *missing_code)
{
    const struct events *events = request->arg;
    struct tq_error err = TQ_ERROR_INIT;
    struct event_page page = {.body = TQ__BUF(http_env(request))};
    int rc = event_shared_load(events->pages[kind], id, &page, &err);
    reply_document(request, rc, &err, &page.body, missing_code);
}

static void list(struct http_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct event_page page = {.body = TQ__BUF(http_env(request))};
    const char *cursor = http_query(request, "cursor");
    int64_t limit = 0;
    if (cursor && !(cursor = http_query_id(request, "cursor"))) {
        return;
    }
    if (!http_query_int_or(request, "limit", 1, EVENT_PAGE_MAX, EVENT_PAGE, &limit)) {
        return;
    }
    if (!cursor && limit == EVENT_PAGE) {
        reply_read(request, EVENT_LIST, EVENT_LIST_ID, "EVENT_NOT_FOUND");
        return;
    }
    int rc = event_list(request->arg, cursor ? cursor : "", limit, &page, &err);
    reply_document(request, rc, &err, &page.body, "EVENT_NOT_FOUND");
}

static void show_event(struct http_request *request)
{
    const char *id = http_param_id(request, "eventId");
    if (id) {
        reply_read(request, EVENT_EVENT, id, "EVENT_NOT_FOUND");
    }
}

static void show_schedule(struct http_request *request)
{
    const char *id = http_param_id(request, "scheduleId");
    if (id) {
        reply_read(request, EVENT_SCHEDULE, id, "SCHEDULE_NOT_FOUND");
    }
}

static void answer_page(struct http_request *request, const struct event_page *page,
                        const char *caching)
{
    http_set_header(request, "Cache-Control", caching);
    if (!http_not_modified(request, page->etag)) {
        http_reply(request, 200, "application/json", page->body.data, page->body.bytes);
    }
}

static void reply_page(struct http_request *request, struct event_cache *cache, const char *caching)
{
    struct tq_error err = TQ_ERROR_INIT;
    const struct event_page *page = NULL;
    const char *id = http_param_id(request, "scheduleId");
    if (!id) {
        return;
    }
    int rc = event_cache_get(cache, id, &page, &err);
    if (rc == TQ_GONE) {
        http_problem(request, 404, "SCHEDULE_NOT_FOUND", "There is nothing of that id.");
        return;
    }
    if (rc != TQ_OK) {
        app_fail(request, rc, &err);
        return;
    }
    answer_page(request, page, caching);
    event_page_release(cache, page);
}

/* Without the pool, when the page is there and copying it holds nobody up. */
static int quick_page(struct http_request *request, struct event_cache *cache, const char *caching)
{
    const struct event_page *page = NULL;
    if (event_cache_peek(cache, http_param(request, "scheduleId"), &page) != TQ_OK) {
        return 0;
    }
    int is_small = page->body.bytes <= QUICK_BYTES_MAX;
    if (is_small) {
        answer_page(request, page, caching);
    }
    event_page_release(cache, page);
    return is_small;
}

static void show_layout(struct http_request *request)
{
    const struct events *events = request->arg;
    reply_page(request, events->layouts, LAYOUT_CACHING);
}

static int quick_layout(struct http_request *request)
{
    const struct events *events = request->arg;
    return quick_page(request, events->layouts, LAYOUT_CACHING);
}

static void show_seat_map(struct http_request *request)
{
    const struct events *events = request->arg;
    reply_page(request, events->seat_maps, SEAT_MAP_CACHING);
}

static int quick_seat_map(struct http_request *request)
{
    const struct events *events = request->arg;
    return quick_page(request, events->seat_maps, SEAT_MAP_CACHING);
}

static void show_internal(struct http_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__buf json = TQ__BUF(http_env(request));
    const char *id = http_param_id(request, "scheduleId");
    if (id) {
        int rc = event_schedule_internal(request->arg, id, &json, &err);
        reply_document(request, rc, &err, &json, "SCHEDULE_NOT_FOUND");
    }
}

#define POOLED .mode = HTTP_POOL, .pool = EVENT_POOL

const struct http_route event_routes[EVENT_ROUTES_COUNT] = {
    {.method = "GET", .pattern = "/v1/events", .handler = list, POOLED},
    {.method = "GET", .pattern = "/v1/events/{eventId}", .handler = show_event, POOLED},
    {.method = "GET", .pattern = "/v1/schedules/{scheduleId}", .handler = show_schedule, POOLED},
    {.method = "GET",
     .pattern = "/v1/schedules/{scheduleId}/seats",
     .handler = show_layout,
     .quick = quick_layout,
     .flags = HTTP_PUBLIC_CACHE,
     POOLED},
    {.method = "GET",
     .pattern = "/v1/schedules/{scheduleId}/seat-map",
     .handler = show_seat_map,
     .quick = quick_seat_map,
     .flags = HTTP_PUBLIC_CACHE,
     POOLED},
    {.method = "POST",
     .pattern = "/v1/admin/venues",
     .handler = event_admin_import,
     .flags = APP_NEEDS_ADMIN,
     .body_max = EVENT_PLAN_BYTES_MAX,
     POOLED},
    {.method = "POST",
     .pattern = "/v1/admin/venues/generate",
     .handler = event_admin_generate,
     .flags = APP_NEEDS_ADMIN,
     POOLED},
    {.method = "POST",
     .pattern = "/v1/admin/events",
     .handler = event_admin_create,
     .flags = APP_NEEDS_ADMIN,
     POOLED},
};

const struct http_route event_internal_routes[EVENT_INTERNAL_ROUTES_COUNT] = {
    {.method = "GET",
     .pattern = "/internal/schedules/{scheduleId}",
     .handler = show_internal,
     POOLED},
};
