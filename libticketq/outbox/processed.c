/* SPDX-License-Identifier: MIT */
/*
 * The table of claims: which consumer has dealt with which event.
 *
 * A claim is an insert that may find itself there already; made first in the
 * handler's transaction, it makes a second delivery at the same time wait for the
 * first one's end and then find it. Cleaning goes by age and in bounded pieces;
 * keep claims longer than any event can come again. Threads: [any].
 */
#include <ticketq/outbox.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "outbox/outbox_sql.h"
#include "store/store.h"

#define ORIGIN "outbox.inbox"

static int check(tq_tx *tx, const char *consumer, const char *const *event_ids, size_t count,
                 const uint8_t *out_fresh, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, tx, event_ids, out_fresh));
    TQ_TRY(tq__args_count(count, TQ_BATCH_MAX, "count", ORIGIN, err));
    TQ_TRY(tq__id_check(consumer, "consumer", ORIGIN, err));
    for (size_t i = 0; i < count; i++) {
        TQ_TRY(tq__id_check(event_ids[i], "event id", ORIGIN, err));
    }
    return TQ_OK;
}

static int claim(tq_tx *tx, const char *consumer, const char *const *event_ids, size_t count,
                 struct tq_value *params, uint32_t *changed, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        params[3 * i] = tq_text(consumer);
        params[3 * i + 1] = tq_text(event_ids[i]);
        params[3 * i + 2] = tq_int(tq_tx_now_ms(tx));
    }
    return tq_tx_write(tx, OUTBOX_claim, params, 3, count, changed, err);
}

int tq_inbox_claim(tq_tx *tx, const char *consumer, const char *const *event_ids, size_t count,
                   uint8_t *out_fresh, struct tq_error *err)
{
    TQ_TRY(check(tx, consumer, event_ids, count, out_fresh, err));
    const struct tq_env *env = tq_tx_env(tx);
    struct tq_value *params = tq__alloc(env, 3 * count, sizeof *params);
    uint32_t *changed = tq__alloc(env, count, sizeof *changed);
    int status = params && changed ? claim(tx, consumer, event_ids, count, params, changed, err)
                                   : tq__nomem(ORIGIN, err);
    for (size_t i = 0; status == TQ_OK && i < count; i++) {
        out_fresh[i] = changed[i] > 0;
    }
    tq__release(env, params);
    tq__release(env, changed);
    return status;
}

struct cleaning {
    int64_t age_ms;
    size_t limit;
};

static int clean(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct cleaning *cleaning = arg;
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx) - cleaning->age_ms),
                                      tq_int((int64_t)cleaning->limit)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_clean, params, 2, NULL, NULL, err));
    return tq_tx_changed(tx) ? TQ_OK : TQ_EMPTY;
}

int tq_inbox_clean(tq_store *store, int64_t age_ms, size_t limit, struct tq_error *err)
{
    struct cleaning cleaning = {age_ms, limit};
    if (age_ms < 0) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "age_ms is negative");
    }
    TQ_TRY(tq__args_count(limit, INT32_MAX, "limit", ORIGIN, err));
    return tq_ledger_run(store, clean, &cleaning, err);
}
