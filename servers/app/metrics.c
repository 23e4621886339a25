/* SPDX-License-Identifier: MIT */
/*
 * Keeps what is counted and tells it in the Prometheus text format (0.0.4).
 *
 * A family has a name, a help text and a type; its series have labels. Series are
 * made under a mutex and never removed, so their addresses can be kept; values
 * are atomics that are added to without a lock. Durations are counted in
 * microseconds and told in seconds. A histogram's buckets are stored apart and
 * summed up when they are told, so an observation touches one bucket.
 *
 * Invariants: one family per name; one series per family and labels.
 * Threads: [any]; the mutex guards the lists.
 */
#include "app/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define BUCKETS 14

static const uint64_t bucket_us[BUCKETS] = {5000,    10000,   25000,   50000,   75000,
                                            100000,  250000,  500000,  750000,  1000000,
                                            2500000, 5000000, 7500000, 10000000};
static const char *const bucket_text[BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.075",
                                                 "0.1",   "0.25", "0.5",   "0.75", "1",
                                                 "2.5",   "5",    "7.5",   "10"};

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct app_series {
    struct app_series *next;
    char *labels;
    _Atomic int64_t value;                 /* COUNTER, GAUGE */
    _Atomic uint64_t buckets[BUCKETS + 1]; /* HISTOGRAM; the last is everything above */
    _Atomic uint64_t sum_us;
    app_gauge_fn *ask;
    void *arg;
};

struct family {
    struct family *next;
    char *name;
    char *help;
    enum kind kind;
    struct app_series *series;
};

struct app_metrics {
    struct tq_env env;
    pthread_mutex_t lock;
    struct family *families;
    struct family **last;
    struct app_series nobody; /* takes what there was no memory for */
};

int app_metrics_new(const struct tq_env *env, struct app_metrics **out_metrics,
                    struct tq_error *err)
{
    struct app_metrics *metrics = tq__alloc(env, 1, sizeof *metrics);
    if (!metrics) {
        return tq__nomem("metrics", err);
    }
    metrics->env = *env;
    metrics->last = &metrics->families;
    pthread_mutex_init(&metrics->lock, NULL);
    *out_metrics = metrics;
    return TQ_OK;
}

static void free_family(const struct tq_env *env, struct family *family)
{
    while (family->series) {
        struct app_series *next = family->series->next;
        tq__release(env, family->series->labels);
        tq__release(env, family->series);
        family->series = next;
    }
    tq__release(env, family->name);
    tq__release(env, family->help);
    tq__release(env, family);
}

void app_metrics_free(struct app_metrics *metrics)
{
    if (!metrics) {
        return;
    }
    struct tq_env env = metrics->env;
    while (metrics->families) {
        struct family *next = metrics->families->next;
        free_family(&env, metrics->families);
        metrics->families = next;
    }
    pthread_mutex_destroy(&metrics->lock);
    tq__release(&env, metrics);
}

/* ---- making: with the lock held ---- */

static struct family *family_of(struct app_metrics *metrics, const char *name, const char *help,
                                enum kind kind)
{
    for (struct family *at = metrics->families; at; at = at->next) {
        if (strcmp(at->name, name) == 0) {
            return at->kind == kind ? at : NULL;
        }
    }
    struct family *family = tq__alloc(&metrics->env, 1, sizeof *family);
    if (!family) {
        return NULL;
    }
    family->kind = kind;
    family->name = tq__strdup(&metrics->env, name);
    family->help = tq__strdup(&metrics->env, help);
    if (!family->name || !family->help) {
        free_family(&metrics->env, family);
        return NULL;
    }
    *metrics->last = family;
    metrics->last = &family->next;
    return family;
}

