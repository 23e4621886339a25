/* SPDX-License-Identifier: MIT */
/*
 * What a handler needs: the body as JSON, its fields, ids and numbers.
 *
 * Each function answers by itself when what it reads is not allowed, so that a
 * handler is a list of what it needs. Threads: whoever is to answer the request.
 */
#include "http/internal.h"

#include <stdlib.h>
#include <string.h>

static void field_problem(struct http_request *request, unsigned status, const char *code,
                          const char *member, const char *name, const char *detail)
{
    struct tq__buf members = TQ__BUF(http_env(request));
    tq__put_object(&members, NULL);
    tq__put_string(&members, member, name);
    http_problem_with(request, status, code, &members, "%s %s", name, detail);
}

static void bad_field(struct http_request *request, const char *name, const char *detail)
{
    field_problem(request, 400, "FIELD_INVALID", "field", name, detail);
}

static void bad_query(struct http_request *request, const char *name, const char *detail)
{
    field_problem(request, 400, "QUERY_INVALID", "parameter", name, detail);
}

const tq__json *http_json(struct http_request *request)
{
    struct http_exchange *exchange = http__exchange(request);
    const struct tq__json_limits limits = {0, 0, TQ__JSON_UNIQUE};
    struct tq_error err = TQ_ERROR_INIT;
    if (!exchange->json) {
        int rc = tq__json_parse(http_env(request), request->body, request->body_bytes, &limits,
                                &exchange->json, &err);
        if (rc < 0) {
            http_problem(request, rc == TQ_E_NOMEM ? 503 : 400, "JSON_INVALID", "The body is %s.",
                         err.message);
            return NULL;
        }
    }
    if (!tq__json_is_object(exchange->json)) {
        http_problem(request, 400, "JSON_INVALID", "The body is not a JSON object.");
        return NULL;
    }
    return exchange->json;
}

const char *http_field_string(struct http_request *request, const tq__json *object,
                              const char *name, size_t bytes_max)
{
    const char *text = tq__json_string(tq__json_member(object, name));
    if (!text || !*text || strlen(text) > bytes_max) {
        bad_field(request, name, "must be a string that is neither empty nor too long.");
        return NULL;
    }
    return text;
}

const char *http_field_id(struct http_request *request, const tq__json *object, const char *name)
{
    const char *text = tq__json_string(tq__json_member(object, name));
    if (!tq__id_is_valid(text)) {
        bad_field(request, name, "must match [A-Za-z0-9_-]{1,64}.");
        return NULL;
    }
    return text;
}

int http_field_int(struct http_request *request, const tq__json *object, const char *name,
                   int64_t min, int64_t max, int64_t *out_value)
{
    int64_t value;
    if (!tq__json_int64(tq__json_member(object, name), &value) || value < min || value > max) {
        bad_field(request, name, "must be a whole number within its limits.");
        return 0;
    }
    *out_value = value;
    return 1;
}

int http_field_int_or(struct http_request *request, const tq__json *object, const char *name,
                      int64_t min, int64_t max, int64_t fallback, int64_t *out_value)
{
    if (!tq__json_member(object, name)) {
        *out_value = fallback;
        return 1;
    }
    return http_field_int(request, object, name, min, max, out_value);
}

const char *http_param_id(struct http_request *request, const char *name)
{
    const char *text = http_param(request, name);
    if (!tq__id_is_valid(text)) {
        http_problem(request, 404, "NOT_FOUND", "There is nothing at this path.");
        return NULL;
    }
    return text;
}

const char *http_query_id(struct http_request *request, const char *name)
{
    const char *text = http_query(request, name);
    if (!tq__id_is_valid(text)) {
        bad_query(request, name, "must match [A-Za-z0-9_-]{1,64}.");
        return NULL;
    }
    return text;
}

int http_query_int_or(struct http_request *request, const char *name, int64_t min, int64_t max,
                      int64_t fallback, int64_t *out_value)
{
    const char *text = http_query(request, name);
    char *end = NULL;
    if (!text) {
        *out_value = fallback;
        return 1;
    }
    int is_number = (*text >= '0' && *text <= '9') || *text == '-';
    long long value = is_number && strlen(text) < 20 ? strtoll(text, &end, 10) : 0;
    if (!end || *end || value < min || value > max) {
        bad_query(request, name, "must be a whole number within its limits.");
        return 0;
    }
    *out_value = value;
    return 1;
}
