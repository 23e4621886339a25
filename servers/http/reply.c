/* SPDX-License-Identifier: MIT */
/*
 * Answers: bodies, problems (RFC 9457), entity tags.
 *
 * The body stays in the exchange, which outlives the response, so that it is
 * never copied. Answers are not cached unless the handler or its route says
 * so; 429 and 503 always say when to come back, 401 how to authenticate.
 *
 * A problem's `type` is about:blank, its `title` the phrase of the status; what
 * programs decide on is `code`.
 *
 * Threads: whoever is to answer the request; http__answer() gives a deferred one
 * back to its loop.
 */
#include "http/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void http__answer(struct http_exchange *exchange, unsigned status, struct MHD_Response *response)
{
    struct http_loop *loop = exchange->loop;
    if (exchange->phase == HTTP__ANSWERED) {
        tq__log(http_env(&exchange->request), TQ_LOG_ERROR, "http", "%s was answered twice",
                exchange->request.path);
        if (response) {
            MHD_destroy_response(response);
        }
        return;
    }
    exchange->status = status;
    exchange->response = response;
    exchange->phase = HTTP__ANSWERED;
    if (!exchange->is_deferred) {
        return;
    }
    struct http_exchange *top = atomic_load_explicit(&loop->done, memory_order_relaxed);
    do {
        exchange->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&loop->done, &top, exchange,
                                                    memory_order_release, memory_order_relaxed));
    if (!top) {
        http__loop_wake(loop);
    }
}

void http_set_header(struct http_request *request, const char *name, const char *value)
{
    struct http_exchange *exchange = http__exchange(request);
    tq__buf_add(&exchange->fields, name, strlen(name) + 1);
    tq__buf_add(&exchange->fields, value, strlen(value) + 1);
    exchange->has_cache_control |= strcasecmp(name, "Cache-Control") == 0;
    exchange->has_retry_after |= strcasecmp(name, "Retry-After") == 0;
}

void http_set_retry_after(struct http_request *request, int64_t wait_ms)
{
    char text[24];
    int64_t seconds = wait_ms > 0 ? (wait_ms + 999) / 1000 : 1;
    snprintf(text, sizeof text, "%lld", (long long)seconds);
    http_set_header(request, "Retry-After", text);
}

void http__add_fields(const struct http_exchange *exchange, struct MHD_Response *response)
{
    const char *at = exchange->fields.data;
    const char *end = at + exchange->fields.bytes;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        MHD_add_response_header(response, at, value);
        at = value + strlen(value) + 1;
    }
}

/* Answers with what stands in exchange->answer. */
static void finish(struct http_exchange *exchange, unsigned status, const char *content_type)
{
    struct MHD_Response *response = NULL;
    if (!exchange->answer.is_failed && !exchange->fields.is_failed) {
        char *data = exchange->answer.data ? exchange->answer.data : "";
        response =
            MHD_create_response_from_buffer(exchange->answer.bytes, data, MHD_RESPMEM_PERSISTENT);
    }
    if (response) {
        uint32_t flags = exchange->request.route ? exchange->request.route->flags : 0;
        if (content_type) {
            MHD_add_response_header(response, "Content-Type", content_type);
        }
        if (!exchange->has_cache_control && !(flags & HTTP_PUBLIC_CACHE && status < 400)) {
            MHD_add_response_header(response, "Cache-Control", "no-store");
        }
        http__add_fields(exchange, response);
    }
    http__answer(exchange, status, response);
}

void http_reply(struct http_request *request, unsigned status, const char *content_type,
                const void *body, size_t bytes)
{
    struct http_exchange *exchange = http__exchange(request);
    if (exchange->phase != HTTP__ANSWERED) {
        tq__buf_clear(&exchange->answer);
        tq__buf_add(&exchange->answer, body, bytes);
    }
    finish(exchange, status, content_type);
}

void http_reply_empty(struct http_request *request, unsigned status)
{
    finish(http__exchange(request), status, NULL);
}

void http_cut(struct http_request *request)
{
    http__answer(http__exchange(request), 0, NULL);
}

static void take(struct http_exchange *exchange, struct tq__buf *json, unsigned status,
                 const char *content_type)
{
    if (exchange->phase == HTTP__ANSWERED) {
        tq__buf_done(json);
    } else {
        tq__buf_done(&exchange->answer);
        exchange->answer = *json;
        *json = (struct tq__buf)TQ__BUF(json->env);
    }
    finish(exchange, status, content_type);
}

void http_reply_json(struct http_request *request, unsigned status, struct tq__buf *json)
{
    if (json->is_failed) {
        tq__buf_done(json);
        http_problem(request, 503, "OUT_OF_MEMORY", "Try again later.");
        return;
    }
    take(http__exchange(request), json, status, "application/json");
}

static void required_fields(struct http_request *request, unsigned status)
{
    if ((status == 429 || status == 503) && !http__exchange(request)->has_retry_after) {
        http_set_retry_after(request, 1000);
    }
    if (status == 401) {
        http_set_header(request, "WWW-Authenticate", "Bearer");
    }
}

static void problem(struct http_request *request, unsigned status, const char *code,
                    struct tq__buf *members, const char *format, va_list args)
{
    char detail[512];
    vsnprintf(detail, sizeof detail, format, args);
    if (members->bytes == 0) {
        tq__put_object(members, NULL);
    }
    tq__put_string(members, "type", "about:blank");
    tq__put_string(members, "title", MHD_get_reason_phrase_for(status));
    tq__put_int(members, "status", status);
    tq__put_string(members, "code", code);
    tq__put_string(members, "detail", detail);
    tq__put_string(members, "instance", request->path);
    tq__put_object_end(members);
    required_fields(request, status);
    take(http__exchange(request), members, status, "application/problem+json");
}

void http_problem(struct http_request *request, unsigned status, const char *code,
                  const char *detail, ...)
{
    struct tq__buf members = TQ__BUF(http_env(request));
    va_list args;
    va_start(args, detail);
    problem(request, status, code, &members, detail, args);
    va_end(args);
}

void http_problem_with(struct http_request *request, unsigned status, const char *code,
                       struct tq__buf *members, const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    problem(request, status, code, members, detail, args);
    va_end(args);
}

/* True when a list of entity tags has this one; weak comparison (RFC 9110 §13.1.2). */
static int has_tag(const char *list, const char *quoted)
{
    size_t bytes = strlen(quoted);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t,");
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        if (strncmp(at, quoted, bytes) == 0 || *at == '*') {
            return 1;
        }
        const char *quote = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!quote) {
            return 0;
        }
        at = quote + 1;
    }
    return 0;
}

int http_not_modified(struct http_request *request, const char *tag)
{
    char quoted[TQ_ID_SIZE + 64];
    const char *known = http_header(request, "If-None-Match");
    snprintf(quoted, sizeof quoted, "\"%s\"", tag);
    http_set_header(request, "ETag", quoted);
    if (!known || !has_tag(known, quoted)) {
        return 0;
    }
    http_reply_empty(request, 304);
    return 1;
}
