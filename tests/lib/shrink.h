/* SPDX-License-Identifier: MIT */
/*
 * Shrinks a failing sequence of operations to one from which nothing can be left out.
 */
#ifndef TESTS_LIB_SHRINK_H
#define TESTS_LIB_SHRINK_H

#include <stddef.h>

/*
 * Carries out operations in a fresh world. Returns how many went well: `count`
 * when all did, the index of the first that failed otherwise.
 */
typedef size_t shrink_run_fn(void *arg, const void *operations, size_t count);

/*
 * Runs a sequence: 0 when all went well, else it is shrunk in place and the new count is
 * returned. The last run is then that of the sequence that is left.
 */
size_t shrink(void *operations, size_t count, size_t size, shrink_run_fn *run, void *arg);

#endif
