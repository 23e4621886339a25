/* SPDX-License-Identifier: MIT */
/*
 * Running the statements of a body, each in one round trip:
 *
 *   what is pending
 *   SAVEPOINT         where a unique constraint may object (sql.c)
 *   prepare           when the connection does not know the statement yet
 *   run, run, ...     for each row of parameters, or each block of rows
 *   RELEASE
 *
 * To run a statement is about a third of what a row costs the server, so where no row depends on
 * another (sql.c) and nobody wants to know of each what became of it, rows go in blocks: one
 * statement inserts as many as its width says, and what does not fill a width goes in the next.
 *
 * What is sure not to meet one goes without a savepoint; and when nobody wants to know how many
 * rows it changed either, it is only asked: its answer is the first to be read by the next round
 * trip, which the end of a body is, too (tq__postgres_catch_up). So a failure never gets from one
 * body into another.
 *
 * When one fails, the server passes over the rest. A unique constraint then is TQ_REPEAT,
 * and the return to the savepoint goes with the next statement; after any other failure
 * the transaction is for the core to undo.
 *
 * Values go and come as they are: a number as a BIGINT, text and blobs as their bytes.
 * Columns come as text, of which every whole number, whatever its type (SUM of BIGINT is
 * a NUMERIC), and every truth is a TQ_INT. Rows are handed out when the round trip is over.
 *
 * A prepared statement can be gone, behind a pooler that hands out servers by transaction or
 * after a change of a table; then nothing is prepared any more, or all anew, and the transaction
 * is run again. Threads: the connection's.
 */
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "store/postgres/postgres.h"

#define COLUMNS_MAX 64

/* Types by their numbers, which are fixed (pg_type.dat). */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25 };
enum { OID_OID = 26, OID_NUMERIC = 1700 };

/* ---- values to the server ---- */

static int type_of(const struct tq_value *value, Oid *out_type)
{
    static const Oid types[] = {
        [TQ_NULL] = 0, [TQ_INT] = OID_INT8, [TQ_TEXT] = OID_TEXT, [TQ_BLOB] = OID_BYTEA};
    if (value->type >= sizeof types / sizeof *types) {
        return -1;
    }
    *out_type = types[value->type];
    return 0;
}

/* The types of all rows together; rows that differ in one are no rows of one statement. */
static int read_types(const struct tq_statement *statement, Oid *types, struct tq_error *err)
{
    memset(types, 0, statement->params_count * sizeof *types);
    for (size_t i = 0; i < statement->rows_count * statement->params_count; i++) {
        Oid type, *known = &types[i % statement->params_count];
        if (type_of(&statement->params[i], &type) || (type && *known && type != *known)) {
            return tq__fail(err, TQ_E_INVALID, "store.postgres",
                            "$%zu has no known type, or several", i % statement->params_count + 1);
        }
        *known = type ? type : *known;
    }
    return TQ_OK;
}

/* Runs one width of a statement. */
static void ask_rows_of(struct postgres_wire *wire, const struct postgres_statement *prepared,
                        size_t width, const struct tq_value *params)
{
    const char *values[TQ__POSTGRES_PARAMS_MAX];
    int lengths[TQ__POSTGRES_PARAMS_MAX];
    uint64_t integers[TQ__POSTGRES_PARAMS_MAX];
    size_t count = prepared->read.params_count * tq__postgres_rows_of[width];
    for (size_t i = 0; i < count; i++) {
        const struct tq_value *value = &params[i];
        values[i] = value->type == TQ_NULL ? NULL : value->data ? value->data : "";
        lengths[i] = (int)value->bytes;
        if (value->type == TQ_INT) {
            integers[i] = __builtin_bswap64((uint64_t)value->integer);
            values[i] = (const char *)&integers[i];
            lengths[i] = sizeof integers[i];
        }
    }
    tq__postgres_ask_run(wire, prepared->names[width], count, values, lengths);
}

/* ---- values from the server ---- */

static int read_integer(const char *text, struct tq_value *out)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*end || (value == INT64_MAX && strcmp(text, "9223372036854775807") != 0) ||
        (value == INT64_MIN && strcmp(text, "-9223372036854775808") != 0)) {
        return 0;
    }
    *out = (struct tq_value){.type = TQ_INT, .integer = value};
    return 1;
}

