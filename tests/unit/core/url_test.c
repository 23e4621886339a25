/* SPDX-License-Identifier: MIT */
/*
 * core/url.c: parts are taken apart and decoded, malformed ones are refused,
 * limits hold to the byte, options fill their struct and have known names, messages
 * do not quote the URL.
 */
#include "core/url.h"

#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct tq__url url;

START_TEST(parts__are_decoded)
{
    char value[16];
    uint32_t number = 0;
    assert_status(
        tq__url_parse(&url, "sqlite:/data/a%20b%3f.db?busy=50&name=x%26y&busyness=7", &err), TQ_OK);
    ck_assert_str_eq(url.scheme, "sqlite");
    ck_assert_str_eq(url.path, "/data/a b?.db");
    assert_status(tq__url_query(url.query, "name", value, sizeof value, &err), TQ_OK);
    ck_assert_str_eq(value, "x&y");
    assert_status(tq__url_number(url.query, "busy", 0, 100, &number, &err), TQ_OK);
    ck_assert_uint_eq(number, 50);
    assert_status(tq__url_number(url.query, "busyness", 0, 100, &number, &err), TQ_OK);
    ck_assert_uint_eq(number, 7);
    assert_status(tq__url_query(url.query, "bus", value, sizeof value, &err), TQ_GONE);
    assert_status(tq__url_number(url.query, "none", 0, 100, &number, &err), TQ_GONE);
    assert_status(tq__url_parse(&url, "memory:", &err), TQ_OK);
    ck_assert_str_eq(url.path, "");
    ck_assert_str_eq(url.query, "");
}
END_TEST

START_TEST(malformed_urls__are_refused)
{
    static const char *const bad[] = {
        "",      ":",     "sqlite", ":path",
        "SQL:x", "1x:y",  "a b:c",  "a:%",
        "a:%2",  "a:%zz", "a:%00",  "a:b\nc",
        "a:%1f", "a-b:c", "+a:b",   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int rc = tq__url_parse(&url, bad[i], &err);
        ck_assert_msg(rc == TQ_E_INVALID, "%s", bad[i]);
    }
    assert_status(tq__url_parse(&url, NULL, &err), TQ_E_INVALID);
    assert_status(tq__url_parse(&url, "postgres://u:hunter2@h/%zz", &err), TQ_E_INVALID);
    ck_assert_ptr_null(strstr(err.message, "hunter2"));
    assert_status(tq__url_parse(&url, "a2+b:c", &err), TQ_OK);
}
END_TEST

START_TEST(length__holds_to_the_byte)
{
    char text[TQ_URL_MAX + 2];
    memset(text, 'x', sizeof text);
    memcpy(text, "m:", 2);
    text[TQ_URL_MAX] = '\0';
    assert_status(tq__url_parse(&url, text, &err), TQ_OK);
    ck_assert_uint_eq(strlen(url.path), TQ_URL_MAX - 2);
    memcpy(text, "m:?", 3);
    assert_status(tq__url_parse(&url, text, &err), TQ_OK);
    ck_assert_uint_eq(strlen(url.query), TQ_URL_MAX - 3);
    text[TQ_URL_MAX] = 'x';
    text[TQ_URL_MAX + 1] = '\0';
    assert_status(tq__url_parse(&url, text, &err), TQ_E_INVALID);
}
END_TEST

START_TEST(values__hold_to_their_room_and_range)
{
    char value[4];
    uint32_t number = 1;
    assert_status(tq__url_query("a=123", "a", value, 4, &err), TQ_OK);
    assert_status(tq__url_query("a=1234", "a", value, 4, &err), TQ_E_INVALID);
    assert_status(tq__url_query("a=%4", "a", value, 4, &err), TQ_E_INVALID);
    static const char *const bad[] = {"n=9",   "n=21", "n=",   "n=-1",  "n=+10",
                                      "n= 10", "n=1x", "n=0x", "n=1.5", "n=99999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(tq__url_number(bad[i], "n", 10, 20, &number, &err), TQ_E_INVALID);
    }
    ck_assert_uint_eq(number, 1);
    assert_status(tq__url_number("n=10", "n", 10, 20, &number, &err), TQ_OK);
    assert_status(tq__url_number("n=20", "n", 10, 20, &number, &err), TQ_OK);
    ck_assert_uint_eq(number, 20);
    assert_status(tq__url_number("n=4294967295", "n", 0, UINT32_MAX, &number, &err), TQ_OK);
    assert_status(tq__url_number("n=4294967296", "n", 0, UINT32_MAX, &number, &err), TQ_E_INVALID);
}
END_TEST

START_TEST(drivers__are_found_by_scheme)
{
    static const int one, other;
    static const struct tq__url_scheme schemes[] = {{"one", &one, NULL},
                                                    {"one", NULL, "not reached"},
                                                    {"absent", NULL, "for a reason"},
                                                    {"absent", &other, NULL},
                                                    {.name = NULL}};
    const void *driver = &other;
    assert_status(tq__url_driver(schemes, "none", &driver, "here", &err), TQ_E_INVALID);
    ck_assert_str_eq(err.origin, "here");
    ck_assert_str_eq(err.message, "no driver is called none:, there are one:");
    assert_status(tq__url_driver(schemes, "on", &driver, "here", &err), TQ_E_INVALID);
    assert_status(tq__url_driver(schemes, "absent", &driver, "here", &err), TQ_E_UNSUPPORTED);
    ck_assert_str_eq(err.message, "absent: for a reason");
    ck_assert_ptr_eq(driver, &other);
    assert_status(tq__url_driver(schemes, "one", &driver, "here", &err), TQ_OK);
    ck_assert_ptr_eq(driver, &one);
}
END_TEST

