/* SPDX-License-Identifier: MIT */
/*
 * Prepared statements of a connection, and running them.
 *
 * A statement is kept by its text and found again in O(length); of more than
 * TQ__SQLITE_STATEMENTS_MAX the one that was not used for longest goes. Between
 * two runs a kept statement is reset and holds no value of a caller.
 *
 * Parameters are `$1` to `$n`. For SQLite these are names, numbered by first
 * appearance, so each kept statement knows which of the caller's values stands
 * behind each of SQLite's indexes. Names are different, and none is above their
 * count, so together they are 1 to n with no gap.
 *
 * A statement that neither changes nor returns anything controls transactions,
 * attaches files or sets switches: not for bodies, which are refused it.
 *
 * Several rows are run behind a savepoint of their own, so that a constraint in
 * the way of one undoes all. A single one needs none: SQLite undoes a statement
 * that fails. Threads: the connection's.
 */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "core/env.h"

#define COLUMNS_MAX 64

struct sqlite_statement {
    struct sqlite_statement *newer, *older;
    sqlite3_stmt *stmt;
    int is_control;
    size_t params_count;
    char *sql;          /* behind `numbers` */
    uint16_t numbers[]; /* n of `$n`, for each of SQLite's indexes from 1 */
};

int tq__sqlite_statements_init(struct sqlite_statements *statements, sqlite3 *db,
                               const struct tq_env *env, struct tq_error *err)
{
    statements->db = db;
    statements->env = env;
    statements->newest = statements->oldest = NULL;
    return tq__map_init(&statements->by_sql, env, err);
}

static void unlink_statement(struct sqlite_statements *statements, struct sqlite_statement *at)
{
    *(at->newer ? &at->newer->older : &statements->newest) = at->older;
    *(at->older ? &at->older->newer : &statements->oldest) = at->newer;
}

static void link_newest(struct sqlite_statements *statements, struct sqlite_statement *at)
{
    at->newer = NULL;
    at->older = statements->newest;
    *(at->older ? &at->older->newer : &statements->oldest) = at;
    statements->newest = at;
}

static void drop(struct sqlite_statements *statements, struct sqlite_statement *at)
{
    unlink_statement(statements, at);
    tq__map_remove(&statements->by_sql, at->sql);
    sqlite3_finalize(at->stmt);
    tq__release(statements->env, at);
}

void tq__sqlite_statements_done(struct sqlite_statements *statements)
{
    while (statements->newest) {
        drop(statements, statements->newest);
    }
    tq__map_done(&statements->by_sql);
}

/* n of a name `$n` in 1..max, or 0. */
static uint16_t number_of(const char *name, int max)
{
    int number = 0;
    if (!name || name[0] != '$' || name[1] == '0' || !name[1]) {
        return 0;
    }
    for (const char *at = name + 1; *at; at++) {
        if (*at < '0' || *at > '9') {
            return 0;
        }
        number = number * 10 + (*at - '0');
        if (number > max) {
            return 0;
        }
    }
    return (uint16_t)number;
}

static int read_numbers(struct sqlite_statement *statement, struct tq_error *err)
{
    int count = (int)statement->params_count;
    for (int i = 0; i < count; i++) {
        statement->numbers[i] =
            number_of(sqlite3_bind_parameter_name(statement->stmt, i + 1), count);
        if (!statement->numbers[i]) {
            return tq__fail(err, TQ_E_INVALID, "store.sqlite", "parameters must be $1 to $%d",
                            count);
        }
    }
    return TQ_OK;
}

/* Whether there is nothing but white space. */
static int is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* Prepares the first statement of `sql`; `*out_tail` is what follows it. */
static int prepare(sqlite3 *db, const char *sql, unsigned flags, sqlite3_stmt **out_stmt,
                   const char **out_tail, struct tq_error *err)
{
    int code = sqlite3_prepare_v3(db, sql, -1, flags, out_stmt, out_tail);
    return code == SQLITE_OK ? TQ_OK : tq__sqlite_fail(db, code, err);
}

static int is_control(sqlite3_stmt *stmt)
{
    return sqlite3_stmt_readonly(stmt) && sqlite3_column_count(stmt) == 0;
}

/* Prepares one statement and makes its record; takes over `stmt` on success. */
static int make(struct sqlite_statements *statements, const char *sql, sqlite3_stmt *stmt,
                struct sqlite_statement **out, struct tq_error *err)
{
    size_t params_count = (size_t)sqlite3_bind_parameter_count(stmt);
    size_t numbers_bytes = params_count * sizeof(uint16_t), sql_bytes = strlen(sql) + 1;
    struct sqlite_statement *made =
        tq__alloc(statements->env, 1, sizeof *made + numbers_bytes + sql_bytes);
    if (!made) {
        return tq__nomem("store.sqlite", err);
    }
    made->stmt = stmt;
    made->is_control = is_control(stmt);
    made->params_count = params_count;
    made->sql = (char *)(made->numbers + params_count);
    memcpy(made->sql, sql, sql_bytes);
    int rc = read_numbers(made, err);
    if (rc == TQ_OK) {
        rc = tq__map_put(&statements->by_sql, made->sql, made, err);
    }
    if (rc < 0) {
        tq__release(statements->env, made);
        return rc;
    }
    *out = made;
    return TQ_OK;
}

