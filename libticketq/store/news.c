/* SPDX-License-Identifier: MIT */
/*
 * Who is told of commits.
 *
 * A body tells news with its transaction, bits of a set (tq__tx_tell). After the commit those
 * of this process who want one of them are called. What nobody here wants somebody elsewhere
 * may: the driver sends it behind the commit, where it can. So a process that alone serves its
 * ledger sends nothing, and several send what is each other's.
 *
 * What others send is heard by the thread of one who waits (listen.c). Nothing may depend on it:
 * news are lost with connections, with processes that die behind their commit, and where the
 * driver has no ear; who waits also looks from time to time.
 *
 * Threads: [any]. Watches are called under `watches.lock`, which is why removing one waits for it.
 */
#include "core/env.h"
#include "store/ledger.h"

static int hear(void *arg, uint32_t timeout_ms, struct tq_error *err)
{
    struct tq__ledger *ledger = arg;
    uint64_t news = 0;
    int status = ledger->driver->listen(ledger->state, timeout_ms, &news, err);
    if (status == TQ_OK) {
        tq__ledger_told(ledger, news);
    }
    return status;
}

static void rouse(void *arg)
{
    struct tq__ledger *ledger = arg;
    ledger->driver->rouse(ledger->state);
}

static int has_ear(const struct tq__ledger *ledger)
{
    return ledger->driver->listen && ledger->driver->rouse && tq__can_park(ledger->env);
}

void tq__news_init(struct tq__ledger *ledger)
{
    pthread_mutex_init(&ledger->watches.lock, NULL);
    tq__listeners_init(&ledger->listeners, hear, rouse, ledger);
}

void tq__news_done(struct tq__ledger *ledger)
{
    tq__listeners_done(&ledger->listeners);
    pthread_mutex_destroy(&ledger->watches.lock);
}

/* ---- telling ---- */

static uint64_t wanted_by(const struct tq__commit_watch *watch)
{
    return __atomic_load_n(&watch->wanted, __ATOMIC_ACQUIRE);
}

void tq__ledger_told(struct tq__ledger *ledger, uint64_t news)
{
    if (!news) {
        return;
    }
    pthread_mutex_lock(&ledger->watches.lock);
    for (struct tq__commit_watch *at = ledger->watches.first; at; at = at->next) {
        if (wanted_by(at) & news) {
            if (has_ear(ledger)) {
                tq__listeners_wake(&ledger->listeners, ledger->env, &at->word);
            }
            at->on_commit(at->arg);
        }
    }
    pthread_mutex_unlock(&ledger->watches.lock);
}

void tq__ledger_tell(const tq_tx *tx)
{
    struct tq__ledger *ledger = tx->ledger;
    uint64_t news = tx->news;
    if (!news || !ledger->driver->tell) {
        return;
    }
    pthread_mutex_lock(&ledger->watches.lock);
    for (const struct tq__commit_watch *at = ledger->watches.first; at; at = at->next) {
        news &= ~wanted_by(at);
    }
    pthread_mutex_unlock(&ledger->watches.lock);
    if (news) {
        ledger->driver->tell(tx->conn, news);
    }
}

/* ---- waiting ---- */

void tq__ledger_watch(tq_store *store, struct tq__commit_watch *watch)
{
    struct tq__ledger *ledger = tq__store_attachment(store);
    pthread_mutex_lock(&ledger->watches.lock);
    watch->next = ledger->watches.first;
    ledger->watches.first = watch;
    pthread_mutex_unlock(&ledger->watches.lock);
}

void tq__ledger_unwatch(tq_store *store, struct tq__commit_watch *watch)
{
    struct tq__ledger *ledger = tq__store_attachment(store);
    pthread_mutex_lock(&ledger->watches.lock);
    struct tq__commit_watch **at = &ledger->watches.first;
    while (*at && *at != watch) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = watch->next;
    }
    pthread_mutex_unlock(&ledger->watches.lock);
}

int tq__ledger_hears(tq_store *store)
{
    return has_ear(tq__store_attachment(store));
}

void tq__ledger_attend(struct tq__commit_watch *watch)
{
    __atomic_store_n(&watch->word, 0, __ATOMIC_RELEASE);
}

void tq__ledger_wait(tq_store *store, struct tq__commit_watch *watch, uint32_t timeout_ms)
{
    struct tq__ledger *ledger = tq__store_attachment(store);
    tq__listeners_park(&ledger->listeners, ledger->env, &watch->word, timeout_ms);
}

void tq__ledger_wake(tq_store *store, struct tq__commit_watch *watch)
{
    struct tq__ledger *ledger = tq__store_attachment(store);
    if (has_ear(ledger)) {
        tq__listeners_wake(&ledger->listeners, ledger->env, &watch->word);
    }
}
