/* SPDX-License-Identifier: MIT */
/*
 * The outbox as the host sees it: saving events, looking at them, and the
 * operator's retry. relay.c publishes them.
 *
 * A row is pending until a relay has its delivery report and removes it. It
 * belongs to one of 64 partitions by the hash of its key, decided here, once.
 * When a relay had to give up on an event, the key is parked: a row in
 * outbox_blocked without a time, and all rows of the key wait for tq_outbox_retry().
 * Threads: [any]; append belongs to its transaction.
 */
#include "outbox/event.h"

#include <string.h>

#include "core/args.h"
#include "core/env.h"
#include "outbox/outbox_sql.h"
#include "store/ledger.h"

#define ORIGIN "outbox"
#define APPEND_PARAMS 10

static const struct tq_migration migrations[] = {
    {sizeof(struct tq_migration), "tq_outbox", 1, 0, OUTBOX_schema_1},
    {sizeof(struct tq_migration), "tq_outbox", 2, 0, OUTBOX_schema_2},
};

int tq_outbox_prepare(tq_store *store, struct tq_error *err)
{
    return tq_ledger_migrate(store, migrations, sizeof migrations / sizeof *migrations, err);
}

int tq__outbox_check(tq_store *store, struct tq_error *err)
{
    const size_t steps = sizeof migrations / sizeof *migrations;
    struct tq_error why = TQ_ERROR_INIT;
    int64_t version = 0;
    int status = tq__ledger_version(store, migrations[0].scope, &version, &why);
    if (status == TQ_E_INVALID || (status == TQ_OK && version < (int64_t)steps)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN,
                        "the tables of outbox and inbox are at step %lld of %zu: "
                        "tq_outbox_prepare() comes first%s%s",
                        (long long)version, steps, why.message[0] ? ": " : "", why.message);
    }
    return TQ_OK;
}

/* ---- append ---- */

/* Rows of parameters and what they point into. */
struct batch {
    const struct tq_env *env;
    struct tq_value *params;
    char (*ids)[37];
    unsigned char (*chance)[TQ__UUID7_CHANCE]; /* for an id each; drawn for all at once */
    int is_drawn;
    size_t count;
    uint64_t partitions; /* that are appended to */
    int has_old_ids;     /* somebody may have appended some of them before */
    size_t *headers_at;
    struct tq__buf headers;
};

static void batch_done(struct batch *batch)
{
    tq__release(batch->env, batch->params);
    tq__release(batch->env, batch->ids);
    tq__release(batch->env, batch->chance);
    tq__release(batch->env, batch->headers_at);
    tq__buf_done(&batch->headers);
}

static int batch_make(struct batch *batch, const struct tq_env *env, size_t count,
                      struct tq_error *err)
{
    *batch = (struct batch){.env = env, .headers = TQ__BUF(env), .count = count};
    batch->params = tq__alloc(env, count * APPEND_PARAMS, sizeof *batch->params);
    batch->ids = tq__alloc(env, count, sizeof *batch->ids);
    batch->chance = tq__alloc(env, count, sizeof *batch->chance);
    batch->headers_at = tq__alloc(env, count + 1, sizeof *batch->headers_at);
    int is_made = batch->params && batch->ids && batch->chance && batch->headers_at;
    return is_made ? TQ_OK : tq__nomem(ORIGIN, err);
}

static int make_id(struct batch *batch, size_t place, int64_t now_ms, struct tq_error *err)
{
    if (!batch->is_drawn) {
        TQ_TRY(tq__random(batch->env, batch->chance, batch->count * sizeof *batch->chance, err));
        batch->is_drawn = 1;
    }
    tq__uuid7_of(now_ms, batch->chance[place], batch->ids[place]);
    return TQ_OK;
}

static int put_event(struct batch *batch, size_t place, const struct tq_event *event,
                     int64_t now_ms, struct tq_error *err)
{
    struct tq_value *params = batch->params + place * APPEND_PARAMS;
    const char *id = event->id;
    if (!id) {
        TQ_TRY(make_id(batch, place, now_ms, err));
        id = batch->ids[place];
    } else {
        batch->has_old_ids |= !event->is_id_new;
    }
    tq__event_put_headers(&batch->headers, event);
    batch->headers_at[place + 1] = batch->headers.bytes;
    params[0] = tq_text(id);
    params[1] = tq_int(tq__partition_of(event->key));
    batch->partitions |= 1ull << tq__partition_of(event->key);
    params[2] = tq_text(event->topic);
    params[3] = tq_text(event->key);
    params[4] = tq_text(event->type);
    params[5] = tq_text(event->aggregate_type);
    params[6] = tq_text(event->aggregate_id);
    params[7] = tq_int(now_ms);
    params[9] = tq_text_of(event->payload, event->payload_bytes);
    return TQ_OK;
}

/* The buffer has come to rest: now the headers can be pointed at. */
static int put_headers(struct batch *batch, size_t count, struct tq_error *err)
{
    TQ_TRY(tq__buf_check(&batch->headers, ORIGIN, err));
    for (size_t i = 0; i < count; i++) {
        size_t from = batch->headers_at[i], to = batch->headers_at[i + 1];
        batch->params[i * APPEND_PARAMS + 8] =
            tq_text_of(to > from ? batch->headers.data + from : "", to - from);
    }
    return TQ_OK;
}

