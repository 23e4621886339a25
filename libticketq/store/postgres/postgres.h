/* SPDX-License-Identifier: MIT */
/*
 * What the files of the PostgreSQL driver share.
 */
#ifndef TQ_STORE_POSTGRES_H
#define TQ_STORE_POSTGRES_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include <ticketq/driver/store.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/map.h"

/* ---- target.c: the URL ---- */

#define TQ__POSTGRES_NAME_SIZE 64 /* of PostgreSQL's identifiers */

/* Where and how to connect. */
struct postgres_target {
    char host[256]; /* "": libpq's default */
    char port[8];
    char user[TQ__POSTGRES_NAME_SIZE];
    char password[256]; /* "": libpq looks for one */
    char database[TQ__POSTGRES_NAME_SIZE];
    char schema[TQ__POSTGRES_NAME_SIZE];
    char sslmode[16];
    char sslrootcert[256];
    uint32_t is_prepared;  /* statements are prepared once per connection */
    uint32_t is_creating;  /* a schema that is not there is made */
    uint32_t is_listening; /* news are told and heard */
    uint32_t connect_ms;   /* for a connection */
    uint32_t timeout_ms;   /* for an answer */
    uint32_t idle_ms;      /* for a body between two statements */
    uint32_t wait_ms;      /* for a server that is not there */
};

int tq__postgres_target_read(struct postgres_target *out_target, const char *path,
                             const char *query, struct tq_error *err);

/* ---- code.c: what SQLSTATEs mean ---- */

/* The status of a failed statement, by its SQLSTATE. */
int tq__postgres_status(const char *sqlstate);
/* The same for COMMIT; TQ_E_UNKNOWN unless `is_error`: the server said ERROR and goes on. */
int tq__postgres_commit_status(const char *sqlstate, int is_error);
/* A failed result to its status, with the record when that is negative. NULL: connection lost. */
int tq__postgres_fail(const PGconn *pg, const PGresult *result, struct tq_error *err);
int tq__postgres_fail_commit(const PGconn *pg, const PGresult *result, struct tq_error *err);
/* Why a connection could not be made, or is gone: TQ_E_UNAVAILABLE. */
int tq__postgres_fail_connect(const PGconn *pg, struct tq_error *err);
int tq__postgres_is_state(const PGresult *result, const char *sqlstate);

/* ---- sql.c: what has to be known of a statement's text ---- */

#define TQ__POSTGRES_PARAMS_MAX 256

struct postgres_sql {
    size_t params_count; /* `$1` to `$params_count` */
    int is_control;      /* begins or ends transactions, or changes settings: not for bodies */
    int is_guarded;      /* a unique constraint may object: wants a savepoint around it */
    size_t row, row_end; /* where its `(row)` is, if it may have many; else 0 */
};

/* TQ_OK, or TQ_E_INVALID: empty, or parameters with a gap. */
int tq__postgres_sql_read(struct postgres_sql *out_sql, const char *sql, struct tq_error *err);
/* Adds an INSERT of so many rows, each with parameters of its own. */
void tq__postgres_sql_widen(struct tq__buf *target, const char *sql,
                            const struct postgres_sql *read, size_t rows);
/* The first statement of a script and its length; NULL when there is none left. */
const char *tq__postgres_sql_next(const char *script, size_t *out_bytes);
/* Adds a statement in PostgreSQL's words. */
void tq__postgres_sql_translate(struct tq__buf *target, const char *sql, size_t bytes);

/* ---- wire.c: one round trip ---- */

/* Statements of the driver's own that need not be sent at once. */
enum postgres_control {
    POSTGRES_SAVEPOINT, /* of a request */
    POSTGRES_RELEASE,
    POSTGRES_ROLLBACK_TO,
    POSTGRES_ROWS_SAVEPOINT, /* of the rows of one statement */
    POSTGRES_ROWS_RELEASE,
    POSTGRES_ROWS_ROLLBACK_TO,
    POSTGRES_COMMIT,
    POSTGRES_ROLLBACK,
    POSTGRES_CONTROLS_COUNT
};

