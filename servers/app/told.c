/* SPDX-License-Identifier: MIT */
/*
 * Tells events and keeps a journal of them, so that an audit can compare what
 * was told with what was applied.
 *
 * A relay removes an event from the outbox when the transport has it; the
 * journal row stays. A row here without its twin in a consumer's
 * processed_events is an event that was lost; a twin without a row is one that
 * nobody told. The journal is cleaned before the inbox, so that age alone never
 * looks like a loss.
 *
 * Threads: app_tell() belongs to its transaction, the others: [any].
 */
#include "app/told.h"

#include "app/rows.h"
#include "app_told_sql.h"
#include "core/error.h"

#define ORIGIN "app.told"

int app_told_prepare(tq_store *store, struct tq_error *err)
{
    const struct tq_migration migration = {
        .size = sizeof migration, .scope = "told", .version = 1, .sql = TOLD_v1};
    return tq_ledger_migrate(store, &migration, 1, err);
}

int app_tell(tq_tx *tx, const struct tq_event *event, const struct tq__buf *payload,
             struct tq_error *err)
{
    char id[37];
    struct tq_event told = *event;
    TQ_TRY(tq__buf_check(payload, ORIGIN, err));
    TQ_TRY(tq__uuid7(tq_tx_env(tx), tq_tx_now_ms(tx), id, err));
    told.id = id;
    told.is_id_new = 1;
    told.payload = payload->data;
    told.payload_bytes = payload->bytes;
    TQ_TRY(tq_outbox_append(tx, &told, 1, err));
    const struct tq_value row[] = {tq_text(id), tq_text(event->type), tq_text(event->topic),
                                   tq_text(event->key ? event->key : event->aggregate_id),
                                   tq_int(tq_tx_now_ms(tx))};
    return tq_tx_write(tx, TOLD_add, row, 5, 1, NULL, err);
}

int app_told_clean(tq_store *store, int64_t age_ms, size_t limit, struct tq_error *err)
{
    return app_clean(store, TOLD_clean, age_ms, limit, err);
}
