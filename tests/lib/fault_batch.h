/* SPDX-License-Identifier: MIT */
/*
 * Batches of a known size (merged.h) that meet a fault (fault_ledger.h): a store with the
 * table `t (id, parent)`, whose parents are checked by the commit.
 */
#ifndef TESTS_LIB_FAULT_BATCH_H
#define TESTS_LIB_FAULT_BATCH_H

#include "lib/fault_ledger.h"
#include "lib/merged.h"

struct fault {
    int kind;
    unsigned slots;
    long at;
    int status; /* of FAULT_BEFORE */
};

tq_store *fault_batch_open(const struct tq_env *env);
/* merged_run(); the batch, and nothing before it, meets the fault. */
void fault_batch_run(tq_store *store, size_t count, void (*call)(void *arg, size_t n), void *arg,
                     struct fault fault);
/* How many rows there are; faults are over. */
int64_t fault_batch_rows(tq_store *store);

#endif
