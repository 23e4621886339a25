/* SPDX-License-Identifier: MIT */
/*
 * What SQLite's result codes mean for the caller: one table.
 *
 * A row holds for its code and, where no row of its own is there, for the
 * extended codes below it. The third column is for COMMIT alone. In WAL mode a
 * commit writes its pages and a commit mark to the log, flushes the log, and
 * then shows the new end of the log to other connections. What stops it before
 * the mark is whole (a lock, a constraint, a full disk) leaves nothing behind:
 * certainly not applied. After an I/O error or a lack of memory the mark may be
 * in the file although no connection was shown it; the next writer overwrites
 * it, but a crash before that would let recovery find it. That is TQ_E_UNKNOWN.
 * Threads: [pure].
 */
#include "store/sqlite/sqlite.h"

struct meaning {
    int code;
    int status;
    int commit_status;
};

static const struct meaning meanings[] = {
    {SQLITE_OK, TQ_OK, TQ_OK},
    {SQLITE_ROW, TQ_OK, TQ_OK},
    {SQLITE_DONE, TQ_OK, TQ_OK},

    {SQLITE_CONSTRAINT_UNIQUE, TQ_REPEAT, TQ_E_INVALID},
    {SQLITE_CONSTRAINT_PRIMARYKEY, TQ_REPEAT, TQ_E_INVALID},
    {SQLITE_CONSTRAINT_ROWID, TQ_REPEAT, TQ_E_INVALID},
    {SQLITE_CONSTRAINT, TQ_E_INVALID, TQ_E_INVALID},
    {SQLITE_ERROR, TQ_E_INVALID, TQ_E_UNKNOWN},
    {SQLITE_MISMATCH, TQ_E_INVALID, TQ_E_UNKNOWN},
    {SQLITE_RANGE, TQ_E_INVALID, TQ_E_UNKNOWN},
    {SQLITE_TOOBIG, TQ_E_LIMIT, TQ_E_UNKNOWN},

    {SQLITE_BUSY, TQ_E_BUSY, TQ_E_BUSY},
    {SQLITE_LOCKED, TQ_E_BUSY, TQ_E_BUSY},
    {SQLITE_PROTOCOL, TQ_E_BUSY, TQ_E_BUSY},
    {SQLITE_SCHEMA, TQ_E_BUSY, TQ_E_UNKNOWN},

    {SQLITE_NOMEM, TQ_E_NOMEM, TQ_E_UNKNOWN},
    {SQLITE_IOERR_NOMEM, TQ_E_NOMEM, TQ_E_UNKNOWN},

    {SQLITE_FULL, TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {SQLITE_READONLY, TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {SQLITE_CANTOPEN, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {SQLITE_PERM, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {SQLITE_AUTH, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {SQLITE_INTERRUPT, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {SQLITE_ABORT, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {SQLITE_NOLFS, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {SQLITE_IOERR, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},

    {SQLITE_CORRUPT, TQ_E_CORRUPT, TQ_E_UNKNOWN},
    {SQLITE_NOTADB, TQ_E_CORRUPT, TQ_E_UNKNOWN},
    {SQLITE_IOERR_CORRUPTFS, TQ_E_CORRUPT, TQ_E_UNKNOWN},
    {SQLITE_IOERR_DATA, TQ_E_CORRUPT, TQ_E_UNKNOWN},

    {SQLITE_MISUSE, TQ_E_INTERNAL, TQ_E_UNKNOWN},
    {SQLITE_INTERNAL, TQ_E_INTERNAL, TQ_E_UNKNOWN},
};

static const struct meaning *find(int code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].code == code) {
            return &meanings[i];
        }
    }
    return NULL;
}

static const struct meaning *meaning_of(int code)
{
    static const struct meaning unheard_of = {0, TQ_E_INTERNAL, TQ_E_UNKNOWN};
    const struct meaning *found = find(code);
    if (!found) {
        found = find(code & 0xff);
    }
    return found ? found : &unheard_of;
}

int tq__sqlite_status(int code)
{
    return meaning_of(code)->status;
}

int tq__sqlite_commit_status(int code)
{
    return meaning_of(code)->commit_status;
}

/* A host's connection may give the primary code only; the full one is there to be asked for. */
static int extended(sqlite3 *db, int code)
{
    int full = db ? sqlite3_extended_errcode(db) : code;
    return (full & 0xff) == (code & 0xff) ? full : code;
}

static int fill(sqlite3 *db, int status, int code, struct tq_error *err)
{
    const char *message = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    return status < 0 ? tq__fail_native(err, status, code, "store.sqlite", "%s", message) : status;
}

int tq__sqlite_fail(sqlite3 *db, int code, struct tq_error *err)
{
    int full = extended(db, code);
    return fill(db, tq__sqlite_status(full), full, err);
}

int tq__sqlite_fail_commit(sqlite3 *db, int code, struct tq_error *err)
{
    int full = extended(db, code);
    return fill(db, tq__sqlite_commit_status(full), full, err);
}
