/* SPDX-License-Identifier: MIT */
/*
 * token/mac.c: the published vectors, every length against OpenSSL's own HMAC,
 * and more borrowers than the pool has contexts.
 */
#include "token/mac.h"

#include <openssl/hmac.h>
#include <pthread.h>
#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

/* RFC 4231, cases 1 and 2. */
START_TEST(published_vectors__hold)
{
    static const struct {
        const char *key;
        const char *text;
        unsigned char mac[4];
    } vectors[] = {
        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
         "Hi There",
         {0xb0, 0x34, 0x4c, 0x61}},
        {"Jefe", "what do ya want for nothing?", {0x5b, 0xdc, 0xc1, 0x46}},
    };
    struct tq__mac_pool pool = {0};
    assert_status(tq__mac_pool_init(&pool, &err), TQ_OK);
    for (size_t i = 0; i < 2; i++) {
        struct tq__mac_key key;
        unsigned char mac[TQ__MAC_BYTES];
        assert_status(tq__mac_key_init(&key, vectors[i].key, strlen(vectors[i].key), &err), TQ_OK);
        assert_status(tq__mac(&pool, &key, vectors[i].text, strlen(vectors[i].text), mac, &err),
                      TQ_OK);
        ck_assert_mem_eq(mac, vectors[i].mac, 4);
        tq__mac_key_done(&key);
    }
    tq__mac_pool_done(&pool);
}
END_TEST

START_TEST(every_length__agrees_with_openssl)
{
    struct tq__mac_pool pool = {0};
    unsigned char text[300], mac[TQ__MAC_BYTES], expected[TQ__MAC_BYTES];
    assert_status(tq__mac_pool_init(&pool, &err), TQ_OK);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)(i * 7 + 1);
    }
    for (size_t bytes = 1; bytes <= 64; bytes += 9) {
        struct tq__mac_key key;
        assert_status(tq__mac_key_init(&key, text, bytes, &err), TQ_OK);
        for (size_t length = 0; length < sizeof text; length++) {
            assert_status(tq__mac(&pool, &key, text, length, mac, &err), TQ_OK);
            HMAC(EVP_sha256(), text, (int)bytes, text, length, expected, NULL);
            ck_assert_mem_eq(mac, expected, sizeof mac);
        }
        tq__mac_key_done(&key);
    }
    tq__mac_pool_done(&pool);
}
END_TEST

struct shared {
    struct tq__mac_pool pool;
    struct tq__mac_key key;
};

static void *compute(void *arg)
{
    struct shared *shared = arg;
    unsigned char first[TQ__MAC_BYTES], mac[TQ__MAC_BYTES];
    long same = 0;
    if (tq__mac(&shared->pool, &shared->key, &arg, sizeof arg, first, NULL) < 0) {
        return NULL;
    }
    for (int i = 0; i < 200; i++) {
        same += tq__mac(&shared->pool, &shared->key, &arg, sizeof arg, mac, NULL) == TQ_OK &&
                memcmp(mac, first, sizeof mac) == 0;
    }
    return (void *)same;
}

START_TEST(more_threads_than_contexts__get_their_own_macs)
{
    struct shared shared = {.pool = {{{0}}}};
    pthread_t threads[TQ__MAC_POOL_SIZE + 8];
    assert_status(tq__mac_pool_init(&shared.pool, &err), TQ_OK);
    assert_status(tq__mac_key_init(&shared.key, "secret", 6, &err), TQ_OK);
    /* All lent but one: most callers must make their own. */
    for (size_t i = 1; i < TQ__MAC_POOL_SIZE; i++) {
        shared.pool.slots[i].is_lent = 1;
    }
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, compute, &shared), 0);
    }
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        void *same;
        pthread_join(threads[i], &same);
        ck_assert_int_eq((long)same, 200);
    }
    ck_assert_int_eq(shared.pool.slots[0].is_lent, 0);
    tq__mac_key_done(&shared.key);
    tq__mac_pool_done(&shared.pool);
}
END_TEST

UNIT_MAIN("token.mac", published_vectors__hold, every_length__agrees_with_openssl,
          more_threads_than_contexts__get_their_own_macs)