/* In the place where its text is, which is longer. */
static int read_bytes(char *text, struct tq_value *out)
{
    size_t bytes;
    unsigned char *plain = PQunescapeBytea((const unsigned char *)text, &bytes);
    if (!plain) {
        return 0;
    }
    memcpy(text, plain, bytes);
    PQfreemem(plain);
    *out = (struct tq_value){.type = TQ_BLOB, .bytes = (uint32_t)bytes, .data = text};
    return 1;
}

static int read_column(const PGresult *result, int row, int column, struct tq_value *out)
{
    char *text = PQgetvalue(result, row, column);
    *out = (struct tq_value){0};
    if (PQgetisnull(result, row, column)) {
        return 1;
    }
    switch (PQftype(result, column)) {
    case OID_BOOL:
        *out = (struct tq_value){.type = TQ_INT, .integer = text[0] == 't'};
        return 1;
    case OID_BYTEA:
        return read_bytes(text, out);
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
    case OID_NUMERIC:
        if (read_integer(text, out)) {
            return 1;
        }
        break;
    default:
        break;
    }
    out->type = TQ_TEXT;
    out->bytes = (uint32_t)PQgetlength(result, row, column);
    out->data = text;
    return 1;
}

static int visit(const PGresult *result, const struct tq_statement *statement, struct tq_error *err)
{
    struct tq_value columns[COLUMNS_MAX];
    int count = PQnfields(result);
    if (count > COLUMNS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.postgres", "%d columns, at most %d are allowed",
                        count, COLUMNS_MAX);
    }
    for (int row = 0; row < PQntuples(result); row++) {
        for (int i = 0; i < count; i++) {
            if (!read_column(result, row, i, &columns[i])) {
                return tq__nomem("store.postgres", err);
            }
        }
        int stop = statement->row(statement->arg, columns, (size_t)count);
        if (stop) {
            return stop;
        }
    }
    return TQ_OK;
}

/* Rows of tables; what a SELECT found is none. */
static uint32_t changed_by(PGresult *result)
{
    int is_read = strncmp(PQcmdStatus(result), "SELECT", 6) == 0;
    return is_read ? 0 : (uint32_t)strtoul(PQcmdTuples(result), NULL, 10);
}

/* ---- blocks of rows ---- */

/*
 * The widest that the rest of the rows fills. Nobody could tell which of a block's rows changed
 * how many, and what has no name cannot be there in several widths.
 */
static size_t width_for(const struct postgres_statement *prepared,
                        const struct tq_statement *statement, size_t rows_left)
{
    int is_any = prepared->read.row && prepared->names[0][0] && !statement->out_changed;
    size_t width = is_any ? TQ__POSTGRES_WIDTHS - 1 : 0;
    while (width > 0 &&
           (tq__postgres_rows_of[width] > rows_left ||
            tq__postgres_rows_of[width] * statement->params_count > TQ__POSTGRES_PARAMS_MAX)) {
        width--;
    }
    return width;
}

/* All widths that it takes, a bit each. */
static uint32_t widths_of(const struct postgres_statement *prepared,
                          const struct tq_statement *statement)
{
    uint32_t widths = 0;
    for (size_t left = statement->rows_count, width; left > 0;
         left -= tq__postgres_rows_of[width]) {
        width = width_for(prepared, statement, left);
        widths |= 1u << width;
    }
    return widths;
}

/* ---- one round trip ---- */

/* What has become of it. */
struct trip {
    PGresult *last; /* the last row's answer, when it is to be looked at */
    PGresult *bad;
    uint32_t widths;  /* that are run */
    uint32_t missing; /* of these, what has to be prepared */
    int is_ok;
    int is_own; /* what came before the statement went well */
    int is_guarded;
};

