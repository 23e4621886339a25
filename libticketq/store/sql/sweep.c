/* SPDX-License-Identifier: MIT */
/*
 * Ends holds whose time ran out, and forgets those that ended long ago.
 *
 * `sweep_ms` is the agenda: set for each HOLD, kept when somebody else ended it
 * for being past its time, cleared when it is pinned, sold, released or swept. So
 * every hold that ran out is handed out once, and the cost is that of what is
 * due. Two sweepers that read the same agenda go one after the other at the rows
 * of the schedules, and the second finds nothing left to change. Threads: [own].
 */
#include "store/sql/hold.h"

#include "core/env.h"
#include "core/error.h"
#include "store/sql/hold_sql.h"

struct sweep {
    const struct tq_env *env;
    struct tq_value *params;
    uint32_t *changed;
    const char **schedules;
};

static int make_room(struct sweep *sweep, size_t count, struct tq_error *err)
{
    sweep->params = tq__alloc(sweep->env, count, 3 * sizeof *sweep->params);
    sweep->changed = tq__alloc(sweep->env, count, sizeof *sweep->changed);
    sweep->schedules = tq__alloc(sweep->env, count, sizeof *sweep->schedules);
    return sweep->params && sweep->changed && sweep->schedules ? TQ_OK
                                                               : tq__nomem("store.sql", err);
}

/* Keeps the rows that this sweep has changed, as they are now. */
static void keep_changed(struct tq__hold_rows *rows, const uint32_t *changed)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (changed[i]) {
            struct tq_hold_row row = rows->rows[i];
            row.ended = TQ_EXPIRED;
            row.state = TQ_SEAT_AVAILABLE;
            rows->rows[kept++] = row;
        } else {
            tq__release(rows->env, (void *)rows->rows[i].seats);
        }
    }
    rows->count = kept;
}

static int end_due(tq_tx *tx, struct sweep *sweep, struct tq__hold_rows *due, struct tq_error *err)
{
    int64_t now_ms = tq_tx_now_ms(tx);
    for (size_t i = 0; i < due->count; i++) {
        sweep->schedules[i] = due->rows[i].schedule;
        sweep->params[3 * i] = tq_text(due->rows[i].schedule);
        sweep->params[3 * i + 1] = tq_text(due->rows[i].id);
        sweep->params[3 * i + 2] = tq_int(now_ms);
    }
    TQ_TRY(tq__sql_hold_touch_all(tx, sweep->schedules, due->count, err));
    TQ_TRY(tq_tx_exec_many(tx, HOLD_swept, sweep->params, 3, due->count, sweep->changed, err));
    keep_changed(due, sweep->changed);
    for (size_t i = 0; i < due->count; i++) {
        sweep->params[i] = tq_text(due->rows[i].id);
    }
    return due->count ? tq_tx_write(tx, HOLD_free_seats, sweep->params, 1, due->count, NULL, err)
                      : TQ_OK;
}

static int purge(tq_tx *tx, size_t limit, struct tq_error *err)
{
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx) - TQ_HOLD_KEEP_MS),
                                      tq_int((int64_t)limit)};
    return tq_tx_exec(tx, HOLD_purge, params, 2, NULL, NULL, err);
}

int tq__sql_hold_sweep(tq_tx *tx, size_t limit, struct tq__hold_rows *swept, struct tq_error *err)
{
    struct sweep sweep = {.env = tq_tx_env(tx)};
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx)), tq_int((int64_t)limit)};
    int rc = tq_tx_exec(tx, HOLD_due, params, 2, tq__hold_rows_add, swept, err);
    if (rc < 0) {
        return rc == TQ_E_NOMEM ? tq__nomem("store.sql", err) : rc;
    }
    if (swept->count) {
        rc = make_room(&sweep, swept->count, err);
        rc = rc == TQ_OK ? end_due(tx, &sweep, swept, err) : rc;
        tq__release(sweep.env, sweep.params);
        tq__release(sweep.env, sweep.changed);
        tq__release(sweep.env, sweep.schedules);
        TQ_TRY(rc);
    }
    return purge(tx, limit, err);
}

static int read_time(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[0].integer;
    return 0;
}

int tq__sql_hold_next(tq_tx *tx, uint32_t *out_next_ms, struct tq_error *err)
{
    int64_t due_ms = -1, now_ms = tq_tx_now_ms(tx);
    TQ_TRY(tq_tx_exec(tx, HOLD_next_due, NULL, 0, read_time, &due_ms, err));
    if (due_ms < 0) {
        *out_next_ms = UINT32_MAX;
    } else if (due_ms <= now_ms) {
        *out_next_ms = 0;
    } else {
        int64_t wait_ms = due_ms - now_ms;
        *out_next_ms = wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX - 1;
    }
    return TQ_OK;
}
