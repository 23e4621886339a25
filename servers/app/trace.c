/* SPDX-License-Identifier: MIT */
/*
 * W3C Trace Context: takes over a caller's `traceparent` or begins a trace.
 *
 * Ids of traces only have to differ, and every request may need one: a thread
 * asks the system for randomness once and goes on from there by SplitMix64.
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

/* Never 0; 0: there is no randomness. */
static uint64_t next_id(const struct tq_env *env)
{
    static _Thread_local uint64_t state;
    if (!state && tq__random(env, &state, sizeof state, NULL) < 0) {
        return 0;
    }
    state += 0x9e3779b97f4a7c15;
    uint64_t id = state;
    id = (id ^ id >> 30) * 0xbf58476d1ce4e5b9;
    id = (id ^ id >> 27) * 0x94d049bb133111eb;
    id ^= id >> 31;
    return id ? id : 1;
}

/* 16 digits; returns behind the last. */
static char *put_hex(char *target, uint64_t id)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        *target++ = "0123456789abcdef"[id >> shift & 15];
    }
    return target;
}

const char *app_traceparent(struct http_request *request)
{
    char text[BYTES] = "00-", *at = text + 3;
    const char *given = http_header(request, "traceparent");
    if (is_traceparent(given)) {
        return given;
    }
    uint64_t high = next_id(http_env(request));
    if (!high) {
        return NULL;
    }
    at = put_hex(at, high);
    at = put_hex(at, next_id(http_env(request)));
    *at++ = '-';
    at = put_hex(at, next_id(http_env(request)));
    memcpy(at, "-01", 3);
    return http_keep(request, text, BYTES);
}
