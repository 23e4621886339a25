/* SPDX-License-Identifier: MIT */
/*
 * token.h.
 */
#include <ticketq/token.h>

#include "api/api.h"

static const char secret[TQ_KEY_SECRET_MAX + 1] = "secret";

static struct test_env test;
static struct tq_env env;
static tq_keys *keys;
static struct tq_claims good;
static char token[TQ_TOKEN_SIZE];

static const struct tq_key first = {.size = sizeof first,
                                    .id = "first",
                                    .purpose = TQ_PURPOSE_PASS,
                                    .secret = secret,
                                    .secret_bytes = 32};

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK);
    assert_status(tq_keys_add(keys, &first, &err), TQ_OK);
    good = (struct tq_claims){.size = sizeof good,
                              .subject = "me",
                              .audience = "room",
                              .expires_ms = test.now_ms + 60000};
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &good, token, &err), TQ_OK);
}

static void teardown(void)
{
    tq_keys_free(keys);
    ck_assert_int_eq(test.live, 0);
}

START_TEST(nothing__is_no_argument)
{
    static const char document[] = "{\"keys\":[]}";
    struct tq_claims out = {.size = sizeof out, .sequence = 77};
    char none[TQ_TOKEN_SIZE] = "before";
    tq_keys *other = NULL;
    const size_t bytes = (setup(), strlen(token));
    REFUSED(tq_keys_new(NULL, &other, &err), TQ_E_INVALID, "env");
    REFUSED(tq_keys_new(&env, NULL, &err), TQ_E_INVALID, "out_keys");
    ck_assert(!other);
    REFUSED(tq_keys_add(NULL, &first, &err), TQ_E_INVALID, "keys");
    REFUSED(tq_keys_add(keys, NULL, &err), TQ_E_INVALID, "key");
    REFUSED(tq_keys_load(NULL, document, 2, &err), TQ_E_INVALID, "keys");
    REFUSED(tq_keys_load(keys, NULL, 0, &err), TQ_E_INVALID, "json");
    REFUSED(tq_keys_load(keys, NULL, SIZE_MAX, &err), TQ_E_INVALID, "json");
    REFUSED(tq_token_sign(NULL, TQ_PURPOSE_PASS, &good, none, &err), TQ_E_INVALID, "keys");
    REFUSED(tq_token_sign(keys, TQ_PURPOSE_PASS, NULL, none, &err), TQ_E_INVALID, "claims");
    REFUSED(tq_token_sign(keys, TQ_PURPOSE_PASS, &good, NULL, &err), TQ_E_INVALID, "out_token");
    REFUSED(tq_token_verify(NULL, TQ_PURPOSE_PASS, "room", token, bytes, &out, &err), TQ_E_INVALID,
            "keys");
    REFUSED(tq_token_verify(keys, TQ_PURPOSE_PASS, "room", NULL, 0, &out, &err), TQ_E_INVALID,
            "token");
    REFUSED(tq_token_verify(keys, TQ_PURPOSE_PASS, "room", token, bytes, NULL, &err), TQ_E_INVALID,
            "out_claims");
    ck_assert_int_eq(out.sequence, 77);
    ck_assert_str_eq(none, "before");
    ACCEPTED(tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, token, bytes, &out, &err), TQ_OK);
    IGNORED(tq_keys_free(NULL));
    teardown();
}
END_TEST

static int with_key(const void *argument)
{
    tq_keys *other = NULL;
    assert_status(tq_keys_new(&env, &other, &err), TQ_OK);
    int rc = tq_keys_add(other, argument, &err);
    tq_keys_free(other);
    return rc;
}

static int with_claims(const void *argument)
{
    return tq_token_sign(keys, TQ_PURPOSE_PASS, argument, token, &err);
}

static int with_out(const void *argument)
{
    return tq_token_verify(keys, TQ_PURPOSE_PASS, "room", token, strlen(token),
                           (struct tq_claims *)(uintptr_t)argument, &err);
}

START_TEST(structs__are_as_long_as_they_say)
{
    setup();
    const struct sized table[] = {
        {"key", SIZED_IN, sizeof first, &first, with_key},
        {"claims", SIZED_IN, sizeof good, &good, with_claims},
        {"out_claims", SIZED_OUT, sizeof good, NULL, with_out},
    };
    CHECK_SIZED(table);
    teardown();
}
END_TEST

