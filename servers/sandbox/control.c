/* SPDX-License-Identifier: MIT */
/*
 * What only a test asks for.
 *
 * Tokens stand for the buyer's browser: what the provider's SDK would have
 * returned after the card was entered. Faults are dealt with in fault.c; the book
 * is what an audit compares. Threads: a pool.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "sandbox/sandbox.h"

#define AMOUNT_MAX 9007199254740991

/* ---- tokens ---- */

struct minting {
    struct sandbox *sandbox;
    struct book_token token;
};

static int mint(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct minting *minting = arg;
    const struct book_token *token = &minting->token;
    struct book_payment payment;
    int rc = book_payment_find(tx, token->payment_id, &payment, err);
    if (rc == TQ_GONE) {
        memset(&payment, 0, sizeof payment);
        tq__id_copy(payment.id, token->payment_id);
        snprintf(payment.status, sizeof payment.status, "READY");
        snprintf(payment.currency, sizeof payment.currency, "%s", token->currency);
        payment.total = token->total;
        payment.requested_ms = payment.changed_ms = tq_tx_now_ms(tx);
        TQ_TRY(tq__uuid7(minting->sandbox->env, payment.requested_ms, payment.transaction_id, err));
        TQ_TRY(book_payment_put(tx, &payment, err));
    } else {
        TQ_TRY(rc);
    }
    return book_token_put(tx, token, err);
}

static int read_token(struct http_request *request, struct book_token *token)
{
    const tq__json *body = http_json(request);
    const char *id = body ? http_field_id(request, body, "paymentId") : NULL;
    const char *currency = id ? http_field_id(request, body, "currency") : NULL;
    const char *card = currency ? http_field_id(request, body, "card") : NULL;
    if (!card || !http_field_int(request, body, "totalAmount", 0, AMOUNT_MAX, &token->total)) {
        return 0;
    }
    if (strlen(currency) != BOOK_CURRENCY_SIZE - 1 ||
        (strcmp(card, "ok") != 0 && strcmp(card, "decline") != 0)) {
        http_problem(request, 400, "FIELD_INVALID",
                     "currency has 3 letters, card is ok or decline.");
        return 0;
    }
    tq__id_copy(token->payment_id, id);
    memcpy(token->currency, currency, BOOK_CURRENCY_SIZE);
    tq__id_copy(token->card, card);
    return 1;
}

void sandbox_post_tokens(struct http_request *request)
{
    struct sandbox *sandbox = request->arg;
    struct minting minting = {.sandbox = sandbox, .token.token = "tok_"};
    struct tq_error err = TQ_ERROR_INIT;
    if (!read_token(request, &minting.token)) {
        return;
    }
    int rc = app_code(sandbox->env, minting.token.token + strlen("tok_"), 26, &err);
    if (rc == TQ_OK) {
        rc = tq_ledger_run(sandbox->store, mint, &minting, &err);
    }
    if (rc != TQ_OK) {
        app_fail(request, rc, &err);
        return;
    }
    struct tq__buf json = TQ__BUF(sandbox->env);
    tq__put_object(&json, NULL);
    tq__put_string(&json, "paymentToken", minting.token.token);
    tq__put_object_end(&json);
    http_reply_json(request, 201, &json);
}

/* ---- faults ---- */

void sandbox_post_faults(struct http_request *request)
{
    struct sandbox *sandbox = request->arg;
    struct fault fault;
    if (!fault_read(request, &fault)) {
        return;
    }
    if (!faults_add(&sandbox->faults, &fault)) {
        http_problem(request, 409, "FAULTS_FULL", "There are %d faults already.", FAULTS_MAX);
        return;
    }
    http_reply(request, 201, "application/json", "{}", 2);
}

void sandbox_delete_faults(struct http_request *request)
{
    struct sandbox *sandbox = request->arg;
    faults_clear(&sandbox->faults);
    http_reply_empty(request, 204);
}

/* ---- the book ---- */

struct listing {
    struct tq__buf json;
    int64_t paid, cancelled;
};

static int list_payment(void *arg, const struct book_payment *payment)
{
    struct listing *listing = arg;
    struct tq__buf *json = &listing->json;
    tq__put_object(json, NULL);
    tq__put_string(json, "paymentId", payment->id);
    tq__put_string(json, "status", payment->status);
    tq__put_int(json, "totalAmount", payment->total);
    tq__put_string(json, "currency", payment->currency);
    tq__put_int(json, "paid", payment->paid);
    tq__put_int(json, "cancelled", payment->cancelled);
    tq__put_object_end(json);
    listing->paid += payment->paid;
    listing->cancelled += payment->cancelled;
    return TQ_OK;
}

static int list(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct listing *listing = arg;
    listing->paid = listing->cancelled = 0;
    tq__buf_clear(&listing->json);
    tq__put_object(&listing->json, NULL);
    tq__put_array(&listing->json, "payments");
    TQ_TRY(book_payments(tx, list_payment, listing, err));
    tq__put_array_end(&listing->json);
    tq__put_object(&listing->json, "totals");
    tq__put_int(&listing->json, "paid", listing->paid);
    tq__put_int(&listing->json, "cancelled", listing->cancelled);
    tq__put_object_end(&listing->json);
    tq__put_object_end(&listing->json);
    return TQ_OK;
}

void sandbox_get_book(struct http_request *request)
{
    struct sandbox *sandbox = request->arg;
    struct listing listing = {.json = TQ__BUF(sandbox->env)};
    struct tq_error err = TQ_ERROR_INIT;
    int rc = tq_ledger_read(sandbox->store, list, &listing, &err);
    if (rc == TQ_OK) {
        http_reply_json(request, 200, &listing.json);
    } else {
        app_fail(request, rc, &err);
    }
    tq__buf_done(&listing.json);
}