#define TQ__POSTGRES_PENDING_MAX 8

/* A connection as a pipeline of questions and answers. */
struct postgres_wire {
    PGconn *pg; /* NULL: none */
    uint32_t timeout_ms;
    int is_lost; /* nothing can be said or heard any more */
    enum postgres_control pending[TQ__POSTGRES_PENDING_MAX];
    size_t pending_count;
    size_t asked; /* results to come before the end of this round trip */
    int is_owed;  /* the end of a round trip that nobody has waited for */
};

/* Connect, with `host`, `port` ... of the target, to read only or to a server that takes writes.
   What it leaves after a failure is for close. */
int tq__postgres_wire_open(struct postgres_wire *wire, const struct postgres_target *target,
                           int is_reader, struct tq_error *err);
void tq__postgres_wire_close(struct postgres_wire *wire);
/* Whether it seems to be there: nothing has come that says otherwise. */
int tq__postgres_wire_is_alive(struct postgres_wire *wire);
/* Send a control with the next question. */
void tq__postgres_later(struct postgres_wire *wire, enum postgres_control control);
/*
 * Questions of a round trip. What is pending goes before the first. A failure shows when
 * the answers are read.
 */
void tq__postgres_ask_pending(struct postgres_wire *wire);
void tq__postgres_ask_control(struct postgres_wire *wire, enum postgres_control control);
void tq__postgres_ask_text(struct postgres_wire *wire, const char *sql);
void tq__postgres_ask_prepare(struct postgres_wire *wire, const char *name, const char *sql,
                              size_t params_count, const Oid *types);
/* Runs a prepared one; values are in binary. */
void tq__postgres_ask_run(struct postgres_wire *wire, const char *name, size_t params_count,
                          const char *const *values, const int *lengths);
/* End of the questions: they are sent. */
void tq__postgres_ask_end(struct postgres_wire *wire);
/* The next answer; NULL when the connection is lost. Clear it. */
PGresult *tq__postgres_answer(struct postgres_wire *wire);
/* Read `count` answers, each a success, and drop them; else the one that is none. */
int tq__postgres_answers_ok(struct postgres_wire *wire, size_t count, PGresult **out_bad);
/* Read the answers that are left. Zero when the connection is lost. */
int tq__postgres_answers_end(struct postgres_wire *wire);
/* They are read when the connection is next used. */
void tq__postgres_answers_later(struct postgres_wire *wire);
int tq__postgres_is_ok(const PGresult *result);

/* ---- statement.c: prepared statements ---- */

/* Statements that a connection keeps. */
#define TQ__POSTGRES_STATEMENTS_MAX 128

/* A statement for one row, and the same for blocks of rows. */
#define TQ__POSTGRES_WIDTHS 3
extern const size_t tq__postgres_rows_of[TQ__POSTGRES_WIDTHS];

struct postgres_statement {
    struct postgres_statement *newer, *older;
    struct postgres_sql read;
    char names[TQ__POSTGRES_WIDTHS][48]; /* on the server; "" when it is not kept there */
    uint32_t there;                      /* widths of which it is there, a bit each */
    char *sql;                           /* behind `types` */
    Oid types[];                         /* of `$1`, ...; 0: PostgreSQL decides */
};

struct postgres_statements {
    const struct tq_env *env;
    struct tq__map by_sql;
    struct postgres_statement *newest, *oldest;
    uint64_t nonce;   /* in every name, so that no two connections share one */
    uint64_t counter; /* names given */
    int is_prepared;  /* names are used */
};

int tq__postgres_statements_init(struct postgres_statements *statements, int is_prepared,
                                 const struct tq_env *env, struct tq_error *err);
void tq__postgres_statements_done(struct postgres_statements *statements);
/*
 * One statement, for parameters of these types (0: any). What has to be dropped on the
 * server for it is asked of the wire. Valid until the next call.
 */
int tq__postgres_find(struct postgres_statements *statements, struct postgres_wire *wire,
                      const char *sql, size_t params_count, const Oid *types,
                      struct postgres_statement **out, struct tq_error *err);

