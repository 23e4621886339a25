/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/ledger.h
 * @brief Transactions on a store that has a ledger (SQLite, PostgreSQL).
 *
 * One SQL text serves every engine: parameters are `$1`, `$2`, ..., and the
 * dialect is what SQLite 3.37 and PostgreSQL 15 share. Requests that threads
 * bring at the same time are merged: the first caller runs all of them in one
 * transaction, so that one commit (one flush to disk) serves many while each
 * succeeds or fails for itself. A body for one request (tq_ledger_run()) runs once
 * for each, behind a savepoint of its own; a body for many (tq_ledger_run_each())
 * is given all requests that brought it and writes them with the statements of one.
 *
 * Threads: tq_ledger_...: [any]. A tq_tx belongs to the call of the function it
 * was handed to.
 */
#ifndef TICKETQ_LEDGER_H
#define TICKETQ_LEDGER_H

#include <ticketq/store.h>

typedef struct tq_tx tq_tx;

/** Kinds of a value. */
enum tq_value_type { TQ_NULL = 0, TQ_INT = 1, TQ_TEXT = 2, TQ_BLOB = 3 };

/**
 * A parameter or a column. Text need not end in NUL when it is a parameter; columns
 * do. A number with a fraction comes as text.
 */
struct tq_value {
    uint32_t type;    /**< enum tq_value_type. */
    uint32_t bytes;   /**< Length of text or blob. */
    int64_t integer;  /**< TQ_INT. */
    const void *data; /**< TQ_TEXT, TQ_BLOB. Borrowed. */
};

/**
 * The body of a transaction. May run on another caller's thread and, where the
 * database asks for a retry, more than once: it must have no effect outside `tx`
 * that cannot be repeated, and must not ask the same store for a transaction. TQ_OK
 * or a positive outcome commits; a negative result undoes what this body did and
 * reaches its own caller only.
 */
typedef int tq_tx_fn(tq_tx *tx, void *arg, struct tq_error *err);

/** Most requests that a tq_tx_each_fn is given in one call. */
#define TQ_EACH_MAX 256

/**
 * The body of many requests: those that brought it at the same time, in the order in
 * which they came. It writes all of them with few statements (tq_tx_exec_many(), the
 * verbs that take arrays) and says of each what became of it. As a tq_tx_fn it may run
 * on another caller's thread and more than once, for the same or for fewer requests.
 *
 * A positive outcome commits whatever was written, so a request that is refused with
 * one must have written nothing, or nothing that may not stay. A negative result undoes
 * everything that this call wrote: what did not fail is run again without what did,
 * and what failed is then run again alone, where its result counts. So refuse with a
 * positive outcome what is refused often.
 *
 * @param tx       Borrowed.
 * @param args     What each caller handed to tq_ledger_run_each(). Borrowed.
 * @param count    1 to TQ_EACH_MAX.
 * @param results  All are TQ_OK. Write what becomes of those that come to something else.
 * @param errs     A record for each request, for its caller; none is NULL.
 * @return TQ_OK     Each request has its result.
 * @return negative  All have failed; `errs[0]` may say why. Where there were several,
 *                   each is run again alone.
 */
typedef int tq_tx_each_fn(tq_tx *tx, void *const args[], size_t count, int results[],
                          struct tq_error *const errs[]);

/**
 * One row. A non-zero result stops the scan and becomes the result of the call. It
 * must not use the transaction: collect first, then go on.
 */
typedef int tq_row_fn(void *arg, const struct tq_value *columns, size_t columns_count);

/** One numbered step of a schema. Applied once, in order of `version`, per `scope`. */
struct tq_migration {
    size_t size;
    const char *scope; /**< Whose tables: "tq", "reservation". An id. */
    uint32_t version;  /**< 1, 2, 3, ... without gaps. */
    uint32_t reserved;
    const char *sql;   /**< Statements separated by `;`. */
};

TQ_BEGIN_DECLS

