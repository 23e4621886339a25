/* SPDX-License-Identifier: MIT */
/*
 * base.h and status.h: what can be asked of nothing.
 */
#include <ticketq/store.h>

#include "api/api.h"

START_TEST(the_version__is_the_header_s)
{
    ck_assert_str_eq(tq_version(), TQ_VERSION_STRING);
    GIVES(tq_version(), tq_version());
}
END_TEST

START_TEST(every_number__has_a_name_and_a_text)
{
    static const int unknown[] = {TQ_RELEASED + 1, TQ_E_INTERNAL - 1, INT32_MAX, INT32_MIN};
    for (int status = TQ_E_INTERNAL; status <= TQ_RELEASED; status++) {
        ck_assert(strlen(tq_status_text(status)) > 3);
        ck_assert_msg(strcmp(tq_status_name(status), "TQ_?") != 0, "%d", status);
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        ck_assert_str_eq(tq_status_name(unknown[i]), "TQ_?");
        ck_assert(strlen(tq_status_text(unknown[i])) > 3);
    }
    GIVES(tq_status_name(TQ_OK), tq_status_name(0));
    GIVES(tq_status_text(TQ_OK), tq_status_text(0));
}
END_TEST

/* What does not have room for a whole record is not written, and never past its end. */
START_TEST(a_record_of_another_size__is_left_alone)
{
    static const size_t sizes[] = {0, 1, sizeof(struct tq_error) - 1};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct tq_error small = {.size = sizes[i], .status = 7, .message = "before"};
        ck_assert_int_eq(tq_store_now(NULL, NULL, &small), TQ_E_INVALID);
        ck_assert_int_eq(small.status, 7);
        ck_assert_str_eq(small.message, "before");
    }
    ck_assert_int_eq(tq_store_now(NULL, NULL, NULL), TQ_E_INVALID);
}
END_TEST

UNIT_MAIN("api.base", the_version__is_the_header_s, every_number__has_a_name_and_a_text,
          a_record_of_another_size__is_left_alone)
