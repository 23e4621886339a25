/* SPDX-License-Identifier: MIT */
/*
 * W3C Trace Context: takes over a caller's `traceparent` or begins a trace.
 * Threads: whoever is to answer the request.
 */
#include "app/app.h"

#include <stdio.h>
#include <string.h>

#include "core/env.h"

#define BYTES 55 /* 00-<32 hex>-<16 hex>-<2 hex> */

static int is_hex(const char *text, size_t bytes)
{
    return strspn(text, "0123456789abcdef") >= bytes;
}

static int is_zero(const char *text, size_t bytes)
{
    return strspn(text, "0") >= bytes;
}

static int is_traceparent(const char *text)
{
    return text && strlen(text) == BYTES && memcmp(text, "00-", 3) == 0 && text[35] == '-' &&
           text[52] == '-' && is_hex(text + 3, 32) && is_hex(text + 36, 16) &&
           is_hex(text + 53, 2) && !is_zero(text + 3, 32) && !is_zero(text + 36, 16);
}

const char *app_traceparent(struct http_request *request)
{
    unsigned char random[24];
    char text[BYTES + 1] = "00-";
    const char *given = http_header(request, "traceparent");
    if (is_traceparent(given)) {
        return given;
    }
    if (tq__random(http_env(request), random, sizeof random, NULL) < 0) {
        return NULL;
    }
    size_t at = 3;
    for (size_t i = 0; i < sizeof random; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%02x", i == 16 ? "-" : "",
                               random[i] | (i == 0 || i == 16));
    }
    snprintf(text + at, sizeof text - at, "-01");
    return http_keep(request, text, BYTES);
}
