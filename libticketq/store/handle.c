/* SPDX-License-Identifier: MIT */
/*
 * What others may ask of an open store. Everything but the count of references
 * is constant while it is open. Threads: [any].
 */
#include "store/handle.h"

#include "core/args.h"
#include "core/error.h"

tq_store *tq__store_ref(tq_store *store)
{
    atomic_fetch_add(&store->references, 1);
    return store;
}

struct tq__listeners *tq__store_listeners(tq_store *store)
{
    return &store->listeners;
}

const struct tq_env *tq__store_env(const tq_store *store)
{
    return &store->env;
}

void *tq__store_state(const tq_store *store)
{
    return store->state;
}

void *tq__store_attachment(const tq_store *store)
{
    return store->attachment;
}

const struct tq_room_driver *tq__store_room(const tq_store *store)
{
    return store->driver.room ? &store->room : NULL;
}

const struct tq_hold_driver *tq__store_hold(const tq_store *store)
{
    return store->driver.hold ? &store->hold : NULL;
}

const struct tq_ledger_driver *tq__store_ledger(const tq_store *store)
{
    return store->driver.ledger ? &store->ledger : NULL;
}

uint32_t tq_store_caps(const tq_store *store)
{
    if (!store) {
        return 0;
    }
    return (store->driver.caps & (TQ_STORE_DURABLE | TQ_STORE_SHARED | TQ_STORE_SERIAL)) |
           (store->driver.room ? TQ_STORE_ROOM : 0) | (store->driver.hold ? TQ_STORE_HOLD : 0) |
           (store->driver.ledger ? TQ_STORE_LEDGER : 0);
}

int tq_store_now(tq_store *store, int64_t *out_now_ms, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE("store", err, store, out_now_ms));
    return store->driver.now(store->state, out_now_ms, err);
}
