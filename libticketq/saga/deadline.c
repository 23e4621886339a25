/* SPDX-License-Identifier: MIT */
/*
 * What is due, what is stuck, and what an operator can see and do.
 *
 * A deadline is an event like any other: a saga whose time has come is brought
 * the event of its state's deadline, through the same table and compare-and-set,
 * so that it races safely with the real event. Those that are due are listed by a
 * read, then each is brought in a request of its own, which does nothing when the
 * saga has moved meanwhile; so any number of processes may step.
 *
 * When it cannot be brought (the handler failed or refused), the deadline is put
 * off, for twice as long each time, up to 64 times the state's own and an hour: a
 * saga is tried for ever, and one that fails does not keep the others waiting. Where the
 * ledger takes no writes it stays due, and the step fails, so that its caller pauses.
 * Expiry is decided by the database's clock. Threads: [any].
 */
#include "saga/sagas.h"

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "saga/saga_sql.h"
#include "store/ledger.h"

#define ORIGIN "saga"
#define STEP_MAX 256
#define UNOPENED_MS 60000

/* A saga whose deadline has come. */
struct due {
    tq_sagas *sagas;
    char id[TQ_ID_SIZE];
    uint64_t version;
    struct tq_error err;
};

struct due_list {
    tq_sagas *sagas;
    struct due *dues;
    size_t limit, count;
    int64_t now_ms, next_ms;
};

static int on_due(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct due_list *list = arg;
    struct due *due = &list->dues[list->count];
    (void)columns_count;
    due->sagas = list->sagas;
    due->err = (struct tq_error)TQ_ERROR_INIT;
    due->version = (uint64_t)columns[1].integer;
    tq__id_copy(due->id, columns[0].data);
    return ++list->count < list->limit ? TQ_OK : TQ_FULL;
}

static int list_due(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct due_list *list = arg;
    list->count = 0;
    const struct tq_value params[] = {tq_text(list->sagas->name), tq_int(tq_tx_now_ms(tx)),
                                      tq_int((int64_t)list->limit)};
    int status = tq_tx_exec(tx, SAGA_due, params, 3, on_due, list, err);
    return status == TQ_FULL ? TQ_OK : status;
}

/* ---- bringing one ---- */

static int put_off(tq_tx *tx, const tq_sagas *sagas, const struct tq__saga_record *record,
                   struct tq_error *err)
{
    const struct tq__saga_table *table = tq__saga_table_of(sagas, record);
    int state = table ? tq__saga_state(&table->type, record->state) : -1;
    int64_t now_ms = tq_tx_now_ms(tx);
    int64_t until_ms =
        state < 0 ? now_ms + UNOPENED_MS
                  : tq__saga_postponed(&table->type.states[state], record->saga.attempts, now_ms);
    const struct tq_value params[] = {tq_text(sagas->name), tq_text(record->id),
                                      tq_int((int64_t)record->saga.version), tq_int(until_ms)};
    return tq_tx_exec(tx, SAGA_postpone, params, 4, NULL, NULL, err);
}

/* TQ_STALE: it has moved, or another process was faster. */
static int load_due(tq_tx *tx, const struct due *due, struct tq__saga_record *out_record,
                    struct tq_error *err)
{
    int status = tq__saga_load(tx, due->sagas, due->id, out_record, err);
    if (status != TQ_OK) {
        return status;
    }
    const struct tq_saga *saga = &out_record->saga;
    int is_due =
        saga->version == due->version && saga->deadline_ms && saga->deadline_ms <= tq_tx_now_ms(tx);
    return is_due ? TQ_OK : TQ_STALE;
}

static int bring_due(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct due *due = arg;
    struct tq__saga_record record;
    int status = load_due(tx, due, &record, err);
    if (status != TQ_OK) {
        return status;
    }
    const struct tq__saga_table *table = tq__saga_table_of(due->sagas, &record);
    int state = table ? tq__saga_state(&table->type, record.state) : -1;
    if (state < 0) {
        return tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "definition %u of %s is not open",
                        record.definition, due->sagas->name);
    }
    status = tq__saga_bring(tx, due->sagas, &record, table->type.states[state].deadline, NULL, err);
    if (status > TQ_OK) {
        TQ_TRY(put_off(tx, due->sagas, &record, err));
    }
    return status;
}

static int put_off_failed(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct due *due = arg;
    struct tq__saga_record record;
    int status = load_due(tx, due, &record, err);
    return status == TQ_OK ? put_off(tx, due->sagas, &record, err) : status;
}

/* What cannot even be put off is due again at once, so the caller hears of the ledger's failure. */
static int put_off_all(const tq_sagas *sagas, struct tq__run *runs, size_t count,
                       struct tq_error *err)
{
    int status = count ? tq__ledger_run_many(sagas->store, runs, count, err) : TQ_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = tq__run_result(&runs[i], err);
    }
    return status < 0 ? status : TQ_OK;
}

static int bring_all(struct due_list *list, struct tq__run *runs, struct tq_error *err)
{
    size_t failed = 0;
    for (size_t i = 0; i < list->count; i++) {
        runs[i] = (struct tq__run)TQ__RUN(bring_due, &list->dues[i]);
    }
    TQ_TRY(tq__ledger_run_many(list->sagas->store, runs, list->count, err));
    for (size_t i = 0; i < list->count; i++) {
        struct due *due = &list->dues[i];
        if (tq__run_result(&runs[i], &due->err) < 0) {
            tq__log(list->sagas->env, TQ_LOG_WARN, ORIGIN, "deadline of %s %s: %s",
                    list->sagas->name, due->id, due->err.message);
            runs[failed++] = (struct tq__run)TQ__RUN(put_off_failed, due);
        }
    }
    return put_off_all(list->sagas, runs, failed, err);
}

