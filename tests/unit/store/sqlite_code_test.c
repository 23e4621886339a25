/* SPDX-License-Identifier: MIT */
/*
 * store/sqlite/code.c: each code means what the caller can act on, and only what
 * is certainly not applied is said to be.
 */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "lib/unit.h"

struct row {
    int code;
    int status;
    int commit_status;
};

#define KNOWN(code, status, commit_status)                                                         \
    {                                                                                              \
        code, status, commit_status                                                                \
    }

static const struct row rows[] = {
    KNOWN(SQLITE_OK, TQ_OK, TQ_OK),
    KNOWN(SQLITE_ROW, TQ_OK, TQ_OK),
    KNOWN(SQLITE_DONE, TQ_OK, TQ_OK),
    KNOWN(SQLITE_CONSTRAINT_UNIQUE, TQ_REPEAT, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_PRIMARYKEY, TQ_REPEAT, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_ROWID, TQ_REPEAT, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT, TQ_E_INVALID, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_CHECK, TQ_E_INVALID, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_NOTNULL, TQ_E_INVALID, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_FOREIGNKEY, TQ_E_INVALID, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_TRIGGER, TQ_E_INVALID, TQ_E_INVALID),
    KNOWN(SQLITE_CONSTRAINT_DATATYPE, TQ_E_INVALID, TQ_E_INVALID),
    KNOWN(SQLITE_ERROR, TQ_E_INVALID, TQ_E_UNKNOWN),
    KNOWN(SQLITE_MISMATCH, TQ_E_INVALID, TQ_E_UNKNOWN),
    KNOWN(SQLITE_RANGE, TQ_E_INVALID, TQ_E_UNKNOWN),
    KNOWN(SQLITE_TOOBIG, TQ_E_LIMIT, TQ_E_UNKNOWN),
    KNOWN(SQLITE_BUSY, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_BUSY_SNAPSHOT, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_BUSY_RECOVERY, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_BUSY_TIMEOUT, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_LOCKED, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_LOCKED_SHAREDCACHE, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_PROTOCOL, TQ_E_BUSY, TQ_E_BUSY),
    KNOWN(SQLITE_SCHEMA, TQ_E_BUSY, TQ_E_UNKNOWN),
    KNOWN(SQLITE_NOMEM, TQ_E_NOMEM, TQ_E_UNKNOWN),
    KNOWN(SQLITE_IOERR_NOMEM, TQ_E_NOMEM, TQ_E_UNKNOWN),
    KNOWN(SQLITE_FULL, TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE),
    KNOWN(SQLITE_READONLY, TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE),
    KNOWN(SQLITE_READONLY_DBMOVED, TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE),
    KNOWN(SQLITE_CANTOPEN, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_PERM, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_AUTH, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_INTERRUPT, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_ABORT, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_ABORT_ROLLBACK, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_NOLFS, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_IOERR, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_IOERR_WRITE, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_IOERR_FSYNC, TQ_E_UNAVAILABLE, TQ_E_UNKNOWN),
    KNOWN(SQLITE_CORRUPT, TQ_E_CORRUPT, TQ_E_UNKNOWN),
    KNOWN(SQLITE_CORRUPT_INDEX, TQ_E_CORRUPT, TQ_E_UNKNOWN),
    KNOWN(SQLITE_NOTADB, TQ_E_CORRUPT, TQ_E_UNKNOWN),
    KNOWN(SQLITE_IOERR_CORRUPTFS, TQ_E_CORRUPT, TQ_E_UNKNOWN),
    KNOWN(SQLITE_IOERR_DATA, TQ_E_CORRUPT, TQ_E_UNKNOWN),
    KNOWN(SQLITE_MISUSE, TQ_E_INTERNAL, TQ_E_UNKNOWN),
    KNOWN(SQLITE_INTERNAL, TQ_E_INTERNAL, TQ_E_UNKNOWN),
    KNOWN(99, TQ_E_INTERNAL, TQ_E_UNKNOWN),
};

START_TEST(codes__have_their_meaning)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(tq__sqlite_status(rows[i].code) == rows[i].status, "code %d: %s",
                      rows[i].code, tq_status_name(tq__sqlite_status(rows[i].code)));
        ck_assert_msg(tq__sqlite_commit_status(rows[i].code) == rows[i].commit_status,
                      "code %d in commit: %s", rows[i].code,
                      tq_status_name(tq__sqlite_commit_status(rows[i].code)));
    }
}
END_TEST

START_TEST(records__are_filled_for_failures_only)
{
    struct tq_error err = TQ_ERROR_INIT;
    ck_assert_int_eq(tq__sqlite_fail(NULL, SQLITE_CONSTRAINT_UNIQUE, &err), TQ_REPEAT);
    ck_assert_int_eq(err.status, 0);
    ck_assert_int_eq(tq__sqlite_fail(NULL, SQLITE_IOERR_FSYNC, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(err.status, TQ_E_UNAVAILABLE);
    ck_assert_int_eq(err.native, SQLITE_IOERR_FSYNC);
    ck_assert_str_eq(err.origin, "store.sqlite");
    ck_assert_str_eq(err.message, "disk I/O error");
}
END_TEST

UNIT_MAIN("store.sqlite.code", codes__have_their_meaning, records__are_filled_for_failures_only)
