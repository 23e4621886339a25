/* SPDX-License-Identifier: MIT */
/*
 * Stores answers under their Idempotency-Key, in the transaction that did the work.
 *
 *     key       fingerprint of the body     app_once_begin
 *     new       -                           TQ_OK: the key is ours in this transaction
 *     known     the same                    TQ_REPEAT, with the stored answer
 *     known     another                     TQ_REFUSED
 *
 * The row is inserted before the work is done: a second request with the same key
 * that runs at the same time waits for the first one's commit, and then finds the
 * answer; if the first one rolls back, the second does the work. Only answers that
 * were committed are stored, so a failure can be tried again with the same key.
 *
 * Invariant: a committed row has an answer. Threads: an app_once belongs to its
 * request.
 */
#include "app/idempotency.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "app/rows.h"
#include "core/env.h"
#include "core/error.h"
#include "idempotency.sql.h"

static const struct tq_migration migrations[] = {
    {.size = sizeof(struct tq_migration), .scope = "once", .version = 1, .sql = ONCE_schema_1},
};

int app_once_prepare(tq_store *store, struct tq_error *err)
{
    return tq_ledger_migrate(store, migrations, sizeof migrations / sizeof *migrations, err);
}

/* ---- the request ---- */

/* The convention allows a quoted string (RFC 8941) and many send a bare one. */
static int read_key(const char *value, char key[APP_ONCE_KEY_MAX + 1])
{
    size_t bytes = value ? strlen(value) : 0;
    if (bytes >= 2 && value[0] == '"' && value[bytes - 1] == '"') {
        value++;
        bytes -= 2;
    }
    if (bytes < APP_ONCE_KEY_MIN || bytes > APP_ONCE_KEY_MAX) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' || value[i] == '\\') {
            return -1;
        }
    }
    memcpy(key, value, bytes);
    key[bytes] = '\0';
    return 0;
}

int app_fingerprint(const struct http_request *request, char target[APP_FINGERPRINT_SIZE])
{
    unsigned char digest[32];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int is_done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
                  EVP_DigestUpdate(context, request->path, strlen(request->path) + 1) &&
                  EVP_DigestUpdate(context, request->body, request->body_bytes) &&
                  EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    for (size_t i = 0; is_done && i < sizeof digest; i++) {
        snprintf(target + 2 * i, 3, "%02x", digest[i]);
    }
    return is_done;
}

int app_once_read(struct app_once *once, struct http_request *request, const char *operation,
                  const char *subject)
{
    const char *value = http_header(request, "Idempotency-Key");
    memset(once, 0, sizeof *once);
    once->body = (struct tq__buf)TQ__BUF(http_env(request));
    snprintf(once->scope, sizeof once->scope, "%s:%s", operation, subject);
    if (!value) {
        http_problem(request, 400, "IDEMPOTENCY_KEY_MISSING",
                     "This request needs one Idempotency-Key header.");
        return 0;
    }
    if (read_key(value, once->key)) {
        http_problem(request, 400, "IDEMPOTENCY_KEY_INVALID",
                     "An Idempotency-Key has %d to %d printable characters.", APP_ONCE_KEY_MIN,
                     APP_ONCE_KEY_MAX);
        return 0;
    }
    if (!app_fingerprint(request, once->fingerprint)) {
        http_problem(request, 503, "OUT_OF_MEMORY", "Try again later.");
        return 0;
    }
    return 1;
}

/* ---- the transaction ---- */

static int read_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct app_once *once = arg;
    (void)columns_count;
    if (columns[0].bytes != 64 || memcmp(columns[0].data, once->fingerprint, 64) != 0) {
        return TQ_REFUSED;
    }
    once->status = (unsigned)columns[1].integer;
    tq__buf_clear(&once->body);
    tq__buf_add(&once->body, columns[2].data, columns[2].bytes);
    return TQ_REPEAT;
}

int app_once_begin(tq_tx *tx, struct app_once *once, struct tq_error *err)
{
    const struct tq_value row[] = {tq_text(once->scope), tq_text(once->key),
                                   tq_text(once->fingerprint), tq_int(tq_tx_now_ms(tx))};
    uint32_t is_new = 0;
    once->is_claimed = once->undone_for = 0; /* of an earlier run */
    TQ_TRY(tq_tx_write(tx, ONCE_claim, row, 4, 1, &is_new, err));
    if (is_new) {
        once->is_claimed = 1;
        return TQ_OK;
    }
    int rc = tq_tx_exec(tx, ONCE_find, row, 2, read_row, once, err);
    if (rc == TQ_OK) {
        return tq__fail(err, TQ_E_CORRUPT, "once", "a claimed key is not there");
    }
    if (rc == TQ_REPEAT) {
        TQ_TRY(tq__buf_check(&once->body, "once", err));
    }
    return rc;
}

int app_once_end(tq_tx *tx, struct app_once *once, unsigned status, const struct tq__buf *json,
                 struct tq_error *err)
{
    const struct tq_value row[] = {tq_text(once->scope), tq_text(once->key), tq_int(status),
                                   tq_text_of(json->data ? json->data : "", json->bytes)};
    TQ_TRY(tq__buf_check(json, "once", err));
    if (!once->is_claimed) {
        return tq__fail(err, TQ_E_INVALID, "once", "an answer to a key that was not claimed");
    }
    return tq_tx_write(tx, ONCE_answer, row, 4, 1, NULL, err);
}

int app_once_undo(struct app_once *once, int outcome)
{
    once->undone_for = outcome;
    return TQ_E_INVALID;
}

int app_once_outcome(const struct app_once *once, int rc)
{
    return rc == TQ_E_INVALID && once->undone_for ? once->undone_for : rc;
}

/* ---- the answer ---- */

int app_once_reply(struct app_once *once, struct http_request *request, int rc)
{
    if (rc == TQ_REPEAT) {
        http_set_header(request, "Idempotency-Replayed", "true");
        http_reply_json(request, once->status, &once->body);
        return 1;
    }
    if (rc == TQ_REFUSED) {
        http_problem(request, 422, "IDEMPOTENCY_KEY_REUSED",
                     "The key was used for another request.");
        return 1;
    }
    return 0;
}

void app_once_done(struct app_once *once)
{
    tq__buf_done(&once->body);
}

/* ---- clean-up ---- */

int app_once_clean(tq_store *store, int64_t age_ms, size_t limit, struct tq_error *err)
{
    return app_clean(store, ONCE_clean, age_ms, limit, err);
}