static int read_rows(struct postgres_wire *wire, const struct postgres_statement *prepared,
                     const struct tq_statement *statement, struct trip *trip)
{
    for (size_t i = 0; i < statement->rows_count;) {
        PGresult *result = tq__postgres_answer(wire);
        if (!result || !tq__postgres_is_ok(result)) {
            trip->bad = result;
            return 0;
        }
        if (statement->out_changed) {
            statement->out_changed[i] = changed_by(result);
        }
        if (statement->row) {
            trip->last = result;
        } else {
            PQclear(result);
        }
        i += tq__postgres_rows_of[width_for(prepared, statement, statement->rows_count - i)];
    }
    return 1;
}

static void ask_rows(struct postgres_wire *wire, const struct postgres_statement *prepared,
                     const struct tq_statement *statement)
{
    for (size_t i = 0, width; i < statement->rows_count; i += tq__postgres_rows_of[width]) {
        width = width_for(prepared, statement, statement->rows_count - i);
        ask_rows_of(wire, prepared, width, statement->params + i * statement->params_count);
    }
}

static int ask(struct postgres_conn *conn, struct postgres_statement *prepared,
               const struct tq_statement *statement, const struct trip *trip, struct tq_error *err)
{
    struct postgres_wire *wire = &conn->wire;
    if (trip->is_guarded) {
        tq__postgres_ask_control(wire, POSTGRES_ROWS_SAVEPOINT);
    }
    TQ_TRY(tq__postgres_prepare(&conn->statements, wire, prepared, trip->missing, err));
    ask_rows(wire, prepared, statement);
    if (trip->is_guarded) {
        tq__postgres_ask_control(wire, POSTGRES_ROWS_RELEASE);
    }
    tq__postgres_ask_end(wire);
    return TQ_OK;
}

static int read_prepared(struct postgres_wire *wire, struct postgres_statement *prepared,
                         struct trip *trip)
{
    for (size_t width = 0; width < TQ__POSTGRES_WIDTHS; width++) {
        if (trip->missing & 1u << width) {
            if (!tq__postgres_answers_ok(wire, 1, &trip->bad)) {
                return 0;
            }
            prepared->there |= prepared->names[0][0] ? 1u << width : 0;
        }
    }
    return 1;
}

/* TQ_OK when there are answers. What was asked before the statement is answered first. */
static int travel(struct postgres_conn *conn, struct postgres_statement *prepared,
                  const struct tq_statement *statement, struct trip *trip, struct tq_error *err)
{
    struct postgres_wire *wire = &conn->wire;
    size_t before = wire->asked, guard;
    trip->is_guarded = prepared->read.is_guarded && !statement->is_sure;
    guard = trip->is_guarded ? 1 : 0;
    TQ_TRY(ask(conn, prepared, statement, trip, err));
    trip->is_own = tq__postgres_answers_ok(wire, before, &trip->bad);
    trip->is_ok = trip->is_own && tq__postgres_answers_ok(wire, guard, &trip->bad) &&
                  read_prepared(wire, prepared, trip) &&
                  read_rows(wire, prepared, statement, trip) &&
                  tq__postgres_answers_ok(wire, guard, &trip->bad);
    trip->is_ok &= tq__postgres_answers_end(wire);
    return TQ_OK;
}

/* ---- a statement of a body ---- */

static int check(const struct postgres_statement *prepared, const struct tq_statement *statement,
                 struct tq_error *err)
{
    if (prepared->read.is_control) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "a body may not control transactions or settings");
    }
    if (prepared->read.params_count != statement->params_count) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "the statement has %zu parameters, %zu were given",
                        prepared->read.params_count, statement->params_count);
    }
    return TQ_OK;
}

/* A kept statement that the server does not know, or that no longer fits its tables. */
static int is_out_of_date(const PGresult *bad)
{
    return tq__postgres_is_state(bad, "26000") || tq__postgres_is_state(bad, "0A000");
}

/* The connection is given up: its successor begins with nothing prepared. */
static int renew(struct postgres_conn *conn, const PGresult *bad, struct tq_error *err)
{
    if (tq__postgres_is_state(bad, "26000") && atomic_exchange(&conn->state->is_prepared, 0)) {
        tq__log(conn->state->env, TQ_LOG_WARN, "store.postgres",
                "prepared statements do not stay here: none are made any more (prepared=0)");
    }
    conn->wire.is_lost = 1;
    return tq__fail(err, TQ_E_BUSY, "store.postgres", "a prepared statement is out of date");
}

