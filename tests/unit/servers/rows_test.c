/* SPDX-License-Identifier: MIT */
/*
 * app/rows.c: text at its limits, ids, and the removal of what is old.
 */
#include "app/rows.h"

#include <string.h>

#include "desk.h"
#include "lib/unit.h"

#define SCHEMA "CREATE TABLE notes (note_id TEXT NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL)"
#define CLEAN                                                                                      \
    "DELETE FROM notes WHERE note_id IN (SELECT note_id FROM notes WHERE at_ms < $1 "              \
    "ORDER BY at_ms LIMIT $2)"

START_TEST(text__is_copied_cut_and_ended)
{
    static const struct {
        const char *text;
        const char *copy;
    } rows[] = {{"", ""}, {"ab", "ab"}, {"abc", "abc"}, {"abcd", "abc"}, {NULL, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char target[4] = "xyz";
        const struct tq_value column = tq_text(rows[i].text);
        APP_TEXT(target, &column);
        ck_assert_str_eq(target, rows[i].copy);
    }
}
END_TEST

START_TEST(nothing__is_null)
{
    ck_assert_int_eq(app_text_or_null("").type, TQ_NULL);
    ck_assert_int_eq(app_text_or_null("a").type, TQ_TEXT);
    ck_assert_int_eq(app_int_or_null(0).type, TQ_NULL);
    ck_assert_int_eq(app_int_or_null(-1).integer, -1);
}
END_TEST

START_TEST(an_id__is_the_first_column)
{
    char id[TQ_ID_SIZE] = "old";
    const struct tq_value columns[] = {tq_text("new"), tq_text("other")};
    ck_assert_int_eq(app_id_row(id, columns, 2), 0);
    ck_assert_str_eq(id, "new");
}
END_TEST

START_TEST(cleaning__takes_what_is_older_and_no_more_than_asked)
{
    struct desk desk;
    desk_open(&desk, "notes", SCHEMA, NULL);
    atomic_store(&desk.test.now_ms, 10000);
    desk_do(&desk, "INSERT INTO notes VALUES ('a', 8999), ('b', 8998), ('c', 9000), ('d', 9001)");
    ck_assert_int_eq(app_clean(desk.ledger, CLEAN, 1000, 1, &desk.err), TQ_OK);
    ck_assert_str_eq(desk_ask(&desk, "SELECT group_concat(note_id, '') FROM notes"), "acd");
    ck_assert_int_eq(app_clean(desk.ledger, CLEAN, 1000, 9, &desk.err), TQ_OK);
    ck_assert_str_eq(desk_ask(&desk, "SELECT group_concat(note_id, '') FROM notes"), "cd");
    ck_assert_int_eq(app_clean(desk.ledger, CLEAN, 1000, 9, &desk.err), TQ_EMPTY);
    desk_close(&desk);
}
END_TEST

UNIT_MAIN("app.rows", text__is_copied_cut_and_ended, nothing__is_null, an_id__is_the_first_column,
          cleaning__takes_what_is_older_and_no_more_than_asked)