/**
 * Run a function in a transaction of its own that may share its commit with others.
 *
 * @param store  A store with TQ_STORE_LEDGER. Borrowed.
 * @param fn     The body.
 * @param arg    Handed to `fn`.
 * @param err    Optional.
 * @return What `fn` returned when it was TQ_OK or positive: committed and durable.
 * @return What `fn` returned when it was negative: undone.
 * @return TQ_E_INVALID      Called from inside a body on the same store. Nothing was done.
 * @return TQ_E_BUSY         Not applied: the lock could not be had in time.
 * @return TQ_E_UNAVAILABLE  Not applied.
 * @return TQ_E_UNKNOWN      The commit was sent and its answer was lost.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_ledger_run(tq_store *store, tq_tx_fn *fn, void *arg,
                                       struct tq_error *err);

/**
 * The same with a body for many: requests of the same `fn` that callers bring at the
 * same time are handed to one call of it.
 *
 * @param store  A store with TQ_STORE_LEDGER. Borrowed.
 * @param fn     The body. Which requests go together is decided by its address.
 * @param arg    This request. Handed to `fn` among others.
 * @param err    Optional.
 * @return this request's result, when it is TQ_OK or positive: committed and durable.
 * @return this request's result, when it is negative, or what `fn` returned for it
 *         alone: undone.
 * @return a failure of tq_ledger_run().
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_ledger_run_each(tq_store *store, tq_tx_each_fn *fn, void *arg,
                                            struct tq_error *err);

/**
 * Run a function that only reads, on a consistent snapshot and beside the writers.
 *
 * Takes one of the store's `readers`, and waits while all are taken.
 * Parameters and results are those of tq_ledger_run(); a write is TQ_E_INVALID.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_ledger_read(tq_store *store, tq_tx_fn *fn, void *arg,
                                        struct tq_error *err);

/**
 * Bring a scope of the schema up to date. Safe with several starters.
 *
 * @param store             Borrowed.
 * @param migrations        All steps of one scope, in order. Borrowed.
 * @param migrations_count  How many.
 * @param err               Optional.
 * @return TQ_OK         The schema is at the last version.
 * @return TQ_REPEAT     It already was.
 * @return TQ_E_INVALID  A step is malformed or its SQL is wrong. Nothing was changed.
 * @return TQ_E_LIMIT    No steps, or more than TQ_BATCH_MAX.
 * @return TQ_E_CORRUPT  The database is newer than this program. Nothing was changed.
 * @return a failure of tq_ledger_run().
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_ledger_migrate(tq_store *store, const struct tq_migration *migrations,
                                           size_t migrations_count, struct tq_error *err);

/**
 * Run one statement.
 *
 * @param tx            Borrowed.
 * @param sql           One statement with `$n` parameters. Its address need not be stable.
 * @param params        Borrowed. NULL when there are none.
 * @param params_count  How many.
 * @param row           Optional. Called for each row; columns are valid during the call.
 * @param arg           Handed to `row`.
 * @param err           Optional.
 * @return TQ_OK         Done.
 * @return TQ_REPEAT     A unique constraint stands in the way. Nothing was changed by the
 *                       statement and the transaction can go on.
 * @return what `row` returned when it was not zero.
 * @return TQ_E_INVALID  The SQL is wrong or controls transactions, parameters do not fit it,
 *                       or a constraint other than a unique one was violated.
 * @return any failure: the body must return it; if it does not, it is returned for it.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_tx_exec(tq_tx *tx, const char *sql, const struct tq_value *params,
                                    size_t params_count, tq_row_fn *row, void *arg,
                                    struct tq_error *err);

/**
 * Run one statement for many rows of parameters: one round trip where the engine can. Several
 * rows of an INSERT may be one statement there, for which a trigger FOR EACH STATEMENT runs once.
 *
 * @param tx            Borrowed.
 * @param sql           One statement that returns no rows.
 * @param params        rows_count × params_count values, row after row. Borrowed.
 * @param params_count  Parameters of one row.
 * @param rows_count    1 to TQ_BATCH_MAX.
 * @param out_changed   Optional; rows_count elements: how many table rows each changed.
 *                      Of no meaning but after TQ_OK.
 * @param err           Optional.
 * @return TQ_OK      All were run.
 * @return TQ_REPEAT  A unique constraint stands in the way; none were applied.
 * @return TQ_E_LIMIT  No rows, or too many.
 * @return a failure as of tq_tx_exec().
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_tx_exec_many(tq_tx *tx, const char *sql, const struct tq_value *params,
                                         size_t params_count, size_t rows_count,
                                         uint32_t *out_changed, struct tq_error *err);

/**
 * Write, where no unique constraint can stand in the way: as tq_tx_exec_many(), and cheaper.
 *
 * An engine on which a statement that may be refused needs a savepoint places none. And
 * without `out_changed` nobody waits for the answer: the statement may go with the next one
 * that has one, or with the end of the body, in one round trip. A failure of it is then that
 * of the later statement, or of the request.
 *
 * @param tx            Borrowed.
 * @param sql           One statement; rows that it returns are dropped.
 * @param params        rows_count × params_count values, row after row. Borrowed.
 * @param params_count  Parameters of one row.
 * @param rows_count    1 to TQ_BATCH_MAX.
 * @param out_changed   Optional; rows_count elements: how many table rows each changed.
 * @param err           Optional.
 * @return TQ_OK         Run, or to be run before anything else is.
 * @return TQ_E_INVALID  As of tq_tx_exec(); also when a unique constraint does object.
 * @return TQ_E_LIMIT    No rows, or too many.
 * @return a failure as of tq_tx_exec().
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_tx_write(tq_tx *tx, const char *sql, const struct tq_value *params,
                                     size_t params_count, size_t rows_count, uint32_t *out_changed,
                                     struct tq_error *err);

/**
 * Tell how many table rows the last tq_tx_exec() on this transaction changed.
 * @param tx  Borrowed.
 * @return 0 for a statement that changed nothing.
 * @since 0.1
 */
