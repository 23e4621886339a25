/* SPDX-License-Identifier: MIT */
/*
 * Running the statements of a body.
 *
 * A statement that neither changes nor returns anything controls transactions,
 * attaches files or sets switches: not for bodies, which are refused it.
 *
 * Some failures (a full disk, lack of memory) end SQLite's transaction. What is
 * run after that would commit itself, so it is refused.
 *
 * Several rows are run behind a savepoint of their own, so that a constraint in
 * the way of one undoes all. A single one needs none: SQLite undoes a statement
 * that fails. Between two runs a statement is reset and holds no value of a
 * caller. Threads: the connection's.
 */
#include "store/sqlite/sqlite.h"

#include "core/env.h"

#define COLUMNS_MAX 64

/* A value of the caller is borrowed until the statement is reset. */
static int bind_value(sqlite3_stmt *stmt, int index, const struct tq_value *value)
{
    const char *data = value->data ? value->data : "";
    switch (value->type) {
    case TQ_NULL:
        return sqlite3_bind_null(stmt, index);
    case TQ_INT:
        return sqlite3_bind_int64(stmt, index, value->integer);
    case TQ_TEXT:
        return sqlite3_bind_text64(stmt, index, data, value->bytes, SQLITE_STATIC, SQLITE_UTF8);
    case TQ_BLOB:
        return sqlite3_bind_blob64(stmt, index, data, value->bytes, SQLITE_STATIC);
    default:
        return SQLITE_MISMATCH;
    }
}

static int bind(sqlite3 *db, const struct sqlite_statement *statement,
                const struct tq_value *params, struct tq_error *err)
{
    for (size_t i = 0; i < statement->params_count; i++) {
        const struct tq_value *value = &params[statement->numbers[i] - 1];
        int code = bind_value(statement->stmt, (int)i + 1, value);
        if (code == SQLITE_MISMATCH) {
            return tq__fail(err, TQ_E_INVALID, "store.sqlite", "$%u has no known type",
                            statement->numbers[i]);
        }
        if (code != SQLITE_OK) {
            return tq__sqlite_fail(db, code, err);
        }
    }
    return TQ_OK;
}

/*
 * Text and blobs live until the next step. A number with a fraction comes as text. A column is
 * looked up once: its value is safe to read, since nobody else has the connection.
 */
static int read_column(sqlite3_stmt *stmt, int column, struct tq_value *out)
{
    sqlite3_value *value = sqlite3_column_value(stmt, column);
    *out = (struct tq_value){0};
    switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
        return 1;
    case SQLITE_INTEGER:
        out->type = TQ_INT;
        out->integer = sqlite3_value_int64(value);
        return 1;
    case SQLITE_BLOB:
        out->type = TQ_BLOB;
        out->data = sqlite3_value_blob(value);
        break;
    default:
        out->type = TQ_TEXT;
        out->data = sqlite3_value_text(value);
    }
    out->bytes = (uint32_t)sqlite3_value_bytes(value);
    return out->data || (out->type == TQ_BLOB && out->bytes == 0);
}

static int visit(sqlite3_stmt *stmt, const struct tq_statement *statement, int *out_result,
                 struct tq_error *err)
{
    struct tq_value columns[COLUMNS_MAX];
    int count = sqlite3_column_count(stmt);
    if (count > COLUMNS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.sqlite", "%d columns, at most %d are allowed",
                        count, COLUMNS_MAX);
    }
    for (int i = 0; i < count; i++) {
        if (!read_column(stmt, i, &columns[i])) {
            return tq__nomem("store.sqlite", err);
        }
    }
    *out_result = statement->row(statement->arg, columns, (size_t)count);
    return TQ_OK;
}

/* Steps through the rows of a bound statement: TQ_OK, or what stopped it. */
static int step(sqlite3 *db, sqlite3_stmt *stmt, const struct tq_statement *statement,
                struct tq_error *err)
{
    int code, result = 0;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (statement->row) {
            TQ_TRY(visit(stmt, statement, &result, err));
            if (result) {
                return result;
            }
        }
    }
    return code == SQLITE_DONE ? TQ_OK : tq__sqlite_fail(db, code, err);
}

