/* SPDX-License-Identifier: MIT */
/*
 * token/token.c: what is signed verifies and reads back, everything else is
 * refused. The attacks are those of RFC 8725 and of public incidents: other
 * algorithms, foreign keys, header members that name a key, doubled members,
 * malleable base64url, other purposes, times that are missing or absurd.
 */
#include <ticketq/token.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";
static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static void add_key(tq_keys *keys, const char *id, uint32_t purpose, int64_t from, int64_t to)
{
    assert_status(
        tq_keys_add(keys,
                    TQ_ARGS(tq_key, .id = id, .purpose = purpose, .secret = secret,
                            .secret_bytes = 32, .not_before_ms = from, .not_after_ms = to),
                    &err),
        TQ_OK);
}

/* A ring with one key for each purpose, all with the same secret. */
static tq_keys *make_keys(void)
{
    static const char *const ids[] = {"", "place-1", "pass-1", "access-1", "internal-1"};
    tq_keys *keys = NULL;
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK);
    for (uint32_t purpose = 1; purpose <= 4; purpose++) {
        add_key(keys, ids[purpose], purpose, 0, 0);
    }
    return keys;
}

static struct tq_claims some_claims(void)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    strcpy(claims.subject, "visitor-7");
    strcpy(claims.audience, "show-1");
    claims.issued_ms = test.now_ms / 1000 * 1000;
    claims.expires_ms = claims.issued_ms + 600000;
    return claims;
}

static int verify(tq_keys *keys, const char *token)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    return tq_token_verify(keys, TQ_PURPOSE_PASS, "show-1", token, strlen(token), &claims, &err);
}

/* Signs any header and claims with the secret of the ring, as somebody might who has it. */
static void forge(char token[4096], const char *header, const char *claims)
{
    unsigned char mac[32];
    char *at = token + tq__base64url_encode(token, header, strlen(header));
    *at++ = '.';
    at += tq__base64url_encode(at, claims, strlen(claims));
    HMAC(EVP_sha256(), secret, 32, (unsigned char *)token, (size_t)(at - token), mac, NULL);
    *at++ = '.';
    tq__base64url_encode(at, mac, sizeof mac);
}

static const char good_header[] = "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}";
static const char good_claims[] = "{\"sub\":\"a\",\"aud\":\"show-1\",\"iat\":1790000000,"
                                  "\"exp\":1790000600}";

static int verify_forged(tq_keys *keys, const char *header, const char *claims)
{
    char token[4096];
    forge(token, header, claims);
    return verify(keys, token);
}

START_TEST(claims__read_back)
{
    tq_keys *keys = make_keys();
    struct tq_claims in = some_claims(), out = TQ_INIT(tq_claims);
    char token[TQ_TOKEN_SIZE];
    strcpy(in.id, "id-1");
    strcpy(in.session, "session_1");
    strcpy(in.role, "admin");
    in.sequence = 9007199254740991;
    in.epoch = 3;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_OK);
    assert_status(
        tq_token_verify(keys, TQ_PURPOSE_PASS, "show-1", token, strlen(token), &out, &err), TQ_OK);
    ck_assert_mem_eq(&in, &out, sizeof in);
    tq_keys_free(keys);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(longest_token__fits)
{
    tq_keys *keys = make_keys();
    struct tq_claims in = TQ_INIT(tq_claims), out = TQ_INIT(tq_claims);
    char token[TQ_TOKEN_SIZE];
    add_key(keys, "12345678901234567890123456789012", TQ_PURPOSE_PLACE, 1, 0);
    char *const ids[] = {in.subject, in.audience, in.id, in.session, in.role};
    for (size_t i = 0; i < 5; i++) {
        memset(ids[i], 'x', TQ_ID_MAX);
    }
    in.expires_ms = 253402300799000;
    in.issued_ms = in.expires_ms - TQ_TOKEN_LIFE_MAX_MS;
    test.now_ms = in.issued_ms;
    in.sequence = in.epoch = 9007199254740991;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PLACE, &in, token, &err), TQ_OK);
    ck_assert_uint_gt(strlen(token), 700);
    assert_status(tq_token_verify(keys, TQ_PURPOSE_PLACE, NULL, token, strlen(token), &out, &err),
                  TQ_OK);
    ck_assert_mem_eq(&in, &out, sizeof in);
    tq_keys_free(keys);
}
END_TEST

