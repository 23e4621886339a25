/* SPDX-License-Identifier: MIT */
/*
 * Latencies in log-linear buckets.
 */
#ifndef HERD_HISTOGRAM_H
#define HERD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64 /* per doubling: values are kept to 1.6 % */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 36)

struct histogram {
    uint64_t count;
    int64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, int64_t value);
/* The value that `share` (0 to 1) of all values do not exceed; 0 when empty. */
int64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
