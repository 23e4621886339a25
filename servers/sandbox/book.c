/* SPDX-License-Identifier: MIT */
/*
 * Rows of the book, in and out.
 *
 * One statement per function; what they mean is decided in operation.c. A scan for
 * one row stops at the first with TQ_TAKEN, which is what tells "found" from
 * "none". Threads: the transaction's.
 */
#include "sandbox/book.h"

#include <string.h>

#include "app/rows.h"
#include "core/error.h"
#include "sandbox.sql.h"

#define FOUND TQ_TAKEN

static const struct tq_migration migrations[] = {
    {.size = sizeof(struct tq_migration), .scope = "sandbox", .version = 1, .sql = BOOK_schema_1},
};

int book_prepare(tq_store *store, struct tq_error *err)
{
    return tq_ledger_migrate(store, migrations, sizeof migrations / sizeof *migrations, err);
}

/* The result of a scan for one row. */
static int one(int rc)
{
    return rc == FOUND ? TQ_OK : rc == TQ_OK ? TQ_GONE : rc;
}

/* ---- payments ---- */

static void read_payment(struct book_payment *payment, const struct tq_value *columns)
{
    APP_TEXT(payment->id, &columns[0]);
    APP_TEXT(payment->transaction_id, &columns[1]);
    APP_TEXT(payment->status, &columns[2]);
    payment->total = columns[3].integer;
    APP_TEXT(payment->currency, &columns[4]);
    payment->is_registered = columns[5].integer;
    payment->paid = columns[6].integer;
    payment->cancelled = columns[7].integer;
    APP_TEXT(payment->pg_tx_id, &columns[8]);
    APP_TEXT(payment->failure, &columns[9]);
    payment->requested_ms = columns[10].integer;
    payment->paid_ms = columns[11].integer;
    payment->changed_ms = columns[12].integer;
    payment->due_ms = columns[13].integer;
}

static int take_payment(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    read_payment(arg, columns);
    return FOUND;
}

int book_payment_find(tq_tx *tx, const char *id, struct book_payment *out, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(id)};
    return one(tq_tx_exec(tx, BOOK_payment_find, params, 1, take_payment, out, err));
}

int book_payment_due(tq_tx *tx, struct book_payment *out, struct tq_error *err)
{
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx))};
    return one(tq_tx_exec(tx, BOOK_payment_due, params, 1, take_payment, out, err));
}

int book_payment_put(tq_tx *tx, const struct book_payment *payment, struct tq_error *err)
{
    const struct tq_value params[] = {
        tq_text(payment->id),          tq_text(payment->transaction_id),
        tq_text(payment->status),      tq_int(payment->total),
        tq_text(payment->currency),    tq_int(payment->is_registered),
        tq_int(payment->paid),         tq_int(payment->cancelled),
        tq_text(payment->pg_tx_id),    tq_text(payment->failure),
        tq_int(payment->requested_ms), tq_int(payment->paid_ms),
        tq_int(payment->changed_ms),   tq_int(payment->due_ms)};
    return tq_tx_exec(tx, BOOK_payment_put, params, sizeof params / sizeof *params, NULL, NULL,
                      err);
}

struct payment_visit {
    book_payment_fn *visit;
    void *arg;
};

static int visit_payment(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct payment_visit *visit = arg;
    struct book_payment payment;
    (void)columns_count;
    read_payment(&payment, columns);
    return visit->visit(visit->arg, &payment);
}

int book_payments(tq_tx *tx, book_payment_fn *visit, void *arg, struct tq_error *err)
{
    struct payment_visit own = {visit, arg};
    return tq_tx_exec(tx, BOOK_payment_all, NULL, 0, visit_payment, &own, err);
}

/* ---- tokens ---- */

static int take_token(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct book_token *token = arg;
    (void)columns_count;
    APP_TEXT(token->payment_id, &columns[0]);
    token->total = columns[1].integer;
    APP_TEXT(token->currency, &columns[2]);
    APP_TEXT(token->card, &columns[3]);
    return FOUND;
}

int book_token_find(tq_tx *tx, const char *token, struct book_token *out, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(token)};
    return one(tq_tx_exec(tx, BOOK_token_find, params, 1, take_token, out, err));
}

int book_token_put(tq_tx *tx, const struct book_token *token, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(token->token), tq_text(token->payment_id),
                                      tq_int(token->total), tq_text(token->currency),
                                      tq_text(token->card)};
    return tq_tx_exec(tx, BOOK_token_put, params, 5, NULL, NULL, err);
}

