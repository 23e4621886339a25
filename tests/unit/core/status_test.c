/* SPDX-License-Identifier: MIT */
/*
 * core/status.c: every status has a name and a sentence of its own.
 */
#include <ticketq/status.h>

#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

START_TEST(every_status__has_a_name_and_a_sentence)
{
    for (int status = TQ_E_INTERNAL; status <= TQ_RELEASED; status++) {
        const char *name = tq_status_name(status), *text = tq_status_text(status);
        ck_assert_int_eq(strncmp(name, status < 0 ? "TQ_E_" : "TQ_", status < 0 ? 5 : 3), 0);
        ck_assert_int_ne(name[3], '?');
        ck_assert_int_ne(text[strlen(text) - 1], '.');
        for (int other = TQ_E_INTERNAL; other < status; other++) {
            ck_assert_str_ne(name, tq_status_name(other));
            ck_assert_str_ne(text, tq_status_text(other));
        }
    }
    ck_assert_str_eq(tq_status_name(TQ_OK), "TQ_OK");
    ck_assert_str_eq(tq_status_name(TQ_E_UNKNOWN), "TQ_E_UNKNOWN");
}
END_TEST

START_TEST(unknown_status__says_so)
{
    static const int unknown[] = {TQ_E_INTERNAL - 1, TQ_RELEASED + 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(tq_status_name(unknown[i]), "TQ_?");
        ck_assert_str_eq(tq_status_text(unknown[i]), "unknown status");
    }
}
END_TEST

START_TEST(version__is_that_of_the_header)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", TQ_VERSION_MAJOR, TQ_VERSION_MINOR,
             TQ_VERSION_PATCH);
    ck_assert_str_eq(tq_version(), expected);
    ck_assert_str_eq(TQ_VERSION_STRING, expected);
}
END_TEST

UNIT_MAIN("core.status", every_status__has_a_name_and_a_sentence, unknown_status__says_so,
          version__is_that_of_the_header)
