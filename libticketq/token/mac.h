/* SPDX-License-Identifier: MIT */
/*
 * HMAC-SHA256 with prepared keys.
 */
#ifndef TQ_TOKEN_MAC_H
#define TQ_TOKEN_MAC_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include <ticketq/status.h>

#define TQ__MAC_BYTES 32
#define TQ__MAC_POOL_SIZE 16

/* The two digest states of a key (RFC 2104), from which every MAC of it starts. */
struct tq__mac_key {
    EVP_MD_CTX *inner;
    EVP_MD_CTX *outer;
};

/* Contexts to work in, lent to one caller at a time. */
struct tq__mac_pool {
    struct tq__mac_slot {
        atomic_int is_lent;
        EVP_MD_CTX *context;
        char apart[48]; /* each slot on a cache line of its own */
    } slots[TQ__MAC_POOL_SIZE];
};

int tq__mac_pool_init(struct tq__mac_pool *pool, struct tq_error *err);
void tq__mac_pool_done(struct tq__mac_pool *pool);

/* `secret` is at most 64 bytes, one block of SHA-256, and may be wiped afterwards. */
int tq__mac_key_init(struct tq__mac_key *key, const void *secret, size_t bytes,
                     struct tq_error *err);
void tq__mac_key_done(struct tq__mac_key *key);

int tq__mac(struct tq__mac_pool *pool, const struct tq__mac_key *key, const void *text,
            size_t bytes, unsigned char out_mac[TQ__MAC_BYTES], struct tq_error *err);

#endif
