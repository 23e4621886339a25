/* SPDX-License-Identifier: MIT */
/*
 * token/keys.c: rotation overlaps without a gap, a key serves one purpose,
 * limits hold at the edge, a document of keys is added as a whole or not at all.
 */
#include "token/keys.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define SECRET "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" /* 32 bytes */
#define ENTRY(kid, use, more)                                                                      \
    "{\"kid\":\"" kid "\",\"use\":\"" use "\",\"k\":\"" SECRET "\"" more "}"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static tq_keys *make_ring(void)
{
    tq_keys *keys = NULL;
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK);
    return keys;
}

static int add(tq_keys *keys, const char *id, uint32_t purpose, int64_t from, int64_t to)
{
    static const char secret[TQ_KEY_SECRET_MAX] = "x";
    return tq_keys_add(keys,
                       TQ_ARGS(tq_key, .id = id, .purpose = purpose, .secret = secret,
                               .secret_bytes = 32, .not_before_ms = from, .not_after_ms = to),
                       &err);
}

static int sign(tq_keys *keys, char token[TQ_TOKEN_SIZE])
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    strcpy(claims.subject, "s");
    strcpy(claims.audience, "a");
    claims.expires_ms = test.now_ms + 1000000;
    return tq_token_sign(keys, TQ_PURPOSE_PASS, &claims, token, &err);
}

static int verify(tq_keys *keys, const char *token)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    return tq_token_verify(keys, TQ_PURPOSE_PASS, "a", token, strlen(token), &claims, &err);
}

START_TEST(rotation__has_no_gap)
{
    tq_keys *keys = make_ring();
    char before[TQ_TOKEN_SIZE], after[TQ_TOKEN_SIZE];
    int64_t change_ms = test.now_ms + 1000, end_ms = test.now_ms + 5000;
    assert_status(add(keys, "old", TQ_PURPOSE_PASS, 0, end_ms), TQ_OK);
    assert_status(add(keys, "new", TQ_PURPOSE_PASS, change_ms, 0), TQ_OK);
    test.now_ms = change_ms - 1;
    ck_assert_str_eq(tq__keys_signer(keys, TQ_PURPOSE_PASS, change_ms - 1)->id, "old");
    assert_status(sign(keys, before), TQ_OK);
    test.now_ms = change_ms;
    ck_assert_str_eq(tq__keys_signer(keys, TQ_PURPOSE_PASS, change_ms)->id, "new");
    assert_status(sign(keys, after), TQ_OK);
    assert_status(verify(keys, before), TQ_OK);
    test.now_ms = change_ms - 1; /* a verifier whose clock is behind */
    assert_status(verify(keys, after), TQ_OK);
    test.now_ms = end_ms - 1;
    assert_status(verify(keys, before), TQ_OK);
    test.now_ms = end_ms;
    assert_status(verify(keys, before), TQ_REFUSED);
    assert_status(verify(keys, after), TQ_OK);
    tq_keys_free(keys);
}
END_TEST

START_TEST(without_a_valid_key__nothing_is_signed)
{
    tq_keys *keys = make_ring();
    char token[TQ_TOKEN_SIZE];
    assert_status(sign(keys, token), TQ_E_UNAVAILABLE);
    assert_status(add(keys, "place", TQ_PURPOSE_PLACE, 0, 0), TQ_OK);
    assert_status(add(keys, "past", TQ_PURPOSE_PASS, 0, test.now_ms), TQ_OK);
    assert_status(add(keys, "future", TQ_PURPOSE_PASS, test.now_ms + 1, 0), TQ_OK);
    assert_status(sign(keys, token), TQ_E_UNAVAILABLE);
    test.now_ms += 1;
    assert_status(sign(keys, token), TQ_OK);
    tq_keys_free(keys);
}
END_TEST

