/* SPDX-License-Identifier: MIT */
/*
 * Connections, and transactions on them: the ledger table.
 *
 *   begin READ            BEGIN and a first look, which takes the snapshot
 *   begin WRITE, SCHEMA   BEGIN IMMEDIATE: the write lock first, so that nothing
 *                         that was read can be out of date; as a file has one
 *                         writer, a schema needs no lock of its own
 *   commit                code.c says which failures leave the outcome unknown
 *
 * The clock is the host's, read once as a transaction begins: SQLite lives in
 * the host's process, so the host's clock is the store's.
 *
 * A connection is set up so that SQL means the same here as elsewhere: foreign
 * keys are enforced, a name in double quotes is never text. SQLite itself never
 * waits for a lock; the core does. SQLite allocates with its own heap, because
 * that is one for the whole process; the driver's records come from the host's.
 *
 * An adopted connection is the host's: nothing is set on it, only the statements
 * prepared here are finalized in the end. Threads: the pool is locked; a
 * connection belongs to who took it out (opened with SQLITE_OPEN_NOMUTEX).
 */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "core/env.h"

static int control(struct sqlite_conn *conn, enum sqlite_control which, struct tq_error *err)
{
    int code = tq__sqlite_control(&conn->statements, which);
    return code == SQLITE_OK ? TQ_OK : tq__sqlite_fail(conn->db, code, err);
}

/* ---- open and close ---- */

/*
 * temp_store: what a savepoint may have to undo is kept in memory, because as a file
 * it costs two writes a page, more than the log itself. wal_autocheckpoint: most
 * pages of a busy sale are written again soon, so the log grows to 40 MB before it
 * is copied back. secure_delete: Debian builds SQLite to write zeros over what is deleted,
 * so that every page that a relay has emptied goes to the log; SQLite's own default, and what
 * PostgreSQL does, is to leave it until the room is used again.
 */
static const char settings[] = "PRAGMA synchronous=FULL;"
                               "PRAGMA foreign_keys=ON;"
                               "PRAGMA secure_delete=OFF;"
                               "PRAGMA trusted_schema=OFF;"
                               "PRAGMA temp_store=MEMORY;"
                               "PRAGMA cache_size=-16384;"
                               "PRAGMA wal_autocheckpoint=10000;";

static int set(struct sqlite_conn *conn, const char *pragmas, struct tq_error *err)
{
    int code = sqlite3_exec(conn->db, pragmas, NULL, NULL, NULL);
    return code == SQLITE_OK ? TQ_OK : tq__sqlite_fail(conn->db, code, err);
}

static int is_wal(void *arg, int count, char **values, char **names)
{
    (void)names;
    *(int *)arg = count == 1 && values[0] && strcmp(values[0], "wal") == 0;
    return 0;
}

/* The log beside the file; where that cannot be, or not be written, is found out here. */
static int set_wal(struct sqlite_conn *conn, struct tq_error *err)
{
    int is_set = 0;
    int code = sqlite3_exec(conn->db, "PRAGMA journal_mode=WAL", is_wal, &is_set, NULL);
    if (code != SQLITE_OK) {
        return tq__sqlite_fail(conn->db, code, err);
    }
    if (!is_set || sqlite3_db_readonly(conn->db, "main")) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.sqlite", "the file cannot be written");
    }
    return TQ_OK;
}

static int configure(struct sqlite_conn *conn, int is_reader, struct tq_error *err)
{
    sqlite3 *db = conn->db;
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (!conn->state->is_memory) {
        TQ_TRY(set_wal(conn, err));
    }
    TQ_TRY(set(conn, settings, err));
    if (conn->state->is_normal) {
        TQ_TRY(set(conn, "PRAGMA synchronous=NORMAL", err));
    }
    if (is_reader) {
        TQ_TRY(set(conn, "PRAGMA query_only=ON", err));
    }
    TQ_TRY(tq__sqlite_controls_prepare(&conn->statements, err));
    return control(conn, SQLITE_CONTROL_LOOK, err);
}

int tq__sqlite_conn_open(struct sqlite_state *state, struct sqlite_conn *conn, int is_reader,
                         struct tq_error *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    conn->state = state;
    int code = sqlite3_open_v2(state->path, &conn->db, flags, NULL);
    if (code != SQLITE_OK) {
        return tq__sqlite_fail(conn->db, code, err);
    }
    TQ_TRY(tq__sqlite_statements_init(&conn->statements, conn->db, state->env, err));
    return configure(conn, is_reader, err);
}

void tq__sqlite_conn_close(struct sqlite_conn *conn)
{
    tq__sqlite_statements_done(&conn->statements);
    sqlite3_close(conn->db);
    conn->db = NULL;
}

/* ---- the pool ---- */

static struct sqlite_lane *lane_of(struct sqlite_state *state, uint32_t mode)
{
    int is_shared = state->conns_count == 1;
    return mode == TQ_TX_READ && !is_shared ? &state->pool.readers : &state->pool.writer;
}

