/* SPDX-License-Identifier: MIT */
/*
 * Idempotency-Key for requests that create something.
 *
 * The answer is stored in the service's own ledger, in the transaction that
 * did the work: whoever repeats the request gets the same answer and nothing
 * happens again. A key belongs to a scope (who asks, and for what) and to one
 * body. In a handler:
 *
 *     struct app_once once;
 *     if (!app_once_read(&once, request, "hold", user)) return;     answered 400
 *     tq_ledger_run(store, body, ...):
 *         rc = app_once_begin(tx, &once, err);   TQ_OK: do the work and
 *         ...                                    app_once_end(tx, &once, 201, &json, err)
 *                                                TQ_REPEAT, TQ_REFUSED: return it
 *                                                refused: return app_once_undo(&once, outcome)
 *     rc = app_once_outcome(&once, rc);
 *     app_once_reply(&once, request, rc);        replays, or 422; 1 when it answered
 *     app_once_done(&once);
 */
#ifndef TICKETQ_APP_IDEMPOTENCY_H
#define TICKETQ_APP_IDEMPOTENCY_H

#include <ticketq/ledger.h>

#include "http/http.h"

#define APP_ONCE_KEY_MIN 16
#define APP_ONCE_KEY_MAX 128

#define APP_FINGERPRINT_SIZE 65

struct app_once {
    char scope[2 * TQ_ID_SIZE];
    char key[APP_ONCE_KEY_MAX + 1];
    char fingerprint[APP_FINGERPRINT_SIZE];
    int is_claimed;      /* by this request, in the transaction that runs */
    int undone_for;      /* the outcome for which the last run was undone; 0: it was not */
    unsigned status;     /* of the stored answer */
    struct tq__buf body; /* of the stored answer */
};

/* The table `idempotency` in the scope "once" of the service's store. */
int app_once_prepare(tq_store *store, struct tq_error *err);

/* SHA-256 of path and body in hexadecimal. Non-zero on success. */
int app_fingerprint(const struct http_request *request, char target[APP_FINGERPRINT_SIZE]);
/* Reads and checks the header; 0: answered with IDEMPOTENCY_KEY_MISSING or _INVALID. */
int app_once_read(struct app_once *once, struct http_request *request, const char *operation,
                  const char *subject);
/*
 * Claim the key in the caller's transaction. TQ_OK: do the work. TQ_REPEAT: done before, the
 * answer is in `once`. TQ_REFUSED: the key was used with another body.
 */
int app_once_begin(tq_tx *tx, struct app_once *once, struct tq_error *err);
/* Store the answer in the same transaction; `json` is copied. */
int app_once_end(tq_tx *tx, struct app_once *once, unsigned status, const struct tq__buf *json,
                 struct tq_error *err);
/*
 * What a body returns that is to leave no trace, not even the claimed key, which may be used
 * again; `outcome` is then what app_once_outcome() makes of the result of the run.
 */
int app_once_undo(struct app_once *once, int outcome);
int app_once_outcome(const struct app_once *once, int rc);
/* Answers for TQ_REPEAT and TQ_REFUSED and returns 1; returns 0 for everything else. */
int app_once_reply(struct app_once *once, struct http_request *request, int rc);
void app_once_done(struct app_once *once);
/* Remove up to `limit` answers older than `age_ms`. TQ_EMPTY: none. */
int app_once_clean(tq_store *store, int64_t age_ms, size_t limit, struct tq_error *err);

#endif