static int run_row(sqlite3 *db, struct sqlite_statement *prepared,
                   const struct tq_statement *statement, size_t row, struct tq_error *err)
{
    const struct tq_value *params = statement->params + row * statement->params_count;
    int rc = bind(db, prepared, params, err);
    if (rc == TQ_OK) {
        rc = step(db, prepared->stmt, statement, err);
    }
    /* A failure was told by the step; a scan that was stopped ends here. */
    sqlite3_reset(prepared->stmt);
    sqlite3_clear_bindings(prepared->stmt);
    if (statement->out_changed) {
        int is_read = sqlite3_stmt_readonly(prepared->stmt);
        statement->out_changed[row] = is_read ? 0 : (uint32_t)sqlite3_changes(db);
    }
    return rc;
}

static int run_rows(struct sqlite_statements *statements, struct sqlite_statement *prepared,
                    const struct tq_statement *statement, struct tq_error *err)
{
    sqlite3 *db = statements->db;
    int rc = TQ_OK;
    for (size_t i = 0; i < statement->rows_count && rc == TQ_OK; i++) {
        rc = run_row(db, prepared, statement, i, err);
    }
    return rc;
}

/* The rows behind a savepoint of their own. */
static int run_rows_guarded(struct sqlite_statements *statements, struct sqlite_statement *prepared,
                            const struct tq_statement *statement, struct tq_error *err)
{
    int code = tq__sqlite_control(statements, SQLITE_CONTROL_ROWS_SAVEPOINT);
    if (code != SQLITE_OK) {
        return tq__sqlite_fail(statements->db, code, err);
    }
    int rc = run_rows(statements, prepared, statement, err);
    if (rc != TQ_OK) {
        /* Where SQLite has ended the whole transaction this fails, and `rc` says why. */
        tq__sqlite_control(statements, SQLITE_CONTROL_ROWS_ROLLBACK_TO);
        tq__sqlite_control(statements, SQLITE_CONTROL_ROWS_RELEASE);
        return rc;
    }
    code = tq__sqlite_control(statements, SQLITE_CONTROL_ROWS_RELEASE);
    return code == SQLITE_OK ? TQ_OK : tq__sqlite_fail(statements->db, code, err);
}

static int check(const struct sqlite_statement *prepared, const struct tq_statement *statement,
                 int can_write, struct tq_error *err)
{
    if (sqlite3_get_autocommit(sqlite3_db_handle(prepared->stmt))) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.sqlite", "the transaction has ended");
    }
    if (prepared->is_control) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite",
                        "a body may not control transactions or settings");
    }
    if (!can_write && !sqlite3_stmt_readonly(prepared->stmt)) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite", "a write in a reading transaction");
    }
    if (prepared->params_count != statement->params_count) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite",
                        "the statement has %zu parameters, %zu were given", prepared->params_count,
                        statement->params_count);
    }
    return TQ_OK;
}

int tq__sqlite_exec(struct sqlite_statements *statements, const struct tq_statement *statement,
                    int can_write, struct tq_error *err)
{
    struct sqlite_statement *prepared = NULL;
    TQ_TRY(tq__sqlite_find(statements, statement->sql, &prepared, err));
    TQ_TRY(check(prepared, statement, can_write, err));
    if (statement->rows_count == 1) {
        return run_rows(statements, prepared, statement, err);
    }
    return run_rows_guarded(statements, prepared, statement, err);
}

static int run_once(sqlite3 *db, sqlite3_stmt *stmt, struct tq_error *err)
{
    static const struct tq_statement no_rows = {.size = sizeof no_rows, .rows_count = 1};
    if (tq__sqlite_is_control(stmt)) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite",
                        "a script may not control transactions or settings");
    }
    return step(db, stmt, &no_rows, err);
}

int tq__sqlite_script(sqlite3 *db, const char *sql, struct tq_error *err)
{
    while (!tq__sqlite_is_blank(sql)) {
        sqlite3_stmt *stmt = NULL;
        int code = sqlite3_prepare_v3(db, sql, -1, 0, &stmt, &sql);
        if (code != SQLITE_OK) {
            return tq__sqlite_fail(db, code, err);
        }
        int rc = stmt ? run_once(db, stmt, err) : TQ_OK;
        sqlite3_finalize(stmt);
        TQ_TRY(rc);
    }
    return TQ_OK;
}