static int add(struct sqlite_statements *statements, const char *sql, struct sqlite_statement **out,
               struct tq_error *err)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail;
    TQ_TRY(prepare(statements->db, sql, SQLITE_PREPARE_PERSISTENT, &stmt, &tail, err));
    int rc = stmt && is_blank(tail) ? make(statements, sql, stmt, out, err)
                                    : tq__fail(err, TQ_E_INVALID, "store.sqlite",
                                               "one statement is required, not none or several");
    if (rc < 0) {
        sqlite3_finalize(stmt);
        return rc;
    }
    link_newest(statements, *out);
    if (statements->by_sql.count > TQ__SQLITE_STATEMENTS_MAX) {
        drop(statements, statements->oldest);
    }
    return TQ_OK;
}

static int find(struct sqlite_statements *statements, const char *sql,
                struct sqlite_statement **out, struct tq_error *err)
{
    struct sqlite_statement *found = tq__map_get(&statements->by_sql, sql);
    if (!found) {
        return add(statements, sql, out, err);
    }
    if (found != statements->newest) {
        unlink_statement(statements, found);
        link_newest(statements, found);
    }
    *out = found;
    return TQ_OK;
}

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

/* Text and blobs live until the next step. A number with a fraction comes as text. */
static int read_column(sqlite3_stmt *stmt, int column, struct tq_value *out)
{
    *out = (struct tq_value){0};
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_NULL:
        return 1;
    case SQLITE_INTEGER:
        out->type = TQ_INT;
        out->integer = sqlite3_column_int64(stmt, column);
        return 1;
    case SQLITE_BLOB:
        out->type = TQ_BLOB;
        out->data = sqlite3_column_blob(stmt, column);
        break;
    default:
        out->type = TQ_TEXT;
        out->data = sqlite3_column_text(stmt, column);
    }
    out->bytes = (uint32_t)sqlite3_column_bytes(stmt, column);
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

/* The rows behind a savepoint of their own; `prepared` must not be dropped meanwhile. */
static int run_rows_guarded(struct sqlite_statements *statements, struct sqlite_statement *prepared,
                            const struct tq_statement *statement, struct tq_error *err)
{
    int code = sqlite3_exec(statements->db, "SAVEPOINT tq_rows", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        return tq__sqlite_fail(statements->db, code, err);
    }
    int rc = run_rows(statements, prepared, statement, err);
    code = sqlite3_exec(statements->db,
                        rc == TQ_OK ? "RELEASE tq_rows" : "ROLLBACK TO tq_rows; RELEASE tq_rows",
                        NULL, NULL, NULL);
    /* When SQLite has rolled back the whole transaction, `rc` says why. */
    return rc == TQ_OK && code != SQLITE_OK ? tq__sqlite_fail(statements->db, code, err) : rc;
}

static int check(const struct sqlite_statement *prepared, const struct tq_statement *statement,
                 int can_write, struct tq_error *err)
{
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
    struct sqlite_statement *prepared;
    TQ_TRY(find(statements, statement->sql, &prepared, err));
    TQ_TRY(check(prepared, statement, can_write, err));
    if (statement->rows_count == 1) {
        return run_rows(statements, prepared, statement, err);
    }
    return run_rows_guarded(statements, prepared, statement, err);
}

int tq__sqlite_control(struct sqlite_statements *statements, const char *sql)
{
    struct sqlite_statement *prepared;
    struct tq_error err = TQ_ERROR_INIT;
    if (find(statements, sql, &prepared, &err) < 0) {
        return err.native ? (int)err.native : SQLITE_NOMEM;
    }
    int code;
    while ((code = sqlite3_step(prepared->stmt)) == SQLITE_ROW) {
    }
    sqlite3_reset(prepared->stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run_once(sqlite3 *db, sqlite3_stmt *stmt, struct tq_error *err)
{
    static const struct tq_statement no_rows = {.size = sizeof no_rows, .rows_count = 1};
    if (is_control(stmt)) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite",
                        "a script may not control transactions or settings");
    }
    return step(db, stmt, &no_rows, err);
}

int tq__sqlite_script(sqlite3 *db, const char *sql, struct tq_error *err)
{
    while (!is_blank(sql)) {
        sqlite3_stmt *stmt = NULL;
        TQ_TRY(prepare(db, sql, 0, &stmt, &sql, err));
        int rc = stmt ? run_once(db, stmt, err) : TQ_OK;
        sqlite3_finalize(stmt);
        TQ_TRY(rc);
    }
    return TQ_OK;
}
