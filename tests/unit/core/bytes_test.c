/* SPDX-License-Identifier: MIT */
/*
 * core/bytes.c: buffers grow and remember failure, base64url has one spelling
 * per value, ids and text hold to their alphabet and limit, UUIDs carry their
 * version and time.
 */
#include "core/bytes.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static void begin(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
}

START_TEST(buffer__grows_and_ends_in_nul)
{
    begin();
    struct tq__buf buf = TQ__BUF(&env);
    for (int i = 0; i < 1000; i++) {
        tq__buf_format(&buf, "%03d", i);
        tq__buf_text(&buf, ",");
        tq__buf_add(&buf, NULL, 0);
        ck_assert_uint_eq(strlen(buf.data), buf.bytes);
    }
    assert_status(tq__buf_check(&buf, "test", &err), TQ_OK);
    ck_assert_uint_eq(buf.bytes, 4000);
    ck_assert_str_eq(buf.data + 3992, "998,999,");
    tq__buf_clear(&buf);
    ck_assert_str_eq(buf.data, "");
    tq__buf_done(&buf);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(failed_buffer__stays_failed_until_cleared)
{
    begin();
    struct tq__buf buf = TQ__BUF(&env);
    char long_text[200];
    memset(long_text, 'x', sizeof long_text);
    tq__buf_text(&buf, "kept");
    test.fail_at = test.allocations + 1;
    tq__buf_add(&buf, long_text, sizeof long_text);
    tq__buf_text(&buf, "!");
    tq__buf_format(&buf, "%d", 1);
    assert_status(tq__buf_check(&buf, "test", &err), TQ_E_NOMEM);
    ck_assert_str_eq(buf.data, "kept");
    tq__buf_clear(&buf);
    tq__buf_add(&buf, long_text, sizeof long_text);
    assert_status(tq__buf_check(&buf, "test", &err), TQ_OK);
    tq__buf_done(&buf);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(impossible_size__fails)
{
    begin();
    struct tq__buf buf = TQ__BUF(&env);
    tq__buf_add(&buf, "x", SIZE_MAX);
    assert_status(tq__buf_check(&buf, "test", &err), TQ_E_NOMEM);
    tq__buf_done(&buf);
}
END_TEST

START_TEST(base64url__reads_back_at_every_length)
{
    begin();
    unsigned char in[70], out[70];
    char text[96];
    for (size_t bytes = 0; bytes <= sizeof in; bytes++) {
        env.random(env.ctx, in, bytes);
        size_t count = tq__base64url_encode(text, in, bytes);
        ck_assert_uint_eq(count, (bytes * 4 + 2) / 3);
        ck_assert_uint_eq(strlen(text), count);
        ck_assert_int_eq(tq__base64url_decode(out, bytes, text, count), (long)bytes);
        ck_assert(memcmp(in, out, bytes) == 0);
        if (bytes > 0) {
            ck_assert_int_eq(tq__base64url_decode(out, bytes - 1, text, count), -1);
        }
    }
    tq__base64url_encode(text, "\xfb\xff\xbe", 3);
    ck_assert_str_eq(text, "-_--");
}
END_TEST

/* All pairs and all ends of three: what decodes is exactly what encodes. */
START_TEST(base64url__has_one_spelling_per_value)
{
    unsigned char out[3];
    char text[8], again[8];
    long accepted = 0;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            for (int tail = 2; tail <= 4; tail++) {
                memset(text, 'A', 4);
                text[tail - 2] = (char)a;
                text[tail - 1] = (char)b;
                long bytes = tq__base64url_decode(out, 3, text, (size_t)tail);
                if (bytes >= 0) {
                    tq__base64url_encode(again, out, (size_t)bytes);
                    ck_assert_int_eq(bytes, tail - 1);
                    ck_assert(memcmp(again, text, (size_t)tail) == 0);
                    accepted++;
                }
            }
        }
    }
    ck_assert_int_eq(accepted, 64 * 4 + 64 * 16 + 64 * 64);
    ck_assert_int_eq(tq__base64url_decode(out, 3, "A", 1), -1);
    ck_assert_int_eq(tq__base64url_decode(out, 3, "AAAAA", 5), -1);
}
END_TEST

