/* SPDX-License-Identifier: MIT */
/*
 * app/moment.c: times both ways, over leap years and limits; codes.
 */
#include "app/moment.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

START_TEST(known_times__both_ways)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1709164799999, "2024-02-28T23:59:59.999Z"},
        {1795361045678, "2026-11-22T15:24:05.678Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    char text[APP_TIME_SIZE];
    int64_t parsed;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_str_eq(app_time_format(rows[i].ms, text), rows[i].text);
        ck_assert_msg(app_time_parse(rows[i].text, &parsed), "%s", rows[i].text);
        ck_assert_msg(parsed == rows[i].ms, "%s", rows[i].text);
    }
    ck_assert_str_eq(app_time_format(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
    ck_assert_str_eq(app_time_format(INT64_MIN, text), "0000-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(any_time__comes_back)
{
    struct test_env test;
    char text[APP_TIME_SIZE];
    int64_t parsed;
    test_env_init(&test, 7);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = (int64_t)test_random(&test, 253402300799999 + 62167219200000) - 62167219200000;
        ck_assert(app_time_parse(app_time_format(ms, text), &parsed));
        ck_assert_msg(parsed == ms, "%s", text);
    }
}
END_TEST

START_TEST(other_forms__of_rfc_3339)
{
    static const char *const same[] = {"2026-11-22T15:24:05Z",      "2026-11-22t15:24:05z",
                                       "2026-11-22T15:24:05.0Z",    "2026-11-23T00:24:05+09:00",
                                       "2026-11-22T09:54:05-05:30", "2026-11-22T15:24:05.000999Z"};
    int64_t parsed;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        ck_assert_msg(app_time_parse(same[i], &parsed), "%s", same[i]);
        ck_assert_msg(parsed == 1795361045000, "%s", same[i]);
    }
}
END_TEST

START_TEST(everything_else__is_refused)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-22",
                                      "2026-11-22T15:24:05",
                                      "2026-11-22 15:24:05Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:60Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00Zx",
                                      "2026-01-01T00:00:00+9:00",
                                      "2026-01-01T00:00:00+24:00",
                                      "+2026-01-01T00:00:00Z",
                                      "26-01-01T00:00:00Z",
                                      "2026-1-1T00:00:00Z"};
    int64_t parsed = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!app_time_parse(bad[i], &parsed), "%s", bad[i]);
    }
    ck_assert(!app_time_parse(NULL, &parsed));
    ck_assert_int_eq(parsed, 42);
}
END_TEST

START_TEST(codes__differ_and_read_well)
{
    struct test_env test;
    struct tq_error err = TQ_ERROR_INIT;
    char one[27], other[27];
    test_env_init(&test, 3);
    struct tq_env env = test_env_of(&test);
    assert_status(app_code(&env, one, 26, &err), TQ_OK);
    assert_status(app_code(&env, other, 26, &err), TQ_OK);
    ck_assert_uint_eq(strlen(one), 26);
    ck_assert_uint_eq(strspn(one, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
    ck_assert_str_ne(one, other);
}
END_TEST

UNIT_MAIN("app.moment", known_times__both_ways, any_time__comes_back, other_forms__of_rfc_3339,
          everything_else__is_refused, codes__differ_and_read_well)
