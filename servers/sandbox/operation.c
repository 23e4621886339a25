/* SPDX-License-Identifier: MIT */
/*
 * What the shop's calls do to the book.
 *
 *     status               confirm           cancel
 *     READY, FAILED        PAID or FAILED    PAYMENT_NOT_PAID
 *     PAY_PENDING          ALREADY_PAID      PAYMENT_NOT_PAID
 *     PAID                 ALREADY_PAID      PARTIAL_CANCELLED or CANCELLED
 *     PARTIAL_CANCELLED    ALREADY_PAID      PARTIAL_CANCELLED or CANCELLED
 *     CANCELLED            ALREADY_PAID      PAYMENT_ALREADY_CANCELLED
 *
 * An answer that is final is marked so, and call.c keeps it under the call's key;
 * a refusal of the request itself is not, since nothing was decided.
 *
 * Invariant: 0 <= cancelled <= paid <= total. Threads: the transaction's.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "sandbox/call.h"

#define AMOUNT_MAX 9007199254740991
#define LATE_MS 5000

/* ---- reading optional members ---- */

/* 1: there, 0: not there, -1: not an amount. */
static int read_amount(const struct call *call, const char *name, int64_t *out_amount)
{
    const tq__json *member = tq__json_member(call->body, name);
    if (!member || tq__json_is_null(member)) {
        return 0;
    }
    return tq__json_int64(member, out_amount) && *out_amount >= 0 && *out_amount <= AMOUNT_MAX ? 1
                                                                                               : -1;
}

static int is_silent(const struct call *call)
{
    int skip = 0;
    return tq__json_bool(tq__json_member(call->body, "skipWebhook"), &skip) && skip;
}

static int bad_request(struct call *call, const char *message)
{
    return call_error(call, 400, "INVALID_REQUEST", message);
}

static int is_paid(const struct book_payment *payment)
{
    return payment->paid > 0 || strcmp(payment->status, "PAY_PENDING") == 0;
}

/* ---- pre-register ---- */

static int begin_payment(tq_tx *tx, struct call *call, struct book_payment *payment,
                         struct tq_error *err)
{
    memset(payment, 0, sizeof *payment);
    tq__id_copy(payment->id, call->payment_id);
    snprintf(payment->status, sizeof payment->status, "READY");
    snprintf(payment->currency, sizeof payment->currency, "KRW");
    payment->requested_ms = payment->changed_ms = tq_tx_now_ms(tx);
    return tq__uuid7(call->sandbox->env, payment->requested_ms, payment->transaction_id, err);
}

static int pre_register(tq_tx *tx, struct call *call, struct tq_error *err)
{
    struct book_payment payment;
    int64_t total = 0;
    const char *currency = tq__json_string(tq__json_member(call->body, "currency"));
    int has_total = read_amount(call, "totalAmount", &total);
    if (has_total < 0 || (currency && strlen(currency) != BOOK_CURRENCY_SIZE - 1)) {
        return bad_request(call, "totalAmount or currency is malformed.");
    }
    int rc = book_payment_find(tx, call->payment_id, &payment, err);
    if (rc == TQ_GONE) {
        rc = begin_payment(tx, call, &payment, err);
    } else if (rc == TQ_OK && is_paid(&payment)) {
        return call_error(call, 409, "ALREADY_PAID", "The payment was made.");
    }
    TQ_TRY(rc);
    if (has_total) {
        payment.total = total;
        payment.is_registered = 1;
    }
    if (currency) {
        snprintf(payment.currency, sizeof payment.currency, "%s", currency);
    }
    call_answer(call, 200);
    tq__put_object_end(&call->answer);
    call->is_stored = 1;
    return book_payment_put(tx, &payment, err);
}

void sandbox_pre_register(struct http_request *request)
{
    call_run(request, ON_PRE_REGISTER, pre_register);
}

/* ---- confirm ---- */