/* ---- cancellations ---- */

int book_cancellation_put(tq_tx *tx, const char *payment_id,
                          const struct book_cancellation *cancellation, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(cancellation->id), tq_text(payment_id),
                                      tq_int(cancellation->amount), tq_text(cancellation->reason),
                                      tq_int(cancellation->created_ms)};
    return tq_tx_exec(tx, BOOK_cancellation_put, params, 5, NULL, NULL, err);
}

struct cancellation_visit {
    book_cancellation_fn *visit;
    void *arg;
};

static int visit_cancellation(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct cancellation_visit *visit = arg;
    struct book_cancellation cancellation;
    (void)columns_count;
    APP_TEXT(cancellation.id, &columns[0]);
    cancellation.amount = columns[1].integer;
    APP_TEXT(cancellation.reason, &columns[2]);
    cancellation.created_ms = columns[3].integer;
    return visit->visit(visit->arg, &cancellation);
}

int book_cancellations(tq_tx *tx, const char *payment_id, book_cancellation_fn *visit, void *arg,
                       struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(payment_id)};
    struct cancellation_visit own = {visit, arg};
    return tq_tx_exec(tx, BOOK_cancellation_all, params, 1, visit_cancellation, &own, err);
}

/* ---- webhooks ---- */

int book_webhook_put(tq_tx *tx, const char *id, const struct tq__buf *body, int64_t copies,
                     int64_t due_ms, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(id), tq_text_of(body->data, body->bytes),
                                      tq_int(copies), tq_text(copies ? "PENDING" : "LOST"),
                                      tq_int(due_ms)};
    return tq_tx_exec(tx, BOOK_webhook_put, params, 5, NULL, NULL, err);
}

static int take_webhook(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct book_webhook *webhook = arg;
    (void)columns_count;
    APP_TEXT(webhook->id, &columns[0]);
    tq__buf_clear(&webhook->body);
    tq__buf_add(&webhook->body, columns[1].data, columns[1].bytes);
    webhook->copies = columns[2].integer;
    webhook->attempts = columns[3].integer;
    return FOUND;
}

int book_webhook_due(tq_tx *tx, struct book_webhook *out, struct tq_error *err)
{
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx))};
    int rc = one(tq_tx_exec(tx, BOOK_webhook_due, params, 1, take_webhook, out, err));
    if (rc == TQ_OK) {
        TQ_TRY(tq__buf_check(&out->body, "book", err));
    }
    return rc;
}

int book_webhook_mark(tq_tx *tx, const char *id, const char *state, int64_t attempts,
                      int64_t due_ms, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(id), tq_text(state), tq_int(attempts),
                                      tq_int(due_ms)};
    return tq_tx_exec(tx, BOOK_webhook_done, params, 4, NULL, NULL, err);
}

/* ---- answers ---- */

struct answer_row {
    const char *fingerprint;
    unsigned status;
    struct tq__buf *body;
    int is_other;
};

static int take_answer(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct answer_row *row = arg;
    size_t bytes = strlen(row->fingerprint);
    (void)columns_count;
    row->is_other =
        columns[0].bytes != bytes || memcmp(columns[0].data, row->fingerprint, bytes) != 0;
    row->status = (unsigned)columns[1].integer;
    tq__buf_clear(row->body);
    tq__buf_add(row->body, columns[2].data, columns[2].bytes);
    return FOUND;
}

int book_answer_find(tq_tx *tx, const char *key, const char *fingerprint, int64_t age_ms,
                     unsigned *out_status, struct tq__buf *body, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(key), tq_int(tq_tx_now_ms(tx) - age_ms)};
    struct answer_row row = {fingerprint, 0, body, 0};
    int rc = one(tq_tx_exec(tx, BOOK_answer_find, params, 2, take_answer, &row, err));
    if (rc != TQ_OK) {
        return rc;
    }
    *out_status = row.status;
    return row.is_other ? TQ_REFUSED : tq__buf_check(body, "book", err);
}

int book_answer_put(tq_tx *tx, const char *key, const char *fingerprint, unsigned status,
                    const struct tq__buf *body, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(key), tq_text(fingerprint), tq_int(status),
                                      tq_text_of(body->data, body->bytes),
                                      tq_int(tq_tx_now_ms(tx))};
    return tq_tx_exec(tx, BOOK_answer_put, params, 5, NULL, NULL, err);
}
