/* SPDX-License-Identifier: MIT */
/*
 * Takes the URL of a store or a transport apart. Everything that is not
 * understood is refused; messages never quote the URL, which may hold a
 * password. Threads: [pure].
 */
#include "core/url.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int tq__url_decode(char *target, size_t room, const char *text, size_t bytes)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < bytes ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < bytes ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return -1;
            }
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || out + 1 >= room) {
            return -1;
        }
        target[out++] = (char)c;
    }
    target[out] = '\0';
    return 0;
}

static int read_scheme(struct tq__url *out, const char *text, size_t bytes)
{
    if (bytes == 0 || bytes >= sizeof out->scheme) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i++) {
        int is_letter = text[i] >= 'a' && text[i] <= 'z';
        if (!is_letter && !(i && ((text[i] >= '0' && text[i] <= '9') || text[i] == '+'))) {
            return -1;
        }
        out->scheme[i] = text[i];
    }
    out->scheme[bytes] = '\0';
    return 0;
}

int tq__url_parse(struct tq__url *out, const char *text, struct tq_error *err)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    if (!colon || strlen(text) > TQ_URL_MAX) {
        return tq__fail(err, TQ_E_INVALID, "url", "a URL is scheme:path?query, at most %d bytes",
                        TQ_URL_MAX);
    }
    const char *path = colon + 1;
    const char *mark = strchr(path, '?');
    size_t path_bytes = mark ? (size_t)(mark - path) : strlen(path);
    if (read_scheme(out, text, (size_t)(colon - text)) ||
        tq__url_decode(out->path, sizeof out->path, path, path_bytes)) {
        return tq__fail(err, TQ_E_INVALID, "url", "the scheme or the path of a URL is malformed");
    }
    strncpy(out->query, mark ? mark + 1 : "", sizeof out->query - 1);
    out->query[sizeof out->query - 1] = '\0';
    return TQ_OK;
}

static const struct tq__url_scheme *find_scheme(const struct tq__url_scheme *schemes,
                                                const char *name)
{
    while (schemes->name && strcmp(schemes->name, name) != 0) {
        schemes++;
    }
    return schemes;
}

static int fail_scheme(const struct tq__url_scheme *schemes, const char *name, const char *origin,
                       struct tq_error *err)
{
    char names[128] = "";
    size_t bytes = 0;
    for (const struct tq__url_scheme *at = schemes; at->name && bytes < sizeof names; at++) {
        if (at->driver && find_scheme(schemes, at->name) == at) {
            bytes += (size_t)snprintf(names + bytes, sizeof names - bytes, " %s:", at->name);
        }
    }
    return tq__fail(err, TQ_E_INVALID, origin, "no driver is called %s:, there are%s", name, names);
}

int tq__url_driver(const struct tq__url_scheme *schemes, const char *name, const void **out_driver,
                   const char *origin, struct tq_error *err)
{
    const struct tq__url_scheme *scheme = find_scheme(schemes, name);
    if (!scheme->name) {
        return fail_scheme(schemes, name, origin, err);
    }
    if (!scheme->driver) {
        return tq__fail(err, TQ_E_UNSUPPORTED, origin, "%s: %s", name, scheme->why);
    }
    *out_driver = scheme->driver;
    return TQ_OK;
}

int tq__url_query(const char *query, const char *name, char *target, size_t room,
                  struct tq_error *err)
{
    size_t name_bytes = strlen(name);
    for (const char *at = query; *at;) {
        const char *end = strchrnul(at, '&');
        if ((size_t)(end - at) > name_bytes && memcmp(at, name, name_bytes) == 0 &&
            at[name_bytes] == '=') {
            const char *value = at + name_bytes + 1;
            if (tq__url_decode(target, room, value, (size_t)(end - value))) {
                return tq__fail(err, TQ_E_INVALID, "url", "%s is malformed or too long", name);
            }
            return TQ_OK;
        }
        at = *end ? end + 1 : end;
    }
    return TQ_GONE;
}

int tq__url_number(const char *query, const char *name, uint32_t min, uint32_t max,
                   uint32_t *out_number, struct tq_error *err)
{
    char text[16];
    int rc = tq__url_query(query, name, text, sizeof text, err);
    if (rc != TQ_OK) {
        return rc;
    }
    int64_t value = tq__text_number(text, strlen(text), max);
    if (value < min) {
        return tq__fail(err, TQ_E_INVALID, "url", "%s must be a number from %u to %u", name, min,
                        max);
    }
    *out_number = (uint32_t)value;
    return TQ_OK;
}

int tq__url_is_called(const char *name, const char *at, size_t bytes)
{
    return strlen(name) == bytes && memcmp(name, at, bytes) == 0;
}

static int is_option(const struct tq__url_option *options, const char *at, size_t bytes)
{
    while (options->name && !tq__url_is_called(options->name, at, bytes)) {
        options++;
    }
    return options->name != NULL;
}

static int is_there_before(const char *query, const char *at, size_t bytes)
{
    for (const char *other = query; other < at; other = strchr(other, '&') + 1) {
        if (strncmp(other, at, bytes) == 0 && other[bytes] == '=') {
            return 1;
        }
    }
    return 0;
}

/* The end of a password that has a '?' is no name to be quoted: an '@' comes behind it. */
static int refuse_option(const char *at, size_t bytes, const char *why, const char *origin,
                         struct tq_error *err)
{
    if (strchr(at, '@')) {
        return tq__fail(err, TQ_E_INVALID, origin, "there is no such option%s", why);
    }
    return tq__fail(err, TQ_E_INVALID, origin, "there is no option \"%.*s\"%s",
                    (int)(bytes < 40 ? bytes : 40), at, why);
}

int tq__url_names_check(const char *query, const struct tq__url_option *options,
                        int (*is_other)(const char *at, size_t bytes), const char *origin,
                        struct tq_error *err)
{
    for (const char *at = query; *at;) {
        size_t bytes = strcspn(at, "=&");
        if (at[bytes] != '=') {
            return refuse_option(at, bytes, " without a value", origin, err);
        }
        if (!is_option(options, at, bytes) && !(is_other && is_other(at, bytes))) {
            return refuse_option(at, bytes, "", origin, err);
        }
        if (is_there_before(query, at, bytes)) {
            return refuse_option(at, bytes, " with two values", origin, err);
        }
        const char *end = strchrnul(at, '&');
        at = *end ? end + 1 : end;
    }
    return TQ_OK;
}

int tq__url_options_read(const char *query, const struct tq__url_option *options, void *target,
                         struct tq_error *err)
{
    for (; options->name; options++) {
        char *at = (char *)target + options->offset;
        if (options->room) {
            TQ_TRY(tq__url_query(query, options->name, at, options->room, err));
            continue;
        }
        uint32_t number = options->fallback;
        TQ_TRY(tq__url_number(query, options->name, options->min, options->max, &number, err));
        memcpy(at, &number, sizeof number);
    }
    return TQ_OK;
}
