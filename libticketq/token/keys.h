/* SPDX-License-Identifier: MIT */
/*
 * The key ring, as signing and verifying see it.
 */
#ifndef TQ_TOKEN_KEYS_H
#define TQ_TOKEN_KEYS_H

#include <pthread.h>
#include <stdatomic.h>

#include <ticketq/token.h>

#include "token/mac.h"

#define TQ__HEADER_MAX 128

struct tq__key {
    char id[TQ_KEY_ID_MAX + 1];
    uint32_t purpose;
    int64_t not_before_ms;
    int64_t not_after_ms;        /* INT64_MAX: never ends */
    char header[TQ__HEADER_MAX]; /* of every token that it signs, in base64url */
    size_t header_bytes;
    struct tq__mac_key mac;
};

struct tq_keys {
    struct tq_env env;
    atomic_int references;
    pthread_mutex_t lock; /* serialises adding */
    atomic_size_t count;  /* keys below it are complete and never change */
    struct tq__key keys[TQ_KEYS_MAX];
    struct tq__mac_pool pool;
};

/* Another reference; every one is given up with tq_keys_free(). */
tq_keys *tq__keys_ref(tq_keys *keys);

/* The `typ` of a purpose; NULL when there is no such purpose. */
const char *tq__purpose_type(uint32_t purpose);
/* What a key of it has as `use` in JSON; never NULL. */
const char *tq__purpose_use(uint32_t purpose);

/* Each gives NULL when there is no such key; time is not looked at. */
const struct tq__key *tq__keys_find(tq_keys *keys, const char *id);
const struct tq__key *tq__keys_find_header(tq_keys *keys, const char *header, size_t bytes);

/* The newest key that signs now, or NULL. */
const struct tq__key *tq__keys_signer(tq_keys *keys, uint32_t purpose, int64_t now_ms);

#endif
