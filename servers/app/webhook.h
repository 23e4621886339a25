/* SPDX-License-Identifier: MIT */
/*
 * Signatures of webhooks after Standard Webhooks 1.0: HMAC-SHA-256 over
 * `id.timestamp.body`, symmetric keys (`v1`).
 *
 * A receiver accepts several secrets, so that one can be replaced without a
 * gap, and several signatures in a header, of which one must be right. Threads: [pure].
 */
#ifndef TICKETQ_APP_WEBHOOK_H
#define TICKETQ_APP_WEBHOOK_H

#include "http/http.h"

#define APP_WEBHOOK_KEY_MIN 24
#define APP_WEBHOOK_KEY_MAX 64
#define APP_WEBHOOK_SIGNATURE_SIZE 48 /* "v1," and 44 characters */
#define APP_WEBHOOK_TOLERANCE_MS 300000

struct app_webhook_key {
    size_t bytes;
    unsigned char secret[APP_WEBHOOK_KEY_MAX + 3];
};

/* A secret as it is handed out: base64, with or without `whsec_` before it. */
int app_webhook_key_read(struct app_webhook_key *key, const char *secret, struct tq_error *err);

/* The value of `webhook-signature`. Non-zero on success. */
int app_webhook_sign(const struct app_webhook_key *key, const char *id, const char *timestamp,
                     const char *body, size_t bytes, char target[APP_WEBHOOK_SIGNATURE_SIZE]);

/*
 * TQ_OK: one of the signatures was made with one of the keys, and the timestamp (seconds) is
 * within the tolerance of `now_ms`. TQ_REFUSED: anything else; what is NULL is refused.
 */
int app_webhook_verify(const struct app_webhook_key *keys, size_t keys_count, const char *id,
                       const char *timestamp, const char *signatures, const char *body,
                       size_t bytes, int64_t now_ms);

/* The same for a request; each of the three headers must be there once. */
int app_webhook_verify_request(const struct app_webhook_key *keys, size_t keys_count,
                               const struct http_request *request, int64_t now_ms);

#endif
