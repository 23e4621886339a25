/* SPDX-License-Identifier: MIT */
/*
 * Makes a transition, in the caller's transaction:
 *
 *   move          compare-and-set on (state, version); nothing changed: TQ_STALE
 *   handler       a positive outcome takes the move back and is the result
 *   turning back  compensations of the history, last first, down to where the
 *                 saga was undone before
 *   note          a line of history
 *
 * The compare-and-set comes first, so that of two that race only one runs its
 * handler; the other has changed nothing. What has to be undone is read from the
 * history and not remembered elsewhere, and history and compensations stand or fall
 * with the transaction: a crash in between leaves nothing half undone, and no
 * compensation is run twice. A failure anywhere is the caller's to return.
 * Threads: the transaction's.
 */
#include "saga/sagas.h"

#include "core/bytes.h"
#include "saga/saga_sql.h"

#define ORIGIN "saga"

const struct tq__saga_table *tq__saga_table_of(const tq_sagas *sagas,
                                               const struct tq__saga_record *record)
{
    for (size_t i = 0; i < sagas->tables_count; i++) {
        if (sagas->tables[i].type.version == record->definition) {
            return &sagas->tables[i];
        }
    }
    return NULL;
}

int tq__saga_note(tq_tx *tx, const tq_sagas *sagas, const char *id, uint64_t version,
                  const char *from, const char *event, const char *to, struct tq_error *err)
{
    const struct tq_value params[] = {
        tq_text(sagas->name),
        tq_text(id),
        tq_int((int64_t)version),
        tq_int(tq_tx_now_ms(tx)),
        tq_text(from),
        tq_text(event),
        tq_text(to),
    };
    return tq_tx_write(tx, SAGA_note, params, 7, 1, NULL, err);
}

/* ---- compensation ---- */

/* Reads the history backwards and keeps the cells to undo. */
struct undoing {
    const struct tq__saga_table *table;
    struct tq__buf cells;
};

static int on_step(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct undoing *undoing = arg;
    const struct tq_saga_type *type = &undoing->table->type;
    int from = tq__saga_state(type, columns[0].data), event = tq__saga_event(type, columns[1].data);
    int to = tq__saga_state(type, columns[2].data);
    (void)columns_count;
    if (to >= 0 && tq__saga_is_undone_at(&type->states[to])) {
        return TQ_EMPTY;
    }
    if (from >= 0 && event >= 0 && undoing->table->cells[from][event]->compensation) {
        const struct tq_saga_cell *cell = undoing->table->cells[from][event];
        tq__buf_add(&undoing->cells, &cell, sizeof cell);
    }
    return TQ_OK;
}

static int run_compensations(tq_tx *tx, const tq_sagas *sagas, const struct tq_saga *saga,
                             const struct undoing *undoing, struct tq_error *err)
{
    const struct tq_saga_cell *const *cells = (const void *)undoing->cells.data;
    size_t count = undoing->cells.bytes / sizeof *cells;
    TQ_TRY(tq__buf_check(&undoing->cells, ORIGIN, err));
    for (size_t i = 0; i < count; i++) {
        int status = cells[i]->compensation(tx, saga, NULL, sagas->arg, err);
        TQ_TRY(status);
        if (status != TQ_OK) {
            return tq__fail(err, TQ_E_INTERNAL, ORIGIN, "the compensation of (%s, %s) refused",
                            cells[i]->state, cells[i]->event);
        }
    }
    return TQ_OK;
}

static int compensate(tq_tx *tx, const tq_sagas *sagas, const struct tq__saga_table *table,
                      const struct tq_saga *saga, struct tq_error *err)
{
    struct undoing undoing = {table, TQ__BUF(sagas->env)};
    const struct tq_value params[] = {tq_text(sagas->name), tq_text(saga->id),
                                      tq_int((int64_t)saga->version)};
    int status = tq_tx_exec(tx, SAGA_history_back, params, 3, on_step, &undoing, err);
    if (status >= 0) {
        status = run_compensations(tx, sagas, saga, &undoing, err);
    }
    tq__buf_done(&undoing.cells);
    return status;
}

/* ---- the move ---- */

static struct tq_value time_or_null(int64_t ms)
{
    return ms ? tq_int(ms) : tq_text(NULL);
}

static int write_move(tq_tx *tx, const tq_sagas *sagas, const struct tq_saga *saga,
                      const struct tq__saga_move *move, struct tq_error *err)
{
    const struct tq_value params[] = {
        tq_text(sagas->name),           tq_text(saga->id),        tq_text(saga->state),
        tq_int((int64_t)saga->version), tq_text(move->to->name),  time_or_null(move->deadline_ms),
        tq_int(move->attempts),         tq_int(tq_tx_now_ms(tx)),
    };
    uint32_t changed = 0;
    TQ_TRY(tq_tx_write(tx, SAGA_move, params, 8, 1, &changed, err));
    return changed ? TQ_OK : TQ_STALE;
}

/* As it was: the handler has refused. */
static int take_back(tq_tx *tx, const tq_sagas *sagas, const struct tq_saga *saga,
                     const struct tq__saga_move *move, struct tq_error *err)
{
    const struct tq_value params[] = {
        tq_text(sagas->name),
        tq_text(saga->id),
        tq_text(move->to->name),
        tq_int((int64_t)saga->version + 1),
        tq_text(saga->state),
        tq_int((int64_t)saga->version),
        time_or_null(saga->deadline_ms),
        tq_int(saga->attempts),
        tq_int(saga->updated_ms),
    };
    uint32_t changed = 0;
    TQ_TRY(tq_tx_write(tx, SAGA_move_back, params, 9, 1, &changed, err));
    return changed ? TQ_OK
                   : tq__fail(err, TQ_E_INVALID, ORIGIN,
                              "the handler of (%s, %s) moved the saga and refused",
                              move->cell->state, move->cell->event);
}

static int make_move(tq_tx *tx, const tq_sagas *sagas, const struct tq__saga_table *table,
                     const struct tq_saga *saga, const struct tq__saga_move *move,
                     const void *input, struct tq_error *err)
{
    const struct tq_saga_cell *cell = move->cell;
    int status = write_move(tx, sagas, saga, move, err);
    if (status != TQ_OK) {
        return status;
    }
    status = cell->handler ? cell->handler(tx, saga, input, sagas->arg, err) : TQ_OK;
    TQ_TRY(status);
    if (status != TQ_OK) {
        TQ_TRY(take_back(tx, sagas, saga, move, err));
        return status;
    }
    if (move->is_turning_back) {
        TQ_TRY(compensate(tx, sagas, table, saga, err));
    }
    return tq__saga_note(tx, sagas, saga->id, saga->version + 1, saga->state, cell->event,
                         move->to->name, err);
}

int tq__saga_bring(tq_tx *tx, const tq_sagas *sagas, const struct tq__saga_record *record,
                   const char *event, const void *input, struct tq_error *err)
{
    struct tq__saga_move move;
    const struct tq__saga_table *table = tq__saga_table_of(sagas, record);
    if (!table) {
        return tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "definition %u of %s is not open",
                        record->definition, sagas->name);
    }
    int status = tq__saga_decide(table, &record->saga, event, tq_tx_now_ms(tx), &move, err);
    if (status != TQ_OK) {
        return status;
    }
    return make_move(tx, sagas, table, &record->saga, &move, input, err);
}