static int unexpected(struct tq_error *err)
{
    return tq__fail(err, TQ_E_INVALID, "store.postgres",
                    "a unique constraint objects where no statement can be undone alone");
}

/* Where nothing is to be written, a write is the body's mistake and not the server's mood. */
static int fail_as(const struct postgres_conn *conn, const PGresult *bad, struct tq_error *err)
{
    int status = tq__postgres_fail(conn->wire.pg, bad, err);
    if (conn->mode != TQ_TX_READ || !tq__postgres_is_state(bad, "25006")) {
        return status;
    }
    return tq__fail(err, TQ_E_INVALID, "store.postgres", "a reading transaction may not write");
}

/* Of what was to succeed. */
static int fail_all(struct postgres_conn *conn, const PGresult *bad, struct tq_error *err)
{
    if (is_out_of_date(bad)) {
        return renew(conn, bad, err);
    }
    int status = fail_as(conn, bad, err);
    return status == TQ_REPEAT ? unexpected(err) : status;
}

static int fail(struct postgres_conn *conn, const struct trip *trip, struct tq_error *err)
{
    int is_known = trip->widths != trip->missing;
    if (!trip->is_own || (is_known && is_out_of_date(trip->bad))) {
        return fail_all(conn, trip->bad, err);
    }
    int status = fail_as(conn, trip->bad, err);
    if (status != TQ_REPEAT) {
        return status;
    }
    if (!trip->is_guarded) {
        return unexpected(err);
    }
    tq__postgres_later(&conn->wire, POSTGRES_ROWS_ROLLBACK_TO);
    return TQ_REPEAT;
}

/* Nobody wants to know what comes of it, unless it fails. Never on a host's connection, where
   nothing is prepared: we do not see the end of its transaction. */
static int is_late(const struct tq_statement *statement, const struct trip *trip)
{
    return statement->is_sure && !statement->row && !statement->out_changed && !trip->missing;
}

int tq__postgres_catch_up(struct postgres_conn *conn, struct tq_error *err)
{
    struct postgres_wire *wire = &conn->wire;
    PGresult *bad = NULL;
    if (!wire->asked) {
        return TQ_OK;
    }
    tq__postgres_ask_pending(wire);
    tq__postgres_ask_end(wire);
    int is_ok = tq__postgres_answers_ok(wire, wire->asked, &bad);
    is_ok &= tq__postgres_answers_end(wire);
    int rc = is_ok ? TQ_OK : fail_all(conn, bad, err);
    PQclear(bad);
    return rc;
}

static int run(struct postgres_conn *conn, const struct tq_statement *statement,
               struct tq_error *err)
{
    struct postgres_wire *wire = &conn->wire;
    struct postgres_statement *prepared;
    Oid types[TQ__POSTGRES_PARAMS_MAX];
    if (statement->params_count > TQ__POSTGRES_PARAMS_MAX) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres", "%zu parameters, at most %d",
                        statement->params_count, TQ__POSTGRES_PARAMS_MAX);
    }
    TQ_TRY(read_types(statement, types, err));
    tq__postgres_ask_pending(wire);
    TQ_TRY(tq__postgres_find(&conn->statements, wire, statement->sql, statement->params_count,
                             types, &prepared, err));
    TQ_TRY(check(prepared, statement, err));
    struct trip trip = {.widths = widths_of(prepared, statement)};
    trip.missing = trip.widths & ~prepared->there;
    if (is_late(statement, &trip)) {
        ask_rows(wire, prepared, statement);
        return TQ_OK;
    }
    TQ_TRY(travel(conn, prepared, statement, &trip, err));
    int rc = trip.is_ok ? TQ_OK : fail(conn, &trip, err);
    if (!trip.is_ok && !prepared->there) {
        tq__postgres_forget(&conn->statements, prepared);
    }
    if (rc == TQ_OK && trip.last) {
        rc = visit(trip.last, statement, err);
    }
    PQclear(trip.last);
    PQclear(trip.bad);
    return rc;
}

