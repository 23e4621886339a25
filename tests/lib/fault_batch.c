/* SPDX-License-Identifier: MIT */
/*
 * A table, and batches of writers that meet a fault. See the header.
 */
#include "lib/fault_batch.h"

#include "lib/ask.h"
#include "lib/unit.h"

tq_store *fault_batch_open(const struct tq_env *env)
{
    static const struct tq_migration step = {
        sizeof step, "t", 1, 0,
        "CREATE TABLE t (id BIGINT PRIMARY KEY,"
        " parent BIGINT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)"};
    struct tq_error err = TQ_ERROR_INIT;
    tq_store *store = fault_ledger_open(env);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
    fault_plan_set(FAULT_NONE, 0, 0);
    return store;
}

static void set(void *arg)
{
    const struct fault *fault = arg;
    fault_plan_set(fault->kind, fault->slots, fault->at);
    fault_plan.status = fault->status;
}

void fault_batch_run(tq_store *store, size_t count, void (*call)(void *arg, size_t n), void *arg,
                     struct fault fault)
{
    merged_run(store, count, call, arg, set, &fault);
}

int64_t fault_batch_rows(tq_store *store)
{
    fault_plan_set(FAULT_NONE, 0, 0);
    return ask_number(store, "SELECT count(*) FROM t", NULL);
}
