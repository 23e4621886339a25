/* SPDX-License-Identifier: MIT */
/*
 * The public functions of the ledger, and what it keeps for each store.
 *
 * A writing request goes to the store's combiner (core/combine): whoever comes
 * first runs everybody's requests as merge.c describes, so that a commit serves
 * as many callers as came during the one before. A reading request takes a
 * connection of its own and waits for nobody.
 *
 * A body that asked the same store for another transaction would wait for the
 * lock that it holds itself. So each running transaction is listed with its
 * thread, and a thread that is listed is refused; the list is as short as the
 * driver has connections.
 *
 * Threads: [any]. `running.lock` guards its list. No lock is held while a body runs.
 */
#include "store/ledger.h"

#include "core/args.h"
#include "core/env.h"

static void get_ready(void *owner)
{
    tq__ledger_begin_early(owner);
}

static void run_batch(void *owner, struct tq__combine_item *first, size_t count)
{
    struct tq__run *run = (struct tq__run *)first;
    if (count == 1) {
        tq__ledger_run_alone(owner, TQ_TX_WRITE, run);
    } else {
        tq__ledger_run_merged(owner, run);
    }
}

static int is_complete(const struct tq_ledger_driver *driver)
{
    return driver->begin && driver->exec && driver->script && driver->savepoint &&
           driver->release && driver->rollback_to && driver->commit && driver->rollback &&
           driver->adopt && driver->disown;
}

int tq__ledger_attach(tq_store *store, uint32_t busy_timeout_ms, void **out_attachment,
                      struct tq_error *err)
{
    const struct tq_env *env = tq__store_env(store);
    const struct tq_ledger_driver *driver = tq__store_ledger(store);
    if (!is_complete(driver)) {
        return tq__fail(err, TQ_E_ABI, "store.ledger", "a required slot is NULL");
    }
    struct tq__ledger *ledger = tq__alloc(env, 1, sizeof *ledger);
    if (!ledger) {
        return tq__nomem("ledger", err);
    }
    ledger->driver = driver;
    ledger->state = tq__store_state(store);
    ledger->env = env;
    ledger->busy_timeout_ms = busy_timeout_ms;
    pthread_mutex_init(&ledger->running.lock, NULL);
    tq__news_init(ledger);
    tq__combine_init(&ledger->combine, TQ_EACH_MAX, run_batch, ledger);
    ledger->combine.ready = get_ready;
    *out_attachment = ledger;
    return TQ_OK;
}

void tq__ledger_detach(void *attachment)
{
    struct tq__ledger *ledger = attachment;
    tq__combine_done(&ledger->combine);
    tq__news_done(ledger);
    pthread_mutex_destroy(&ledger->running.lock);
    tq__release(ledger->env, ledger);
}

uint64_t tq__ledger_life(tq_store *store)
{
    const struct tq__ledger *ledger = tq__store_attachment(store);
    return ledger->driver->life ? ledger->driver->life(ledger->state) : 0;
}

int tq__ledger_of(tq_store *store, struct tq__ledger **out_ledger, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE("ledger", err, store));
    if (!tq__store_ledger(store)) {
        return tq__fail(err, TQ_E_UNSUPPORTED, "ledger", "the store has no ledger");
    }
    *out_ledger = tq__store_attachment(store);
    return TQ_OK;
}

int tq__ledger_check_nesting(struct tq__ledger *ledger, struct tq_error *err)
{
    const pthread_t self = pthread_self();
    int is_nested = 0;
    pthread_mutex_lock(&ledger->running.lock);
    for (const tq_tx *tx = ledger->running.first; tx && !is_nested; tx = tx->next) {
        is_nested = pthread_equal(tx->thread, self);
    }
    pthread_mutex_unlock(&ledger->running.lock);
    if (is_nested) {
        return tq__fail(err, TQ_E_INVALID, "ledger",
                        "a transaction of this store is running on this thread: use it");
    }
    return TQ_OK;
}

/* The store's ledger, ready for a request of this thread. */
static int enter(tq_store *store, struct tq__ledger **out_ledger, struct tq_error *err)
{
    TQ_TRY(tq__ledger_of(store, out_ledger, err));
    return tq__ledger_check_nesting(*out_ledger, err);
}

static int submit(tq_store *store, struct tq__run *run, struct tq_error *err)
{
    struct tq__ledger *ledger = NULL;
    TQ_TRY(enter(store, &ledger, err));
    tq__combine_submit(&ledger->combine, &run->item);
    return tq__run_result(run, err);
}

int tq_ledger_run(tq_store *store, tq_tx_fn *fn, void *arg, struct tq_error *err)
{
    struct tq__run run = TQ__RUN(fn, arg);
    TQ_TRY(TQ__REQUIRE("ledger", err, fn));
    return submit(store, &run, err);
}

int tq_ledger_run_each(tq_store *store, tq_tx_each_fn *fn, void *arg, struct tq_error *err)
{
    struct tq__run run = TQ__RUN_EACH(fn, arg);
    TQ_TRY(TQ__REQUIRE("ledger", err, fn));
    return submit(store, &run, err);
}

int tq__ledger_run_many(tq_store *store, struct tq__run *runs, size_t count, struct tq_error *err)
{
    struct tq__ledger *ledger = NULL;
    TQ_TRY(enter(store, &ledger, err));
    tq__combine_submit_many(&ledger->combine, runs, sizeof *runs, count);
    return TQ_OK;
}

int tq_ledger_read(tq_store *store, tq_tx_fn *fn, void *arg, struct tq_error *err)
{
    struct tq__ledger *ledger = NULL;
    struct tq__run run = TQ__RUN(fn, arg);
    TQ_TRY(TQ__REQUIRE("ledger", err, fn));
    TQ_TRY(enter(store, &ledger, err));
    tq__ledger_run_alone(ledger, TQ_TX_READ, &run);
    return tq__run_result(&run, err);
}