/* ---- a script ---- */

static int check_statement(const char *sql, struct tq_error *err)
{
    struct postgres_sql read;
    TQ_TRY(tq__postgres_sql_read(&read, sql, err));
    if (read.is_control || read.params_count) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "a script may not control transactions or settings, nor have parameters");
    }
    return TQ_OK;
}

/* Each statement in PostgreSQL's words; asked only when all of them are in order. */
static int read_script(struct postgres_wire *wire, struct tq__buf *buf, const char *sql,
                       int is_asked, struct tq_error *err)
{
    size_t bytes;
    for (const char *at = sql; (at = tq__postgres_sql_next(at, &bytes)); at += bytes) {
        tq__buf_clear(buf);
        tq__postgres_sql_translate(buf, at, bytes);
        TQ_TRY(tq__buf_check(buf, "store.postgres", err));
        if (is_asked) {
            tq__postgres_ask_text(wire, buf->data);
        } else {
            TQ_TRY(check_statement(buf->data, err));
        }
    }
    return TQ_OK;
}

static int run_script(struct postgres_conn *conn, const char *sql, struct tq_error *err)
{
    struct postgres_wire *wire = &conn->wire;
    struct tq__buf buf = TQ__BUF(conn->state->env);
    PGresult *bad = NULL;
    tq__postgres_ask_pending(wire);
    int rc = read_script(wire, &buf, sql, 0, err);
    if (rc == TQ_OK) {
        rc = read_script(wire, &buf, sql, 1, err);
        tq__postgres_ask_end(wire);
        int is_ok = tq__postgres_answers_ok(wire, wire->asked, &bad);
        if (!(tq__postgres_answers_end(wire) && is_ok) && rc == TQ_OK) {
            rc = fail_as(conn, bad, err);
        }
    }
    tq__buf_done(&buf);
    PQclear(bad);
    return rc == TQ_REPEAT ? unexpected(err) : rc;
}

/* ---- on the driver's connections and on a host's ---- */

/* A host's connection is as it was between two calls: nothing pending, no pipeline. */
static int enter(struct postgres_conn *conn, int *out_was_nonblocking, struct tq_error *err)
{
    PGconn *pg = conn->wire.pg;
    if (conn->wire.is_lost) {
        return tq__postgres_fail(pg, NULL, err);
    }
    *out_was_nonblocking = PQisnonblocking(pg);
    if (conn->is_adopted && (PQsetnonblocking(pg, 1) || !PQenterPipelineMode(pg))) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "the host's connection is busy with something else");
    }
    return TQ_OK;
}

static void leave(struct postgres_conn *conn, int was_nonblocking)
{
    struct postgres_wire *wire = &conn->wire;
    if (!conn->is_adopted) {
        return;
    }
    if (!wire->is_lost && (wire->pending_count || wire->asked)) {
        tq__postgres_ask_pending(wire);
        tq__postgres_ask_end(wire);
        tq__postgres_answers_end(wire);
    }
    wire->is_lost |= !PQexitPipelineMode(wire->pg);
    PQsetnonblocking(wire->pg, was_nonblocking);
}

int tq__postgres_exec(struct postgres_conn *conn, const struct tq_statement *statement,
                      struct tq_error *err)
{
    int was_nonblocking = 0;
    TQ_TRY(enter(conn, &was_nonblocking, err));
    int rc = run(conn, statement, err);
    leave(conn, was_nonblocking);
    return rc;
}

int tq__postgres_script(struct postgres_conn *conn, const char *sql, struct tq_error *err)
{
    int was_nonblocking = 0;
    TQ_TRY(enter(conn, &was_nonblocking, err));
    int rc = run_script(conn, sql, err);
    leave(conn, was_nonblocking);
    return rc;
}

int tq__postgres_settle(struct postgres_conn *conn, struct tq_error *err)
{
    int was_nonblocking = 0;
    if (conn->is_adopted) {
        TQ_TRY(enter(conn, &was_nonblocking, err));
        leave(conn, was_nonblocking);
    }
    return conn->wire.is_lost ? tq__postgres_fail(conn->wire.pg, NULL, err) : TQ_OK;
}
