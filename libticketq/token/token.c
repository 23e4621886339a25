/* SPDX-License-Identifier: MIT */
/*
 * Signing and verifying of tokens: compact JWS (RFC 7515) with the rules of
 * RFC 8725.
 *
 *     base64url(header) "." base64url(claims) "." base64url(HMAC-SHA256)
 *
 * Verification does the cheap things first and believes nothing before the
 * signature holds; each step only runs when the one before it passed:
 *
 *     size · exactly three parts of strict base64url · header (three members, no
 *     other) · key by its id, in memory · purpose · time of the key · signature
 *     in constant time · claims · issue time, life, audience · expiry
 *
 * Every refusal is the same TQ_REFUSED; why goes to the error record only.
 * Nothing is allocated by us. One token has one spelling, because base64url is
 * read strictly, but revoke by `jti` all the same.
 * Threads: [any]; the ring is read without a lock (token/keys.c).
 */
#include <ticketq/token.h>

#include <openssl/crypto.h>
#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "token/claims.h"
#include "token/flat.h"
#include "token/keys.h"

#define HEADER_JSON_MAX 512
#define SIGNATURE_TEXT_BYTES 43
#define JTI_BYTES 16

/* A token taken apart. What is decoded is not believed yet. */
struct parts {
    struct tq__flat_text header; /* still encoded */
    struct tq__flat_text input;  /* what was signed: header, dot, claims */
    unsigned char claims[TQ_TOKEN_MAX * 3 / 4];
    size_t claims_bytes;
    unsigned char signature[TQ__MAC_BYTES];
};

static int refuse(struct tq_error *err, const char *why)
{
    return tq__fail(err, TQ_REFUSED, "token", "%s", why);
}

static int make_id(tq_keys *keys, struct tq_claims *claims, struct tq_error *err)
{
    unsigned char bytes[JTI_BYTES];
    if (claims->id[0]) {
        return TQ_OK;
    }
    TQ_TRY(tq__random(&keys->env, bytes, sizeof bytes, err));
    tq__base64url_encode(claims->id, bytes, sizeof bytes);
    return TQ_OK;
}

static int check_life(const struct tq_claims *claims, struct tq_error *err)
{
    int64_t life = claims->expires_ms - claims->issued_ms;
    if (life <= 0) {
        return tq__fail(err, TQ_E_INVALID, "token", "a token expires after it was issued");
    }
    if (life > TQ_TOKEN_LIFE_MAX_MS) {
        return tq__fail(err, TQ_E_LIMIT, "token", "a token lives at most %lld ms",
                        (long long)TQ_TOKEN_LIFE_MAX_MS);
    }
    return TQ_OK;
}

static int write_token(tq_keys *keys, const struct tq__key *key, const struct tq_claims *claims,
                       char out_token[TQ_TOKEN_SIZE], struct tq_error *err)
{
    char json[TQ__CLAIMS_MAX], *at = out_token;
    unsigned char mac[TQ__MAC_BYTES];
    _Static_assert(TQ__HEADER_MAX + TQ__CLAIMS_MAX * 4 / 3 + SIGNATURE_TEXT_BYTES + 4 <
                       TQ_TOKEN_MAX,
                   "the longest token fits");
    memcpy(at, key->header, key->header_bytes);
    at += key->header_bytes;
    *at++ = '.';
    at += tq__base64url_encode(at, json, tq__claims_write(json, claims));
    TQ_TRY(tq__mac(&keys->pool, &key->mac, out_token, (size_t)(at - out_token), mac, err));
    *at++ = '.';
    tq__base64url_encode(at, mac, sizeof mac);
    return TQ_OK;
}

int tq_token_sign(tq_keys *keys, uint32_t purpose, const struct tq_claims *claims,
                  char out_token[TQ_TOKEN_SIZE], struct tq_error *err)
{
    struct tq_claims use;
    char token[TQ_TOKEN_SIZE];
    TQ_TRY(TQ__REQUIRE("token", err, keys, out_token));
    TQ_TRY(TQ__READ(&use, claims, "token", err));
    int64_t now_ms = tq__now_ms(&keys->env);
    use.issued_ms = use.issued_ms ? use.issued_ms : now_ms;
    TQ_TRY(tq__claims_check(&use, err));
    TQ_TRY(check_life(&use, err));
    TQ_TRY(make_id(keys, &use, err));
    const struct tq__key *key = tq__keys_signer(keys, purpose, now_ms);
    if (!key) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "token",
                        "no key of the purpose (use %s) is valid now", tq__purpose_use(purpose));
    }
    TQ_TRY(write_token(keys, key, &use, token, err));
    memcpy(out_token, token, strlen(token) + 1);
    return TQ_OK;
}

/* 0 when it is not three parts, or claims and signature are not strict base64url. */
static int split(const char *token, size_t bytes, struct parts *out)
{
    const char *end = token + bytes;
    const char *first = memchr(token, '.', bytes);
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second || first == token) {
        return 0;
    }
    out->header = (struct tq__flat_text){token, (size_t)(first - token)};
    out->input = (struct tq__flat_text){token, (size_t)(second - token)};
    long claims_bytes = tq__base64url_decode(out->claims, sizeof out->claims, first + 1,
                                             (size_t)(second - first - 1));
    long signature_bytes = tq__base64url_decode(out->signature, sizeof out->signature, second + 1,
                                                (size_t)(end - second - 1));
    out->claims_bytes = claims_bytes > 0 ? (size_t)claims_bytes : 0;
    return claims_bytes > 0 && signature_bytes == TQ__MAC_BYTES;
}