START_TEST(what_cannot_be_signed__is_named)
{
    tq_keys *keys = make_keys();
    char token[TQ_TOKEN_SIZE] = "untouched";
    struct tq_claims in = some_claims();
    in.subject[0] = '\0';
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_INVALID);
    in = some_claims();
    strcpy(in.role, "a b");
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_INVALID);
    in = some_claims();
    in.expires_ms = in.issued_ms;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_INVALID);
    in.expires_ms = in.issued_ms + TQ_TOKEN_LIFE_MAX_MS + 1;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_LIMIT);
    in = some_claims();
    in.sequence = 9007199254740992;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_INVALID);
    in.sequence = -1;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_INVALID);
    in = some_claims();
    memset(in.session, 'x', TQ_ID_SIZE); /* no NUL */
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_E_INVALID);
    in = some_claims();
    assert_status(tq_token_sign(keys, 9, &in, token, &err), TQ_E_UNAVAILABLE);
    tq_keys_free(keys);
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK);
    assert_status(tq_token_sign(keys, TQ_PURPOSE_INTERNAL, &in, token, &err), TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.message, "no key of the purpose (use internal) is valid now");
    ck_assert_str_eq(token, "untouched");
    tq_keys_free(keys);
}
END_TEST

START_TEST(times__hold_to_the_millisecond)
{
    tq_keys *keys = make_keys();
    char token[TQ_TOKEN_SIZE];
    struct tq_claims in = some_claims(), out = TQ_INIT(tq_claims);
    int64_t begin_ms = test.now_ms;
    in.expires_ms = begin_ms + 599001; /* rounded up to the second */
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_OK);
    test.now_ms = begin_ms + 599999;
    assert_status(verify(keys, token), TQ_OK);
    test.now_ms = begin_ms + 600000;
    assert_status(verify(keys, token), TQ_EXPIRED);
    assert_status(tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, token, strlen(token), &out, &err),
                  TQ_EXPIRED);
    ck_assert_str_eq(out.subject, "visitor-7");
    test.now_ms = begin_ms - TQ_TOKEN_SKEW_MS;
    assert_status(verify(keys, token), TQ_OK);
    test.now_ms = begin_ms - TQ_TOKEN_SKEW_MS - 1;
    assert_status(verify(keys, token), TQ_REFUSED);
    tq_keys_free(keys);
}
END_TEST

START_TEST(every_changed_byte__is_refused)
{
    tq_keys *keys = make_keys();
    struct tq_claims in = some_claims();
    char token[TQ_TOKEN_SIZE], changed[TQ_TOKEN_SIZE];
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_OK);
    size_t bytes = strlen(token);
    for (size_t i = 0; i < bytes; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(changed, token, bytes + 1);
            changed[i] = (char)(changed[i] ^ (1 << bit));
            struct tq_claims out = TQ_INIT(tq_claims);
            ck_assert_int_eq(
                tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, changed, bytes, &out, NULL),
                TQ_REFUSED);
        }
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(every_shorter_and_longer_token__is_refused)
{
    tq_keys *keys = make_keys();
    struct tq_claims in = some_claims(), out = TQ_INIT(tq_claims);
    char token[TQ_TOKEN_SIZE + 4] = "";
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_OK);
    size_t bytes = strlen(token);
    for (size_t i = 0; i < bytes; i++) {
        ck_assert_int_eq(tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, token, i, &out, NULL),
                         TQ_REFUSED);
        ck_assert_int_eq(
            tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, token + i + 1, bytes - i - 1, &out, NULL),
            TQ_REFUSED);
    }
    static const char *const tails[] = {"A", "=", "==", ".", " ", "\n", ".A", "AAAA"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        strcpy(token + bytes, tails[i]);
        ck_assert_int_eq(verify(keys, token), TQ_REFUSED);
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(size__is_looked_at_first)
{
    tq_keys *keys = make_keys();
    struct tq_claims out = TQ_INIT(tq_claims);
    static char huge[1 << 20];
    memset(huge, 'A', sizeof huge);
    assert_status(tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, huge, sizeof huge, &out, &err),
                  TQ_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.message, "too long"));
    assert_status(tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, huge, TQ_TOKEN_MAX + 1, &out, &err),
                  TQ_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.message, "too long"));
    assert_status(tq_token_verify(keys, TQ_PURPOSE_PASS, NULL, huge, TQ_TOKEN_MAX, &out, &err),
                  TQ_REFUSED);
    ck_assert_ptr_null(strstr(err.message, "too long"));
    tq_keys_free(keys);
}
END_TEST