/* NULL, or what does not agree with what the shop or the buyer said before. */
static const char *find_mismatch(const struct call *call, const struct book_payment *payment,
                                 const struct book_token *token)
{
    int64_t total;
    int is_test = 0;
    const char *currency = tq__json_string(tq__json_member(call->body, "currency"));
    int has_total = read_amount(call, "totalAmount", &total);
    int channel_is_test = app_config_number(app_config(call->sandbox->app), "test-channel") != 0;
    if (has_total < 0 || (has_total && total != token->total) ||
        (payment->is_registered && payment->total != token->total)) {
        return "totalAmount";
    }
    if ((currency && strcmp(currency, token->currency) != 0) ||
        strcmp(payment->currency, token->currency) != 0) {
        return "currency";
    }
    if (tq__json_bool(tq__json_member(call->body, "isTest"), &is_test) &&
        is_test != channel_is_test) {
        return "isTest";
    }
    return NULL;
}

static int decline(tq_tx *tx, struct call *call, struct book_payment *payment, struct tq_error *err)
{
    snprintf(payment->status, sizeof payment->status, "FAILED");
    snprintf(payment->failure, sizeof payment->failure, "CARD_DECLINED");
    payment->changed_ms = tq_tx_now_ms(tx);
    TQ_TRY(book_payment_put(tx, payment, err));
    if (!is_silent(call)) {
        TQ_TRY(notify_add(call->sandbox, tx, "Transaction.Failed", payment, NULL,
                          &call->webhook_fault, err));
    }
    call_answer(call, 502);
    tq__put_string(&call->answer, "type", "PG_PROVIDER");
    tq__put_string(&call->answer, "message", "The card company refused.");
    tq__put_string(&call->answer, "pgCode", "CARD_DECLINED");
    tq__put_string(&call->answer, "pgMessage", "The card was declined.");
    tq__put_object_end(&call->answer);
    call->is_stored = 1;
    return TQ_OK;
}

/* The caller hears nothing; the payment is made by notify_step() when its time has come. */
static int pay_late(tq_tx *tx, struct call *call, struct book_payment *payment,
                    struct tq_error *err)
{
    snprintf(payment->status, sizeof payment->status, "PAY_PENDING");
    payment->changed_ms = tq_tx_now_ms(tx);
    payment->due_ms = payment->changed_ms + fault_delay_ms(&call->fault, LATE_MS);
    call->is_cut = 1;
    return book_payment_put(tx, payment, err);
}

static int pay(tq_tx *tx, struct call *call, struct book_payment *payment, struct tq_error *err)
{
    TQ_TRY(notify_paid(call->sandbox, tx, payment, &call->webhook_fault, is_silent(call), err));
    call_answer(call, 200);
    tq__put_string(&call->answer, "pgTxId", payment->pg_tx_id);
    app_put_time(&call->answer, "paidAt", payment->paid_ms);
    tq__put_object_end(&call->answer);
    call->is_stored = 1;
    return TQ_OK;
}

static int confirm_with(tq_tx *tx, struct call *call, struct book_payment *payment,
                        const struct book_token *token, struct tq_error *err)
{
    const char *mismatch = find_mismatch(call, payment, token);
    if (mismatch) {
        return call_error(call, 409, "INFORMATION_MISMATCH", mismatch);
    }
    payment->total = token->total;
    if (strcmp(token->card, "ok") != 0 || call->fault.kind == FAULT_DECLINE) {
        return decline(tx, call, payment, err);
    }
    return call->fault.kind == FAULT_LATE_PAID ? pay_late(tx, call, payment, err)
                                               : pay(tx, call, payment, err);
}

static int confirm(tq_tx *tx, struct call *call, struct tq_error *err)
{
    struct book_payment payment;
    struct book_token token;
    const char *text = tq__json_string(tq__json_member(call->body, "paymentToken"));
    if (!text) {
        return bad_request(call, "paymentToken is missing.");
    }
    int rc = book_payment_find(tx, call->payment_id, &payment, err);
    if (rc == TQ_GONE) {
        return call_error(call, 404, "PAYMENT_NOT_FOUND", "There is no such payment.");
    }
    TQ_TRY(rc);
    if (is_paid(&payment)) {
        return call_error(call, 409, "ALREADY_PAID", "The payment was made.");
    }
    rc = book_token_find(tx, text, &token, err);
    if (rc == TQ_GONE || (rc == TQ_OK && strcmp(token.payment_id, payment.id) != 0)) {
        return call_error(call, 400, "INVALID_PAYMENT_TOKEN", "The token is not of this payment.");
    }
    TQ_TRY(rc);
    return confirm_with(tx, call, &payment, &token, err);
}