/* Ask for these widths; a statement for which that fails is forgotten. */
int tq__postgres_prepare(struct postgres_statements *statements, struct postgres_wire *wire,
                         struct postgres_statement *statement, uint32_t widths,
                         struct tq_error *err);
/* Forget one that the server does not have. */
void tq__postgres_forget(struct postgres_statements *statements,
                         struct postgres_statement *statement);

/* ---- exec.c: running statements of bodies ---- */

struct postgres_conn;

int tq__postgres_exec(struct postgres_conn *conn, const struct tq_statement *statement,
                      struct tq_error *err);
int tq__postgres_script(struct postgres_conn *conn, const char *sql, struct tq_error *err);
/* Read what is left of a body's answers, with what is pending behind them; at the latest with its
   end, since after that they would be another's. */
int tq__postgres_catch_up(struct postgres_conn *conn, struct tq_error *err);
/* What is pending is sent at once where the connection is the host's. */
int tq__postgres_settle(struct postgres_conn *conn, struct tq_error *err);

/* ---- pool.c: connections ---- */

struct postgres_state;

struct postgres_conn {
    struct postgres_conn *next; /* in its lane, while it is free */
    struct postgres_state *state;
    struct postgres_wire wire;
    struct postgres_statements statements;
    uint32_t mode; /* enum tq_tx_mode of the running transaction */
    uint64_t news; /* to be told when it is committed */
    int is_adopted;
};

/* Connections of one kind. */
struct postgres_lane {
    struct postgres_conn *free;
    pthread_cond_t freed;
    unsigned failures; /* times that no connection could be made */
};

struct postgres_state {
    const struct tq_env *env;
    struct postgres_target target;
    atomic_int is_prepared; /* statements are prepared; off once they were found not to stay */
    uint32_t busy_timeout_ms;
    uint32_t conns_count;
    struct postgres_conn *conns; /* the writer first, then readers */
    struct {
        pthread_mutex_t lock;
        struct postgres_lane writer, readers;
    } pool;
    struct {
        char channel[TQ__POSTGRES_NAME_SIZE];
        struct postgres_wire wire; /* that listens */
        int rouse_fd;
    } news;
    int64_t started_us;      /* the server that wrote last; whoever has the writer has it */
    atomic_uint lives;       /* times that it was another one than before */
    struct tq__buf settings; /* SQL that sets what holds for a transaction and gives the clock */
    struct tq__buf lock;     /* SQL that tries the lock of the schema */
};

int tq__postgres_pool_open(struct postgres_state *state, struct tq_error *err);
void tq__postgres_pool_close(struct postgres_state *state);
/* Take a connection that seems to be alive; waits while all are taken. */
int tq__postgres_take(struct postgres_state *state, uint32_t mode, struct postgres_conn **out_conn,
                      struct tq_error *err);
/* Put it back, or discard it when it is lost. */
void tq__postgres_put_back(struct postgres_conn *conn);

/* ---- news.c: telling other processes of commits ---- */

int tq__postgres_news_open(struct postgres_state *state, struct tq_error *err);
void tq__postgres_news_close(struct postgres_state *state);
/* The slots. */
void tq__postgres_tell(void *conn, uint64_t news);
int tq__postgres_listen(void *state, uint32_t timeout_ms, uint64_t *out_news, struct tq_error *err);
void tq__postgres_rouse(void *state);
/* Behind a commit, on its connection: send what is to be told. */
void tq__postgres_send_news(struct postgres_conn *conn);

/* ---- conn.c: transactions ---- */

/* Fails with `status`: the schema is closed to the role. */
int tq__postgres_closed(const struct postgres_state *state, int status, struct tq_error *err);

extern const struct tq_ledger_driver tq__postgres_ledger;

#define TQ__POSTGRES_CLOCK "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
/* The server's clock, on any connection that is inside no transaction or in a good one. */
int tq__postgres_clock(struct postgres_conn *conn, int64_t *out_now_ms, struct tq_error *err);

#endif
