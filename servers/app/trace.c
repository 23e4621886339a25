/* SPDX-License-Identifier: MIT */
/*
 * W3C Trace Context: takes over a caller's `traceparent` or begins a trace.
 * Threads: whoever is to answer the request.
 */
#include "app/app.h"

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

/* Two digits for each byte; returns behind the last. */
static char *put_hex(char *target, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *target++ = digits[bytes[i] >> 4];
        *target++ = digits[bytes[i] & 15];
    }
    return target;
}

const char *app_traceparent(struct http_request *request)
{
    unsigned char trace[16], span[8];
    char text[BYTES] = "00-", *at = text + 3;
    const char *given = http_header(request, "traceparent");
    if (is_traceparent(given)) {
        return given;
    }
    if (tq__random(http_env(request), trace, sizeof trace, NULL) < 0 ||
        tq__random(http_env(request), span, sizeof span, NULL) < 0) {
        return NULL;
    }
    trace[0] |= 1; /* neither may be all zeros */
    span[0] |= 1;
    at = put_hex(at, trace, sizeof trace);
    *at++ = '-';
    at = put_hex(at, span, sizeof span);
    memcpy(at, "-01", 3);
    return http_keep(request, text, BYTES);
}
