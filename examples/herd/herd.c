/* SPDX-License-Identifier: MIT */
/*
 * The loop: asks what is sold and when, makes the crowd, and goes on until the
 * last visitor is done or the time is over.
 */
#include "herd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALL_TIMEOUT_US 30000000
#define HOUSEKEEPING_US 100000

int64_t herd_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t herd_time_of(const char *text)
{
    struct tm date = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &date);
    if (!rest) {
        return 0;
    }
    return (int64_t)timegm(&date) * 1000 + (*rest == '.' ? atoi(rest + 1) : 0);
}

void herd_violation(struct herd *herd, enum violation what, const char *format, ...)
{
    va_list args;
    if (herd->violations[what]++ == 0) {
        va_start(args, format);
        vsnprintf(herd->examples[what], sizeof herd->examples[what], format, args);
        va_end(args);
    }
}

/* One request before the crowd comes; its answer is copied for free(). */
struct question {
    struct http_call call;
    int status; /* -1: not answered */
    char *body;
    char etag[72];
};

static void answered_question(struct http_call *call, const struct http_answer *answer)
{
    struct question *question = (struct question *)call;
    question->status = answer->status;
    question->body = ask_text("%s", answer->body);
    snprintf(question->etag, sizeof question->etag, "%s", answer->etag);
}

/* The body of a 200 for free(), or NULL with a line on stderr. */
static char *question(struct herd *herd, const char *path, char etag[72])
{
    struct question question = {.call.done = answered_question, .status = -1};
    question.call.request =
        ask_text("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, http_host_name(herd->shop));
    question.call.bytes = strlen(question.call.request);
    http_send(herd->shop, &question.call);
    while (question.status < 0) {
        http_step(&herd->client, 100);
        http_expire(herd->shop);
    }
    free(question.call.request);
    if (question.status != 200) {
        fprintf(stderr, "herd: GET %s: %d %.200s\n", path, question.status, question.body);
        free(question.body);
        return NULL;
    }
    memcpy(etag, question.etag, sizeof question.etag);
    return question.body;
}

static int ask_schedule(struct herd *herd)
{
    char etag[72], path[160];
    snprintf(path, sizeof path, "/v1/schedules/%s", herd->schedule);
    char *text = question(herd, path, etag);
    cJSON *body = text ? cJSON_Parse(text) : NULL;
    int64_t limit = ask_number(body, "personLimit");
    herd->person_limit = limit > 0 ? (uint64_t)limit : 0;
    herd->opens_ms = herd_time_of(ask_string(body, "salesOpenAt"));
    snprintf(herd->currency, sizeof herd->currency, "%s", ask_string(body, "currency"));
    cJSON_Delete(body);
    free(text);
    if (!herd->opens_ms) {
        fprintf(stderr, "herd: there is no schedule %s with an opening time\n", herd->schedule);
        return -1;
    }
    /* Come for the opening; when that is past, now is the opening. */
    int64_t earliest_ms = herd_now_ms() + herd->scenario.early_ms;
    herd->opens_ms = herd->opens_ms < herd_now_ms() ? earliest_ms : herd->opens_ms;
    return 0;
}

static int ask_layout(struct herd *herd)
{
    char path[160], etag[72];
    snprintf(path, sizeof path, "/v1/schedules/%s/seats", herd->schedule);
    char *text = question(herd, path, etag);
    int rc = text ? seats_read_layout(&herd->seats, text, herd->scenario.zipf) : -1;
    memcpy(herd->seats.etag, etag, sizeof etag);
    if (text && rc) {
        fprintf(stderr, "herd: the layout of %s makes no sense\n", herd->schedule);
    }
    free(text);
    return rc;
}

int herd_open(struct herd *herd, const char *shop, const char *sandbox, size_t connections)
{
    if (http_open(&herd->client, CALL_TIMEOUT_US)) {
        perror("herd: epoll");
        return -1;
    }
    herd->shop = http_host_open(&herd->client, shop, connections);
    herd->sandbox = http_host_open(&herd->client, sandbox, connections / 8 + 1);
    if (!herd->shop || !herd->sandbox || ask_schedule(herd) || ask_layout(herd)) {
        return -1;
    }
    return 0;
}

static void note_unfinished(struct herd *herd)
{
    for (size_t i = 0; i < herd->count; i++) {
        const struct visitor *visitor = &herd->visitors[i];
        if (visitor->outcome == UNFINISHED && visitor->is_paying) {
            herd_violation(herd, PAYMENT_LOST, "visitor %u, reservation %s", visitor->number,
                           visitor->reservation);
        }
    }
    herd->outcomes[UNFINISHED] = herd->count - herd->done;
}

int herd_run(struct herd *herd, int64_t limit_ms)
{
    int64_t now_us = clock_us(), housekeeping_us = now_us;
    if (crowd_make(herd)) {
        return -1;
    }
    herd->end_us = herd->begin_us + limit_ms * 1000;
    while (herd->done < herd->count && now_us < herd->end_us) {
        int64_t next_us = crowd_step(herd, now_us);
        int64_t wait_us = next_us - clock_us();
        wait_us = wait_us > HOUSEKEEPING_US ? HOUSEKEEPING_US : wait_us > 0 ? wait_us : 0;
        http_step(&herd->client, (int)((wait_us + 999) / 1000));
        now_us = clock_us();
        if (now_us >= housekeeping_us) {
            http_expire(herd->shop);
            http_expire(herd->sandbox);
            report_progress(herd);
            housekeeping_us = now_us + HOUSEKEEPING_US;
        }
    }
    report_progress_end();
    note_unfinished(herd);
    return 0;
}

void herd_free(struct herd *herd)
{
    for (size_t i = 0; i < herd->count && herd->visitors; i++) {
        struct visitor *visitor = &herd->visitors[i];
        free(visitor->call.request);
        free(visitor->access);
        free(visitor->place);
        free(visitor->pass);
    }
    free(herd->visitors);
    free(herd->timers);
    seats_free(&herd->seats);
    http_host_close(herd->shop);
    http_host_close(herd->sandbox);
    http_close(&herd->client);
    tq_keys_free(herd->keys);
}
