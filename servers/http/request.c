/* SPDX-License-Identifier: MIT */
/*
 * What a request says: parameters, query, header fields. Judged in field.c.
 *
 * Text that is decoded is kept in scraps that live as long as the request.
 * Threads: whoever is to answer the request.
 */
#include "http/internal.h"

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
