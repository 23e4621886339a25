/* SPDX-License-Identifier: MIT */
/*
 * The prepared statements of a connection.
 *
 * A statement is kept by its text and found again in O(length); of more than
 * TQ__SQLITE_STATEMENTS_MAX the one that was not used for longest goes.
 *
 * Parameters are `$1` to `$n`. For SQLite these are names, numbered by first
 * appearance, so each kept statement knows which of the caller's values stands
 * behind each of SQLite's indexes. Names are different, and none is above their
 * count, so together they are 1 to n with no gap.
 *
 * The driver's own statements are prepared as a connection is opened, so that
 * undoing something never needs memory; on an adopted one, when first used.
 * Threads: the connection's.
 */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"

static const char *const control_sql[SQLITE_CONTROLS_COUNT] = {
    [SQLITE_CONTROL_BEGIN_READ] = "BEGIN",
    [SQLITE_CONTROL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQLITE_CONTROL_LOOK] = "SELECT 1 FROM sqlite_schema LIMIT 1",
    [SQLITE_CONTROL_COMMIT] = "COMMIT",
    [SQLITE_CONTROL_ROLLBACK] = "ROLLBACK",
    [SQLITE_CONTROL_SAVEPOINT] = "SAVEPOINT tq_request",
    [SQLITE_CONTROL_RELEASE] = "RELEASE tq_request",
    [SQLITE_CONTROL_ROLLBACK_TO] = "ROLLBACK TO tq_request",
    [SQLITE_CONTROL_ROWS_SAVEPOINT] = "SAVEPOINT tq_rows",
    [SQLITE_CONTROL_ROWS_RELEASE] = "RELEASE tq_rows",
    [SQLITE_CONTROL_ROWS_ROLLBACK_TO] = "ROLLBACK TO tq_rows",
};

int tq__sqlite_statements_init(struct sqlite_statements *statements, sqlite3 *db,
                               const struct tq_env *env, struct tq_error *err)
{
    statements->db = db;
    statements->env = env;
    return tq__map_init(&statements->by_sql, env, err);
}

static int prepare_control(struct sqlite_statements *statements, enum sqlite_control which)
{
    sqlite3_stmt **stmt = &statements->controls[which];
    return *stmt ? SQLITE_OK
                 : sqlite3_prepare_v3(statements->db, control_sql[which], -1,
                                      SQLITE_PREPARE_PERSISTENT, stmt, NULL);
}

int tq__sqlite_controls_prepare(struct sqlite_statements *statements, struct tq_error *err)
{
    for (unsigned i = 0; i < SQLITE_CONTROLS_COUNT; i++) {
        int code = prepare_control(statements, i);
        if (code != SQLITE_OK) {
            return tq__sqlite_fail(statements->db, code, err);
        }
    }
    return TQ_OK;
}

int tq__sqlite_control(struct sqlite_statements *statements, enum sqlite_control which)
{
    int code = prepare_control(statements, which);
    if (code != SQLITE_OK) {
        return code;
    }
    while ((code = sqlite3_step(statements->controls[which])) == SQLITE_ROW) {
    }
    sqlite3_reset(statements->controls[which]);
    return code == SQLITE_DONE ? SQLITE_OK : code;
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
    for (size_t i = 0; i < SQLITE_CONTROLS_COUNT; i++) {
        sqlite3_finalize(statements->controls[i]);
        statements->controls[i] = NULL;
    }
    tq__map_done(&statements->by_sql);
}

/* n of a name `$n` in 1..max, or 0. */
static uint16_t number_of(const char *name, int max)
{
    if (!name || name[0] != '$' || name[1] == '0') {
        return 0;
    }
    int64_t number = tq__text_number(name + 1, strlen(name + 1), max);
    return number < 0 ? 0 : (uint16_t)number;
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

int tq__sqlite_is_blank(const char *sql)
{
    return sql[strspn(sql, " \t\r\n")] == '\0';
}

int tq__sqlite_is_control(sqlite3_stmt *stmt)
{
    return sqlite3_stmt_readonly(stmt) && sqlite3_column_count(stmt) == 0;
}

/* Makes the record of a prepared statement; takes over `stmt` on success. */
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
    made->is_control = tq__sqlite_is_control(stmt);
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
    int code = sqlite3_prepare_v3(statements->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
    if (code != SQLITE_OK) {
        return tq__sqlite_fail(statements->db, code, err);
    }
    int rc = stmt && tq__sqlite_is_blank(tail)
                 ? make(statements, sql, stmt, out, err)
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

int tq__sqlite_find(struct sqlite_statements *statements, const char *sql,
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