static struct app_series *series_of(struct app_metrics *metrics, struct family *family,
                                    const char *labels)
{
    struct app_series **last = &family->series;
    for (; *last; last = &(*last)->next) {
        if (strcmp((*last)->labels, labels) == 0) {
            return *last;
        }
    }
    struct app_series *series = tq__alloc(&metrics->env, 1, sizeof *series);
    char *copy = tq__strdup(&metrics->env, labels);
    if (!series || !copy) {
        tq__release(&metrics->env, series);
        tq__release(&metrics->env, copy);
        return NULL;
    }
    series->labels = copy;
    *last = series;
    return series;
}

static struct app_series *make(struct app_metrics *metrics, const char *name, const char *help,
                               const char *labels, enum kind kind)
{
    pthread_mutex_lock(&metrics->lock);
    struct family *family = family_of(metrics, name, help, kind);
    struct app_series *series = family ? series_of(metrics, family, labels ? labels : "") : NULL;
    pthread_mutex_unlock(&metrics->lock);
    return series ? series : &metrics->nobody;
}

struct app_series *app_counter(struct app_metrics *metrics, const char *name, const char *help,
                               const char *labels)
{
    return make(metrics, name, help, labels, COUNTER);
}

struct app_series *app_gauge(struct app_metrics *metrics, const char *name, const char *help,
                             const char *labels)
{
    return make(metrics, name, help, labels, GAUGE);
}

struct app_series *app_histogram(struct app_metrics *metrics, const char *name, const char *help,
                                 const char *labels)
{
    return make(metrics, name, help, labels, HISTOGRAM);
}

void app_gauge_ask(struct app_metrics *metrics, const char *name, const char *help,
                   const char *labels, app_gauge_fn *ask, void *arg)
{
    struct app_series *series = make(metrics, name, help, labels, GAUGE);
    pthread_mutex_lock(&metrics->lock);
    series->ask = ask;
    series->arg = arg;
    pthread_mutex_unlock(&metrics->lock);
}

/* ---- counting ---- */

void app_series_add(struct app_series *series, int64_t amount)
{
    atomic_fetch_add_explicit(&series->value, amount, memory_order_relaxed);
}

void app_series_set(struct app_series *series, int64_t value)
{
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
}

void app_series_observe_us(struct app_series *series, uint64_t duration_us)
{
    int bucket = 0;
    while (bucket < BUCKETS && duration_us > bucket_us[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&series->sum_us, duration_us, memory_order_relaxed);
}

/* ---- telling ---- */

static void write_sample(struct tq__buf *text, const char *name, const char *labels, double value)
{
    if (*labels) {
        tq__buf_format(text, "%s{%s} %.17g\n", name, labels, value);
    } else {
        tq__buf_format(text, "%s %.17g\n", name, value);
    }
}

static void write_histogram(struct tq__buf *text, const char *name, struct app_series *series)
{
    const char *comma = *series->labels ? "," : "";
    uint64_t count = 0;
    char total[160];
    for (int i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
        tq__buf_format(text, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, series->labels, comma,
                       i < BUCKETS ? bucket_text[i] : "+Inf", (unsigned long long)count);
    }
    snprintf(total, sizeof total, "%s_sum", name);
    write_sample(text, total, series->labels,
                 (double)atomic_load_explicit(&series->sum_us, memory_order_relaxed) / 1e6);
    snprintf(total, sizeof total, "%s_count", name);
    write_sample(text, total, series->labels, (double)count);
}

static void write_family(struct tq__buf *text, const struct family *family)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    tq__buf_format(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                   types[family->kind]);
    for (struct app_series *at = family->series; at; at = at->next) {
        if (family->kind == HISTOGRAM) {
            write_histogram(text, family->name, at);
        } else {
            write_sample(text, family->name, at->labels,
                         at->ask ? at->ask(at->arg)
                                 : (double)atomic_load_explicit(&at->value, memory_order_relaxed));
        }
    }
}

void app_metrics_write(struct app_metrics *metrics, struct tq__buf *text)
{
    pthread_mutex_lock(&metrics->lock);
    for (struct family *at = metrics->families; at; at = at->next) {
        write_family(text, at);
    }
    pthread_mutex_unlock(&metrics->lock);
}
