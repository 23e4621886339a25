/* SPDX-License-Identifier: MIT */
/*
 * Makes and checks scrypt records (RFC 7914), in the manner of the PHC string format:
 *
 *     $scrypt$ln=15,r=8,p=3$<salt>$<hash>
 *
 * with 16 bytes of salt and 32 of hash in base64url without padding. The record
 * carries its cost, so that the cost can be raised while old records still verify.
 * A record has one form only: the parser refuses leading zeros, other orders and
 * anything behind the hash.
 *
 * A password is taken exactly as it came, all of its bytes. The comparison takes
 * the same time wherever the difference is. Threads: [pure]; one call needs
 * 128 · 2^ln · r bytes of memory, which is why callers sit in a bounded pool.
 */
#include "user/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "user.password"
#define SALT_TEXT 22 /* base64url of 16 bytes */
#define HASH_TEXT 43 /* base64url of 32 bytes */

int user_cost_is_valid(const struct user_cost *cost)
{
    return cost->log_n >= 1 && cost->log_n <= 20 && cost->r >= 1 && cost->r <= 32 && cost->p >= 1 &&
           cost->p <= 16;
}

void user_record_print(const struct user_record *record, char target[USER_RECORD_SIZE])
{
    char salt[SALT_TEXT + 1];
    char hash[HASH_TEXT + 1];
    tq__base64url_encode(salt, record->salt, sizeof record->salt);
    tq__base64url_encode(hash, record->hash, sizeof record->hash);
    snprintf(target, USER_RECORD_SIZE, "$scrypt$ln=%u,r=%u,p=%u$%s$%s", record->cost.log_n,
             record->cost.r, record->cost.p, salt, hash);
}

int user_record_parse(const char *text, struct user_record *out_record, struct tq_error *err)
{
    struct user_record record = {{0, 0, 0}, {0}, {0}};
    char salt[SALT_TEXT + 1] = "";
    char hash[HASH_TEXT + 1] = "";
    char again[USER_RECORD_SIZE];
    int fields = sscanf(text, "$scrypt$ln=%2u,r=%2u,p=%2u$%22[A-Za-z0-9_-]$%43[A-Za-z0-9_-]",
                        &record.cost.log_n, &record.cost.r, &record.cost.p, salt, hash);
    int is_whole = fields == 5 && user_cost_is_valid(&record.cost) &&
                   tq__base64url_decode(record.salt, sizeof record.salt, salt, strlen(salt)) ==
                       USER_SALT_BYTES &&
                   tq__base64url_decode(record.hash, sizeof record.hash, hash, strlen(hash)) ==
                       USER_HASH_BYTES;
    if (is_whole) {
        user_record_print(&record, again);
    }
    if (!is_whole || strcmp(again, text) != 0) {
        return tq__fail(err, TQ_E_CORRUPT, ORIGIN, "a stored password record is malformed");
    }
    *out_record = record;
    return TQ_OK;
}

static int derive(const struct user_cost *cost, const unsigned char *salt, const char *password,
                  unsigned char hash[USER_HASH_BYTES], struct tq_error *err)
{
    uint64_t n = (uint64_t)1 << cost->log_n;
    uint64_t memory_max = 128 * (uint64_t)cost->r * (n + cost->p + 2) + 65536;
    if (EVP_PBE_scrypt(password, strlen(password), salt, USER_SALT_BYTES, n, cost->r, cost->p,
                       memory_max, hash, USER_HASH_BYTES) != 1) {
        return tq__nomem(ORIGIN, err);
    }
    return TQ_OK;
}

int user_password_hash(const struct tq_env *env, const struct user_cost *cost, const char *password,
                       char target[USER_RECORD_SIZE], struct tq_error *err)
{
    struct user_record record = {.cost = *cost};
    if (!user_cost_is_valid(cost)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "the scrypt cost is out of range");
    }
    TQ_TRY(tq__random(env, record.salt, sizeof record.salt, err));
    TQ_TRY(derive(cost, record.salt, password, record.hash, err));
    user_record_print(&record, target);
    return TQ_OK;
}

int user_password_verify(const struct user_record *record, const char *password,
                         struct tq_error *err)
{
    unsigned char hash[USER_HASH_BYTES];
    TQ_TRY(derive(&record->cost, record->salt, password, hash, err));
    int differs = CRYPTO_memcmp(hash, record->hash, sizeof hash);
    OPENSSL_cleanse(hash, sizeof hash);
    return differs ? TQ_REFUSED : TQ_OK;
}
