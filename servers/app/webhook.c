/* SPDX-License-Identifier: MIT */
/*
 * Signs and verifies webhooks.
 *
 * Verification looks at the timestamp first, then compares the expected
 * signature of each key with each `v1` signature of the header, in constant time.
 * Signatures of other versions are skipped. Threads: [pure].
 */
#include "app/webhook.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define PREFIX "whsec_"
#define VERSION "v1,"
#define BASE64_BYTES 44 /* of 32 bytes */

/* Strict base64 with padding; the number of bytes, or -1. */
static long decode(unsigned char *target, size_t room, const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length % 4 || length / 4 * 3 > room) {
        return -1;
    }
    size_t padding = (text[length - 1] == '=') + (text[length - 2] == '=' ? 1u : 0u);
    if (strcspn(text, "= \t\r\n") < length - padding) {
        return -1;
    }
    int bytes = EVP_DecodeBlock(target, (const unsigned char *)text, (int)length);
    return bytes < 0 ? -1 : bytes - (long)padding;
}

int app_webhook_key_read(struct app_webhook_key *key, const char *secret, struct tq_error *err)
{
    if (strncmp(secret, PREFIX, strlen(PREFIX)) == 0) {
        secret += strlen(PREFIX);
    }
    long bytes = decode(key->secret, sizeof key->secret, secret);
    if (bytes < APP_WEBHOOK_KEY_MIN || bytes > APP_WEBHOOK_KEY_MAX) {
        return tq__fail(err, TQ_E_INVALID, "webhook",
                        "a webhook secret is base64 of %d to %d bytes", APP_WEBHOOK_KEY_MIN,
                        APP_WEBHOOK_KEY_MAX);
    }
    key->bytes = (size_t)bytes;
    return TQ_OK;
}

int app_webhook_sign(const struct app_webhook_key *key, const char *id, const char *timestamp,
                     const char *body, size_t bytes, char target[APP_WEBHOOK_SIGNATURE_SIZE])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_bytes = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key->secret, key->bytes);
    mac_bytes = sizeof mac;
    int is_done = context && own &&
                  EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, own) == 1 &&
                  EVP_DigestSignUpdate(context, id, strlen(id)) == 1 &&
                  EVP_DigestSignUpdate(context, ".", 1) == 1 &&
                  EVP_DigestSignUpdate(context, timestamp, strlen(timestamp)) == 1 &&
                  EVP_DigestSignUpdate(context, ".", 1) == 1 &&
                  EVP_DigestSignUpdate(context, body, bytes) == 1 &&
                  EVP_DigestSignFinal(context, mac, &mac_bytes) == 1 && mac_bytes == 32;
    EVP_PKEY_free(own);
    EVP_MD_CTX_free(context);
    memcpy(target, VERSION, sizeof VERSION);
    if (is_done) {
        EVP_EncodeBlock((unsigned char *)target + strlen(VERSION), mac, (int)mac_bytes);
    }
    return is_done;
}

static int has_signature(const char *signatures, const char *expected)
{
    size_t wanted = strlen(VERSION) + BASE64_BYTES;
    int is_there = 0;
    for (const char *at = signatures; *at;) {
        size_t bytes = strcspn(at, " ");
        is_there |= bytes == wanted && CRYPTO_memcmp(at, expected, wanted) == 0;
        at += bytes + strspn(at + bytes, " ");
    }
    return is_there;
}

static int is_recent(const char *timestamp, int64_t now_ms)
{
    size_t bytes = strlen(timestamp);
    if (bytes < 1 || bytes > 12 || strspn(timestamp, "0123456789") != bytes) {
        return 0;
    }
    int64_t age_ms = now_ms - strtoll(timestamp, NULL, 10) * 1000;
    return age_ms <= APP_WEBHOOK_TOLERANCE_MS && age_ms >= -APP_WEBHOOK_TOLERANCE_MS;
}

int app_webhook_verify(const struct app_webhook_key *keys, size_t keys_count, const char *id,
                       const char *timestamp, const char *signatures, const char *body,
                       size_t bytes, int64_t now_ms)
{
    char expected[APP_WEBHOOK_SIGNATURE_SIZE];
    int is_genuine = 0;
    if (!id || !timestamp || !signatures || !is_recent(timestamp, now_ms)) {
        return TQ_REFUSED;
    }
    for (size_t i = 0; i < keys_count; i++) {
        is_genuine |= app_webhook_sign(&keys[i], id, timestamp, body, bytes, expected) &&
                      has_signature(signatures, expected);
    }
    return is_genuine ? TQ_OK : TQ_REFUSED;
}

int app_webhook_verify_request(const struct app_webhook_key *keys, size_t keys_count,
                               const struct http_request *request, int64_t now_ms)
{
    return app_webhook_verify(keys, keys_count, http_header(request, "webhook-id"),
                              http_header(request, "webhook-timestamp"),
                              http_header(request, "webhook-signature"), request->body,
                              request->body_bytes, now_ms);
}