TQ_API uint64_t tq_tx_changed(const tq_tx *tx);

/**
 * Read the database's clock. SQLite has none of its own: there it is the host's.
 * @param tx  Borrowed.
 * @return Milliseconds since the Unix epoch; the same for the whole transaction, which may have
 *         begun a round trip before a request that it took in.
 * @since 0.1
 */
TQ_API int64_t tq_tx_now_ms(const tq_tx *tx);

/**
 * Give the environment of the transaction's store.
 * @param tx  Borrowed.
 * @return Borrowed from the store.
 * @since 0.1
 */
TQ_API const struct tq_env *tq_tx_env(const tq_tx *tx);

/**
 * Work inside a transaction that the host has begun on a connection of its own.
 *
 * The verbs of hold, outbox, inbox and saga then take part in the host's
 * transaction. The host commits or rolls back; the library never does. Until it is
 * released, the connection is used by the calling thread only.
 *
 * @param store       A store of the same driver, whose schema `native` has. Borrowed.
 * @param native      `sqlite3 *` or `PGconn *` that is inside a transaction. Borrowed
 *                    until released.
 * @param out_tx      Written on TQ_OK.
 * @param err         Optional.
 * @return TQ_OK             Adopted; hand it to tq_tx_disown().
 * @return TQ_E_INVALID      The connection is not inside a transaction.
 * @return TQ_E_UNSUPPORTED  The store has no ledger.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_tx_adopt(tq_store *store, void *native, tq_tx **out_tx,
                                     struct tq_error *err);

/**
 * End an adoption; the host's transaction stays as it is.
 * @param tx  Taken. NULL is allowed.
 * @since 0.1
 */
TQ_API void tq_tx_disown(tq_tx *tx);

TQ_END_DECLS

#ifndef __cplusplus
/** An integer value. */
static inline struct tq_value tq_int(int64_t integer)
{
    struct tq_value value = {TQ_INT, 0, integer, NULL};
    return value;
}

/** A text value from a string that ends in NUL; NULL becomes SQL NULL. Borrowed. */
static inline struct tq_value tq_text(const char *text)
{
    struct tq_value value = {text ? TQ_TEXT : TQ_NULL,
                             text ? (uint32_t)__builtin_strlen(text) : 0, 0, text};
    return value;
}

/** A text value of known length. Borrowed. */
static inline struct tq_value tq_text_of(const char *text, size_t bytes)
{
    struct tq_value value = {TQ_TEXT, (uint32_t)bytes, 0, text};
    return value;
}
#endif

#endif /* TICKETQ_LEDGER_H */
