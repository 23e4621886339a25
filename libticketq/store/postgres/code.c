/* SPDX-License-Identifier: MIT */
/*
 * What PostgreSQL's SQLSTATEs mean for the caller: one table.
 *
 * A row of five characters holds for that state, one of two for the whole class, where no
 * longer one is there. The server ends a session with FATAL or PANIC and a statement
 * with ERROR. An ERROR in answer to COMMIT came before the commit was written, since one
 * after that would be a PANIC: certainly not applied. Anything else that takes the
 * place of COMMIT's answer leaves its outcome unknown. Threads: [pure].
 */
#include "store/postgres/postgres.h"

#include <string.h>

struct meaning {
    char state[6];
    int status;
};

static const struct meaning meanings[] = {
    {"08", TQ_E_UNAVAILABLE}, /* also what a pooler says that lost its server */
    {"0A", TQ_E_INVALID},        {"21", TQ_E_INVALID},
    {"22", TQ_E_INVALID},        {"23505", TQ_REPEAT},
    {"23", TQ_E_INVALID},        {"25006", TQ_E_UNAVAILABLE}, /* the server takes no writes */
    {"25P03", TQ_E_UNAVAILABLE},                              /* the body was silent for too long */
    {"25", TQ_E_INVALID},        {"26000", TQ_E_BUSY}, /* a prepared statement is gone: exec.c */
    {"28", TQ_E_UNAVAILABLE},    {"2D", TQ_E_INVALID},
    {"34", TQ_E_INVALID},        {"3D", TQ_E_UNAVAILABLE},
    {"3F", TQ_E_INVALID},        {"40001", TQ_E_BUSY},
    {"40P01", TQ_E_BUSY},        {"40003", TQ_E_UNAVAILABLE},
    {"40", TQ_E_INVALID},        {"42", TQ_E_INVALID},
    {"44", TQ_E_INVALID},        {"53", TQ_E_UNAVAILABLE},
    {"54", TQ_E_LIMIT},          {"55P03", TQ_E_BUSY}, /* lock_timeout */
    {"55006", TQ_E_BUSY},        {"55", TQ_E_INVALID},
    {"57", TQ_E_UNAVAILABLE},    {"58", TQ_E_UNAVAILABLE},
    {"P0", TQ_E_INVALID}, /* of a function or trigger */
    {"XX001", TQ_E_CORRUPT},     {"XX002", TQ_E_CORRUPT},
};

static int find(const char *state, size_t bytes, int *out_status)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (strlen(meanings[i].state) == bytes && memcmp(meanings[i].state, state, bytes) == 0) {
            *out_status = meanings[i].status;
            return 1;
        }
    }
    return 0;
}

int tq__postgres_status(const char *sqlstate)
{
    int status = TQ_E_UNAVAILABLE;
    if (sqlstate && strlen(sqlstate) == 5 && !find(sqlstate, 5, &status)) {
        find(sqlstate, 2, &status);
    }
    return status;
}

int tq__postgres_commit_status(const char *sqlstate, int is_error)
{
    if (!sqlstate || !is_error || strncmp(sqlstate, "08", 2) == 0 ||
        strcmp(sqlstate, "40003") == 0) {
        return TQ_E_UNKNOWN;
    }
    int status = tq__postgres_status(sqlstate);
    if (status == TQ_REPEAT) {
        return TQ_E_INVALID; /* a deferred constraint */
    }
    return status == TQ_E_BUSY || status == TQ_E_INVALID ? status : TQ_E_UNAVAILABLE;
}

/* Six bits a character, as the server itself packs a state into a number. */
static int64_t number_of(const char *state)
{
    int64_t number = 0;
    for (size_t i = 0; state && i < 5 && state[i]; i++) {
        number |= (int64_t)((state[i] - '0') & 0x3f) << (6 * i);
    }
    return number;
}

/* The first line: more of them may quote values. */
static int fill(int status, const char *state, const char *message, struct tq_error *err)
{
    int bytes = (int)strcspn(message, "\n");
    if (status >= 0) {
        return status;
    }
    return tq__fail_native(err, status, number_of(state), "store.postgres", "%.*s%s%s", bytes,
                           message, state ? ": " : "", state ? state : "");
}

static int fill_from(const PGconn *pg, const PGresult *result, int status, struct tq_error *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!message) {
        message = pg ? PQerrorMessage(pg) : "";
    }
    return fill(status, state, message[0] ? message : "no answer from the server", err);
}

int tq__postgres_fail(const PGconn *pg, const PGresult *result, struct tq_error *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return fill_from(pg, result, tq__postgres_status(state), err);
}

int tq__postgres_fail_commit(const PGconn *pg, const PGresult *result, struct tq_error *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *severity =
        result ? PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
    int is_error = severity && strcmp(severity, "ERROR") == 0;
    return fill_from(pg, result, tq__postgres_commit_status(state, is_error), err);
}

int tq__postgres_fail_connect(const PGconn *pg, struct tq_error *err)
{
    return fill_from(pg, NULL, TQ_E_UNAVAILABLE, err);
}

int tq__postgres_is_state(const PGresult *result, const char *sqlstate)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return state && strcmp(state, sqlstate) == 0;
}
