/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/ledger.h
 * @brief The ledger table of a store driver: transactions and SQL.
 *
 * A driver knows how to talk to its engine; the core knows the rest. The core
 * merges callers, places savepoints, retries what is busy, numbers migrations and
 * keeps a body from misusing its transaction. A driver does none of that: it
 * reports what happened, once.
 *
 * A transaction lives on a connection, which `begin` takes out of the driver's
 * pool and `commit` or `rollback` puts back. Between the two the core makes one
 * call at a time on it, always from one thread; different connections are used
 * at the same time. No slot may call back into the core, except through `row`.
 *
 * SQL uses `$1`, `$2`, ...; one parameter may stand in several places.
 */
#ifndef TICKETQ_DRIVER_LEDGER_H
#define TICKETQ_DRIVER_LEDGER_H

#include <ticketq/ledger.h>

/** What a transaction is begun for. */
enum tq_tx_mode {
    TQ_TX_READ = 0,  /**< Reads one snapshot; writes are refused. */
    TQ_TX_WRITE = 1, /**< May write. */
    TQ_TX_SCHEMA = 2 /**< May write, and no other of this mode is open in any process. */
};

/** A statement with the rows of parameters it is to be run for. */
struct tq_statement {
    size_t size;
    const char *sql;               /**< One statement. */
    const struct tq_value *params; /**< rows_count × params_count, row after row. */
    size_t params_count;           /**< `$1` to `$params_count`: each is used. */
    size_t rows_count;             /**< At least 1; 1 when `row` is there. */
    tq_row_fn *row;                /**< NULL: rows that come are dropped. */
    void *arg;                     /**< For `row`. */
    uint32_t *out_changed;         /**< Optional; rows_count elements. */
};

/** Transactions and SQL. Every slot is required since ABI 1. */
struct tq_ledger_driver {
    size_t size; /**< sizeof, as the driver was compiled. */

    /**
     * Take a connection and begin a transaction on it; read the engine's clock. The
     * snapshot of a reading transaction is taken here, a writing one has whatever
     * lock the engine needs so that it cannot fail later for having read first.
     * Must not wait for a lock of another process: that is TQ_E_BUSY.
     * May block until a connection of this state is free, and for one round trip.
     * May be called at the same time.
     * @param out_conn    Lent to the core until commit or rollback.
     * @param out_now_ms  The clock by which this store decides every expiry.
     * @return TQ_OK, TQ_E_BUSY, TQ_E_UNAVAILABLE, TQ_E_NOMEM, TQ_E_CORRUPT.
     */
    int (*begin)(void *state, uint32_t mode, void **out_conn, int64_t *out_now_ms,
                 struct tq_error *err);

    /**
     * Run a statement for all of its rows, or for none: a unique constraint in the way
     * of one of them undoes the others, and the transaction can go on.
     * Must not commit, and must refuse SQL that would begin or end a transaction.
     * May block for a round trip, however many the rows are. Statement borrowed.
     * @return TQ_OK             Run.
     * @return what `row` returned, when that was not 0: run, and the scan stopped.
     * @return TQ_REPEAT         A unique constraint stands in the way.
     * @return TQ_E_INVALID      The SQL is wrong, another constraint was violated, or a write
     *                           in a reading transaction.
     * @return TQ_E_LIMIT        A value or a row is too large for the engine.
     * @return TQ_E_BUSY         The engine wants the whole transaction to be run again.
     * @return TQ_E_NOMEM, TQ_E_UNAVAILABLE, TQ_E_CORRUPT
     */
    int (*exec)(void *conn, const struct tq_statement *statement, struct tq_error *err);

    /**
     * Run several statements without parameters, separated by `;`. Not all or
     * nothing by itself: the core rolls the transaction back on a failure. Else as exec.
     */
    int (*script)(void *conn, const char *sql, struct tq_error *err);

    /**
     * Place the savepoint, of which there is at most one. May be delayed to the next exec.
     * @return TQ_OK; otherwise the transaction cannot go on: TQ_E_BUSY, TQ_E_NOMEM,
     *         TQ_E_UNAVAILABLE.
     */
    int (*savepoint)(void *conn, struct tq_error *err);
    /** Keep what was done since the savepoint and forget it. Else as savepoint. */
    int (*release)(void *conn, struct tq_error *err);
    /**
     * Undo what was done since the savepoint and forget it; also after a failed
     * exec. A failure says that the transaction is no longer there. Else as savepoint.
     */
    int (*rollback_to)(void *conn, struct tq_error *err);

    /**
     * Commit, and put the connection back whatever the result. Must not try again.
     * May block for a flush to disk or a round trip.
     * @return TQ_OK             Applied; durable when the driver claims TQ_STORE_DURABLE.
     * @return TQ_E_BUSY         Certainly not applied; the engine wants it run again.
     * @return TQ_E_INVALID      Certainly not applied: a deferred constraint was violated.
     * @return TQ_E_UNAVAILABLE  Certainly not applied.
     * @return TQ_E_UNKNOWN      Whether it was applied, now or after a crash, cannot be told.
     */
    int (*commit)(void *conn, struct tq_error *err);
    /** Undo, and put the connection back or discard it. Also when it is broken. */
    void (*rollback)(void *conn);

    /**
     * Make a connection record for one of the host's that is inside a transaction.
     * Must not begin, commit or change a setting. Reads the clock as begin does.
     * exec and the savepoint slots are used on it; commit and rollback never.
     * @param native  The engine's own handle. Borrowed until disown.
     * @return TQ_OK, TQ_E_INVALID (NULL, or not inside a transaction), TQ_E_NOMEM,
     *         TQ_E_UNAVAILABLE.
     */
    int (*adopt)(void *state, void *native, void **out_conn, int64_t *out_now_ms,
                 struct tq_error *err);
    /** Forget an adopted connection and free the record; its transaction stays as it is. */
    void (*disown)(void *conn);
};

#endif /* TICKETQ_DRIVER_LEDGER_H */
