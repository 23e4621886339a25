/* SPDX-License-Identifier: MIT */
/*
 * Counters, gauges and histograms, told in the Prometheus text format.
 *
 * Names begin with ticketq_ (or are those of OpenTelemetry) and end with their
 * unit: _seconds, _bytes, _total for counters. No id of a person, hold or seat
 * ever becomes a label. A series is made once and kept; adding to it is one
 * atomic addition. Threads: [any].
 */
#ifndef TICKETQ_APP_METRICS_H
#define TICKETQ_APP_METRICS_H

#include <ticketq/env.h>
#include <ticketq/status.h>

#include "core/bytes.h"

struct app_metrics;
struct app_series;

int app_metrics_new(const struct tq_env *env, struct app_metrics **out_metrics,
                    struct tq_error *err);
void app_metrics_free(struct app_metrics *metrics);

/*
 * The series of a name and a set of labels, `outcome="taken"`; made when it is new. `labels` may
 * be NULL. Never NULL: without memory it is one that nobody sees.
 */
struct app_series *app_counter(struct app_metrics *metrics, const char *name, const char *help,
                               const char *labels);
struct app_series *app_gauge(struct app_metrics *metrics, const char *name, const char *help,
                             const char *labels);
/* In seconds, with the buckets of OpenTelemetry for HTTP. */
struct app_series *app_histogram(struct app_metrics *metrics, const char *name, const char *help,
                                 const char *labels);
void app_series_add(struct app_series *series, int64_t amount);
void app_series_set(struct app_series *series, int64_t value);
void app_series_observe_us(struct app_series *series, uint64_t duration_us);

/* A gauge whose value is asked for when the metrics are read. */
typedef double app_gauge_fn(void *arg);
void app_gauge_ask(struct app_metrics *metrics, const char *name, const char *help,
                   const char *labels, app_gauge_fn *ask, void *arg);

/* All of them as text. */
void app_metrics_write(struct app_metrics *metrics, struct tq__buf *text);

#endif