void sandbox_confirm(struct http_request *request)
{
    call_run(request, ON_CONFIRM, confirm);
}

/* ---- cancel ---- */

/* The error type, or NULL: `*out_amount` can be given back. */
static const char *check_cancel(const struct call *call, const struct book_payment *payment,
                                int64_t *out_amount)
{
    int64_t left = payment->paid - payment->cancelled;
    int64_t expected;
    int has_expected = read_amount(call, "currentCancellableAmount", &expected);
    int has_amount = read_amount(call, "amount", out_amount);
    *out_amount = has_amount ? *out_amount : left;
    if (has_expected < 0 || has_amount < 0 || (has_amount && *out_amount == 0)) {
        return "INVALID_REQUEST";
    }
    if (payment->paid == 0) {
        return "PAYMENT_NOT_PAID";
    }
    if (left == 0) {
        return "PAYMENT_ALREADY_CANCELLED";
    }
    if (has_expected && expected != left) {
        return "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN";
    }
    return *out_amount > left ? "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT" : NULL;
}

static void put_cancellation(struct tq__buf *json, const char *name,
                             const struct book_cancellation *cancellation)
{
    tq__put_object(json, name);
    tq__put_string(json, "status", "SUCCEEDED");
    tq__put_string(json, "id", cancellation->id);
    tq__put_int(json, "totalAmount", cancellation->amount);
    tq__put_int(json, "taxFreeAmount", 0);
    tq__put_int(json, "vatAmount", 0);
    tq__put_string(json, "reason", cancellation->reason);
    app_put_time(json, "requestedAt", cancellation->created_ms);
    app_put_time(json, "cancelledAt", cancellation->created_ms);
    tq__put_string(json, "trigger", "API");
    tq__put_object_end(json);
}

static int give_back(tq_tx *tx, struct call *call, struct book_payment *payment, int64_t amount,
                     struct tq_error *err)
{
    struct book_cancellation cancellation = {.amount = amount, .created_ms = tq_tx_now_ms(tx)};
    const char *reason = tq__json_string(tq__json_member(call->body, "reason"));
    snprintf(cancellation.reason, sizeof cancellation.reason, "%s", reason);
    TQ_TRY(tq__uuid7(call->sandbox->env, cancellation.created_ms, cancellation.id, err));
    TQ_TRY(book_cancellation_put(tx, payment->id, &cancellation, err));
    payment->cancelled += amount;
    payment->changed_ms = cancellation.created_ms;
    int is_all = payment->cancelled == payment->paid;
    snprintf(payment->status, sizeof payment->status, "%s",
             is_all ? "CANCELLED" : "PARTIAL_CANCELLED");
    TQ_TRY(book_payment_put(tx, payment, err));
    if (!is_silent(call)) {
        TQ_TRY(notify_add(call->sandbox, tx,
                          is_all ? "Transaction.Cancelled" : "Transaction.PartialCancelled",
                          payment, cancellation.id, &call->webhook_fault, err));
    }
    call_answer(call, 200);
    put_cancellation(&call->answer, "cancellation", &cancellation);
    tq__put_object_end(&call->answer);
    call->is_stored = 1;
    return TQ_OK;
}

