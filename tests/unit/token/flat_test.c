/* SPDX-License-Identifier: MIT */
/*
 * token/flat.c: members come out as they stand, limits hold at the edge, and
 * nothing is accepted that is not JSON.
 */
#include "token/flat.h"

#include <stdio.h>
#include <string.h>

#include <ticketq/status.h>

#include "lib/unit.h"

/* The number of members, or -1. */
static int count_members(const char *text)
{
    struct tq__flat flat;
    struct tq__flat_member member;
    int rc, count = 0;
    tq__flat_init(&flat, text, strlen(text));
    if (!tq__flat_skip(&flat, '{')) {
        return -1;
    }
    while ((rc = tq__flat_next(&flat, &member)) > 0) {
        count++;
    }
    return rc == 0 && tq__flat_is_done(&flat) ? count : -1;
}

START_TEST(members__come_out_as_they_stand)
{
    static const char text[] = "{ \"s\" : \"a~ {}\" , \"n\":0,\"w\":false}";
    struct tq__flat flat;
    struct tq__flat_member member;
    char copy[6];
    tq__flat_init(&flat, text, strlen(text));
    ck_assert(tq__flat_skip(&flat, '{'));
    ck_assert_int_eq(tq__flat_next(&flat, &member), 1);
    ck_assert(tq__flat_equal(member.name, "s") && member.kind == TQ__FLAT_STRING);
    ck_assert(tq__flat_equal(member.text, "a~ {}"));
    ck_assert(!tq__flat_equal(member.text, "a~ {") && !tq__flat_equal(member.text, "a~ {}}"));
    ck_assert(tq__flat_copy(copy, 6, member.text));
    ck_assert_str_eq(copy, "a~ {}");
    ck_assert(!tq__flat_copy(copy, 5, member.text));
    ck_assert_int_eq(tq__flat_next(&flat, &member), 1);
    ck_assert(member.kind == TQ__FLAT_NUMBER && member.number == 0);
    ck_assert_int_eq(tq__flat_next(&flat, &member), 1);
    ck_assert(member.kind == TQ__FLAT_WORD && tq__flat_equal(member.text, "false"));
    ck_assert_int_eq(tq__flat_next(&flat, &member), 0);
    ck_assert(tq__flat_is_done(&flat));
}
END_TEST

START_TEST(numbers__end_at_what_every_reader_keeps)
{
    ck_assert_int_eq(count_members("{\"n\":9007199254740991}"), 1);
    ck_assert_int_eq(count_members("{\"n\":9007199254740992}"), -1);
    ck_assert_int_eq(count_members("{\"n\":99999999999999999999999}"), -1);
}
END_TEST

START_TEST(members__are_counted_to_the_limit)
{
    char text[256] = "{";
    for (int i = 0; i < TQ__FLAT_MEMBERS_MAX; i++) {
        sprintf(text + strlen(text), "%s\"%d\":1", i ? "," : "", i);
    }
    size_t bytes = strlen(text);
    strcpy(text + bytes, "}");
    ck_assert_int_eq(count_members(text), TQ__FLAT_MEMBERS_MAX);
    strcpy(text + bytes, ",\"x\":1}");
    ck_assert_int_eq(count_members(text), -1);
}
END_TEST

START_TEST(what_is_not_flat_json__is_refused)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "}",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":\"",
                                      "{\"a",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{,\"a\":1}",
                                      "{\"a\" 1}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1;\"b\":2}",
                                      "{\"a\":1}}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "{\"a\":01}",
                                      "{\"a\":-1}",
                                      "{\"a\":+1}",
                                      "{\"a\":1.0}",
                                      "{\"a\":1e3}",
                                      "{\"a\":0x1}",
                                      "{\"a\":True}",
                                      "{\"a\":tru}",
                                      "{\"a\":nulll}",
                                      "{\"a\":[]}",
                                      "{\"a\":{}}",
                                      "{\"a\":\"\\\"\"}",
                                      "{\"a\":\"\t\"}",
                                      "{\"a\":\"\x7f\"}",
                                      "{\"a\":\"\xc3\xa4\"}",
                                      "{\"a\\\"\":1}",
                                      "{\"a\":1,\"a\":1}",
                                      "{\"\":1,\"\":1}",
                                      "{\v\"a\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(count_members(bad[i]) == -1, "%s", bad[i]);
    }
    ck_assert_int_eq(count_members("{}"), 0);
    ck_assert_int_eq(count_members("{\"ab\":1,\"axb\":1,\"bw\":1}"), 3); /* of one bit in `seen` */
    ck_assert_int_eq(count_members("{\"ab\":1,\"axb\":1,\"axb\":1}"), -1);
    ck_assert_int_eq(count_members("{\"\":\"\"}\n"), 1);
}
END_TEST

/* Reading stops at the end that it was given, wherever that is. */
START_TEST(every_prefix__is_refused_and_not_read_past)
{
    static const char text[] = "{\"a\":\"b\",\"n\":123,\"t\":true}";
    for (size_t bytes = 0; bytes < strlen(text); bytes++) {
        char *exact = malloc(bytes + 1);
        struct tq__flat flat;
        struct tq__flat_member member;
        memcpy(exact, text, bytes);
        exact = realloc(exact, bytes ? bytes : 1);
        tq__flat_init(&flat, exact, bytes);
        int rc = tq__flat_skip(&flat, '{') ? 1 : -1;
        while (rc > 0) {
            rc = tq__flat_next(&flat, &member);
        }
        ck_assert_int_eq(rc, -1);
        free(exact);
    }
}
END_TEST

UNIT_MAIN("token.flat", members__come_out_as_they_stand, numbers__end_at_what_every_reader_keeps,
          members__are_counted_to_the_limit, what_is_not_flat_json__is_refused,
          every_prefix__is_refused_and_not_read_past)
