/* SPDX-License-Identifier: MIT */
/*
 * One round trip to the server: questions, an end, answers.
 *
 * The connection is in libpq's pipeline mode and never blocks in libpq: what is
 * asked is queued, sent at the end, and waited for here. A failed question makes the
 * server pass over the rest of its round trip. Controls that may wait (a savepoint, its
 * release, a return to it) are kept and go with the next questions; a savepoint with
 * nothing behind it is forgotten together with its end.
 *
 * No wait is without an end: when nothing comes for `timeout_ms` the connection is lost.
 * The server has the same limit for a statement and ends it a moment earlier, so silence
 * means that the server or the way to it is gone. What was lost is closed, never used
 * again: the server may still be at work on it.
 *
 * Only looking up a host's name may block longer, because libpq does that by itself.
 * libpq allocates with the C library's heap. Threads: the connection's.
 */
#include "store/postgres/postgres.h"

#include <errno.h>
#include <poll.h>

/* At most so long beyond the server's own limit. */
#define GRACE_MS 1000
#define VERSION_MIN 150000

static const char *const control_sql[POSTGRES_CONTROLS_COUNT] = {
    [POSTGRES_SAVEPOINT] = "SAVEPOINT tq_request",
    [POSTGRES_RELEASE] = "RELEASE tq_request",
    [POSTGRES_ROLLBACK_TO] = "ROLLBACK TO tq_request",
    [POSTGRES_ROWS_SAVEPOINT] = "SAVEPOINT tq_rows",
    [POSTGRES_ROWS_RELEASE] = "RELEASE tq_rows",
    [POSTGRES_ROWS_ROLLBACK_TO] = "ROLLBACK TO tq_rows",
    [POSTGRES_COMMIT] = "COMMIT",
    [POSTGRES_ROLLBACK] = "ROLLBACK",
};

/* ---- connecting ---- */

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* TRUE when one of `events` has come, within the time. */
static int await(const PGconn *pg, short events, uint32_t timeout_ms)
{
    struct pollfd poller = {.fd = PQsocket(pg), .events = events};
    int count;
    do {
        count = poll(&poller, 1, (int)timeout_ms);
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

static PGconn *start(const struct postgres_target *target, int is_reader)
{
    const char *names[] = {"host",
                           "port",
                           "user",
                           "password",
                           "dbname",
                           "sslmode",
                           "sslrootcert",
                           "client_encoding",
                           "application_name",
                           "options",
                           "gssencmode",
                           "keepalives_idle",
                           "target_session_attrs",
                           NULL};
    const char *values[] = {target->host,
                            target->port,
                            target->user,
                            target->password,
                            target->database,
                            target->sslmode,
                            target->sslrootcert,
                            "UTF8",
                            "ticketq",
                            "",
                            "disable",
                            "15",
                            is_reader ? "any" : "read-write",
                            NULL};
    /* What is empty is libpq's choice, but options, which no pooler takes, are none. */
    size_t kept = 0;
    for (size_t i = 0; names[i]; i++) {
        if (values[i][0] || i == 9) {
            names[kept] = names[i];
            values[kept++] = values[i];
        }
    }
    names[kept] = NULL;
    return PQconnectStartParams(names, values, 0);
}

static int finish_connecting(PGconn *pg, uint32_t connect_ms)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (next == PGRES_POLLING_FAILED || !await(pg, events, connect_ms)) {
            return -1;
        }
        next = PQconnectPoll(pg);
    }
    return 0;
}

int tq__postgres_wire_open(struct postgres_wire *wire, const struct postgres_target *target,
                           int is_reader, struct tq_error *err)
{
    uint32_t grace_ms = target->timeout_ms < GRACE_MS ? target->timeout_ms : GRACE_MS;
    *wire = (struct postgres_wire){.timeout_ms = target->timeout_ms + grace_ms};
    wire->pg = start(target, is_reader);
    if (!wire->pg) {
        return tq__fail(err, TQ_E_NOMEM, "store.postgres", "out of memory");
    }
    PQsetNoticeProcessor(wire->pg, ignore_notice, NULL);
    if (PQstatus(wire->pg) == CONNECTION_BAD || finish_connecting(wire->pg, target->connect_ms)) {
        return tq__postgres_fail_connect(wire->pg, err);
    }
    if (PQserverVersion(wire->pg) < VERSION_MIN) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.postgres",
                        "PostgreSQL 15 is required, the server is %d",
                        PQserverVersion(wire->pg) / 10000);
    }
    if (PQsetnonblocking(wire->pg, 1) || !PQenterPipelineMode(wire->pg)) {
        return tq__postgres_fail_connect(wire->pg, err);
    }
    return TQ_OK;
}

void tq__postgres_wire_close(struct postgres_wire *wire)
{
    PQfinish(wire->pg);
    *wire = (struct postgres_wire){.pg = NULL};
}

/* Behind a pooler others may have listened on the server; libpq keeps what it hears. */
static void drop_news(PGconn *pg)
{
    for (PGnotify *note; (note = PQnotifies(pg));) {
        PQfreemem(note);
    }
}