static struct sqlite_conn *take(struct sqlite_state *state, uint32_t mode)
{
    struct sqlite_lane *lane = lane_of(state, mode);
    pthread_mutex_lock(&state->pool.lock);
    while (!lane->free) {
        pthread_cond_wait(&lane->freed, &state->pool.lock);
    }
    struct sqlite_conn *conn = lane->free;
    lane->free = conn->next;
    pthread_mutex_unlock(&state->pool.lock);
    conn->mode = mode;
    return conn;
}

static void put_back(struct sqlite_conn *conn)
{
    struct sqlite_state *state = conn->state;
    struct sqlite_lane *lane = lane_of(state, conn->mode);
    pthread_mutex_lock(&state->pool.lock);
    conn->next = lane->free;
    lane->free = conn;
    pthread_cond_signal(&lane->freed);
    pthread_mutex_unlock(&state->pool.lock);
}

/* ---- transactions ---- */

/* Ends whatever transaction there is; SQLite may have ended it already. */
static void undo(struct sqlite_conn *conn)
{
    if (!sqlite3_get_autocommit(conn->db)) {
        tq__sqlite_control(&conn->statements, SQLITE_CONTROL_ROLLBACK);
    }
}

static int begin_on(struct sqlite_conn *conn, struct tq_error *err)
{
    if (conn->mode != TQ_TX_READ) {
        return control(conn, SQLITE_CONTROL_BEGIN_WRITE, err);
    }
    TQ_TRY(control(conn, SQLITE_CONTROL_BEGIN_READ, err));
    return control(conn, SQLITE_CONTROL_LOOK, err);
}

static int sqlite_begin(void *opaque, uint32_t mode, void **out_conn, int64_t *out_now_ms,
                        struct tq_error *err)
{
    struct sqlite_state *state = opaque;
    struct sqlite_conn *conn = take(state, mode);
    int status = begin_on(conn, err);
    if (status < 0) {
        undo(conn);
        put_back(conn);
        return status;
    }
    *out_conn = conn;
    *out_now_ms = tq__now_ms(state->env);
    return TQ_OK;
}

static int sqlite_exec(void *opaque, const struct tq_statement *statement, struct tq_error *err)
{
    struct sqlite_conn *conn = opaque;
    return tq__sqlite_exec(&conn->statements, statement, conn->mode != TQ_TX_READ, err);
}

static int sqlite_script(void *opaque, const char *sql, struct tq_error *err)
{
    struct sqlite_conn *conn = opaque;
    return tq__sqlite_script(conn->db, sql, err);
}

static int sqlite_savepoint(void *conn, struct tq_error *err)
{
    return control(conn, SQLITE_CONTROL_SAVEPOINT, err);
}

static int sqlite_release(void *conn, struct tq_error *err)
{
    return control(conn, SQLITE_CONTROL_RELEASE, err);
}

static int sqlite_rollback_to(void *conn, struct tq_error *err)
{
    TQ_TRY(control(conn, SQLITE_CONTROL_ROLLBACK_TO, err));
    return control(conn, SQLITE_CONTROL_RELEASE, err);
}

static void sqlite_rollback(void *opaque)
{
    struct sqlite_conn *conn = opaque;
    undo(conn);
    put_back(conn);
}

static int commit_on(struct sqlite_conn *conn, struct tq_error *err)
{
    if (sqlite3_get_autocommit(conn->db)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.sqlite", "the transaction has ended");
    }
    int code = tq__sqlite_control(&conn->statements, SQLITE_CONTROL_COMMIT);
    return tq__sqlite_fail_commit(conn->db, code, err);
}

static int sqlite_commit(void *opaque, struct tq_error *err)
{
    struct sqlite_conn *conn = opaque;
    int status = commit_on(conn, err);
    sqlite_rollback(conn);
    return status;
}

/* ---- adoption ---- */

static int sqlite_adopt(void *opaque, void *native, void **out_conn, int64_t *out_now_ms,
                        struct tq_error *err)
{
    struct sqlite_state *state = opaque;
    if (!native || sqlite3_get_autocommit(native)) {
        return tq__fail(err, TQ_E_INVALID, "store.sqlite",
                        "the connection is not inside a transaction");
    }
    struct sqlite_conn *conn = tq__alloc(state->env, 1, sizeof *conn);
    if (!conn) {
        return tq__nomem("store.sqlite", err);
    }
    conn->state = state;
    conn->db = native;
    conn->mode = TQ_TX_WRITE;
    int status = tq__sqlite_statements_init(&conn->statements, native, state->env, err);
    if (status < 0) {
        tq__release(state->env, conn);
        return status;
    }
    *out_conn = conn;
    *out_now_ms = tq__now_ms(state->env);
    return TQ_OK;
}

static void sqlite_disown(void *opaque)
{
    struct sqlite_conn *conn = opaque;
    tq__sqlite_statements_done(&conn->statements);
    tq__release(conn->state->env, conn);
}

const struct tq_ledger_driver tq__sqlite_ledger = {
    .size = sizeof(struct tq_ledger_driver),
    .begin = sqlite_begin,
    .exec = sqlite_exec,
    .script = sqlite_script,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .rollback_to = sqlite_rollback_to,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .adopt = sqlite_adopt,
    .disown = sqlite_disown,
};
