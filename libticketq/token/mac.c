/* SPDX-License-Identifier: MIT */
/*
 * HMAC-SHA256 (RFC 2104, RFC 4231) on EVP digests.
 *
 * A key is hashed once: what stays are the digest states after the inner and
 * the outer padded key, and a MAC is two copies of a state, two updates and two
 * finals. That is several times faster than HMAC(), which looks the algorithm
 * up and hashes the key again each time. The secret itself is not kept; OpenSSL
 * wipes the states when they are freed.
 *
 * Working contexts come from a pool, because the library has no thread-local
 * state. A caller begins to look at a slot that follows from its stack, so that
 * threads rarely meet; when all are lent, it makes one for itself and waits for
 * nobody. Threads: [any]; key states are only read after init.
 */
#include "token/mac.h"

#include <openssl/crypto.h>
#include <string.h>

#include "core/error.h"

#define BLOCK_BYTES 64

static int fail(struct tq_error *err)
{
    return tq__fail(err, TQ_E_INTERNAL, "token", "the digest failed");
}

int tq__mac_pool_init(struct tq__mac_pool *pool, struct tq_error *err)
{
    for (size_t i = 0; i < TQ__MAC_POOL_SIZE; i++) {
        pool->slots[i].context = EVP_MD_CTX_new();
        if (!pool->slots[i].context) {
            return tq__fail(err, TQ_E_NOMEM, "token", "no memory for a digest");
        }
    }
    return TQ_OK;
}

void tq__mac_pool_done(struct tq__mac_pool *pool)
{
    for (size_t i = 0; i < TQ__MAC_POOL_SIZE; i++) {
        EVP_MD_CTX_free(pool->slots[i].context);
    }
}

/* A digest that has taken in one block: the secret, padded with zeros, each byte xor `pad`. */
static EVP_MD_CTX *padded_state(const void *secret, size_t bytes, unsigned char pad)
{
    unsigned char block[BLOCK_BYTES] = {0};
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    memcpy(block, secret, bytes);
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] ^= pad;
    }
    if (state && !(EVP_DigestInit_ex(state, EVP_sha256(), NULL) &&
                   EVP_DigestUpdate(state, block, sizeof block))) {
        EVP_MD_CTX_free(state);
        state = NULL;
    }
    OPENSSL_cleanse(block, sizeof block);
    return state;
}

int tq__mac_key_init(struct tq__mac_key *key, const void *secret, size_t bytes,
                     struct tq_error *err)
{
    key->inner = padded_state(secret, bytes, 0x36);
    key->outer = padded_state(secret, bytes, 0x5c);
    if (!key->inner || !key->outer) {
        tq__mac_key_done(key);
        return fail(err);
    }
    return TQ_OK;
}

void tq__mac_key_done(struct tq__mac_key *key)
{
    EVP_MD_CTX_free(key->inner);
    EVP_MD_CTX_free(key->outer);
    *key = (struct tq__mac_key){NULL, NULL};
}

/* The slot that was lent, or NULL when none is free. */
static struct tq__mac_slot *borrow(struct tq__mac_pool *pool)
{
    uint64_t stack = (uint64_t)(uintptr_t)&pool;
    size_t start = (size_t)((stack >> 12) * 0x9e3779b97f4a7c15u >> 32);
    for (size_t i = 0; i < TQ__MAC_POOL_SIZE; i++) {
        struct tq__mac_slot *slot = &pool->slots[(start + i) % TQ__MAC_POOL_SIZE];
        if (!atomic_exchange_explicit(&slot->is_lent, 1, memory_order_acquire)) {
            return slot;
        }
    }
    return NULL;
}

static int mac_in(EVP_MD_CTX *context, const struct tq__mac_key *key, const void *text,
                  size_t bytes, unsigned char out_mac[TQ__MAC_BYTES])
{
    unsigned char digest[TQ__MAC_BYTES];
    return EVP_MD_CTX_copy_ex(context, key->inner) && EVP_DigestUpdate(context, text, bytes) &&
           EVP_DigestFinal_ex(context, digest, NULL) && EVP_MD_CTX_copy_ex(context, key->outer) &&
           EVP_DigestUpdate(context, digest, sizeof digest) &&
           EVP_DigestFinal_ex(context, out_mac, NULL);
}

int tq__mac(struct tq__mac_pool *pool, const struct tq__mac_key *key, const void *text,
            size_t bytes, unsigned char out_mac[TQ__MAC_BYTES], struct tq_error *err)
{
    struct tq__mac_slot *slot = borrow(pool);
    EVP_MD_CTX *context = slot ? slot->context : EVP_MD_CTX_new();
    int is_done = context && mac_in(context, key, text, bytes, out_mac);
    if (slot) {
        atomic_store_explicit(&slot->is_lent, 0, memory_order_release);
    } else {
        EVP_MD_CTX_free(context);
    }
    return is_done ? TQ_OK : fail(err);
}