START_TEST(keys__are_in_their_limits)
{
    static const char *const ids[] = {NULL, "",   "a b",      "a{",
                                      "a}", "a:", "\xc3\xa4", "x23456789012345678901234567890123"};
    static const size_t lengths[] = {0, 1, TQ_KEY_SECRET_MIN - 1, TQ_KEY_SECRET_MAX + 1, SIZE_MAX};
    struct tq_key key = first;
    setup();
    for (size_t i = 0; i < COUNT(ids); i++) {
        key.id = ids[i];
        REFUSED(with_key(&key), TQ_E_INVALID, "key id");
    }
    key.id = "x2345678901234567890123456789012";
    ACCEPTED(with_key(&key), TQ_OK);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        key.secret_bytes = lengths[i];
        REFUSED(with_key(&key), TQ_E_LIMIT, "secret");
    }
    key.secret_bytes = TQ_KEY_SECRET_MAX;
    ACCEPTED(with_key(&key), TQ_OK);
    key.secret = NULL;
    REFUSED(with_key(&key), TQ_E_INVALID, "secret");
    key = first;
    key.purpose = TQ_PURPOSE_INTERNAL + 1;
    REFUSED(with_key(&key), TQ_E_INVALID, "purpose");
    key.purpose = UINT32_MAX;
    REFUSED(with_key(&key), TQ_E_INVALID, "purpose");
    key.purpose = 0;
    REFUSED(with_key(&key), TQ_E_INVALID, "purpose");
    key = first;
    key.algorithm = TQ_HS256 + 1;
    REFUSED(with_key(&key), TQ_E_INVALID, "algorithm");
    key = first;
    key.not_after_ms = INT64_MIN;
    REFUSED(with_key(&key), TQ_E_INVALID, "time");
    teardown();
}
END_TEST

/* Each of them without a NUL at its end, and with what no id has. */
START_TEST(claims__are_ids_that_end)
{
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {
        {"sub", offsetof(struct tq_claims, subject)}, {"aud", offsetof(struct tq_claims, audience)},
        {"jti", offsetof(struct tq_claims, id)},      {"sid", offsetof(struct tq_claims, session)},
        {"role", offsetof(struct tq_claims, role)},
    };
    char before[TQ_TOKEN_SIZE];
    setup();
    memcpy(before, token, sizeof before);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tq_claims claims = good;
        char *claim = (char *)&claims + rows[i].offset;
        memset(claim, 'x', TQ_ID_SIZE);
        REFUSED(with_claims(&claims), TQ_E_INVALID, rows[i].name);
        memcpy(claim, "a\"b", 4);
        REFUSED(with_claims(&claims), TQ_E_INVALID, rows[i].name);
        ck_assert_str_eq(token, before);
    }
    teardown();
}
END_TEST

START_TEST(times_and_numbers__are_in_their_limits)
{
    static const struct {
        size_t offset;
        int64_t value;
        int status;
    } rows[] = {
        {offsetof(struct tq_claims, expires_ms), 0, TQ_E_INVALID},
        {offsetof(struct tq_claims, expires_ms), -1, TQ_E_INVALID},
        {offsetof(struct tq_claims, expires_ms), INT64_MIN, TQ_E_INVALID},
        {offsetof(struct tq_claims, expires_ms), INT64_MAX, TQ_E_INVALID},
        {offsetof(struct tq_claims, expires_ms), 253402300799000, TQ_E_LIMIT},
        {offsetof(struct tq_claims, issued_ms), INT64_MIN, TQ_E_INVALID},
        {offsetof(struct tq_claims, issued_ms), INT64_MAX, TQ_E_INVALID},
        {offsetof(struct tq_claims, sequence), -1, TQ_E_INVALID},
        {offsetof(struct tq_claims, sequence), INT64_MAX, TQ_E_INVALID},
        {offsetof(struct tq_claims, epoch), -1, TQ_E_INVALID},
        {offsetof(struct tq_claims, epoch), INT64_MAX, TQ_E_INVALID},
    };
    setup();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tq_claims claims = good;
        memcpy((char *)&claims + rows[i].offset, &rows[i].value, sizeof rows[i].value);
        REFUSED(with_claims(&claims), rows[i].status, "");
    }
    REFUSED(tq_token_sign(keys, UINT32_MAX, &good, token, &err), TQ_E_UNAVAILABLE, "purpose");
    teardown();
}
END_TEST

/* Lengths at the limit are of memory that is exactly so long. */
START_TEST(bytes_of_anybody__are_refused_in_their_length)
{
    static const size_t lengths[] = {0, 1, TQ_TOKEN_MAX - 1, TQ_TOKEN_MAX, TQ_TOKEN_MAX + 1, 70000};
    struct tq_claims out = {.size = sizeof out, .sequence = 77};
    setup();
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *bytes = malloc(lengths[i] ? lengths[i] : 1);
        memset(bytes, '.', lengths[i]);
        REFUSED(tq_token_verify(keys, TQ_PURPOSE_PASS, "room", bytes, lengths[i], &out, &err),
                TQ_REFUSED, "token");
        memset(bytes, 0, lengths[i]);
        REFUSED(tq_token_verify(keys, TQ_PURPOSE_PASS, "room", bytes, lengths[i], &out, &err),
                TQ_REFUSED, "token");
        REFUSED(tq_keys_load(keys, bytes, lengths[i], &err), TQ_E_INVALID, "document");
        free(bytes);
    }
    ck_assert_int_eq(out.sequence, 77);
    teardown();
}
END_TEST

UNIT_MAIN("api.token", nothing__is_no_argument, structs__are_as_long_as_they_say,
          keys__are_in_their_limits, claims__are_ids_that_end,
          times_and_numbers__are_in_their_limits, bytes_of_anybody__are_refused_in_their_length)
