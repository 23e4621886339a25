/* SPDX-License-Identifier: MIT */
/*
 * What the files of the SQLite driver share.
 */
#ifndef TQ_STORE_SQLITE_H
#define TQ_STORE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>

#include <ticketq/driver/store.h>

#include "core/error.h"
#include "core/map.h"

/* Prepared statements that a connection keeps. */
#define TQ__SQLITE_STATEMENTS_MAX 128

/* ---- code.c: what SQLite's codes mean ---- */

/* An (extended) result code to a status. */
int tq__sqlite_status(int code);
/* The same for the result of a COMMIT. */
int tq__sqlite_commit_status(int code);
/* What the connection's last call came to: its status, with the record when it is a failure. */
int tq__sqlite_fail(sqlite3 *db, int code, struct tq_error *err);
int tq__sqlite_fail_commit(sqlite3 *db, int code, struct tq_error *err);

/* ---- statement.c: prepared statements ---- */

/* A statement of a body. */
struct sqlite_statement {
    struct sqlite_statement *newer, *older;
    sqlite3_stmt *stmt;
    int is_control;
    size_t params_count;
    char *sql;          /* behind `numbers` */
    uint16_t numbers[]; /* n of `$n`, for each of SQLite's indexes from 1 */
};

/* The driver's own statements, which are always ready. */
enum sqlite_control {
    SQLITE_CONTROL_BEGIN_READ,
    SQLITE_CONTROL_BEGIN_WRITE,
    SQLITE_CONTROL_LOOK, /* takes the snapshot */
    SQLITE_CONTROL_COMMIT,
    SQLITE_CONTROL_ROLLBACK,
    SQLITE_CONTROL_SAVEPOINT, /* of a request */
    SQLITE_CONTROL_RELEASE,
    SQLITE_CONTROL_ROLLBACK_TO,
    SQLITE_CONTROL_ROWS_SAVEPOINT, /* of the rows of one statement */
    SQLITE_CONTROL_ROWS_RELEASE,
    SQLITE_CONTROL_ROWS_ROLLBACK_TO,
    SQLITE_CONTROLS_COUNT
};

/* The statements of a connection; those of bodies with the most recently used first. */
struct sqlite_statements {
    sqlite3 *db;
    const struct tq_env *env;
    struct tq__map by_sql;
    struct sqlite_statement *newest, *oldest;
    sqlite3_stmt *controls[SQLITE_CONTROLS_COUNT];
};

int tq__sqlite_statements_init(struct sqlite_statements *statements, sqlite3 *db,
                               const struct tq_env *env, struct tq_error *err);
void tq__sqlite_statements_done(struct sqlite_statements *statements);
/* Run one of the driver's own; returns SQLite's code. Fails for no lack of memory of the host's. */
int tq__sqlite_control(struct sqlite_statements *statements, enum sqlite_control which);
/* Make all of them ready. */
int tq__sqlite_controls_prepare(struct sqlite_statements *statements, struct tq_error *err);
/* One statement, kept or prepared now; valid until the next call. */
int tq__sqlite_find(struct sqlite_statements *statements, const char *sql,
                    struct sqlite_statement **out, struct tq_error *err);
/* Whether a statement neither changes nor returns anything. */
int tq__sqlite_is_control(sqlite3_stmt *stmt);
/* Whether there is nothing but white space. */
int tq__sqlite_is_blank(const char *sql);

/* ---- exec.c: running statements of bodies ---- */

/* Run a statement of a body; `can_write` is zero in a reading transaction. */
int tq__sqlite_exec(struct sqlite_statements *statements, const struct tq_statement *statement,
                    int can_write, struct tq_error *err);
/* Run several that are used once. */
int tq__sqlite_script(sqlite3 *db, const char *sql, struct tq_error *err);

/* ---- conn.c: connections and transactions on them ---- */

struct sqlite_state;

struct sqlite_conn {
    struct sqlite_conn *next; /* in its lane, while it is free */
    struct sqlite_state *state;
    sqlite3 *db; /* the host's when adopted */
    struct sqlite_statements statements;
    uint32_t mode; /* enum tq_tx_mode of the running transaction */
};

/* Connections of one kind that nobody uses. */
struct sqlite_lane {
    struct sqlite_conn *free;
    pthread_cond_t freed;
};

struct sqlite_state {
    const struct tq_env *env;
    char path[TQ_URL_MAX + 1];
    int is_memory;
    int is_creating; /* a file that is not there is made */
    int is_normal;   /* synchronous=normal: commits survive the process, not the machine */
    uint32_t conns_count;
    struct sqlite_conn *conns; /* the writer first, then readers */
    struct {
        pthread_mutex_t lock;
        struct sqlite_lane writer, readers;
    } pool;
};

/* Open `conn` on the state's file; what it leaves after a failure is for close. */
int tq__sqlite_conn_open(struct sqlite_state *state, struct sqlite_conn *conn, int is_reader,
                         struct tq_error *err);
void tq__sqlite_conn_close(struct sqlite_conn *conn);

extern const struct tq_ledger_driver tq__sqlite_ledger;

#endif