START_TEST(keys_that_are_no_good__are_refused)
{
    tq_keys *keys = make_ring();
    static const char secret[TQ_KEY_SECRET_MAX + 1];
    struct tq_key key = {.size = sizeof key,
                         .id = "k",
                         .purpose = TQ_PURPOSE_PASS,
                         .secret = secret,
                         .secret_bytes = 32};
    struct tq_key bad = key;
    static const char *const ids[] = {NULL, "", "a b", "../x", "123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        bad.id = ids[i];
        assert_status(tq_keys_add(keys, &bad, &err), TQ_E_INVALID);
    }
    bad = key;
    bad.purpose = 0;
    assert_status(tq_keys_add(keys, &bad, &err), TQ_E_INVALID);
    bad.purpose = TQ_PURPOSE_INTERNAL + 1;
    assert_status(tq_keys_add(keys, &bad, &err), TQ_E_INVALID);
    bad = key;
    bad.algorithm = TQ_HS256 + 1;
    assert_status(tq_keys_add(keys, &bad, &err), TQ_E_INVALID);
    bad = key;
    bad.secret = NULL;
    assert_status(tq_keys_add(keys, &bad, &err), TQ_E_INVALID);
    static const size_t sizes[] = {0, TQ_KEY_SECRET_MIN - 1, TQ_KEY_SECRET_MAX + 1};
    bad = key;
    for (size_t i = 0; i < 3; i++) {
        bad.secret_bytes = sizes[i];
        assert_status(tq_keys_add(keys, &bad, &err), TQ_E_LIMIT);
    }
    bad.secret_bytes = TQ_KEY_SECRET_MAX;
    assert_status(tq_keys_add(keys, &bad, &err), TQ_OK);
    assert_status(tq_keys_add(keys, &bad, &err), TQ_REPEAT);
    bad.id = "12345678901234567890123456789012";
    bad.secret_bytes = TQ_KEY_SECRET_MIN;
    assert_status(tq_keys_add(keys, &bad, &err), TQ_OK);
    tq_keys_free(keys);
}
END_TEST

START_TEST(ring__is_full_at_its_limit)
{
    tq_keys *keys = make_ring();
    char id[16];
    for (int i = 0; i <= TQ_KEYS_MAX; i++) {
        snprintf(id, sizeof id, "key-%d", i);
        assert_status(add(keys, id, TQ_PURPOSE_PASS, 0, 0), i < TQ_KEYS_MAX ? TQ_OK : TQ_E_LIMIT);
    }
    ck_assert_ptr_nonnull(tq__keys_find(keys, "key-63"));
    ck_assert_ptr_null(tq__keys_find(keys, "key-64"));
    tq_keys_free(keys);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

static int load(tq_keys *keys, const char *json)
{
    return tq_keys_load(keys, json, strlen(json), &err);
}

START_TEST(document__is_added)
{
    tq_keys *keys = make_ring();
    char token[TQ_TOKEN_SIZE];
    assert_status(
        load(keys, "{ \"keys\" : [ " ENTRY("a", "place", "") ",\n" ENTRY(
                       "b", "pass",
                       ",\"nbf\":5,\"exp\":4000000000,\"kty\":\"oct\",\"alg\":"
                       "\"HS256\"") "," ENTRY("c", "access", "") "," ENTRY("d", "internal",
                                                                           ",\"exp\":0") "]}\n"),
        TQ_OK);
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(tq__keys_find(keys, ids[i])->purpose, i + 1);
    }
    ck_assert_int_eq(tq__keys_find(keys, "b")->not_before_ms, 5000);
    ck_assert_int_eq(tq__keys_find(keys, "b")->not_after_ms, 4000000000000);
    ck_assert_int_eq(tq__keys_find(keys, "d")->not_after_ms, INT64_MAX);
    assert_status(sign(keys, token), TQ_OK);
    assert_status(verify(keys, token), TQ_OK);
    tq_keys_free(keys);
}
END_TEST