struct target {
    char before;
    uint32_t level, pause_ms;
    char name[4];
    char after;
};

static const struct tq__url_option options[] = {
    TQ__URL_NUMBER("level", struct target, level, 1, 9, 5),
    TQ__URL_NUMBER("pause_ms", struct target, pause_ms, 0, UINT32_MAX, 0),
    TQ__URL_TEXT("name", struct target, name),
    {.name = NULL},
};

static int is_colour(const char *at, size_t bytes)
{
    return tq__url_is_called("colour", at, bytes);
}

START_TEST(options__fill_their_struct)
{
    struct target target = {'b', 7, 7, "old", 'a'};
    assert_status(tq__url_options_read("", options, &target, &err), TQ_OK);
    ck_assert_uint_eq(target.level, 5);
    ck_assert_uint_eq(target.pause_ms, 0);
    ck_assert_str_eq(target.name, "old");
    assert_status(tq__url_options_read("name=%26yz&pause_ms=4294967295&colour=red&level=9", options,
                                       &target, &err),
                  TQ_OK);
    ck_assert_uint_eq(target.level, 9);
    ck_assert_uint_eq(target.pause_ms, UINT32_MAX);
    ck_assert_str_eq(target.name, "&yz");
    assert_status(tq__url_options_read("level=1&level=2", options, &target, &err), TQ_OK);
    ck_assert_uint_eq(target.level, 1);
    static const char *const bad[] = {
        "level=0",   "level=10", "level=", "pause_ms=4294967296", "pause_ms=99999999999999999999",
        "name=wxyz", "name=%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(tq__url_options_read(bad[i], options, &target, &err) == TQ_E_INVALID, "%s",
                      bad[i]);
        ck_assert_ptr_nonnull(strstr(err.message, i < 3 ? "level" : i < 5 ? "pause_ms" : "name"));
    }
    ck_assert_int_eq(target.before, 'b');
    ck_assert_int_eq(target.after, 'a');
}
END_TEST

static int check(const char *query)
{
    return tq__url_names_check(query, options, is_colour, "here", &err);
}

START_TEST(names__are_known_and_have_a_value)
{
    static const char *const good[] = {
        "",      "level=",   "level=1&name=x&colour=red", "name=x&", "name==",
        "name=", "name=a=b", "name=name=&level=2"};
    static const char *const bad[] = {"leve=1",         "levels=1",   "=1",
                                      "name=x&Level=1", "%6eame=x",   "&name=x",
                                      "name=x&&name=y", "colours=red"};
    static const char *const without[] = {"level", "name=x&level", "level&name=x", "colour"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(check(good[i]) == TQ_OK, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(check(bad[i]) == TQ_E_INVALID, "%s", bad[i]);
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        ck_assert_msg(check(without[i]) == TQ_E_INVALID, "%s", without[i]);
        ck_assert_ptr_nonnull(strstr(err.message, "without a value"));
    }
    assert_status(check("name=x&what=hunter2"), TQ_E_INVALID);
    ck_assert_str_eq(err.message, "there is no option \"what\"");
    ck_assert_str_eq(err.origin, "here");
    assert_status(tq__url_names_check("colour=red", options, NULL, "here", &err), TQ_E_INVALID);
}
END_TEST

START_TEST(a_name__comes_once)
{
    static const char *const bad[] = {"level=1&level=1",
                                      "level=&name=x&level=", "colour=red&name=x&colour=red"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(check(bad[i]), TQ_E_INVALID);
        ck_assert_ptr_nonnull(strstr(err.message, "with two values"));
    }
}
END_TEST

/* redis://u:12?hunter2@host: a password that should have been written with %3f. */
START_TEST(the_end_of_a_password__is_not_quoted)
{
    static const char *const bad[] = {"hunter2@host", "hunter2=@host", "hunter2&x=1@host"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(check(bad[i]), TQ_E_INVALID);
        ck_assert_ptr_null(strstr(err.message, "hunter2"));
    }
}
END_TEST

START_TEST(a_name_in_a_message__is_cut_at_40_bytes)
{
    char query[64] = "", expected[64] = "\"";
    memset(query, 'x', 41);
    memset(expected + 1, 'x', 40);
    strcpy(query + 41, "=1");
    strcat(expected, "\"");
    assert_status(check(query), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, expected));
}
END_TEST

UNIT_MAIN("core.url", parts__are_decoded, malformed_urls__are_refused, length__holds_to_the_byte,
          values__hold_to_their_room_and_range, drivers__are_found_by_scheme,
          options__fill_their_struct, names__are_known_and_have_a_value, a_name__comes_once,
          the_end_of_a_password__is_not_quoted, a_name_in_a_message__is_cut_at_40_bytes)
