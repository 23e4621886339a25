/* SPDX-License-Identifier: MIT */
/*
 * histogram.c: quantiles are those of the sorted values to 1.6 %, small values
 * are exact, and no value is lost at either end.
 */
#include "histogram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

#define COUNT 20000

static int failed;

static void expect(int is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "not so: %s\n", what);
        failed = 1;
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Values over six decades, as latencies are. */
static void compare_with_sorted(struct histogram *histogram)
{
    static int64_t values[COUNT];
    static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    struct chance chance = chance_of(1, 1);
    memset(histogram, 0, sizeof *histogram);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (int64_t)pow(10, chance_unit(&chance) * 6);
        histogram_add(histogram, values[i]);
    }
    qsort(values, COUNT, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double exact = (double)values[(size_t)(shares[i] * COUNT + 0.5) - 1];
        double told = (double)histogram_quantile(histogram, shares[i]);
        expect(told >= exact && told <= exact * (1 + 1.0 / HISTOGRAM_STEPS), "a quantile is near");
    }
}

int main(void)
{
    static struct histogram histogram;
    expect(histogram_quantile(&histogram, 0.5) == 0, "nothing has a quantile of 0");
    for (int64_t value = 1; value <= 100; value++) {
        histogram_add(&histogram, value);
    }
    expect(histogram_quantile(&histogram, 0.5) == 50, "small values are exact");
    expect(histogram_quantile(&histogram, 0.99) == 99, "small values are exact near the end");
    histogram_add(&histogram, INT64_MAX);
    histogram_add(&histogram, -5);
    expect(histogram.count == 102 && histogram.max == INT64_MAX, "every value counts");
    expect(histogram_quantile(&histogram, 1) > 100000000000, "the last bucket takes the rest");
    compare_with_sorted(&histogram);
    return failed;
}
