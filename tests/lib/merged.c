/* SPDX-License-Identifier: MIT */
/*
 * Closes a gate in the store's combiner, lets the callers queue up, and opens it. Who
 * queues first is chance.
 */
#include "lib/merged.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/unit.h"
#include "store/ledger.h"

struct gate {
    tq_store *store;
    size_t count; /* who must be waiting before it opens */
    atomic_int is_closed;
    void (*call)(void *arg, size_t n);
    void *arg;
};

struct caller {
    struct gate *gate;
    size_t n;
};

static void pause_ms(tq_store *store)
{
    const struct tq_env *env = tq__store_env(store);
    uint32_t word = 0;
    env->park(env->ctx, &word, 0, 1);
}

static size_t queue_length(tq_store *store)
{
    struct tq__ledger *ledger = tq__store_attachment(store);
    size_t length = 0;
    pthread_mutex_lock(&ledger->combine.lock);
    for (struct tq__combine_item *at = ledger->combine.first; at; at = at->next) {
        length++;
    }
    pthread_mutex_unlock(&ledger->combine.lock);
    return length;
}

static int hold_the_gate(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct gate *gate = arg;
    (void)tx;
    gate->is_closed = 1;
    while (queue_length(gate->store) < gate->count) {
        pause_ms(gate->store);
    }
    return tq__fail(err, TQ_E_LIMIT, "test", "the gate is open");
}

static void *be_the_gate(void *arg)
{
    struct gate *gate = arg;
    struct tq_error err = TQ_ERROR_INIT;
    ck_assert_int_eq(tq_ledger_run(gate->store, hold_the_gate, gate, &err), TQ_E_LIMIT);
    return NULL;
}

static void *be_a_caller(void *arg)
{
    const struct caller *caller = arg;
    caller->gate->call(caller->gate->arg, caller->n);
    return NULL;
}

void merged_run(tq_store *store, size_t count, void (*call)(void *arg, size_t n), void *arg,
                void (*begin)(void *arg), void *begin_arg)
{
    struct gate gate = {.store = store, .count = count, .call = call, .arg = arg};
    struct caller callers[MERGED_MAX];
    pthread_t threads[MERGED_MAX], first;
    ck_assert_uint_le(count, MERGED_MAX);
    ck_assert_int_eq(pthread_create(&first, NULL, be_the_gate, &gate), 0);
    while (!gate.is_closed) {
        pause_ms(store);
    }
    begin(begin_arg);
    for (size_t i = 0; i < count; i++) {
        callers[i] = (struct caller){&gate, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_caller, &callers[i]), 0);
    }
    pthread_join(first, NULL);
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}