/* ---- step ---- */

static int on_next(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct due_list *list = arg;
    (void)columns_count;
    list->next_ms = columns[0].type == TQ_INT ? columns[0].integer : INT64_MAX;
    return TQ_OK;
}

static int read_next(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct due_list *list = arg;
    const struct tq_value params[] = {tq_text(list->sagas->name)};
    list->now_ms = tq_tx_now_ms(tx);
    return tq_tx_exec(tx, SAGA_next_due, params, 1, on_next, list, err);
}

static int tell_next(struct due_list *list, uint32_t *out_next_ms, struct tq_error *err)
{
    TQ_TRY(tq_ledger_read(list->sagas->store, read_next, list, err));
    int64_t left_ms = list->next_ms == INT64_MAX ? INT64_MAX : list->next_ms - list->now_ms;
    *out_next_ms = left_ms <= 0 ? 0 : left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    return TQ_OK;
}

static int step(struct due_list *list, struct tq__run *runs, uint32_t *out_next_ms,
                struct tq_error *err)
{
    TQ_TRY(tq_ledger_read(list->sagas->store, list_due, list, err));
    if (list->count > 0) {
        TQ_TRY(bring_all(list, runs, err));
    }
    if (out_next_ms) {
        TQ_TRY(tell_next(list, out_next_ms, err));
    }
    return list->count ? TQ_OK : TQ_EMPTY;
}

int tq_saga_step(tq_sagas *sagas, size_t limit, uint32_t *out_next_ms, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, sagas));
    TQ_TRY(tq__args_count(limit, INT32_MAX, "limit", ORIGIN, err));
    struct due_list list = {.sagas = sagas, .limit = limit < STEP_MAX ? limit : STEP_MAX};
    list.dues = tq__alloc(sagas->env, list.limit, sizeof *list.dues);
    struct tq__run *runs = tq__alloc(sagas->env, list.limit, sizeof *runs);
    int status = list.dues && runs ? step(&list, runs, out_next_ms, err) : tq__nomem(ORIGIN, err);
    tq__release(sagas->env, list.dues);
    tq__release(sagas->env, runs);
    return status;
}

/* ---- looking, and resuming ---- */

struct look {
    tq_sagas *sagas;
    const char *id;
    int64_t idle_ms;
    size_t limit;
    tq_saga_row_fn *visit_saga;
    tq_saga_history_fn *visit_step;
    void *arg;
};

static int on_stuck(void *arg, const struct tq_value *columns, size_t columns_count)
{
    const struct look *look = arg;
    struct tq__saga_record record;
    (void)columns_count;
    tq__saga_take(&record, columns);
    return look->visit_saga(look->arg, &record.saga);
}

static int read_stuck(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct look *look = arg;
    const struct tq_value params[] = {tq_text(look->sagas->name),
                                      tq_int(tq_tx_now_ms(tx) - look->idle_ms),
                                      tq_int((int64_t)look->limit)};
    return tq_tx_exec(tx, SAGA_stuck, params, 3, on_stuck, arg, err);
}

int tq_saga_stuck(tq_sagas *sagas, int64_t idle_ms, size_t limit, tq_saga_row_fn *visit, void *arg,
                  struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, sagas, visit));
    TQ_TRY(tq__args_count(limit, INT32_MAX, "limit", ORIGIN, err));
    if (idle_ms < 0) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "idle_ms is negative");
    }
    struct look look = {
        .sagas = sagas, .idle_ms = idle_ms, .limit = limit, .visit_saga = visit, .arg = arg};
    return tq_ledger_read(sagas->store, read_stuck, &look, err);
}

static int on_step(void *arg, const struct tq_value *columns, size_t columns_count)
{
    const struct look *look = arg;
    const struct tq_saga_step_row row = {
        .size = sizeof row,
        .version = (uint64_t)columns[0].integer,
        .at_ms = columns[1].integer,
        .from = columns[2].data,
        .event = columns[3].data,
        .to = columns[4].data,
    };
    (void)columns_count;
    return look->visit_step(look->arg, &row);
}

static int read_history(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct look *look = arg;
    const struct tq_value params[] = {tq_text(look->sagas->name), tq_text(look->id)};
    return tq_tx_exec(tx, SAGA_history, params, 2, on_step, arg, err);
}

int tq_saga_history(tq_sagas *sagas, const char *id, tq_saga_history_fn *visit, void *arg,
                    struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, sagas, visit));
    TQ_TRY(tq__id_check(id, "a saga's id", ORIGIN, err));
    struct look look = {.sagas = sagas, .id = id, .visit_step = visit, .arg = arg};
    return tq_ledger_read(sagas->store, read_history, &look, err);
}

static int resume(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct look *look = arg;
    struct tq__saga_record record;
    const struct tq_value params[] = {tq_text(look->sagas->name), tq_text(look->id),
                                      tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(tq_tx_exec(tx, SAGA_resume, params, 3, NULL, NULL, err));
    if (tq_tx_changed(tx)) {
        return TQ_OK;
    }
    int status = tq__saga_load(tx, look->sagas, look->id, &record, err);
    return status == TQ_OK ? TQ_REPEAT : status;
}

int tq_saga_resume(tq_sagas *sagas, const char *id, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, sagas));
    TQ_TRY(tq__id_check(id, "a saga's id", ORIGIN, err));
    struct look look = {.sagas = sagas, .id = id};
    return tq_ledger_run(sagas->store, resume, &look, err);
}
