/* SPDX-License-Identifier: MIT */
/*
 * The statements that a connection knows.
 *
 * A statement is kept by its text, with what was read in it (sql.c) and the types of its
 * parameters, which are those of the values that came: BIGINT, TEXT, BYTEA. Of a parameter
 * that was only NULL so far PostgreSQL decides. When a value of another type comes the
 * statement is prepared anew. Of more than TQ__POSTGRES_STATEMENTS_MAX the one that was
 * not used for longest goes.
 *
 * An INSERT of one row can also be there for a block of them (sql.c); with the statement its blocks
 * go. Names on the server have a number that no other connection has: behind a pooler that
 * swaps servers a name then means this statement or nothing, never another's. Without
 * preparing all are prepared as the unnamed statement, each in the round trip that runs it.
 * Threads: the connection's.
 */
#include "store/postgres/postgres.h"

#include <stdio.h>
#include <string.h>

#include "core/env.h"

const size_t tq__postgres_rows_of[TQ__POSTGRES_WIDTHS] = {1, 4, 16};

int tq__postgres_statements_init(struct postgres_statements *statements, int is_prepared,
                                 const struct tq_env *env, struct tq_error *err)
{
    *statements = (struct postgres_statements){.env = env, .is_prepared = is_prepared};
    TQ_TRY(tq__random(env, &statements->nonce, sizeof statements->nonce, err));
    return tq__map_init(&statements->by_sql, env, err);
}

static void unlink_statement(struct postgres_statements *statements, struct postgres_statement *at)
{
    *(at->newer ? &at->newer->older : &statements->newest) = at->older;
    *(at->older ? &at->older->newer : &statements->oldest) = at->newer;
}

static void link_newest(struct postgres_statements *statements, struct postgres_statement *at)
{
    at->newer = NULL;
    at->older = statements->newest;
    *(at->older ? &at->older->newer : &statements->oldest) = at;
    statements->newest = at;
}

void tq__postgres_forget(struct postgres_statements *statements, struct postgres_statement *at)
{
    unlink_statement(statements, at);
    tq__map_remove(&statements->by_sql, at->sql);
    tq__release(statements->env, at);
}

static int prepare_width(const struct postgres_statements *statements, struct postgres_wire *wire,
                         const struct postgres_statement *statement, size_t width,
                         struct tq_error *err)
{
    size_t rows = tq__postgres_rows_of[width], count = statement->read.params_count;
    Oid types[TQ__POSTGRES_PARAMS_MAX];
    struct tq__buf sql = TQ__BUF(statements->env);
    for (size_t i = 0; i < rows * count; i++) {
        types[i] = statement->types[i % count];
    }
    if (rows > 1) {
        tq__postgres_sql_widen(&sql, statement->sql, &statement->read, rows);
    } else {
        tq__buf_text(&sql, statement->sql);
    }
    int rc = tq__buf_check(&sql, "store.postgres", err);
    if (rc == TQ_OK) {
        tq__postgres_ask_prepare(wire, statement->names[width], sql.data, rows * count, types);
    }
    tq__buf_done(&sql);
    return rc;
}

int tq__postgres_prepare(struct postgres_statements *statements, struct postgres_wire *wire,
                         struct postgres_statement *statement, uint32_t widths,
                         struct tq_error *err)
{
    int rc = TQ_OK;
    for (size_t width = 0; rc == TQ_OK && width < TQ__POSTGRES_WIDTHS; width++) {
        if (widths & 1u << width) {
            rc = prepare_width(statements, wire, statement, width, err);
        }
    }
    if (rc < 0) {
        tq__postgres_forget(statements, statement);
    }
    return rc;
}

/* On the server first, with the questions that come. */
static void drop(struct postgres_statements *statements, struct postgres_wire *wire,
                 struct postgres_statement *at)
{
    char sql[80];
    for (size_t width = 0; width < TQ__POSTGRES_WIDTHS; width++) {
        if (at->there & 1u << width) {
            snprintf(sql, sizeof sql, "DEALLOCATE %s", at->names[width]);
            tq__postgres_ask_text(wire, sql);
        }
    }
    tq__postgres_forget(statements, at);
}

void tq__postgres_statements_done(struct postgres_statements *statements)
{
    while (statements->newest) {
        tq__postgres_forget(statements, statements->newest);
    }
    tq__map_done(&statements->by_sql);
}

static int add(struct postgres_statements *statements, const char *sql, const Oid *types,
               size_t params_count, struct postgres_statement **out, struct tq_error *err)
{
    struct postgres_sql read;
    TQ_TRY(tq__postgres_sql_read(&read, sql, err));
    size_t types_bytes = read.params_count * sizeof(Oid), sql_bytes = strlen(sql) + 1;
    struct postgres_statement *made =
        tq__alloc(statements->env, 1, sizeof *made + types_bytes + sql_bytes);
    if (!made) {
        return tq__nomem("store.postgres", err);
    }
    made->read = read;
    made->sql = (char *)(made->types + read.params_count);
    memcpy(made->sql, sql, sql_bytes);
    if (params_count == read.params_count) {
        memcpy(made->types, types, types_bytes);
    }
    for (size_t width = 0; statements->is_prepared && width < TQ__POSTGRES_WIDTHS; width++) {
        snprintf(made->names[width], sizeof made->names[width], "tq_%016llx_%llu",
                 (unsigned long long)statements->nonce, (unsigned long long)++statements->counter);
    }
    int rc = tq__map_put(&statements->by_sql, made->sql, made, err);
    if (rc < 0) {
        tq__release(statements->env, made);
        return rc;
    }
    link_newest(statements, made);
    *out = made;
    return TQ_OK;
}

/* Adds to `types` what is known of those that are any; true when all others agree. */
static int agree(const struct postgres_statement *statement, size_t params_count, const Oid *types,
                 Oid *merged)
{
    int is_agreed = 1;
    if (statement->read.params_count != params_count) {
        return 1; /* for the caller to refuse */
    }
    for (size_t i = 0; i < params_count; i++) {
        merged[i] = types[i] ? types[i] : statement->types[i];
        is_agreed &= merged[i] == statement->types[i];
    }
    return is_agreed;
}

int tq__postgres_find(struct postgres_statements *statements, struct postgres_wire *wire,
                      const char *sql, size_t params_count, const Oid *types,
                      struct postgres_statement **out, struct tq_error *err)
{
    Oid merged[TQ__POSTGRES_PARAMS_MAX];
    struct postgres_statement *found = tq__map_get(&statements->by_sql, sql);
    if (found && agree(found, params_count, types, merged)) {
        if (found != statements->newest) {
            unlink_statement(statements, found);
            link_newest(statements, found);
        }
        *out = found;
        return TQ_OK;
    }
    if (found) {
        drop(statements, wire, found);
    }
    TQ_TRY(add(statements, sql, found ? merged : types, params_count, out, err));
    if (statements->by_sql.count > TQ__POSTGRES_STATEMENTS_MAX) {
        drop(statements, wire, statements->oldest);
    }
    return TQ_OK;
}