/* So that the tables below prove something: with nothing changed it verifies. */
START_TEST(forged_with_the_secret__verifies)
{
    tq_keys *keys = make_keys();
    static const char *const headers[] = {
        "{\"typ\":\"tq-pass+jwt\",\"kid\":\"pass-1\",\"alg\":\"HS256\"}",
        " { \"typ\" : \"tq-pass+jwt\" ,\n\t\"kid\":\"pass-1\",\r\"alg\":\"HS256\" } ",
    };
    static const char *const claims[] = {
        "{\"exp\":1790000600,\"iat\":1790000000,\"aud\":\"show-1\",\"sub\":\"a\"}",
        "{\"sub\":\"a\",\"aud\":\"show-1\",\"iat\":1790000000,\"exp\":1790000600,\"iss\":\"x y\","
        "\"n\":0,\"t\":true,\"f\":false,\"u\":null,\"nbf\":1790000030}",
    };
    assert_status(verify_forged(keys, good_header, good_claims), TQ_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_status(verify_forged(keys, headers[i], good_claims), TQ_OK);
        assert_status(verify_forged(keys, good_header, claims[i]), TQ_OK);
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(hostile_headers__are_refused)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"None\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"noNE\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"hs256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS512\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"ES256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":[\"HS256\"],\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\"}",
        "{\"alg\":\"HS256\",\"kid\":\"\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-2\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"x' or '1'='1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\\u0000\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"x23456789012345678901234567890123\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":1,\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":null,\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"TQ-PASS+JWT\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"jku\":\"http://a/\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"x5u\":\"http://a/\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"jwk\":{\"kty\":\"oct\"}}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"x5c\":[]}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"zip\":\"DEF\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"b64\":false}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",\"enc\":\"A256GCM\"}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"\\u0061lg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "\xef\xbb\xbf{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\"}}",
        "{\"alg\":\"HS256\",\"kid\":\"pass-1\",\"typ\":\"tq-pass+jwt\",}",
        "[\"alg\"]",
        "\"HS256\"",
        "{}",
    };
    tq_keys *keys = make_keys();
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        int rc = verify_forged(keys, headers[i], good_claims);
        ck_assert_msg(rc == TQ_REFUSED, "%s: %s", headers[i], tq_status_name(rc));
    }
    tq_keys_free(keys);
}
END_TEST

#define BASE "\"sub\":\"a\",\"aud\":\"show-1\",\"iat\":1790000000"