/* Between two round trips the server says nothing else, but when it takes its leave. */
int tq__postgres_wire_is_alive(struct postgres_wire *wire)
{
    if (wire->is_owed) {
        wire->is_owed = 0;
        tq__postgres_answers_end(wire);
    }
    if (!wire->pg || wire->is_lost) {
        return 0;
    }
    if (await(wire->pg, POLLIN, 0)) {
        wire->is_lost = !PQconsumeInput(wire->pg) || PQstatus(wire->pg) == CONNECTION_BAD ||
                        await(wire->pg, POLLRDHUP, 0);
    }
    drop_news(wire->pg);
    return !wire->is_lost;
}

/* ---- questions ---- */

void tq__postgres_later(struct postgres_wire *wire, enum postgres_control control)
{
    enum postgres_control *last =
        wire->pending_count ? &wire->pending[wire->pending_count - 1] : NULL;
    int is_end = control == POSTGRES_RELEASE || control == POSTGRES_ROLLBACK_TO;
    if (is_end && last && *last == POSTGRES_SAVEPOINT) {
        wire->pending_count--;
        return;
    }
    if (wire->pending_count == TQ__POSTGRES_PENDING_MAX) {
        wire->is_lost = 1;
        return;
    }
    wire->pending[wire->pending_count++] = control;
}

/* Counts a question; one that cannot even be queued loses the connection. */
static void asked(struct postgres_wire *wire, int is_queued)
{
    wire->asked++;
    wire->is_lost |= !is_queued;
}

void tq__postgres_ask_text(struct postgres_wire *wire, const char *sql)
{
    asked(wire, !wire->is_lost && PQsendQueryParams(wire->pg, sql, 0, NULL, NULL, NULL, NULL, 0));
}

void tq__postgres_ask_control(struct postgres_wire *wire, enum postgres_control control)
{
    tq__postgres_ask_text(wire, control_sql[control]);
}

/* A return to a savepoint leaves it in place; it is of no more use. */
void tq__postgres_ask_pending(struct postgres_wire *wire)
{
    for (size_t i = 0; i < wire->pending_count; i++) {
        enum postgres_control control = wire->pending[i];
        tq__postgres_ask_control(wire, control);
        if (control == POSTGRES_ROLLBACK_TO) {
            tq__postgres_ask_control(wire, POSTGRES_RELEASE);
        } else if (control == POSTGRES_ROWS_ROLLBACK_TO) {
            tq__postgres_ask_control(wire, POSTGRES_ROWS_RELEASE);
        }
    }
    wire->pending_count = 0;
}

void tq__postgres_ask_prepare(struct postgres_wire *wire, const char *name, const char *sql,
                              size_t params_count, const Oid *types)
{
    asked(wire, !wire->is_lost && PQsendPrepare(wire->pg, name, sql, (int)params_count, types));
}

void tq__postgres_ask_run(struct postgres_wire *wire, const char *name, size_t params_count,
                          const char *const *values, const int *lengths)
{
    static const int binary[TQ__POSTGRES_PARAMS_MAX] = {[0 ... TQ__POSTGRES_PARAMS_MAX - 1] = 1};
    asked(wire, !wire->is_lost && PQsendQueryPrepared(wire->pg, name, (int)params_count, values,
                                                      lengths, binary, 0));
}

void tq__postgres_ask_end(struct postgres_wire *wire)
{
    wire->is_lost = wire->is_lost || !PQpipelineSync(wire->pg);
}

/* ---- answers ---- */

/* Sends what is left and waits until something has come. */
static int wait_for_input(struct postgres_wire *wire)
{
    int unsent = PQflush(wire->pg);
    short events = (short)(POLLIN | (unsent ? POLLOUT : 0));
    return unsent >= 0 && await(wire->pg, events, wire->timeout_ms) && PQconsumeInput(wire->pg);
}

/* Any result, the end of the round trip too. */
static PGresult *next_result(struct postgres_wire *wire)
{
    while (!wire->is_lost) {
        while (!wire->is_lost && PQisBusy(wire->pg)) {
            wire->is_lost = !wait_for_input(wire);
        }
        PGresult *result = wire->is_lost ? NULL : PQgetResult(wire->pg);
        wire->is_lost |= PQstatus(wire->pg) == CONNECTION_BAD;
        if (result) {
            return result;
        }
    }
    return NULL;
}

PGresult *tq__postgres_answer(struct postgres_wire *wire)
{
    if (wire->asked == 0) {
        return NULL;
    }
    wire->asked--;
    return next_result(wire);
}

int tq__postgres_is_ok(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

int tq__postgres_answers_ok(struct postgres_wire *wire, size_t count, PGresult **out_bad)
{
    for (size_t i = 0; i < count; i++) {
        PGresult *result = tq__postgres_answer(wire);
        if (!result || !tq__postgres_is_ok(result)) {
            *out_bad = result;
            return 0;
        }
        PQclear(result);
    }
    return 1;
}

int tq__postgres_answers_end(struct postgres_wire *wire)
{
    int is_end = 0;
    wire->asked = 0;
    while (!is_end && !wire->is_lost) {
        PGresult *result = next_result(wire);
        is_end = result && PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        PQclear(result);
    }
    return !wire->is_lost;
}

void tq__postgres_answers_later(struct postgres_wire *wire)
{
    wire->asked = 0;
    wire->is_owed = !wire->is_lost;
    if (wire->is_owed && PQflush(wire->pg) != 0) {
        wire->is_owed = 0;
        tq__postgres_answers_end(wire);
    }
}