static int append(tq_tx *tx, struct batch *batch, const struct tq_event *events, size_t count,
                  struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct tq_event event;
        TQ_TRY(tq__event_read(&event, tq__args_at(events, i), err));
        TQ_TRY(put_event(batch, i, &event, tq_tx_now_ms(tx), err));
    }
    TQ_TRY(put_headers(batch, count, err));
    tq__tx_tell(tx, batch->partitions);
    return batch->has_old_ids
               ? tq_tx_exec_many(tx, OUTBOX_append, batch->params, APPEND_PARAMS, count, NULL, err)
               : tq_tx_write(tx, OUTBOX_append, batch->params, APPEND_PARAMS, count, NULL, err);
}

int tq_outbox_append(tq_tx *tx, const struct tq_event *events, size_t count, struct tq_error *err)
{
    struct batch batch;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, tx));
    TQ_TRY(tq__args_count(count, TQ_BATCH_MAX, "count", ORIGIN, err));
    TQ_TRY(TQ__CHECK(events, count, ORIGIN, err));
    int status = batch_make(&batch, tq_tx_env(tx), count, err);
    if (status == TQ_OK) {
        status = append(tx, &batch, events, count, err);
    }
    batch_done(&batch);
    return status;
}

/* ---- looking ---- */

struct stats_read {
    struct tq_outbox_stats stats;
    int64_t now_ms;
};

static int on_stats(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct stats_read *read = arg;
    (void)columns_count;
    read->stats.parked = (uint64_t)columns[1].integer;
    read->stats.pending = (uint64_t)columns[0].integer - read->stats.parked;
    if (columns[2].type == TQ_INT && columns[2].integer < read->now_ms) {
        read->stats.oldest_ms = read->now_ms - columns[2].integer;
    }
    return TQ_OK;
}

static int read_stats(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct stats_read *read = arg;
    read->stats = (struct tq_outbox_stats){.size = sizeof read->stats};
    read->now_ms = tq_tx_now_ms(tx);
    return tq_tx_exec(tx, OUTBOX_stats, NULL, 0, on_stats, read, err);
}

int tq_outbox_stats(tq_store *store, struct tq_outbox_stats *out_stats, struct tq_error *err)
{
    struct stats_read read;
    TQ_TRY(TQ__CHECK(out_stats, 1, ORIGIN, err));
    TQ_TRY(tq_ledger_read(store, read_stats, &read, err));
    TQ__WRITE(out_stats, &read.stats);
    return TQ_OK;
}

struct parked_read {
    size_t limit;
    tq_parked_fn *visit;
    void *arg;
    struct tq__buf text;
};

static int on_parked(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct parked_read *read = arg;
    struct tq__row row;
    struct tq__event_parts parts;
    struct tq_parked parked = {.size = sizeof parked};
    (void)columns_count;
    tq__buf_clear(&read->text);
    tq__row_keep(&row, &read->text, columns);
    if (read->text.is_failed) {
        return TQ_E_NOMEM;
    }
    tq__row_event(&row, &read->text, &parked.event, &parts);
    parked.attempts = row.attempts;
    parked.reason = columns[TQ__ROW_COLUMNS].data;
    return read->visit(read->arg, &parked);
}

static int read_parked(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct parked_read *read = arg;
    const struct tq_value params[] = {tq_int((int64_t)read->limit)};
    return tq_tx_exec(tx, OUTBOX_parked, params, 1, on_parked, read, err);
}

int tq_outbox_parked(tq_store *store, size_t limit, tq_parked_fn *visit, void *arg,
                     struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, store, visit));
    TQ_TRY(tq__args_count(limit, INT32_MAX, "limit", ORIGIN, err));
    struct parked_read read = {limit, visit, arg, TQ__BUF(tq__store_env(store))};
    int status = tq_ledger_read(store, read_parked, &read, err);
    tq__buf_done(&read.text);
    return status;
}

/* ---- the operator's retry ---- */

static int on_key(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    tq__id_copy(arg, columns[0].data);
    return TQ_OK;
}

static int retry(tq_tx *tx, void *arg, struct tq_error *err)
{
    char key[TQ_ID_SIZE] = "";
    const struct tq_value id[] = {tq_text(arg)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_parked_key, id, 1, on_key, key, err));
    if (!key[0]) {
        return TQ_GONE;
    }
    const struct tq_value of_key[] = {tq_text(key)};
    tq__tx_tell(tx, 1ull << tq__partition_of(key));
    TQ_TRY(tq_tx_exec(tx, OUTBOX_retry, of_key, 1, NULL, NULL, err));
    return tq_tx_exec(tx, OUTBOX_retry_rows, of_key, 1, NULL, NULL, err);
}

int tq_outbox_retry(tq_store *store, const char *event_id, struct tq_error *err)
{
    TQ_TRY(tq__id_check(event_id, "event_id", ORIGIN, err));
    return tq_ledger_run(store, retry, (void *)(uintptr_t)event_id, err);
}
