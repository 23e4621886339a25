/* SPDX-License-Identifier: MIT */
/*
 * What rooms, holds and ledgers see of an open store.
 */
#ifndef TQ_STORE_STORE_H
#define TQ_STORE_STORE_H

#include <ticketq/driver/store.h>
#include <ticketq/store.h>

#include "core/error.h"
#include "store/listen.h"

const struct tq_env *tq__store_env(const tq_store *store);
void *tq__store_state(const tq_store *store);
/* NULL when the store lacks the table; otherwise complete: no slot is NULL. */
const struct tq_room_driver *tq__store_room(const tq_store *store);
const struct tq_hold_driver *tq__store_hold(const tq_store *store);
const struct tq_ledger_driver *tq__store_ledger(const tq_store *store);

/* Those who wait at the store for what its front may hear. */
struct tq__listeners *tq__store_listeners(tq_store *store);

tq_store *tq__store_ref(tq_store *store);

/*
 * What the ledger keeps per store (its combiner); created by the first who asks.
 * Owned by the store: ledger.c makes it in tq__ledger_attach() when a store with
 * a ledger is opened and frees it in tq__ledger_detach() before the driver closes.
 */
void *tq__store_attachment(const tq_store *store);
int tq__ledger_attach(tq_store *store, uint32_t busy_timeout_ms, void **out_attachment,
                      struct tq_error *err);
void tq__ledger_detach(void *attachment);

TQ_AUTO_DEFINE(tq_store, tq_store_close)

#endif
