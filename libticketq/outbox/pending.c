/* SPDX-License-Identifier: MIT */
/*
 * Finds rows that are to be published and are not yet under way.
 *
 * The outbox is read as a set, never from a position: a row with a low id may
 * become visible after one with a higher id, and is simply found by the next
 * look. First the ids, as many as are under way plus as many as there is room for;
 * they and the window are both in order, so that one walk tells what is new. Then
 * the rows between the lowest and the highest new id.
 *
 * Where a reader of long ago keeps an engine from forgetting removed rows, the table begins
 * with dead ones, and walking over them is all that a look does. So a look from the first id
 * that took long is not repeated for a multiple of that time, a second at most; those between
 * begin at the lowest id that the one before it saw. What becomes visible below that was open
 * all that time, and is found by the next whole look.
 *
 * Where transactions that write come one after the other, nothing appears below what was seen.
 * There a look begins above what is under way and reads rows straight away, unless some may be
 * below: rows that came back or were left out, keys that were freed. Such a look is whole, and so
 * are the next ones until one has met nothing that it had to leave.
 *
 * Rows of a key that is blocked come out apart, to be marked so that later looks do not meet
 * them again. A look stops at some megabytes.
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
#define OTHERS_MS 1000
#define WHOLE_SHARE 20 /* a whole look may take this part of the time */
#define WHOLE_MAX_MS 1000

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
    pending->first = pending->first ? pending->first : id;
    pending->highest = id > pending->highest ? id : pending->highest;
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
    int status = tq_tx_exec(tx, sql, params, params_count, row, pending, err);
    return status == TQ_FULL ? TQ_OK : status;
}

static int read_ids(tq_tx *tx, struct tq__pending *pending, int64_t mask, int64_t from,
                    struct tq_error *err)
{
    const struct tq_value ids[] = {
        tq_int(mask), tq_int((int64_t)(pending->window->count + pending->room)), tq_int(from)};
    pending->first = 0;
    pending->at = pending->window->first;
    return scan(tx, OUTBOX_pending_ids, ids, 3, on_id, pending, err);
}

/* Whether nothing that is pending can be below what is under way. */
static int is_top_enough(const struct tq__pending *pending)
{
    return pending->is_serial && pending->window->last && !pending->whole.is_wanted;
}

/* Other partitions, keys that may be freed and a clock that jumped want a whole look, too. */
static int is_whole_due(const struct tq__pending *pending, int64_t mask)
{
    int64_t age_ms = pending->now_ms - pending->whole.at_ms;
    int64_t pause_ms = is_top_enough(pending) ? WHOLE_MAX_MS : pending->whole.pause_ms;
    return mask != pending->whole.mask || pending->due_count > 0 || age_ms < 0 ||
           age_ms >= pause_ms || (pending->is_serial && pending->whole.is_wanted);
}

static int read_whole(tq_tx *tx, struct tq__pending *pending, int64_t mask, struct tq_error *err)
{
    const struct tq_env *env = pending->text.env;
    int64_t begun_ms = tq__now_ms(env);
    TQ_TRY(read_ids(tx, pending, mask, 0, err));
    int64_t took_ms = tq__now_ms(env) - begun_ms, pause_ms = took_ms * WHOLE_SHARE;
    int is_same = mask == pending->whole.mask && pending->due_count == 0;
    pending->whole.pause_ms = pause_ms < 0              ? 0
                              : pause_ms > WHOLE_MAX_MS ? WHOLE_MAX_MS
                                                        : (uint32_t)pause_ms;
    pending->whole.from = is_same ? pending->whole.later : 0;
    pending->whole.later = pending->due_count > 0 ? 0
                           : pending->first       ? pending->first
                                                  : pending->highest + 1;
    pending->whole.mask = mask;
    pending->whole.at_ms = pending->now_ms;
    return TQ_OK;
}

static int read_range(tq_tx *tx, struct tq__pending *pending, int64_t mask, int64_t low,
                      int64_t high, const struct tq__slot *at, struct tq_error *err)
{
    const struct tq_value range[] = {
        tq_int(low), tq_int(high), tq_int(mask),
        tq_int((int64_t)(pending->room + (at ? pending->window->count : 0)))};
    pending->at = at;
    TQ_TRY(scan(tx, OUTBOX_pending_rows, range, 4, on_row, pending, err));
    return tq__buf_check(&pending->text, "outbox", err);
}

/* A look at everything that is pending, or at what is from some id on. */
static int read_set(tq_tx *tx, struct tq__pending *pending, int64_t mask, struct tq_error *err)
{
    const int is_whole = is_whole_due(pending, mask);
    pending->whole.is_wanted = 1;
    TQ_TRY(is_whole ? read_whole(tx, pending, mask, err)
                    : read_ids(tx, pending, mask, pending->whole.from, err));
    if (pending->found > 0) {
        TQ_TRY(read_range(tx, pending, mask, pending->low, pending->high, pending->window->first,
                          err));
    }
    const struct tq__slot *last = pending->window->last;
    const int is_below_all =
        pending->found == pending->room && last && pending->high < last->number;
    pending->whole.is_wanted =
        is_below_all || pending->rows_count < pending->found || pending->due_count > 0;
    return TQ_OK;
}

static int read_rows(tq_tx *tx, struct tq__pending *pending, int64_t mask, struct tq_error *err)
{
    if (is_top_enough(pending) && !is_whole_due(pending, mask)) {
        TQ_TRY(
            read_range(tx, pending, mask, pending->window->last->number + 1, INT64_MAX, NULL, err));
        pending->whole.is_wanted = pending->behind_count > 0;
        return TQ_OK;
    }
    return read_set(tx, pending, mask, err);
}

/* Ours are to be renewed, or it is time to see whether others came or went, and some did. */
static int look_at_leases(tq_tx *tx, struct tq__pending *pending, struct tq_error *err)
{
    int64_t age_ms = pending->now_ms - pending->others_ms;
    pending->is_lease_due = tq__leases_are_due(pending->leases, pending->now_ms);
    if (!pending->is_lease_due && (age_ms >= OTHERS_MS || age_ms < 0)) {
        TQ_TRY(tq__leases_look(tx, pending->leases, &pending->is_lease_due, err));
        pending->others_ms = pending->now_ms;
    }
    return TQ_OK;
}

int tq__pending_read(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct tq__pending *pending = arg;
    int64_t mask = (int64_t)(pending->leases->held & ~pending->leases->leaving);
    pending->rows_count = pending->behind_count = pending->due_count = pending->found = 0;
    tq__buf_clear(&pending->text);
    pending->now_ms = tq_tx_now_ms(tx);
    TQ_TRY(look_at_leases(tx, pending, err));
    if (pending->is_lease_due || !mask) {
        return TQ_OK;
    }
    const struct tq_value due[] = {tq_int(pending->now_ms), tq_int(mask)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_pending_due, due, 2, on_due, pending, err));
    if (pending->due_count > 0) { /* its rows come before what its key was given since */
        pending->whole.from = pending->whole.later = 0;
        pending->whole.is_wanted = 1;
    }
    return pending->room ? read_rows(tx, pending, mask, err) : TQ_OK;
}

const char *tq__pending_key(const struct tq__pending *pending, const struct tq__row *row)
{
    const char *at = pending->text.data + row->text_at;
    at += strlen(at) + 1;       /* event_id */
    return at + strlen(at) + 1; /* topic */
}
