/* SPDX-License-Identifier: MIT */
/*
 * Tells the shop what happened, and makes late payments.
 *
 * A webhook is recorded in the transaction of what it tells of, and delivered by
 * a worker: signed after Standard Webhooks, with an id that stays the same over
 * all attempts and a timestamp of the attempt. 2xx ends it; otherwise it is sent
 * up to five times more, after 0, 1, 4, 16 and 64 times the retry time, each with
 * full jitter, and is then given up.
 *
 * GET requests carry no Idempotency-Key, so nothing here depends on the shop
 * having heard: whoever missed a webhook can ask. Threads: one worker.
 */
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "sandbox/sandbox.h"

#define ATTEMPTS_MAX 6
#define REORDER_MS 500
#define LATE_MS 5000
#define DELIVER_MS 30000

static void put_event(struct tq__buf *json, const char *type, int64_t now_ms,
                      const struct book_payment *payment, const char *cancellation_id)
{
    tq__put_object(json, NULL);
    tq__put_string(json, "type", type);
    app_put_time(json, "timestamp", now_ms);
    tq__put_object(json, "data");
    tq__put_string(json, "storeId", SANDBOX_STORE);
    tq__put_string(json, "paymentId", payment->id);
    tq__put_string(json, "transactionId", payment->transaction_id);
    if (cancellation_id) {
        tq__put_string(json, "cancellationId", cancellation_id);
    }
    tq__put_object_end(json);
    tq__put_object_end(json);
}

static int64_t delay_of(const struct fault *fault)
{
    switch (fault->kind) {
    case FAULT_REORDER:
        return fault_delay_ms(fault, REORDER_MS);
    case FAULT_LATE:
    case FAULT_DELAY:
        return fault_delay_ms(fault, LATE_MS);
    default:
        return 0;
    }
}

int notify_add(struct sandbox *sandbox, tq_tx *tx, const char *type,
               const struct book_payment *payment, const char *cancellation_id,
               const struct fault *fault, struct tq_error *err)
{
    char id[TQ_ID_SIZE] = "msg_";
    int64_t copies = fault->kind == FAULT_LOST ? 0 : fault->kind == FAULT_DOUBLE ? 2 : 1;
    struct tq__buf json = TQ__BUF(sandbox->env);
    if (!*app_config_text(app_config(sandbox->app), "webhook-url")) {
        return TQ_OK;
    }
    TQ_TRY(app_code(sandbox->env, id + strlen(id), 26, err));
    put_event(&json, type, tq_tx_now_ms(tx), payment, cancellation_id);
    int rc = tq__buf_check(&json, "sandbox", err);
    if (rc == TQ_OK) {
        rc = book_webhook_put(tx, id, &json, copies, tq_tx_now_ms(tx) + delay_of(fault), err);
    }
    tq__buf_done(&json);
    return rc;
}

int notify_paid(struct sandbox *sandbox, tq_tx *tx, struct book_payment *payment,
                const struct fault *fault, int is_silent, struct tq_error *err)
{
    snprintf(payment->status, sizeof payment->status, "PAID");
    payment->paid = payment->total;
    payment->paid_ms = payment->changed_ms = tq_tx_now_ms(tx);
    payment->due_ms = 0;
    TQ_TRY(app_code(sandbox->env, payment->pg_tx_id, 20, err));
    TQ_TRY(book_payment_put(tx, payment, err));
    return is_silent ? TQ_OK
                     : notify_add(sandbox, tx, "Transaction.Paid", payment, NULL, fault, err);
}

/* ---- late payments ---- */

struct late {
    struct sandbox *sandbox;
    struct book_payment payment;
    struct fault webhook_fault;
};

static int find_due(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct late *late = arg;
    int rc = book_payment_due(tx, &late->payment, err);
    return rc == TQ_GONE ? TQ_EMPTY : rc;
}

static int pay_one(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct late *late = arg;
    int rc = find_due(tx, late, err);
    return rc == TQ_OK
               ? notify_paid(late->sandbox, tx, &late->payment, &late->webhook_fault, 0, err)
               : rc;
}

