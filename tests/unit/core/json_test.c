/* SPDX-License-Identifier: MIT */
/*
 * core/json.c: 64-bit integers survive, limits hold to the byte, hostile
 * documents are refused, what is written reads back.
 */
#include "core/json.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static tq__json *parse(const char *text, unsigned flags, int expected)
{
    struct tq__json_limits limits = {0, 0, flags};
    tq__json *root = NULL;
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq__json_parse(&env, text, strlen(text), &limits, &root, &err), expected);
    return root;
}

START_TEST(integers__keep_all_64_bits)
{
    int64_t value = 0;
    tq__json *root = parse("{\"a\":9007199254740993,\"b\":-9223372036854775808,"
                           "\"c\":9223372036854775807,\"d\":9223372036854775808,\"e\":1.5}",
                           0, TQ_OK);
    ck_assert(tq__json_int64(tq__json_member(root, "a"), &value));
    ck_assert_int_eq(value, 9007199254740993);
    ck_assert(tq__json_int64(tq__json_member(root, "b"), &value));
    ck_assert(value == INT64_MIN);
    ck_assert(tq__json_int64(tq__json_member(root, "c"), &value));
    ck_assert(value == INT64_MAX);
    ck_assert(!tq__json_int64(tq__json_member(root, "d"), &value));
    ck_assert(!tq__json_int64(tq__json_member(root, "e"), &value));
    ck_assert_ptr_null(tq__json_string(tq__json_member(root, "a")));
    tq__json_free(root);
}
END_TEST

START_TEST(hostile_documents__are_refused)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "{\"a\"}",
                                      "\"a",
                                      "nul",
                                      "1 2",
                                      "[\"\x01\"]",
                                      "{\"a\":1}}",
                                      "\"\\u0001123\"",
                                      "\"\\u0000\"",
                                      "'a'",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "-01",
                                      "+1",
                                      "0x1",
                                      "1.5.5",
                                      "\xef\xbb\xbf{}",
                                      "[1\v]",
                                      "\x01[]",
                                      "{1234567890123456:1}",
                                      "{1234567890123456 :1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        parse(bad[i], 0, TQ_E_INVALID);
    }
}
END_TEST

START_TEST(nul__ends_no_document)
{
    tq__json *root = NULL;
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq__json_parse(&env, "1\0x", 3, NULL, &root, &err), TQ_E_INVALID);
    assert_status(tq__json_parse(&env, "{}\0", 3, NULL, &root, &err), TQ_E_INVALID);
}
END_TEST

START_TEST(duplicate_names__are_refused_where_asked)
{
    tq__json_free(parse("{\"a\":1,\"a\":2}", 0, TQ_OK));
    parse("{\"a\":1,\"a\":2}", TQ__JSON_UNIQUE, TQ_E_INVALID);
    parse("[{\"b\":{\"a\":1,\"\\u0061\":2}}]", TQ__JSON_UNIQUE, TQ_E_INVALID);
    tq__json_free(parse("{\"a\":1,\"b\":{\"a\":2}}", TQ__JSON_UNIQUE, TQ_OK));
}
END_TEST

START_TEST(limits__hold_to_the_byte_and_the_level)
{
    struct tq__json_limits limits = {5, 2, 0};
    tq__json *root = NULL;
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq__json_parse(&env, "[[1]]", 5, &limits, &root, &err), TQ_OK);
    tq__json_free(root);
    assert_status(tq__json_parse(&env, "[[12]]", 6, &limits, &root, &err), TQ_E_LIMIT);
    limits.bytes_max = 100;
    assert_status(tq__json_parse(&env, "[[[]]]", 6, &limits, &root, &err), TQ_E_LIMIT);
}
END_TEST

START_TEST(writer__reads_back)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    struct tq__buf buf = TQ__BUF(&env);
    tq__put_object(&buf, NULL);
    tq__put_string(&buf, "s", "a\"\\\n\x7f");
    tq__put_array(&buf, "list");
    tq__put_int(&buf, NULL, INT64_MIN);
    tq__put_bool(&buf, NULL, 1);
    tq__put_array_end(&buf);
    tq__put_null(&buf, "n");
    tq__put_object_end(&buf);
    ck_assert_str_eq(buf.data, "{\"s\":\"a\\\"\\\\\\u000a\x7f\",\"list\":[-9223372036854775808,"
                               "true],\"n\":null}");
    tq__buf_done(&buf);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("core.json", integers__keep_all_64_bits, hostile_documents__are_refused,
          nul__ends_no_document, duplicate_names__are_refused_where_asked,
          limits__hold_to_the_byte_and_the_level, writer__reads_back)
