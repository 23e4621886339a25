/* SPDX-License-Identifier: MIT */
/*
 * store/sql/rows.c: rows are copied whole; a row that makes no sense is corrupt
 * and nothing is read beyond its ends.
 */
#include "store/sql/rows.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static void fill(struct tq_value columns[9], const char *seats)
{
    columns[0] = tq_text("show");
    columns[1] = tq_text("id-1");
    columns[2] = tq_text("ann");
    columns[3] = tq_text("key");
    columns[4] = tq_int(TQ_SEAT_PAYING);
    columns[5] = tq_int(42);
    columns[6] = tq_int(1000);
    columns[7] = tq_int(0);
    columns[8] = tq_text(seats);
}

START_TEST(a_row__is_copied_and_shown)
{
    struct tq_value columns[9];
    struct tq__hold_record record;
    struct tq_hold_row row;
    fill(columns, "s3 s1 s2");
    ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_OK);
    tq__hold_record_show(&record, &row);
    ck_assert_str_eq(row.schedule, "show");
    ck_assert_str_eq(row.id, "id-1");
    ck_assert_str_eq(row.holder, "ann");
    ck_assert_str_eq(record.request_key, "key");
    ck_assert_uint_eq(row.state, TQ_SEAT_PAYING);
    ck_assert_int_eq(row.ended, TQ_OK);
    ck_assert_uint_eq(row.fence, 42);
    ck_assert_uint_eq(row.seats_count, 3);
    ck_assert_str_eq(row.seats[0], "s3");
    ck_assert_str_eq(row.seats[2], "s2");
    columns[4] = tq_int(TQ__LEASE_EXPIRED);
    ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_OK);
    tq__hold_record_show(&record, &row);
    ck_assert_uint_eq(row.state, TQ_SEAT_AVAILABLE);
    ck_assert_int_eq(row.ended, TQ_EXPIRED);
}
END_TEST

START_TEST(seats__join_and_split_up_to_the_limit)
{
    char ids[TQ_HOLD_SEATS_MAX + 1][TQ_ID_SIZE], text[TQ__SEATS_TEXT_SIZE];
    char longer[TQ__SEATS_TEXT_SIZE + TQ_ID_SIZE];
    const char *seats[TQ_HOLD_SEATS_MAX];
    struct tq_value columns[9];
    struct tq__hold_record record;
    for (int i = 0; i < TQ_HOLD_SEATS_MAX; i++) {
        snprintf(ids[i], TQ_ID_SIZE, "%064d", i);
        seats[i] = ids[i];
    }
    ck_assert_uint_eq(tq__seats_join(text, seats, TQ_HOLD_SEATS_MAX), TQ__SEATS_TEXT_SIZE - 1);
    fill(columns, text);
    ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_OK);
    ck_assert_uint_eq(record.seats_count, TQ_HOLD_SEATS_MAX);
    ck_assert_str_eq(record.seats[TQ_HOLD_SEATS_MAX - 1], ids[TQ_HOLD_SEATS_MAX - 1]);
    snprintf(longer, sizeof longer, "%s x", text);
    fill(columns, longer);
    ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_E_CORRUPT);
    memset(longer, 'x', sizeof longer);
    for (int i = 0; i <= TQ_HOLD_SEATS_MAX; i++) {
        longer[2 * i + 1] = ' ';
    }
    longer[2 * TQ_HOLD_SEATS_MAX + 1] = '\0';
    fill(columns, longer); /* one seat too many */
    ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_E_CORRUPT);
}
END_TEST

START_TEST(what_makes_no_sense__is_corrupt)
{
    char long_id[TQ_ID_SIZE + 1];
    struct tq__hold_record record;
    memset(long_id, 'x', TQ_ID_SIZE);
    long_id[TQ_ID_SIZE] = '\0';
    for (int i = 0; i < 9; i++) {
        struct tq_value columns[9];
        fill(columns, "s1");
        if (columns[i].type == TQ_TEXT && i < 8) {
            columns[i] = tq_text(long_id);
            ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_E_CORRUPT);
            columns[i] = tq_int(5);
            ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9), TQ_E_CORRUPT);
        }
        fill(columns, "s1");
        ck_assert_int_eq(tq__hold_record_fill(&record, columns, 8), TQ_E_CORRUPT);
    }
    for (int64_t state = -1; state <= 6; state++) {
        struct tq_value columns[9];
        fill(columns, "s1");
        columns[4] = tq_int(state);
        int is_lawful = state >= TQ__LEASE_HOLD && state <= TQ__LEASE_EXPIRED;
        ck_assert_int_eq(tq__hold_record_fill(&record, columns, 9),
                         is_lawful ? TQ_OK : TQ_E_CORRUPT);
    }
}
END_TEST

START_TEST(many_rows__outlive_the_scan)
{
    struct test_env test;
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct tq__hold_rows rows = {.env = &env};
    for (int i = 0; i < 200; i++) {
        struct tq_value columns[9];
        char id[16], seats[32];
        snprintf(id, sizeof id, "id-%d", i);
        snprintf(seats, sizeof seats, "a%d b%d", i, i);
        fill(columns, seats);
        columns[1] = tq_text(id);
        ck_assert_int_eq(tq__hold_rows_add(&rows, columns, 9), TQ_OK);
    }
    ck_assert_uint_eq(rows.count, 200);
    ck_assert_str_eq(rows.rows[150].id, "id-150");
    ck_assert_str_eq(rows.rows[150].seats[1], "b150");
    ck_assert_str_eq(rows.keys[150], "key");
    tq__hold_rows_done(&rows);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("store.rows", a_row__is_copied_and_shown, seats__join_and_split_up_to_the_limit,
          what_makes_no_sense__is_corrupt, many_rows__outlive_the_scan)