START_TEST(ids__hold_to_alphabet_and_limit)
{
    char id[TQ_ID_MAX + 2] = "";
    ck_assert(!tq__id_is_valid(NULL));
    ck_assert(!tq__id_is_valid(""));
    for (int c = 1; c < 256; c++) {
        id[0] = (char)c;
        int is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_';
        ck_assert_int_eq(tq__id_is_valid(id), is_good);
    }
    for (size_t bytes = TQ_ID_MAX - 1; bytes <= TQ_ID_MAX + 1; bytes++) {
        memset(id, 'x', bytes);
        id[bytes] = '\0';
        ck_assert_int_eq(tq__id_is_valid(id), bytes <= TQ_ID_MAX);
    }
    char copy[TQ_ID_SIZE];
    tq__id_copy(copy, id);
    ck_assert_uint_eq(strlen(copy), TQ_ID_MAX);
    assert_status(tq__id_check("a/b", "seat", "test", &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "seat"));
    assert_status(tq__id_check("a-b", "seat", "test", &err), TQ_OK);
}
END_TEST

START_TEST(text_copy__fits_with_its_nul)
{
    char target[5] = "old";
    ck_assert_int_eq(tq__text_copy(target, 5, "abcd", 4), 0);
    ck_assert_str_eq(target, "abcd");
    ck_assert_int_eq(tq__text_copy(target, 4, "wxyz", 4), -1);
    ck_assert_str_eq(target, "abcd");
    ck_assert_int_eq(tq__text_copy(target, 5, "xyz", 2), 0);
    ck_assert_str_eq(target, "xy");
    ck_assert_int_eq(tq__text_copy(target, 1, "", 0), 0);
    ck_assert_str_eq(target, "");
    ck_assert_int_eq(tq__text_copy(target, 0, "", 0), -1);
}
END_TEST

START_TEST(text_number__is_digits_up_to_its_limit)
{
    static const struct {
        const char *text;
        int64_t max, number;
    } rows[] = {{"0", 0, 0},
                {"1", 0, -1},
                {"7", 5, -1},
                {"65534", 65535, 65534},
                {"65535", 65535, 65535},
                {"65536", 65535, -1},
                {"00042", 99, 42},
                {"9223372036854775806", INT64_MAX, INT64_MAX - 1},
                {"9223372036854775807", INT64_MAX, INT64_MAX},
                {"9223372036854775808", INT64_MAX, -1},
                {"99999999999999999999", INT64_MAX, -1},
                {"", 9, -1},
                {"-1", 9, -1},
                {"+1", 9, -1},
                {" 1", 9, -1},
                {"1 ", 9, -1},
                {"1.0", 99, -1},
                {"0x1", 99, -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t number = tq__text_number(rows[i].text, strlen(rows[i].text), rows[i].max);
        ck_assert_msg(number == rows[i].number, "%s", rows[i].text);
    }
    ck_assert_int_eq(tq__text_number("123", 2, 999), 12);
}
END_TEST

START_TEST(human_text__is_utf8_without_control_characters)
{
    static const char *const good[] = {"a", "좌석", "\xf0\x9f\x8e\xab", "a b"};
    static const char *const bad[] = {"\n",
                                      "a\x7f",
                                      "\x80",
                                      "\xc0\xaf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf5\x80\x80\x80",
                                      "\xe0\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xc3("};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert(tq__text_is_valid(good[i], 64));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!tq__text_is_valid(bad[i], 64), "row %zu", i);
    }
    ck_assert(tq__text_is_valid("abcd", 4) && !tq__text_is_valid("abcde", 4));
}
END_TEST

START_TEST(uuid__carries_version_and_time)
{
    begin();
    char a[37], b[37];
    assert_status(tq__uuid7(&env, 0x0123456789ab, a, &err), TQ_OK);
    assert_status(tq__uuid7(&env, 0x0123456789ab, b, &err), TQ_OK);
    ck_assert_uint_eq(strlen(a), 36);
    ck_assert_int_eq(strncmp(a, "01234567-89ab-7", 15), 0);
    ck_assert_ptr_nonnull(strchr("89ab", a[19]));
    ck_assert_str_ne(a, b);
    ck_assert_int_eq(tq__uuid7_ms(a), 0x0123456789ab);
    a[12] = 'g';
    ck_assert_int_eq(tq__uuid7_ms(a), -1);
    ck_assert_int_eq(tq__uuid7_ms("01234567-89ab-4000-8000-000000000000"), -1);
    ck_assert_int_eq(tq__uuid7_ms("h1"), -1);
}
END_TEST

UNIT_MAIN("core.bytes", buffer__grows_and_ends_in_nul, failed_buffer__stays_failed_until_cleared,
          impossible_size__fails, base64url__reads_back_at_every_length,
          base64url__has_one_spelling_per_value, ids__hold_to_alphabet_and_limit,
          text_copy__fits_with_its_nul, text_number__is_digits_up_to_its_limit,
          human_text__is_utf8_without_control_characters, uuid__carries_version_and_time)
