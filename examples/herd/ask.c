/* SPDX-License-Identifier: MIT */
/*
 * Requests of visitors: what every one has in common.
 *
 * The bytes of a request are made once and kept until an answer is there. When
 * the reply is lost, the same bytes go out again after a pause, so that a key
 * of idempotency stays what it was; so the crowd survives a service that is
 * killed and started again. 503 and 429 are asked again when they say so; for
 * bots, who do not wait, POLL_TOO_EARLY is an answer like any other.
 *
 * Latency counts from the moment at which the request was due, through every
 * repetition, whether or not a connection was free: a service that stalls is
 * not measured as fast (coordinated omission).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "herd.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 3000

char *ask_text(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        fputs("herd: out of memory\n", stderr);
        exit(2);
    }
    va_end(args);
    return text;
}

const char *ask_string(const cJSON *body, const char *name)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(body, name);
    return cJSON_IsString(node) ? node->valuestring : "";
}

int64_t ask_number(const cJSON *body, const char *name)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(body, name);
    return cJSON_IsNumber(node) ? (int64_t)node->valuedouble : -1;
}

static const char *name_of(enum request request)
{
    static const char *const names[] = {"sign-up", "login",   "enter", "status",  "leave",
                                        "seats",   "map",     "hold",  "release", "payment",
                                        "card",    "confirm", "result"};
    return names[request];
}

void ask_unexpected(struct visitor *visitor, const struct http_answer *answer)
{
    herd_violation(visitor->herd, UNEXPECTED_ANSWER, "visitor %u, %s: %d %.100s", visitor->number,
                   name_of(visitor->asked), answer->status, answer->body);
    crowd_done(visitor, FAILED);
}

static void send_again(struct visitor *visitor)
{
    visitor->due_us = 0;
    http_send(visitor->host, &visitor->call);
}

/* Exponential with full jitter; the intended start stays the first one. */
static void pause_and_send(struct visitor *visitor, int64_t at_least_ms)
{
    uint32_t shift = visitor->attempt < 5 ? visitor->attempt : 5;
    int64_t top = PAUSE_FIRST_MS << shift;
    visitor->attempt++;
    top = top < PAUSE_MAX_MS ? top : PAUSE_MAX_MS;
    crowd_after(visitor, at_least_ms + chance_between(&visitor->chance, 1, top), send_again);
}

/* 1 when the request was put off. */
static int put_off(struct visitor *visitor, const struct http_answer *answer, const char *code)
{
    struct herd *herd = visitor->herd;
    if (answer->status == 0) {
        pause_and_send(visitor, 0);
        return 1;
    }
    if (strcmp(code, "POLL_TOO_EARLY") == 0) {
        herd->too_early++;
        return 0;
    }
    if (answer->status == 429 || answer->status == 503) {
        herd->shed++;
        pause_and_send(visitor, answer->retry_after_ms > 0 ? answer->retry_after_ms : 0);
        return 1;
    }
    return 0;
}

static void answered(struct http_call *call, const struct http_answer *answer)
{
    struct visitor *visitor = (struct visitor *)call;
    if (visitor->attempt == 0) {
        histogram_add(&visitor->herd->lag, call->sent_us - visitor->begun_us);
    }
    int is_plain = answer->bytes && !(answer->status == 200 &&
                                      (visitor->asked == ASK_LAYOUT || visitor->asked == ASK_MAP));
    cJSON *body = is_plain ? cJSON_Parse(answer->body) : NULL;
    if (!put_off(visitor, answer, ask_string(body, "code"))) {
        answer_fn *next = visitor->answered;
        histogram_add(&visitor->herd->latencies[visitor->asked], clock_us() - visitor->begun_us);
        visitor->attempt = 0;
        free(visitor->call.request);
        visitor->call.request = NULL;
        next(visitor, answer, body);
    }
    cJSON_Delete(body);
}

static char *header_of(const char *name, const char *value)
{
    return value ? ask_text("%s%s\r\n", name, value) : ask_text("%s", "");
}

void ask(struct visitor *visitor, const struct ask *what)
{
    struct http_call *call = &visitor->call;
    visitor->host = what->request == ASK_CARD ? visitor->herd->sandbox : visitor->herd->shop;
    visitor->asked = what->request;
    visitor->answered = what->answered;
    visitor->begun_us = visitor->due_us ? visitor->due_us : clock_us();
    visitor->due_us = 0;
    char key[64];
    snprintf(key, sizeof key, "herd-%s-%u-%u", visitor->herd->run, visitor->number, visitor->key);
    visitor->key += what->is_keyed != 0;
    char *access = header_of("Authorization: Bearer ", visitor->access);
    char *pass = header_of("X-Queue-Token: ", visitor->pass);
    char *place =
        header_of("X-Queue-Place: ", visitor->asked == ASK_STATUS ? visitor->place : NULL);
    char *keyed = header_of("Idempotency-Key: ", what->is_keyed ? key : NULL);
    char *etag = header_of("If-None-Match: ", what->etag && *what->etag ? what->etag : NULL);
    call->request =
        ask_text("%s %s HTTP/1.1\r\nHost: %s\r\n%s%s%s%s%s%sContent-Length: %zu\r\n\r\n%s",
                 what->method, what->path, http_host_name(visitor->host), access, pass, place,
                 keyed, etag, what->body ? "Content-Type: application/json\r\n" : "",
                 what->body ? strlen(what->body) : 0, what->body ? what->body : "");
    call->bytes = strlen(call->request);
    call->done = answered;
    free(access), free(pass), free(place), free(keyed), free(etag), free(what->body);
    http_send(visitor->host, call);
}