START_TEST(document_that_is_no_good__adds_nothing)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":{}}",
        "{\"key\":[" ENTRY("a", "pass", "") "]}",
        "{\"keys\":[" ENTRY("a", "pass", "") "]",
        "{\"keys\":[" ENTRY("a", "pass", "") ",]}",
        "{\"keys\":[" ENTRY("a", "pass", "") "]}x",
        "{\"keys\":[" ENTRY("a", "pass", "") "],\"more\":1}",
        "{\"keys\":[" ENTRY("a", "pass", "") "," ENTRY("a", "place", "") "]}",
        "{\"keys\":[" ENTRY("a", "pass", "") "," ENTRY("there", "place", "") "]}",
        "{\"keys\":[" ENTRY("a", "pass", "") "," ENTRY("b", "other", "") "]}",
        "{\"keys\":[" ENTRY("a", "pass", "") "," ENTRY("", "pass", "") "]}",
        "{\"keys\":[" ENTRY("a", "pass", ",\"alg\":\"none\"") "]}",
        "{\"keys\":[" ENTRY("a", "pass", ",\"exp\":\"0\"") "]}",
        "{\"keys\":[" ENTRY("a", "pass", ",\"exp\":253402300800") "]}",
        "{\"keys\":[" ENTRY("a", "pass", ",\"kid\":\"b\"") "]}",
        "{\"keys\":[" ENTRY("a", "pass", ",\"key_ops\":[]") "]}",
        "{\"keys\":[{\"kid\":\"a\",\"use\":\"pass\",\"k\":\"c2hvcnQ\"}]}",
        "{\"keys\":[{\"kid\":\"a\",\"use\":\"pass\",\"k\":\"" SECRET "=\"}]}",
        "{\"keys\":[{\"kid\":\"a\",\"use\":\"pass\",\"k\":\"" SECRET SECRET "\"}]}",
        "{\"keys\":[{\"kid\":\"a\",\"use\":\"pass\"}]}",
        "{\"keys\":[{\"kid\":\"a\",\"k\":\"" SECRET "\"}]}",
        "{\"keys\":[{\"use\":\"pass\",\"k\":\"" SECRET "\"}]}",
    };
    tq_keys *keys = make_ring();
    assert_status(add(keys, "there", TQ_PURPOSE_PASS, 0, 0), TQ_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int rc = load(keys, bad[i]);
        ck_assert_msg(rc == TQ_E_INVALID, "%s: %s", bad[i], tq_status_name(rc));
        ck_assert_ptr_null(tq__keys_find(keys, "a"));
    }
    assert_status(load(keys, "{\"keys\":[" ENTRY("a", "pass", "") "]}"), TQ_OK);
    tq_keys_free(keys);
}
END_TEST

START_TEST(reference__keeps_the_ring)
{
    tq_keys *keys = make_ring();
    ck_assert_ptr_eq(tq__keys_ref(keys), keys);
    tq_keys_free(keys);
    assert_status(add(keys, "a", TQ_PURPOSE_PASS, 0, 0), TQ_OK);
    tq_keys_free(keys);
    tq_keys_free(NULL);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(every_allocation__may_fail)
{
    tq_keys *keys = NULL;
    long n = 0;
    int rc;
    do {
        test_env_init(&test, 1);
        test.fail_at = ++n;
        env = test_env_of(&test);
        rc = tq_keys_new(&env, &keys, &err);
        if (rc == TQ_OK) {
            assert_status(add(keys, "a", TQ_PURPOSE_PASS, 0, 0), TQ_OK);
            assert_status(load(keys, "{\"keys\":[" ENTRY("b", "pass", "") "]}"), TQ_OK);
            tq_keys_free(keys);
        }
        ck_assert(rc == TQ_OK || rc == TQ_E_NOMEM);
        ck_assert_int_eq(test.live, 0);
    } while (rc == TQ_E_NOMEM || test.allocations >= n);
    ck_assert_int_ge(n, 2);
}
END_TEST

UNIT_MAIN("token.keys", rotation__has_no_gap, without_a_valid_key__nothing_is_signed,
          keys_that_are_no_good__are_refused, ring__is_full_at_its_limit, document__is_added,
          document_that_is_no_good__adds_nothing, reference__keeps_the_ring,
          every_allocation__may_fail)
