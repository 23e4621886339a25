/* SPDX-License-Identifier: MIT */
/*
 * What a handler reads: parameters, query, header fields, the body as JSON.
 *
 * Text that is decoded is kept in scraps that live as long as the request. The
 * http_field_... and http_query_... functions answer by themselves when what
 * they read is not allowed, so that each handler is a list of what it needs.
 * Threads: whoever is to answer the request.
 */
#include "http/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/url.h"

const struct tq_env *http_env(const struct http_request *request)
{
    return &http__exchange(request)->loop->listener->server->env;
}

/* Most requests keep little: that goes into the exchange itself. */
char *http_keep(struct http_request *request, const char *text, size_t bytes)
{
    struct http_exchange *exchange = http__exchange(request);
    char *copy;
    if (bytes < sizeof exchange->room - exchange->room_used) {
        copy = exchange->room + exchange->room_used;
        exchange->room_used += bytes + 1;
    } else {
        struct http_scrap *scrap = tq__alloc(http_env(request), 1, sizeof *scrap + bytes + 1);
        if (!scrap) {
            return NULL;
        }
        scrap->next = exchange->scraps;
        exchange->scraps = scrap;
        copy = scrap->text;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

/* A decoded copy; NULL: malformed. */
static const char *decoded(struct http_request *request, const char *text, size_t bytes)
{
    char *copy = http_keep(request, text, bytes);
    return copy && tq__url_decode(copy, bytes + 1, text, bytes) == 0 ? copy : NULL;
}

const char *http_param(const struct http_request *request, const char *name)
{
    const struct http_exchange *exchange = http__exchange(request);
    for (int i = 0; i < exchange->captures_count; i++) {
        const struct http_capture *capture = &exchange->captures[i];
        if (strncmp(capture->name, name, capture->name_bytes) == 0 &&
            name[capture->name_bytes] == '\0') {
            return decoded((struct http_request *)request, capture->value, capture->value_bytes);
        }
    }
    return NULL;
}

const char *http_query(struct http_request *request, const char *name)
{
    size_t name_bytes = strlen(name);
    for (const char *at = http__exchange(request)->query; *at;) {
        size_t bytes = strcspn(at, "&");
        if (bytes > name_bytes && strncmp(at, name, name_bytes) == 0 && at[name_bytes] == '=') {
            return decoded(request, at + name_bytes + 1, bytes - name_bytes - 1);
        }
        at += bytes + (at[bytes] == '&');
    }
    return NULL;
}

struct wanted {
    const char *name;
    const char *value;
    unsigned count;
};

static enum MHD_Result match_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct wanted *wanted = arg;
    (void)kind;
    if (strcasecmp(name, wanted->name) == 0) {
        wanted->value = value;
        wanted->count++;
    }
    return MHD_YES;
}

const char *http_header(const struct http_request *request, const char *name)
{
    struct wanted wanted = {name, NULL, 0};
    MHD_get_connection_values(http__exchange(request)->connection, MHD_HEADER_KIND, match_field,
                              &wanted);
    return wanted.count == 1 ? wanted.value : NULL;
}

/* ---- reading that answers ---- */

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
