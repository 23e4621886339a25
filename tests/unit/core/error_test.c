/* SPDX-License-Identifier: MIT */
/*
 * core/error.c: the record says what happened, is cut and cleaned, may be
 * missing or of another release; the macros pass on what they should.
 */
#include "core/error.h"

#include <string.h>

#include "lib/unit.h"

START_TEST(record__says_what_happened)
{
    struct tq_error err = TQ_ERROR_INIT;
    ck_assert_int_eq(tq__fail_native(&err, TQ_E_UNKNOWN, 42, "store.sqlite", "row %d", 7),
                     TQ_E_UNKNOWN);
    ck_assert_int_eq(err.status, TQ_E_UNKNOWN);
    ck_assert_int_eq(err.native, 42);
    ck_assert_str_eq(err.origin, "store.sqlite");
    ck_assert_str_eq(err.message, "row 7");
    tq__fail(&err, TQ_E_INVALID, "hold", "no");
    ck_assert_int_eq(err.native, 0);
    ck_assert_uint_eq(sizeof err, 256);
}
END_TEST

START_TEST(flags__follow_from_the_status)
{
    struct tq_error err = TQ_ERROR_INIT;
    for (int status = -10; status < 13; status++) {
        uint32_t expected =
            status == TQ_E_UNKNOWN ? TQ_ERROR_MAYBE_APPLIED
            : status == TQ_E_BUSY || status == TQ_E_UNAVAILABLE || status == TQ_E_NOMEM
                ? TQ_ERROR_RETRY
                : 0;
        ck_assert_int_eq(tq__fail(&err, status, "x", "x"), status);
        ck_assert_uint_eq(err.flags, expected);
    }
}
END_TEST

START_TEST(text__is_cut_and_cleaned)
{
    struct tq_error err = TQ_ERROR_INIT;
    char long_text[400];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    tq__fail(&err, TQ_E_INVALID, long_text, "%s", long_text);
    ck_assert_uint_eq(strlen(err.origin), sizeof err.origin - 1);
    ck_assert_uint_eq(strlen(err.message), sizeof err.message - 1);
    tq__fail(&err, TQ_E_INVALID, "x", "a\nb\x1b[31mc");
    ck_assert_str_eq(err.message, "a b [31mc");
}
END_TEST

START_TEST(record__may_be_missing_or_too_small)
{
    struct tq_error err = TQ_ERROR_INIT;
    ck_assert_int_eq(tq__fail(NULL, TQ_E_BUSY, "x", "x"), TQ_E_BUSY);
    err.size = 8;
    ck_assert_int_eq(tq__fail(&err, TQ_E_BUSY, "x", "x"), TQ_E_BUSY);
    ck_assert_int_eq(err.status, 0);
}
END_TEST

static int freed;

static void free_thing(int *thing)
{
    freed += *thing;
}
typedef int thing;
TQ_AUTO_DEFINE(thing, free_thing)

static int try_all(int outcome, int *reached)
{
    TQ_TRY(outcome);
    *reached = 1;
    return TQ_OK;
}

START_TEST(try__returns_on_failures_only)
{
    int reached = 0;
    ck_assert_int_eq(try_all(TQ_TAKEN, &reached), TQ_OK);
    ck_assert_int_eq(reached, 1);
    reached = 0;
    ck_assert_int_eq(try_all(TQ_E_BUSY, &reached), TQ_E_BUSY);
    ck_assert_int_eq(reached, 0);
}
END_TEST

START_TEST(what_is_owned__is_freed_unless_taken)
{
    int value = 1;
    freed = 0;
    {
        TQ_AUTO(thing) *owned = &value;
        TQ_AUTO(thing) *none = NULL;
        (void)owned, (void)none;
    }
    ck_assert_int_eq(freed, 1);
    {
        TQ_AUTO(thing) *owned = &value;
        ck_assert_ptr_eq(tq__take(&owned), &value);
    }
    ck_assert_int_eq(freed, 1);
}
END_TEST

UNIT_MAIN("core.error", record__says_what_happened, flags__follow_from_the_status,
          text__is_cut_and_cleaned, record__may_be_missing_or_too_small,
          try__returns_on_failures_only, what_is_owned__is_freed_unless_taken)