START_TEST(hostile_claims__are_refused)
{
    static const char *const claims[] = {
        "{" BASE "}",
        "{" BASE ",\"exp\":\"1790000600\"}",
        "{" BASE ",\"exp\":1e308}",
        "{" BASE ",\"exp\":1790000600.0}",
        "{" BASE ",\"exp\":-1}",
        "{" BASE ",\"exp\":+1790000600}",
        "{" BASE ",\"exp\":01790000600}",
        "{" BASE ",\"exp\":NaN}",
        "{" BASE ",\"exp\":null}",
        "{" BASE ",\"exp\":0}",
        "{" BASE ",\"exp\":1790000000}",
        "{" BASE ",\"exp\":1792678402}",
        "{" BASE ",\"exp\":253402300800}",
        "{" BASE ",\"exp\":9223372036854775808}",
        "{" BASE ",\"exp\":18446744073709551617}",
        "{" BASE ",\"exp\":1790000600,\"exp\":1790000601}",
        "{" BASE ",\"exp\":1790000600,\"sub\":\"b\"}",
        "{" BASE ",\"exp\":1790000600,\"\\u0073ub\":\"b\"}",
        "{" BASE ",\"exp\":1790000600,\"x\":1,\"x\":1}",
        "{" BASE ",\"exp\":1790000600,\"nbf\":1790000031}",
        "{" BASE ",\"exp\":1790000600,\"nbf\":\"0\"}",
        "{" BASE ",\"exp\":1790000600,\"seq\":-1}",
        "{" BASE ",\"exp\":1790000600,\"seq\":9007199254740992}",
        "{" BASE ",\"exp\":1790000600,\"role\":\"\"}",
        "{" BASE ",\"exp\":1790000600,\"role\":\"a b\"}",
        "{" BASE ",\"exp\":1790000600,\"role\":[\"admin\"]}",
        "{" BASE ",\"exp\":1790000600,\"x\":{\"a\":[[[[]]]]}}",
        "{" BASE ",\"exp\":1790000600,\"x\":\"\xc3\x28\"}",
        "{" BASE ",\"exp\":1790000600,\"x\":\"\\n\"}",
        "{" BASE ",\"exp\":1790000600,\"x\":truest}",
        "{" BASE ",\"exp\":1790000600,}",
        "{" BASE ",\"exp\":1790000600}x",
        "{," BASE ",\"exp\":1790000600}",
        "{" BASE " \"exp\":1790000600}",
        "{\"aud\":\"show-1\",\"iat\":1790000000,\"exp\":1790000600}",
        "{\"sub\":\"a\",\"iat\":1790000000,\"exp\":1790000600}",
        "{\"sub\":\"a\",\"aud\":\"show-1\",\"exp\":1790000600}",
        "{\"sub\":\"\",\"aud\":\"show-1\",\"iat\":1790000000,\"exp\":1790000600}",
        "{\"sub\":7,\"aud\":\"show-1\",\"iat\":1790000000,\"exp\":1790000600}",
        "{\"sub\":\"a\",\"aud\":[\"show-1\"],\"iat\":1790000000,\"exp\":1790000600}",
        "{\"sub\":\"a\",\"aud\":\"show-2\",\"iat\":1790000000,\"exp\":1790000600}",
        "{\"sub\":\"a\",\"aud\":\"show-1\",\"iat\":1790000031,\"exp\":1790000600}",
        "{\"sub\":\"a\",\"aud\":\"show-1\",\"iat\":0,\"exp\":1790000600}",
        "\xef\xbb\xbf{" BASE ",\"exp\":1790000600}",
        "{}",
        "[]",
        "1",
    };
    tq_keys *keys = make_keys();
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        int rc = verify_forged(keys, good_header, claims[i]);
        ck_assert_msg(rc == TQ_REFUSED, "%s: %s", claims[i], tq_status_name(rc));
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(other_forms_of_a_token__are_refused)
{
    static const char *const tokens[] = {"",
                                         ".",
                                         "..",
                                         "...",
                                         "a.b.",
                                         ".b.c",
                                         "a..c",
                                         "a.b",
                                         "a.b.c.d",
                                         "a.b.c.d.e",
                                         "{\"payload\":\"a.b.c\"}",
                                         "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
                                         "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.AA",
                                         "a+b.b.c",
                                         "a/b.b.c",
                                         "a.b=.c"};
    tq_keys *keys = make_keys();
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        ck_assert_int_eq(verify(keys, tokens[i]), TQ_REFUSED);
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(one_token__has_one_spelling)
{
    tq_keys *keys = make_keys();
    char token[4096];
    forge(token, good_header, good_claims);
    assert_status(verify(keys, token), TQ_OK);
    /* 32 bytes leave two bits of the last letter unused. */
    size_t last = strlen(token) - 1;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t value = (size_t)(strchr(letters, token[last]) - letters);
    for (size_t stray = 1; stray < 4; stray++) {
        token[last] = letters[(value & ~(size_t)3) | stray];
        assert_status(verify(keys, token), TQ_REFUSED);
        ck_assert_ptr_nonnull(strstr(err.message, "malformed"));
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(one_purpose__never_passes_for_another)
{
    tq_keys *keys = make_keys();
    struct tq_claims in = some_claims(), out = TQ_INIT(tq_claims);
    char token[TQ_TOKEN_SIZE];
    for (uint32_t made = 1; made <= 4; made++) {
        assert_status(tq_token_sign(keys, made, &in, token, &err), TQ_OK);
        for (uint32_t asked = 0; asked <= 5; asked++) {
            assert_status(tq_token_verify(keys, asked, NULL, token, strlen(token), &out, &err),
                          asked == made ? TQ_OK : TQ_REFUSED);
        }
    }
    tq_keys_free(keys);
}
END_TEST

START_TEST(refusal__leaves_the_claims_alone)
{
    tq_keys *keys = make_keys();
    struct tq_claims out = TQ_INIT(tq_claims);
    char token[4096];
    strcpy(out.subject, "before");
    forge(token, good_header, "{" BASE ",\"exp\":1790000600}");
    assert_status(tq_token_verify(keys, TQ_PURPOSE_PASS, "other", token, strlen(token), &out, &err),
                  TQ_REFUSED);
    ck_assert_str_eq(out.subject, "before");
    tq_keys_free(keys);
}
END_TEST

START_TEST(signing_and_verifying__allocate_nothing)
{
    tq_keys *keys = make_keys();
    struct tq_claims in = some_claims();
    char token[TQ_TOKEN_SIZE];
    long before = test.allocations;
    assert_status(tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, &err), TQ_OK);
    assert_status(verify(keys, token), TQ_OK);
    assert_status(verify_forged(keys, " {\"kid\":\"pass-1\"}", good_claims), TQ_REFUSED);
    ck_assert_int_eq(test.allocations, before);
    tq_keys_free(keys);
}
END_TEST

static void *sign_and_verify(void *arg)
{
    tq_keys *keys = arg;
    long good = 0;
    for (int i = 0; i < 300; i++) {
        struct tq_claims in = some_claims(), out = TQ_INIT(tq_claims);
        char token[TQ_TOKEN_SIZE];
        in.sequence = i + 1;
        good += tq_token_sign(keys, TQ_PURPOSE_PASS, &in, token, NULL) == TQ_OK &&
                tq_token_verify(keys, TQ_PURPOSE_PASS, "show-1", token, strlen(token), &out,
                                NULL) == TQ_OK &&
                out.sequence == i + 1;
    }
    return (void *)good;
}

/* More threads than the pool has contexts, while keys are added. */
START_TEST(threads__sign_and_verify_while_keys_are_added)
{
    tq_keys *keys = make_keys();
    pthread_t threads[24];
    for (size_t i = 0; i < 24; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_and_verify, keys), 0);
    }
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "new-%d", i);
        add_key(keys, id, TQ_PURPOSE_PASS, i + 1, 0);
    }
    for (size_t i = 0; i < 24; i++) {
        void *good;
        pthread_join(threads[i], &good);
        ck_assert_int_eq((long)good, 300);
    }
    tq_keys_free(keys);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("token.token", claims__read_back, longest_token__fits, what_cannot_be_signed__is_named,
          times__hold_to_the_millisecond, every_changed_byte__is_refused,
          every_shorter_and_longer_token__is_refused, size__is_looked_at_first,
          forged_with_the_secret__verifies, hostile_headers__are_refused,
          hostile_claims__are_refused, other_forms_of_a_token__are_refused,
          one_token__has_one_spelling, one_purpose__never_passes_for_another,
          refusal__leaves_the_claims_alone, signing_and_verifying__allocate_nothing,
          threads__sign_and_verify_while_keys_are_added)