static int cancel(tq_tx *tx, struct call *call, struct tq_error *err)
{
    struct book_payment payment;
    int64_t amount;
    if (!tq__json_string(tq__json_member(call->body, "reason"))) {
        return bad_request(call, "reason is missing.");
    }
    int rc = book_payment_find(tx, call->payment_id, &payment, err);
    if (rc == TQ_GONE) {
        return call_error(call, 404, "PAYMENT_NOT_FOUND", "There is no such payment.");
    }
    TQ_TRY(rc);
    const char *type = check_cancel(call, &payment, &amount);
    if (type) {
        return call_error(call, strcmp(type, "INVALID_REQUEST") == 0 ? 400 : 409, type,
                          "The payment cannot be cancelled like that.");
    }
    return give_back(tx, call, &payment, amount, err);
}

void sandbox_cancel(struct http_request *request)
{
    call_run(request, ON_CANCEL, cancel);
}

/* ---- get ---- */

static int add_cancellation(void *arg, const struct book_cancellation *cancellation)
{
    put_cancellation(arg, NULL, cancellation);
    return TQ_OK;
}

static void put_channel(struct tq__buf *json, int is_test)
{
    tq__put_object(json, "channel");
    tq__put_string(json, "type", is_test ? "TEST" : "LIVE");
    tq__put_string(json, "id", "channel-sandbox");
    tq__put_string(json, "key", "channel-key-sandbox");
    tq__put_string(json, "name", "sandbox");
    tq__put_string(json, "pgProvider", "INICIS_V2");
    tq__put_string(json, "pgMerchantId", "sandbox");
    tq__put_object_end(json);
}

static void put_amount(struct tq__buf *json, const struct book_payment *payment)
{
    tq__put_object(json, "amount");
    tq__put_int(json, "total", payment->total);
    tq__put_int(json, "taxFree", 0);
    tq__put_int(json, "supply", payment->total);
    tq__put_int(json, "vat", 0);
    tq__put_int(json, "discount", 0);
    tq__put_int(json, "paid", payment->paid);
    tq__put_int(json, "cancelled", payment->cancelled);
    tq__put_int(json, "cancelledTaxFree", 0);
    tq__put_object_end(json);
}

static void put_history(struct tq__buf *json, const struct book_payment *payment)
{
    app_put_time(json, "requestedAt", payment->requested_ms);
    app_put_time(json, "updatedAt", payment->changed_ms);
    app_put_time(json, "statusChangedAt", payment->changed_ms);
    if (payment->paid > 0) {
        app_put_time(json, "paidAt", payment->paid_ms);
        tq__put_string(json, "pgTxId", payment->pg_tx_id);
    }
    if (payment->failure[0] && strcmp(payment->status, "FAILED") == 0) {
        tq__put_object(json, "failure");
        tq__put_string(json, "reason", "The card company refused.");
        tq__put_string(json, "pgCode", payment->failure);
        tq__put_string(json, "pgMessage", "The card was declined.");
        tq__put_object_end(json);
    }
}

static int get(tq_tx *tx, struct call *call, struct tq_error *err)
{
    struct book_payment payment;
    struct tq__buf *json = &call->answer;
    int rc = book_payment_find(tx, call->payment_id, &payment, err);
    if (rc == TQ_GONE) {
        return call_error(call, 404, "PAYMENT_NOT_FOUND", "There is no such payment.");
    }
    TQ_TRY(rc);
    call_answer(call, 200);
    tq__put_string(json, "status", payment.status);
    tq__put_string(json, "id", payment.id);
    tq__put_string(json, "transactionId", payment.transaction_id);
    tq__put_string(json, "merchantId", "merchant-sandbox");
    tq__put_string(json, "storeId", SANDBOX_STORE);
    tq__put_string(json, "version", "V2");
    tq__put_string(json, "currency", payment.currency);
    tq__put_string(json, "orderName", "tickets");
    put_channel(json, app_config_number(app_config(call->sandbox->app), "test-channel") != 0);
    put_amount(json, &payment);
    put_history(json, &payment);
    tq__put_array(json, "cancellations");
    TQ_TRY(book_cancellations(tx, payment.id, add_cancellation, json, err));
    tq__put_array_end(json);
    tq__put_object_end(json);
    return TQ_OK;
}

void sandbox_get(struct http_request *request)
{
    call_run(request, ON_GET, get);
}
