/* SPDX-License-Identifier: MIT */
/*
 * The provider's own book of money, in a ledger of its own. Nothing of the shop
 * is in it, so that an audit can hold one against the other.
 */
#ifndef TICKETQ_SANDBOX_BOOK_H
#define TICKETQ_SANDBOX_BOOK_H

#include <ticketq/ledger.h>

#include "core/bytes.h"

#define BOOK_STATUS_SIZE 24
#define BOOK_CURRENCY_SIZE 4
#define BOOK_FAILURE_SIZE 64

/* A payment. Amounts in minor units; times in ms, 0: not yet. */
struct book_payment {
    char id[TQ_ID_SIZE];
    char transaction_id[TQ_ID_SIZE];
    char status[BOOK_STATUS_SIZE]; /* READY PAY_PENDING PAID FAILED PARTIAL_CANCELLED CANCELLED */
    int64_t total;
    char currency[BOOK_CURRENCY_SIZE];
    int64_t is_registered; /* the shop has said what it costs */
    int64_t paid, cancelled;
    char pg_tx_id[TQ_ID_SIZE];
    char failure[BOOK_FAILURE_SIZE]; /* code of the card company */
    int64_t requested_ms, paid_ms, changed_ms;
    int64_t due_ms; /* PAY_PENDING: becomes PAID then */
};

struct book_token {
    char token[TQ_ID_SIZE];
    char payment_id[TQ_ID_SIZE];
    int64_t total;
    char currency[BOOK_CURRENCY_SIZE];
    char card[TQ_ID_SIZE]; /* "ok", "decline" */
};

struct book_cancellation {
    char id[TQ_ID_SIZE];
    int64_t amount;
    char reason[256];
    int64_t created_ms;
};

struct book_webhook {
    char id[TQ_ID_SIZE];
    struct tq__buf body;
    int64_t copies, attempts;
};

typedef int book_payment_fn(void *arg, const struct book_payment *payment);
typedef int book_cancellation_fn(void *arg, const struct book_cancellation *cancellation);

int book_prepare(tq_store *store, struct tq_error *err);

/* All of these: TQ_OK or a failure; finding also TQ_GONE, writing outs on TQ_OK only. */
int book_payment_find(tq_tx *tx, const char *id, struct book_payment *out, struct tq_error *err);
/* One whose PAY_PENDING is over. */
int book_payment_due(tq_tx *tx, struct book_payment *out, struct tq_error *err);
int book_payment_put(tq_tx *tx, const struct book_payment *payment, struct tq_error *err);
int book_payments(tq_tx *tx, book_payment_fn *visit, void *arg, struct tq_error *err);
int book_token_find(tq_tx *tx, const char *token, struct book_token *out, struct tq_error *err);
int book_token_put(tq_tx *tx, const struct book_token *token, struct tq_error *err);
int book_cancellation_put(tq_tx *tx, const char *payment_id,
                          const struct book_cancellation *cancellation, struct tq_error *err);
int book_cancellations(tq_tx *tx, const char *payment_id, book_cancellation_fn *visit, void *arg,
                       struct tq_error *err);

/* `copies` 0: never delivered, but on record. */
int book_webhook_put(tq_tx *tx, const char *id, const struct tq__buf *body, int64_t copies,
                     int64_t due_ms, struct tq_error *err);
/* `out->body` is appended to. */
int book_webhook_due(tq_tx *tx, struct book_webhook *out, struct tq_error *err);
/* `state`: DELIVERED, LOST, or PENDING to try again at `due_ms`. */
int book_webhook_mark(tq_tx *tx, const char *id, const char *state, int64_t attempts,
                      int64_t due_ms, struct tq_error *err);

/* An answer that is no older than `age_ms`; TQ_REFUSED: the key was used for another request. */
int book_answer_find(tq_tx *tx, const char *key, const char *fingerprint, int64_t age_ms,
                     unsigned *out_status, struct tq__buf *body, struct tq_error *err);
int book_answer_put(tq_tx *tx, const char *key, const char *fingerprint, unsigned status,
                    const struct tq__buf *body, struct tq_error *err);

#endif
