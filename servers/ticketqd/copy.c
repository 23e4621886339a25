/* SPDX-License-Identifier: MIT */
/*
 * Copies the ledgers of all services from PostgreSQL into databases that are attached
 * to one of SQLite, so that the audit has one text whatever it reads.
 *
 * The schemas are in one database, so one reading transaction sees all of them in the
 * same instant: a sale may go on meanwhile. It may be run again, and begins with new
 * tables then.
 *
 * Nothing is known about the tables: columns are taken by name, and SQLite takes every
 * value as it comes. Cost: one pass over every row; an answer is in memory table by table.
 */
#include "ticketqd/copy.h"

#include <string.h>

#include <ticketq/ledger.h>

#include "app/app.h"
#include "copy_sql.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "audit"

/* A service that is being copied, and the table that is. */
struct source {
    const struct audit_copy *copy;
    const char *service;
    const char *table;
    sqlite3_stmt *insert;
};

static int refused(const struct source *source)
{
    app_log(TQ_LOG_ERROR, ORIGIN, "schema %s cannot be copied: %s", source->service,
            sqlite3_errmsg(source->copy->db));
    return TQ_E_INTERNAL;
}

/* Runs a text that sqlite3_mprintf() has made, and frees it. */
static int run(const struct source *source, char *sql)
{
    int rc = sql ? sqlite3_exec(source->copy->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc == SQLITE_OK ? TQ_OK : refused(source);
}

static int make_table(void *arg, const struct tq_value *columns, size_t columns_count)
{
    const struct source *source = arg;
    (void)columns_count;
    const char *table = columns[0].data;
    const char *names = columns[1].data;
    int rc = run(source, sqlite3_mprintf("DROP TABLE IF EXISTS %s.\"%w\"", source->service, table));
    return rc ? rc
              : run(source,
                    sqlite3_mprintf("CREATE TABLE %s.\"%w\" (%s)", source->service, table, names));
}

/* "INSERT INTO reservation.sagas VALUES (?, ?, ?)" */
static int prepare_insert(struct source *source, size_t columns_count)
{
    sqlite3_str *sql = sqlite3_str_new(source->copy->db);
    sqlite3_str_appendf(sql, "INSERT INTO %s.\"%w\" VALUES (", source->service, source->table);
    for (size_t i = 0; i < columns_count; i++) {
        sqlite3_str_appendall(sql, i ? ", ?" : "?");
    }
    sqlite3_str_appendall(sql, ")");
    char *text = sqlite3_str_finish(sql);
    int rc =
        text ? sqlite3_prepare_v2(source->copy->db, text, -1, &source->insert, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc == SQLITE_OK ? TQ_OK : refused(source);
}

static void bind(sqlite3_stmt *insert, int place, const struct tq_value *value)
{
    switch (value->type) {
    case TQ_INT:
        sqlite3_bind_int64(insert, place, value->integer);
        break;
    case TQ_TEXT:
        sqlite3_bind_text(insert, place, value->data, (int)value->bytes, SQLITE_STATIC);
        break;
    case TQ_BLOB:
        sqlite3_bind_blob(insert, place, value->data, (int)value->bytes, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(insert, place);
    }
}

static int put_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct source *source = arg;
    int rc = source->insert ? TQ_OK : prepare_insert(source, columns_count);
    for (size_t i = 0; i < columns_count && rc == TQ_OK; i++) {
        bind(source->insert, (int)i + 1, &columns[i]);
    }
    if (rc == TQ_OK && sqlite3_step(source->insert) != SQLITE_DONE) {
        rc = refused(source);
    }
    sqlite3_reset(source->insert);
    return rc;
}

static int copy_table(struct source *source, tq_tx *tx, const char *table, struct tq_error *err)
{
    char *sql = sqlite3_mprintf("SELECT * FROM %s.\"%w\"", source->service, table);
    source->table = table;
    int rc = sql ? tq_tx_exec(tx, sql, NULL, 0, put_row, source, err) : tq__nomem(ORIGIN, err);
    sqlite3_free(sql);
    sqlite3_finalize(source->insert);
    source->insert = NULL;
    return rc;
}

static int copy_tables(struct source *source, tq_tx *tx, struct tq_error *err)
{
    sqlite3_stmt *tables = NULL;
    char *sql = sqlite3_mprintf("SELECT name FROM %s.sqlite_schema", source->service);
    int rc = TQ_OK;
    int step = SQLITE_ERROR;
    if (sql && sqlite3_prepare_v2(source->copy->db, sql, -1, &tables, NULL) == SQLITE_OK) {
        while (rc == TQ_OK && (step = sqlite3_step(tables)) == SQLITE_ROW) {
            rc = copy_table(source, tx, (const char *)sqlite3_column_text(tables, 0), err);
        }
    }
    sqlite3_free(sql);
    sqlite3_finalize(tables);
    return rc < 0 || step == SQLITE_DONE ? rc : refused(source);
}

static int copy_schemas(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct audit_copy *copy = arg;
    for (size_t i = 0; i < copy->services_count; i++) {
        struct source source = {.copy = copy, .service = copy->services[i]};
        const struct tq_value schema = tq_text(source.service);
        TQ_TRY(tq_tx_exec(tx, COPY_tables, &schema, 1, make_table, &source, err));
        TQ_TRY(copy_tables(&source, tx, err));
    }
    return TQ_OK;
}

/* In the first of the schemas, because `public` need not be the role's to use; none is made. */
static int open_ledger(const struct audit_copy *copy, tq_store **out_store, struct tq_error *err)
{
    struct tq__buf url = TQ__BUF(copy->env);
    tq__buf_format(&url, "%s%cschema=%s&create=0", copy->ledger,
                   strchr(copy->ledger, '?') ? '&' : '?', copy->services[0]);
    int rc = tq__buf_check(&url, ORIGIN, err);
    if (rc == TQ_OK) {
        rc = tq_store_open(copy->env, TQ_ARGS(tq_store_options, .url = url.data), out_store, err);
    }
    tq__buf_done(&url);
    return rc;
}

int audit_copy(const struct audit_copy *copy, struct tq_error *err)
{
    tq_store *store = NULL;
    TQ_TRY(open_ledger(copy, &store, err));
    int rc = tq_ledger_read(store, copy_schemas, (void *)copy, err);
    tq_store_close(store);
    return rc;
}
