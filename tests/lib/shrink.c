/* SPDX-License-Identifier: MIT */
/*
 * Delta debugging: cut behind the failure, then leave out halves, quarters, ...
 * single operations, as long as what is left still fails; start over after each
 * success with single ones, until none can go.
 */
#include "lib/shrink.h"

#include <stdlib.h>
#include <string.h>

/* Copies all but `length` operations at `at`; returns how many those are. */
static size_t without(char *target, const char *all, size_t count, size_t at, size_t length,
                      size_t size)
{
    length = length < count - at ? length : count - at;
    memcpy(target, all, at * size);
    memcpy(target + at * size, all + (at + length) * size, (count - at - length) * size);
    return count - length;
}

size_t shrink(void *operations, size_t count, size_t size, shrink_run_fn *run, void *arg)
{
    size_t failed = run(arg, operations, count);
    if (failed == count) {
        return 0;
    }
    char *trial = malloc(count * size);
    count = failed + 1;
    for (size_t length = count / 2; trial && length > 0;) {
        int is_smaller = 0;
        for (size_t at = 0; at < count && count > 1;) {
            size_t left = without(trial, operations, count, at, length, size);
            failed = left ? run(arg, trial, left) : left;
            if (failed < left) {
                count = failed + 1;
                memcpy(operations, trial, count * size);
                is_smaller = 1;
            } else {
                at += length;
            }
        }
        length = length > 1 ? length / 2 : (size_t)is_smaller;
    }
    free(trial);
    run(arg, operations, count);
    return count;
}
