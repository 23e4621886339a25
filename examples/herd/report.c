/* SPDX-License-Identifier: MIT */
/*
 * What the crowd saw: a progress line on a terminal, a table, a JSON file.
 *
 * The progress line goes to stderr, and only when that is a terminal that can
 * move its cursor (not TERM=dumb); colour only without NO_COLOR. The table goes
 * to stdout.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "herd.h"

#define BAR_WIDTH 30

static const char *const request_names[REQUESTS_COUNT] = {
    "sign up", "log in",  "enter",   "status", "leave",   "layout", "map",
    "hold",    "release", "payment", "card",   "confirm", "result"};

static const char *const outcome_names[OUTCOMES_COUNT] = {
    "unfinished", "bought", "declined", "abandoned",  "released", "soldOut",
    "beaten",     "left",   "noShow",   "turnedAway", "failed"};

static const char *const violation_names[VIOLATIONS_COUNT] = {
    "placeMovedBack", "passNotHonoured", "seatSoldTwice", "seatHeldTwice",   "takenSeatShownFree",
    "wrongAmount",    "toldWrongWait",   "paymentLost",   "unexpectedAnswer"};

int report_has_terminal(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

void report_progress(const struct herd *herd)
{
    static const char full[] = "##############################";
    static const char none[] = "..............................";
    if (!report_has_terminal()) {
        return;
    }
    const char *colour = getenv("NO_COLOR");
    int is_plain = colour && *colour;
    int filled = herd->count ? (int)(herd->done * BAR_WIDTH / herd->count) : 0;
    int64_t seconds = (clock_us() - herd->begin_us) / 1000000;
    fprintf(stderr,
            "\r%s[%.*s%.*s]%s %3d s  %zu here, %zu done, %" PRIu64 " bought %" PRIu64
            " seats, %" PRIu64 " answers\x1b[K",
            is_plain ? "" : "\x1b[32m", filled, full, BAR_WIDTH - filled, none,
            is_plain ? "" : "\x1b[0m", (int)(seconds > 0 ? seconds : 0), herd->arrived - herd->done,
            herd->done, herd->outcomes[BOUGHT], herd->seats_bought, herd->client.totals.answers);
}

void report_progress_end(void)
{
    if (report_has_terminal()) {
        fputs("\r\x1b[K", stderr);
    }
}

static double seconds_of(const struct herd *herd)
{
    return (double)(herd->last_done_us - herd->begin_us) / 1e6;
}

static uint64_t violations_of(const struct herd *herd)
{
    uint64_t sum = 0;
    for (int i = 0; i < VIOLATIONS_COUNT; i++) {
        sum += herd->violations[i];
    }
    return sum;
}

int report_is_clean(const struct herd *herd)
{
    return violations_of(herd) == 0 && herd->outcomes[UNFINISHED] == 0;
}

static void put_row(const char *name, const struct histogram *histogram)
{
    if (histogram->count == 0) {
        return;
    }
    printf("  %-12s %9" PRIu64, name, histogram->count);
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        printf(" %10.1f", (double)histogram_quantile(histogram, shares[i]) / 1000);
    }
    printf("\n");
}

void report_table(const struct herd *herd)
{
    const struct http_totals *totals = &herd->client.totals;
    double seconds = seconds_of(herd);
    printf("\n%zu visitors, %zu seats, seed %" PRIu64 ": %.1f s, %" PRIu64
           " answers (%.0f a second)\n\n",
           herd->count, herd->seats.count, herd->seed, seconds, totals->answers,
           seconds > 0 ? (double)totals->answers / seconds : 0.0);
    printf("  %-12s %9s %10s %10s %10s %10s %10s\n", "ms", "count", "p50", "p90", "p99", "p99.9",
           "max");
    for (int i = 0; i < REQUESTS_COUNT; i++) {
        put_row(request_names[i], &herd->latencies[i]);
    }
    put_row("lag", &herd->lag);
    put_row("in line", &herd->in_line);
    put_row("purchase", &herd->purchase);
    printf("\n  visitors:");
    for (int i = 0; i < OUTCOMES_COUNT; i++) {
        if (herd->outcomes[i]) {
            printf(" %" PRIu64 " %s", herd->outcomes[i], outcome_names[i]);
        }
    }
    printf("\n  seats: %" PRIu64 " bought for %" PRId64 " %s; %" PRIu64 " holds came too late\n",
           herd->seats_bought, herd->money, herd->currency, herd->taken);
    printf("  put off: %" PRIu64 "; polled too early: %" PRIu64 "; replies lost: %" PRIu64
           ", late: %" PRIu64 "; places brought back: %" PRIu64 "\n",
           herd->shed, herd->too_early, totals->lost, totals->timeouts, herd->reentered);
    for (int i = 0; i < VIOLATIONS_COUNT; i++) {
        if (herd->violations[i]) {
            printf("  VIOLATION %s: %" PRIu64 " (%s)\n", violation_names[i], herd->violations[i],
                   herd->examples[i]);
        }
    }
    printf("  herd: %s\n", report_is_clean(herd) ? "clean" : "NOT CLEAN");
}

static void add_histogram(cJSON *list, const char *name, const struct histogram *histogram)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddNumberToObject(row, "count", (double)histogram->count);
    cJSON_AddNumberToObject(row, "p50Us", (double)histogram_quantile(histogram, 0.5));
    cJSON_AddNumberToObject(row, "p90Us", (double)histogram_quantile(histogram, 0.9));
    cJSON_AddNumberToObject(row, "p99Us", (double)histogram_quantile(histogram, 0.99));
    cJSON_AddNumberToObject(row, "p999Us", (double)histogram_quantile(histogram, 0.999));
    cJSON_AddNumberToObject(row, "maxUs", (double)histogram->max);
    cJSON_AddItemToArray(list, row);
}

static void add_counts(cJSON *root, const char *name, const char *const *names,
                       const uint64_t *counts, int count)
{
    cJSON *object = cJSON_AddObjectToObject(root, name);
    for (int i = 0; i < count; i++) {
        cJSON_AddNumberToObject(object, names[i], (double)counts[i]);
    }
}

static cJSON *report_of(const struct herd *herd)
{
    const struct http_totals *totals = &herd->client.totals;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "visitors", (double)herd->count);
    cJSON_AddNumberToObject(root, "seats", (double)herd->seats.count);
    cJSON_AddNumberToObject(root, "seed", (double)herd->seed);
    cJSON_AddNumberToObject(root, "seconds", seconds_of(herd));
    cJSON_AddNumberToObject(root, "answers", (double)totals->answers);
    cJSON_AddNumberToObject(root, "lost", (double)totals->lost);
    cJSON_AddNumberToObject(root, "timeouts", (double)totals->timeouts);
    cJSON_AddNumberToObject(root, "shed", (double)herd->shed);
    cJSON_AddNumberToObject(root, "tooEarly", (double)herd->too_early);
    cJSON_AddNumberToObject(root, "reentered", (double)herd->reentered);
    cJSON_AddNumberToObject(root, "taken", (double)herd->taken);
    cJSON_AddNumberToObject(root, "seatsBought", (double)herd->seats_bought);
    cJSON_AddNumberToObject(root, "money", (double)herd->money);
    cJSON_AddStringToObject(root, "currency", herd->currency);
    add_counts(root, "outcomes", outcome_names, herd->outcomes, OUTCOMES_COUNT);
    add_counts(root, "violations", violation_names, herd->violations, VIOLATIONS_COUNT);
    cJSON *list = cJSON_AddArrayToObject(root, "latencies");
    for (int i = 0; i < REQUESTS_COUNT; i++) {
        add_histogram(list, request_names[i], &herd->latencies[i]);
    }
    add_histogram(list, "lag", &herd->lag);
    add_histogram(list, "in line", &herd->in_line);
    add_histogram(list, "purchase", &herd->purchase);
    cJSON_AddBoolToObject(root, "clean", report_is_clean(herd));
    return root;
}

int report_json(const struct herd *herd, const char *path)
{
    cJSON *root = report_of(herd);
    char *text = cJSON_Print(root);
    FILE *file = text ? fopen(path, "w") : NULL;
    int rc = -1;
    if (file) {
        fprintf(file, "%s\n", text);
        rc = fclose(file) ? -1 : 0;
    }
    if (rc) {
        fprintf(stderr, "herd: cannot write %s\n", path);
    }
    free(text);
    cJSON_Delete(root);
    return rc;
}
