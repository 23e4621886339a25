/* SPDX-License-Identifier: MIT */
/*
 * Latencies in log-linear buckets, after the idea of HdrHistogram: each doubling
 * of the value is cut into HISTOGRAM_STEPS equal parts, so that the relative
 * error is the same for a microsecond and for a minute. Values below
 * HISTOGRAM_STEPS are kept exactly, values beyond the last bucket in the last
 * one; the maximum is kept apart. Cost: O(1) to add, O(buckets) for a quantile.
 */
#include "histogram.h"

static unsigned bucket_of(int64_t value)
{
    uint64_t rest = value > 0 ? (uint64_t)value : 0;
    unsigned doublings = 0;
    while (rest >= 2 * HISTOGRAM_STEPS) {
        rest >>= 1;
        doublings++;
    }
    unsigned bucket = doublings * HISTOGRAM_STEPS + (unsigned)rest;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static int64_t top_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned doublings = bucket / HISTOGRAM_STEPS - 1;
    int64_t rest = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((rest + 1) << doublings) - 1;
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    histogram->count++;
    histogram->max = value > histogram->max ? value : histogram->max;
    histogram->buckets[bucket_of(value)]++;
}

int64_t histogram_quantile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.5), seen = 0;
    wanted = wanted ? wanted : 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            return top_of(i) < histogram->max ? top_of(i) : histogram->max;
        }
    }
    return histogram->max;
}
