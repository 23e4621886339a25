/* SPDX-License-Identifier: MIT */
/*
 * Telling events and keeping a journal of them.
 */
#ifndef TQ_APP_TOLD_H
#define TQ_APP_TOLD_H

#include <ticketq/outbox.h>

#include "core/bytes.h"

/* Create the journal's table. */
int app_told_prepare(tq_store *store, struct tq_error *err);
/*
 * Append an event with this payload to the outbox and note it, in the caller's transaction.
 * Makes its id. A buffer that has failed is no payload.
 */
int app_tell(tq_tx *tx, const struct tq_event *event, const struct tq__buf *payload,
             struct tq_error *err);
/* Remove up to `limit` notes older than `age_ms`. TQ_EMPTY: none. */
int app_told_clean(tq_store *store, int64_t age_ms, size_t limit, struct tq_error *err);

#endif
