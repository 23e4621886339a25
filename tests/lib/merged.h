/* SPDX-License-Identifier: MIT */
/*
 * A batch of a known size: requests of many threads, merged into one transaction.
 *
 * A first request's body waits until all others stand in the combiner's queue, so the next
 * leader takes all of them.
 */
#ifndef TESTS_LIB_MERGED_H
#define TESTS_LIB_MERGED_H

#include <stddef.h>

#include <ticketq/ledger.h>

#define MERGED_MAX 64

/*
 * Run `call(arg, n)` for n = 0 to count-1 on threads of their own, each of which makes one
 * request to `store`. `begin` runs before the first of them, when nothing else is going on.
 */
void merged_run(tq_store *store, size_t count, void (*call)(void *arg, size_t n), void *arg,
                void (*begin)(void *arg), void *begin_arg);

#endif
