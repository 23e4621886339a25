/* SPDX-License-Identifier: MIT */
/*
 * Decides which route serves a method and a path.
 *
 * A pattern is a path in which whole segments may be parameters: "/a/{b}/c". A
 * table is searched in its order and the first match wins, so literals stand
 * before parameters. Each row is first compared by the literal bytes up to its
 * first parameter, which settles nearly all rows with one memcmp.
 *
 * Parameters are captured as they stand, percent-encoded; request.c decodes
 * them. Threads: [pure].
 */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>

int http__pattern_check(const char *pattern)
{
    unsigned params = 0;
    if (pattern[0] != '/') {
        return -1;
    }
    for (const char *at = pattern; *at; at++) {
        if (*at == '{') {
            const char *end = strchr(at, '}');
            int is_whole = at[-1] == '/' && end && end > at + 1 && (end[1] == '/' || !end[1]);
            if (!is_whole || memchr(at, '/', (size_t)(end - at)) || ++params > HTTP_PARAMS_MAX) {
                return -1;
            }
            at = end;
        } else if (*at == '}' || *at == '?' || *at == '%' || *at <= ' ') {
            return -1;
        }
    }
    return 0;
}

size_t http__pattern_literal(const char *pattern)
{
    return strcspn(pattern, "{");
}

/* The number of parameters, or -1: no match. */
static int match(const char *pattern, const char *path, size_t path_bytes,
                 struct http_capture captures[HTTP_PARAMS_MAX])
{
    const char *end = path + path_bytes;
    int count = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (path == end || *path++ != *pattern++) {
                return -1;
            }
            continue;
        }
        const char *close = strchr(pattern, '}');
        const char *slash = memchr(path, '/', (size_t)(end - path));
        const char *stop = slash ? slash : end;
        if (stop == path) {
            return -1;
        }
        captures[count++] = (struct http_capture){pattern + 1, (size_t)(close - pattern - 1), path,
                                                  (size_t)(stop - path)};
        pattern = close + 1;
        path = stop;
    }
    return path == end ? count : -1;
}

static void add_allowed(char allow[64], const char *method)
{
    size_t bytes = strlen(allow);
    if (!strstr(allow, method)) {
        snprintf(allow + bytes, 64 - bytes, "%s%s", bytes ? ", " : "", method);
    }
}

const struct http_entry *http__route_find(const struct http_entry *entries, size_t count,
                                          const char *method, const char *path, size_t path_bytes,
                                          struct http_capture captures[HTTP_PARAMS_MAX],
                                          int *out_captures, char allow[64])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    allow[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const struct http_entry *entry = &entries[i];
        if (path_bytes < entry->literal_bytes ||
            memcmp(path, entry->route->pattern, entry->literal_bytes) != 0) {
            continue;
        }
        int found = match(entry->route->pattern, path, path_bytes, captures);
        if (found >= 0 && strcmp(entry->route->method, wanted) == 0) {
            *out_captures = found;
            return entry;
        }
        if (found >= 0) {
            add_allowed(allow, entry->route->method);
        }
    }
    return NULL;
}
