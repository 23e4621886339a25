/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/code.c: each SQLSTATE means what the caller can act on, and only what is
 * certainly not applied is said to be.
 */
#include "store/postgres/postgres.h"

#include <string.h>

#include "lib/unit.h"

struct row {
    const char *state;
    int status;
    int commit_status; /* after ERROR */
};

static const struct row rows[] = {
    {"08000", TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {"08006", TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {"08P01", TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {"0A000", TQ_E_INVALID, TQ_E_INVALID},
    {"21000", TQ_E_INVALID, TQ_E_INVALID},
    {"22001", TQ_E_INVALID, TQ_E_INVALID},
    {"22003", TQ_E_INVALID, TQ_E_INVALID},
    {"22021", TQ_E_INVALID, TQ_E_INVALID},
    {"23502", TQ_E_INVALID, TQ_E_INVALID},
    {"23503", TQ_E_INVALID, TQ_E_INVALID},
    {"23505", TQ_REPEAT, TQ_E_INVALID},
    {"23514", TQ_E_INVALID, TQ_E_INVALID},
    {"25001", TQ_E_INVALID, TQ_E_INVALID},
    {"25006", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"25P02", TQ_E_INVALID, TQ_E_INVALID},
    {"25P03", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"26000", TQ_E_BUSY, TQ_E_BUSY},
    {"28P01", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"3D000", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"3F000", TQ_E_INVALID, TQ_E_INVALID},
    {"40001", TQ_E_BUSY, TQ_E_BUSY},
    {"40002", TQ_E_INVALID, TQ_E_INVALID},
    {"40003", TQ_E_UNAVAILABLE, TQ_E_UNKNOWN},
    {"40P01", TQ_E_BUSY, TQ_E_BUSY},
    {"42601", TQ_E_INVALID, TQ_E_INVALID},
    {"42P01", TQ_E_INVALID, TQ_E_INVALID},
    {"53100", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"53200", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"53300", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"54000", TQ_E_LIMIT, TQ_E_UNAVAILABLE},
    {"55000", TQ_E_INVALID, TQ_E_INVALID},
    {"55006", TQ_E_BUSY, TQ_E_BUSY},
    {"55P03", TQ_E_BUSY, TQ_E_BUSY},
    {"57014", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"57P01", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"57P03", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"58030", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"P0001", TQ_E_INVALID, TQ_E_INVALID},
    {"XX000", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"XX001", TQ_E_CORRUPT, TQ_E_UNAVAILABLE},
    {"XX002", TQ_E_CORRUPT, TQ_E_UNAVAILABLE},
    {"ZZZZZ", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
    {"", TQ_E_UNAVAILABLE, TQ_E_UNAVAILABLE},
};

START_TEST(states__have_their_meaning)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *state = rows[i].state;
        ck_assert_msg(tq__postgres_status(state) == rows[i].status, "%s: %s", state,
                      tq_status_name(tq__postgres_status(state)));
        ck_assert_msg(tq__postgres_commit_status(state, 1) == rows[i].commit_status,
                      "%s in commit: %s", state,
                      tq_status_name(tq__postgres_commit_status(state, 1)));
    }
}
END_TEST

START_TEST(a_commit_without_an_error__is_unknown)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(tq__postgres_commit_status(rows[i].state, 0), TQ_E_UNKNOWN);
    }
    ck_assert_int_eq(tq__postgres_commit_status(NULL, 1), TQ_E_UNKNOWN);
    ck_assert_int_eq(tq__postgres_status(NULL), TQ_E_UNAVAILABLE);
}
END_TEST

START_TEST(silence__is_told)
{
    struct tq_error err = TQ_ERROR_INIT;
    ck_assert_int_eq(tq__postgres_fail(NULL, NULL, &err), TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.origin, "store.postgres");
    ck_assert_str_eq(err.message, "no answer from the server");
    ck_assert_int_eq(tq__postgres_fail_commit(NULL, NULL, &err), TQ_E_UNKNOWN);
    ck_assert_int_eq(err.status, TQ_E_UNKNOWN);
}
END_TEST

UNIT_MAIN("store.postgres.code", states__have_their_meaning, a_commit_without_an_error__is_unknown,
          silence__is_told)
