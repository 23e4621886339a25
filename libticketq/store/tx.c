/* SPDX-License-Identifier: MIT */
/*
 * What a body can do with its transaction, and adoption of a host's.
 *
 * Statements go to the driver as they are. Here a body is kept from two things:
 * running a statement while a row of another is being looked at, which an engine
 * that streams rows cannot do; and going on after a statement has failed, which
 * `failure` remembers for merge.c. What a row function returns is not a failure
 * of the statement. Threads: [own], the thread that runs the body.
 */
#include "store/ledger.h"

#include "core/args.h"
#include "core/env.h"

/* A row function at work. */
struct scan {
    tq_tx *tx;
    tq_row_fn *row;
    void *arg;
    int result;
};

static int on_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct scan *scan = arg;
    scan->tx->is_scanning = 1;
    scan->result = scan->row(scan->arg, columns, columns_count);
    scan->tx->is_scanning = 0;
    return scan->result;
}

static int check(const tq_tx *tx, const char *sql, const struct tq_value *params,
                 size_t params_count, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE("ledger", err, tx, sql));
    TQ_TRY(params_count ? TQ__REQUIRE("ledger", err, params) : TQ_OK);
    if (tx->is_scanning) {
        return tq__fail(err, TQ_E_INVALID, "ledger",
                        "a statement inside a row function of another");
    }
    return TQ_OK;
}

/* `scan` is NULL where rows are not looked at. */
static int run_statement(tq_tx *tx, const struct tq_statement *statement, const struct scan *scan,
                         struct tq_error *err)
{
    int result = tx->ledger->driver->exec(tx->conn, statement, err);
    if (result < 0 && !(scan && scan->result)) {
        tx->failure = result;
    }
    return result;
}

int tq_tx_exec(tq_tx *tx, const char *sql, const struct tq_value *params, size_t params_count,
               tq_row_fn *row, void *arg, struct tq_error *err)
{
    TQ_TRY(check(tx, sql, params, params_count, err));
    struct scan scan = {tx, row, arg, 0};
    uint32_t changed = 0;
    const struct tq_statement statement = {
        .size = sizeof statement,
        .sql = sql,
        .params = params,
        .params_count = params_count,
        .rows_count = 1,
        .row = row ? on_row : NULL,
        .arg = &scan,
        .out_changed = &changed,
    };
    int result = run_statement(tx, &statement, &scan, err);
    tx->changed = result == TQ_OK || scan.result ? changed : 0;
    return result;
}

static int run_many(tq_tx *tx, const char *sql, const struct tq_value *params, size_t params_count,
                    size_t rows_count, uint32_t is_sure, uint32_t *out_changed,
                    struct tq_error *err)
{
    TQ_TRY(check(tx, sql, params, params_count, err));
    TQ_TRY(tq__args_count(rows_count, TQ_BATCH_MAX, "rows_count", "ledger", err));
    const struct tq_statement statement = {
        .size = sizeof statement,
        .sql = sql,
        .params = params,
        .params_count = params_count,
        .rows_count = rows_count,
        .out_changed = out_changed,
        .is_sure = is_sure,
    };
    return run_statement(tx, &statement, NULL, err);
}

int tq_tx_exec_many(tq_tx *tx, const char *sql, const struct tq_value *params, size_t params_count,
                    size_t rows_count, uint32_t *out_changed, struct tq_error *err)
{
    return run_many(tx, sql, params, params_count, rows_count, 0, out_changed, err);
}

int tq_tx_write(tq_tx *tx, const char *sql, const struct tq_value *params, size_t params_count,
                size_t rows_count, uint32_t *out_changed, struct tq_error *err)
{
    int result = run_many(tx, sql, params, params_count, rows_count, 1, out_changed, err);
    if (result == TQ_REPEAT) {
        tx->failure = TQ_E_INVALID;
        return tq__fail(err, tx->failure, "ledger",
                        "a unique constraint objects to what was written as if it could not");
    }
    return result;
}

uint64_t tq_tx_changed(const tq_tx *tx)
{
    return tx ? tx->changed : 0;
}

int64_t tq_tx_now_ms(const tq_tx *tx)
{
    return tx ? tx->now_ms : 0;
}

const struct tq_env *tq_tx_env(const tq_tx *tx)
{
    return tx ? tx->ledger->env : NULL;
}

int tq_tx_adopt(tq_store *store, void *native, tq_tx **out_tx, struct tq_error *err)
{
    struct tq__ledger *ledger = NULL;
    TQ_TRY(TQ__REQUIRE("ledger", err, native, out_tx));
    TQ_TRY(tq__ledger_of(store, &ledger, err));
    tq_tx *tx = tq__alloc(ledger->env, 1, sizeof *tx);
    if (!tx) {
        return tq__nomem("ledger", err);
    }
    tx->ledger = ledger;
    int status = ledger->driver->adopt(ledger->state, native, &tx->conn, &tx->now_ms, err);
    if (status < 0) {
        tq__release(ledger->env, tx);
        return status;
    }
    *out_tx = tx;
    return TQ_OK;
}

void tq_tx_disown(tq_tx *tx)
{
    if (tx) {
        tx->ledger->driver->disown(tx->conn);
        tq__release(tx->ledger->env, tx);
    }
}