/* What a header says, each empty when it is not there. */
struct header {
    struct tq__flat_text algorithm;
    struct tq__flat_text key_id;
    struct tq__flat_text type;
};

/* Only these three, so that `jwk`, `jku`, `x5u`, `crit`, `zip` and the like are refused. */
static int read_header(const char *json, size_t bytes, struct header *out)
{
    struct tq__flat flat;
    struct tq__flat_member member;
    int rc;
    tq__flat_init(&flat, json, bytes);
    if (!tq__flat_skip(&flat, '{')) {
        return 0;
    }
    while ((rc = tq__flat_next(&flat, &member)) > 0) {
        struct tq__flat_text *target = tq__flat_equal(member.name, "alg")   ? &out->algorithm
                                       : tq__flat_equal(member.name, "kid") ? &out->key_id
                                       : tq__flat_equal(member.name, "typ") ? &out->type
                                                                            : NULL;
        if (!target || member.kind != TQ__FLAT_STRING) {
            return 0;
        }
        *target = member.text;
    }
    return rc == 0 && tq__flat_is_done(&flat);
}

/* The key of a header that is written in another way than ours. */
static const struct tq__key *key_of_foreign(tq_keys *keys, struct tq__flat_text text)
{
    unsigned char json[HEADER_JSON_MAX];
    char id[TQ_KEY_ID_MAX + 1];
    struct header header = {{"", 0}, {"", 0}, {"", 0}};
    long bytes = tq__base64url_decode(json, sizeof json, text.at, text.bytes);
    if (bytes < 0 || !read_header((const char *)json, (size_t)bytes, &header) ||
        !tq__flat_copy(id, sizeof id, header.key_id) || !tq__id_is_valid(id)) {
        return NULL;
    }
    const struct tq__key *key = tq__keys_find(keys, id);
    if (!key || !tq__flat_equal(header.algorithm, "HS256") ||
        !tq__flat_equal(header.type, tq__purpose_type(key->purpose))) {
        return NULL;
    }
    return key;
}

static const struct tq__key *key_of(tq_keys *keys, struct tq__flat_text header)
{
    const struct tq__key *key = tq__keys_find_header(keys, header.at, header.bytes);
    return key ? key : key_of_foreign(keys, header);
}

static int check_signature(tq_keys *keys, const struct tq__key *key, const struct parts *parts,
                           struct tq_error *err)
{
    unsigned char mac[TQ__MAC_BYTES];
    TQ_TRY(tq__mac(&keys->pool, &key->mac, parts->input.at, parts->input.bytes, mac, err));
    if (CRYPTO_memcmp(parts->signature, mac, sizeof mac) != 0) {
        return refuse(err, "the signature is wrong");
    }
    return TQ_OK;
}

static int read_claims(const struct parts *parts, const char *audience, int64_t now_ms,
                       struct tq_claims *out_claims, struct tq_error *err)
{
    int64_t not_before_ms;
    if (!tq__claims_read(out_claims, &not_before_ms, (const char *)parts->claims,
                         parts->claims_bytes)) {
        return refuse(err, "the claims are malformed");
    }
    int64_t latest_ms = now_ms + TQ_TOKEN_SKEW_MS;
    int64_t life = out_claims->expires_ms - out_claims->issued_ms;
    if (out_claims->issued_ms > latest_ms || not_before_ms > latest_ms) {
        return refuse(err, "the token is of a time to come");
    }
    if (life <= 0 || life > TQ_TOKEN_LIFE_MAX_MS + 1000) { /* times are whole seconds */
        return refuse(err, "the token lives too long");
    }
    if (audience && strcmp(audience, out_claims->audience) != 0) {
        return refuse(err, "the token is for another audience");
    }
    return now_ms >= out_claims->expires_ms ? TQ_EXPIRED : TQ_OK;
}

int tq_token_verify(tq_keys *keys, uint32_t purpose, const char *audience, const char *token,
                    size_t bytes, struct tq_claims *out_claims, struct tq_error *err)
{
    struct parts parts;
    struct tq_claims claims;
    TQ_TRY(TQ__REQUIRE("token", err, keys, token));
    TQ_TRY(TQ__CHECK(out_claims, 1, "token", err));
    if (bytes > TQ_TOKEN_MAX) {
        return refuse(err, "the token is too long");
    }
    if (!split(token, bytes, &parts)) {
        return refuse(err, "the token is malformed");
    }
    const struct tq__key *key = key_of(keys, parts.header);
    int64_t now_ms = tq__now_ms(&keys->env);
    if (!key || key->purpose != purpose || now_ms >= key->not_after_ms) {
        return refuse(err, "no key of the purpose has signed the token");
    }
    int rc = check_signature(keys, key, &parts, err);
    if (rc == TQ_OK) {
        rc = read_claims(&parts, audience, now_ms, &claims, err);
    }
    if (rc == TQ_OK || rc == TQ_EXPIRED) {
        TQ__WRITE(out_claims, &claims);
    }
    return rc;
}
