/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/token.h
 * @brief Signed tokens that are checked without asking anybody (compact JWS, RFC 7515).
 *
 * A key ring holds keys with an id, a purpose, an algorithm and a time in which
 * they are good. A key serves one purpose and one algorithm, and the purpose is
 * the token's `typ`, so that a place can never pass for an admission. Rotation:
 * add the new key before its `not_before_ms`; tokens of the old one verify until
 * its `not_after_ms`. The newest key that is valid signs.
 *
 * Verification looks, in this order, at size, alphabet, header, key (in memory),
 * signature (in constant time), and only then at the claims. Claims are one flat
 * object of at most 16 members with plain ASCII strings and whole numbers; those
 * that have no name below are ignored. Threads: [any]; no I/O anywhere.
 */
#ifndef TICKETQ_TOKEN_H
#define TICKETQ_TOKEN_H

#include <ticketq/env.h>
#include <ticketq/status.h>

typedef struct tq_keys tq_keys;

/** What a token is for. The value of `typ` in its header is given behind each. */
enum tq_purpose {
    TQ_PURPOSE_PLACE = 1,  /**< "tq-place+jwt": a place in a line. */
    TQ_PURPOSE_PASS = 2,   /**< "tq-pass+jwt": admission, header X-Queue-Token. */
    TQ_PURPOSE_ACCESS = 3, /**< "at+jwt" (RFC 9068): who the caller is. */
    TQ_PURPOSE_INTERNAL = 4 /**< "tq-int+jwt": one service to another. */
};

/** Algorithms. */
enum tq_algorithm { TQ_HS256 = 1 };

#define TQ_KEY_ID_MAX 32       /**< Longest key id: `[A-Za-z0-9_-]{1,32}`. */
#define TQ_KEY_SECRET_MIN 32   /**< Shortest secret in bytes. */
#define TQ_KEY_SECRET_MAX 64   /**< Longest secret in bytes. */
#define TQ_KEYS_MAX 64         /**< Most keys in a ring. */
#define TQ_TOKEN_SKEW_MS 30000 /**< Clocks may differ by this much for `nbf` and `iat`. */

/** A token lives at most this long: 31 days. */
#define TQ_TOKEN_LIFE_MAX_MS 2678400000

/** A key to add to a ring. */
struct tq_key {
    size_t size;
    const char *id;        /**< Required. Unique in the ring. Copied. */
    uint32_t purpose;      /**< Required. enum tq_purpose. */
    uint32_t algorithm;    /**< enum tq_algorithm. Default TQ_HS256. */
    const void *secret;    /**< Required. Copied; wiped when the ring is freed. */
    size_t secret_bytes;   /**< TQ_KEY_SECRET_MIN to TQ_KEY_SECRET_MAX. */
    int64_t not_before_ms; /**< Signs from here on. 0: always. */
    int64_t not_after_ms;  /**< Neither signs nor verifies from here on. 0: never ends. */
};

/** What a token says. Plain value. */
struct tq_claims {
    size_t size;
    char subject[TQ_ID_SIZE];  /**< `sub`: visitor or user. Required. */
    char audience[TQ_ID_SIZE]; /**< `aud`: room or service. Required. */
    char id[TQ_ID_SIZE];       /**< `jti`. Made up when empty. */
    char session[TQ_ID_SIZE];  /**< `sid`. Optional. */
    char role[TQ_ID_SIZE];     /**< `role`. Optional. */
    int64_t issued_ms;         /**< `iat` (whole seconds). Now when zero. */
    int64_t expires_ms;        /**< `exp` (whole seconds, rounded up). Required. */
    int64_t sequence;          /**< `seq`: the place in the line. Optional. */
    int64_t epoch;             /**< `epo`: revocation epoch. Optional. */
};

TQ_BEGIN_DECLS

/**
 * Make an empty key ring.
 *
 * @param env       Copied.
 * @param out_keys  Written on TQ_OK; free it with tq_keys_free().
 * @param err       Optional.
 * @return TQ_OK         Made.
 * @return TQ_E_INVALID  The environment lacks a function.
 * @return TQ_E_NOMEM    Nothing was made.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_keys_new(const struct tq_env *env, tq_keys **out_keys,
                                     struct tq_error *err);

/**
 * Give up a reference to a ring and wipe its secrets with the last one.
 * @param keys  Taken. NULL is allowed.
 * @since 0.1
 */
TQ_API void tq_keys_free(tq_keys *keys);

/**
 * Add a key, also while others sign and verify.
 *
 * @param keys  Borrowed.
 * @param key   Borrowed.
 * @param err   Optional.
 * @return TQ_OK         Added.
 * @return TQ_REPEAT     There is a key of that id. Nothing changed.
 * @return TQ_E_INVALID  An id, purpose or algorithm is not allowed.
 * @return TQ_E_LIMIT    The secret is too short or too long, or the ring is full.
 * @return TQ_E_INTERNAL The digest failed. Nothing was added.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_keys_add(tq_keys *keys, const struct tq_key *key,
                                     struct tq_error *err);

/**
 * Add keys from a JSON document: `{"keys":[{"kid":"a","use":"pass","k":"<base64url>",
 * "nbf":0,"exp":0}]}`; `use` is place, pass, access or internal, times are seconds and
 * optional, as is `"alg":"HS256"`. Members of other names are ignored.
 *
 * @param keys   Borrowed.
 * @param json   Borrowed.
 * @param bytes  Length of `json`.
 * @param err    Optional.
 * @return TQ_OK         All were added.
 * @return TQ_E_INVALID  Malformed, a key that tq_keys_add() would not add, or an id that is in
 *                       the ring already; none were added.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_keys_load(tq_keys *keys, const char *json, size_t bytes,
                                      struct tq_error *err);

/**
 * Sign claims with the newest valid key of a purpose.
 *
 * @param keys       Borrowed.
 * @param purpose    enum tq_purpose.
 * @param claims     Borrowed.
 * @param out_token  Written on TQ_OK: a string that ends in NUL.
 * @param err        Optional.
 * @return TQ_OK             Signed.
 * @return TQ_E_INVALID      A required claim is missing or malformed, or it would expire
 *                           before it is issued.
 * @return TQ_E_LIMIT        It would live longer than TQ_TOKEN_LIFE_MAX_MS.
 * @return TQ_E_UNAVAILABLE  No key of that purpose is valid now, or there is no randomness.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_token_sign(tq_keys *keys, uint32_t purpose,
                                       const struct tq_claims *claims,
                                       char out_token[TQ_TOKEN_SIZE], struct tq_error *err);

/**
 * Verify a token and read its claims.
 *
 * @param keys        Borrowed.
 * @param purpose     What the token must be for.
 * @param audience    What `aud` must be; NULL accepts any.
 * @param token       Untrusted bytes; need not end in NUL. Borrowed.
 * @param bytes       Their length.
 * @param out_claims  Written on TQ_OK and on TQ_EXPIRED.
 * @param err         Optional. Says why for the log; never show it to the caller.
 * @return TQ_OK       Genuine and in its time.
 * @return TQ_EXPIRED  Genuine, but `exp` has passed.
 * @return TQ_REFUSED  Anything else: one answer, so that nothing can be learned from it.
 * @return a failure of the environment.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_token_verify(tq_keys *keys, uint32_t purpose, const char *audience,
                                         const char *token, size_t bytes,
                                         struct tq_claims *out_claims, struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_TOKEN_H */