/* Looks first, so that an idle sandbox does not write. */
static int pay_late(struct sandbox *sandbox, struct tq_error *err)
{
    struct late late = {.sandbox = sandbox};
    int rc = tq_ledger_read(sandbox->store, find_due, &late, err);
    if (rc != TQ_OK) {
        return rc;
    }
    late.webhook_fault = faults_take(&sandbox->faults, sandbox->env, ON_WEBHOOK, late.payment.id);
    return tq_ledger_run(sandbox->store, pay_one, &late, err);
}

/* ---- delivery ---- */

struct delivery {
    struct sandbox *sandbox;
    struct book_webhook webhook;
    const char *state;
    int64_t due_ms;
};

static int next_webhook(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct delivery *delivery = arg;
    int rc = book_webhook_due(tx, &delivery->webhook, err);
    return rc == TQ_GONE ? TQ_EMPTY : rc;
}

static int mark(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct delivery *delivery = arg;
    return book_webhook_mark(tx, delivery->webhook.id, delivery->state, delivery->webhook.attempts,
                             delivery->due_ms, err);
}

/* Non-zero: the shop has taken it. */
static int send(const struct delivery *delivery)
{
    struct sandbox *sandbox = delivery->sandbox;
    const struct book_webhook *webhook = &delivery->webhook;
    char id[TQ_ID_SIZE + 16], timestamp[48], signature[APP_WEBHOOK_SIGNATURE_SIZE + 32];
    char seconds[24], own[APP_WEBHOOK_SIGNATURE_SIZE];
    struct http_answer answer = HTTP_ANSWER(sandbox->env);
    snprintf(seconds, sizeof seconds, "%lld", (long long)(tq__now_ms(sandbox->env) / 1000));
    if (!app_webhook_sign(&sandbox->webhook_key, webhook->id, seconds, webhook->body.data,
                          webhook->body.bytes, own)) {
        return 0;
    }
    snprintf(id, sizeof id, "webhook-id: %s", webhook->id);
    snprintf(timestamp, sizeof timestamp, "webhook-timestamp: %s", seconds);
    snprintf(signature, sizeof signature, "webhook-signature: %s", own);
    const char *headers[] = {id, timestamp, signature, NULL};
    const struct http_call call = {
        .method = "POST",
        .url = app_config_text(app_config(sandbox->app), "webhook-url"),
        .headers = headers,
        .body = webhook->body.data,
        .body_bytes = webhook->body.bytes,
        .timeout_ms = DELIVER_MS,
    };
    int is_taken = http_client_call(app_client(sandbox->app), &call, &answer, NULL) == TQ_OK &&
                   answer.status / 100 == 2;
    http_answer_done(&answer);
    return is_taken;
}

/* 0, 1, 4, 16, 64 times the retry time, and chance in it. */
static int64_t pause_ms(const struct sandbox *sandbox, int64_t attempts)
{
    uint32_t random = 0;
    int64_t retry_ms = app_config_number(app_config(sandbox->app), "webhook-retry-ms");
    int64_t most = attempts <= 1 ? 0 : retry_ms << (2 * (attempts - 2));
    return tq__random(sandbox->env, &random, sizeof random, NULL) < 0
               ? most
               : (int64_t)(random % (uint64_t)(most + 1));
}

static void deliver(struct delivery *delivery)
{
    int is_taken = 0;
    for (int64_t i = 0; i < delivery->webhook.copies; i++) {
        is_taken |= send(delivery);
    }
    delivery->webhook.attempts++;
    delivery->state = is_taken                                    ? "DELIVERED"
                      : delivery->webhook.attempts < ATTEMPTS_MAX ? "PENDING"
                                                                  : "LOST";
    delivery->due_ms = tq__now_ms(delivery->sandbox->env) +
                       pause_ms(delivery->sandbox, delivery->webhook.attempts);
}

static int deliver_next(struct sandbox *sandbox, struct tq_error *err)
{
    struct delivery delivery = {.sandbox = sandbox, .webhook.body = TQ__BUF(sandbox->env)};
    int rc = tq_ledger_read(sandbox->store, next_webhook, &delivery, err);
    if (rc == TQ_OK) {
        deliver(&delivery);
        rc = tq_ledger_run(sandbox->store, mark, &delivery, err);
    }
    tq__buf_done(&delivery.webhook.body);
    return rc;
}

int notify_step(void *arg, struct tq_error *err)
{
    int rc = pay_late(arg, err);
    return rc == TQ_EMPTY ? deliver_next(arg, err) : rc;
}
