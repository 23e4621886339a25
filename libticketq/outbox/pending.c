/* SPDX-License-Identifier: MIT */
/*
 * Finds rows that are to be published and are not yet under way.
 *
 * The outbox is read as a set, never from a position: a row with a low id may
 * become visible after one with a higher id, and is simply found by the next
 * look. First the ids, by an index that holds nothing else, as many as are under
 * way plus as many as there is room for; they and the window are both in order,
 * so that one walk tells what is new. Then the rows between the lowest and the
 * highest new id. Rows of a key that is blocked come out apart, to be marked so
 * that later looks do not meet them again. A look stops at some megabytes.
 *
 * Everything happens on one snapshot; all of it can be thrown away. Threads: the
 * relay's.
 */
#include "outbox/pending.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "outbox/outbox_sql.h"

#define TEXT_MAX 8388608

int tq__pending_open(struct tq__pending *pending, const struct tq_env *env, size_t rows_max,
                     struct tq_error *err)
{
    *pending = (struct tq__pending){.rows_max = rows_max, .text = TQ__BUF(env)};
    pending->rows = tq__alloc(env, rows_max, sizeof *pending->rows);
    pending->behind = tq__alloc(env, rows_max, sizeof *pending->behind);
    pending->due = tq__alloc(env, TQ__DUE_MAX, sizeof *pending->due);
    return pending->rows && pending->behind && pending->due ? TQ_OK : tq__nomem("outbox", err);
}

void tq__pending_done(struct tq__pending *pending)
{
    const struct tq_env *env = pending->text.env;
    if (env) {
        tq__release(env, pending->rows);
        tq__release(env, pending->behind);
        tq__release(env, pending->due);
        tq__buf_done(&pending->text);
    }
}

static int on_due(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__pending *pending = arg;
    (void)columns_count;
    if (pending->due_count < TQ__DUE_MAX) {
        tq__id_copy(pending->due[pending->due_count++], columns[0].data);
    }
    return TQ_OK;
}

/* Ids come in ascending order, as the window is. */
static int is_under_way(struct tq__pending *pending, int64_t id)
{
    while (pending->at && pending->at->number < id) {
        pending->at = pending->at->next;
    }
    return pending->at && pending->at->number == id;
}

static int on_id(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__pending *pending = arg;
    int64_t id = columns[0].integer;
    (void)columns_count;
    if (!is_under_way(pending, id)) {
        pending->low = pending->found ? pending->low : id;
        pending->high = id;
        pending->found++;
    }
    return pending->found < pending->room ? TQ_OK : TQ_FULL;
}

static int on_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__pending *pending = arg;
    int is_behind = columns[TQ__ROW_COLUMNS].integer != 0;
    struct tq__row row;
    (void)columns_count;
    if (is_under_way(pending, columns[0].integer)) {
        return TQ_OK;
    }
    if (pending->rows_count + pending->behind_count >= pending->room ||
        pending->text.bytes > TEXT_MAX) {
        return TQ_FULL;
    }
    tq__row_keep(&row, &pending->text, columns);
    if (is_behind) {
        pending->behind[pending->behind_count++] = row;
    } else {
        pending->rows[pending->rows_count++] = row;
    }
    return TQ_OK;
}

/* A scan that its row function stopped is a scan that went well. */
static int scan(tq_tx *tx, const char *sql, const struct tq_value *params, size_t params_count,
                tq_row_fn *row, struct tq__pending *pending, struct tq_error *err)
{
    pending->at = pending->window->first;
    int status = tq_tx_exec(tx, sql, params, params_count, row, pending, err);
    return status == TQ_FULL ? TQ_OK : status;
}

static int read_rows(tq_tx *tx, struct tq__pending *pending, int64_t mask, struct tq_error *err)
{
    const struct tq_value ids[] = {tq_int(mask),
                                   tq_int((int64_t)(pending->window->count + pending->room))};
    TQ_TRY(scan(tx, OUTBOX_pending_ids, ids, 2, on_id, pending, err));
    if (pending->found == 0) {
        return TQ_OK;
    }
    const struct tq_value range[] = {tq_int(pending->low), tq_int(pending->high), tq_int(mask)};
    TQ_TRY(scan(tx, OUTBOX_pending_rows, range, 3, on_row, pending, err));
    return tq__buf_check(&pending->text, "outbox", err);
}

int tq__pending_read(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct tq__pending *pending = arg;
    int64_t mask = (int64_t)(pending->leases->held & ~pending->leases->leaving);
    pending->rows_count = pending->behind_count = pending->due_count = pending->found = 0;
    tq__buf_clear(&pending->text);
    pending->now_ms = tq_tx_now_ms(tx);
    pending->is_lease_due = tq__leases_are_due(pending->leases, pending->now_ms);
    if (pending->is_lease_due || !mask) {
        return TQ_OK;
    }
    const struct tq_value due[] = {tq_int(pending->now_ms), tq_int(mask)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_pending_due, due, 2, on_due, pending, err));
    return pending->room ? read_rows(tx, pending, mask, err) : TQ_OK;
}

const char *tq__pending_key(const struct tq__pending *pending, const struct tq__row *row)
{
    const char *at = pending->text.data + row->text_at;
    at += strlen(at) + 1;       /* event_id */
    return at + strlen(at) + 1; /* topic */
}
