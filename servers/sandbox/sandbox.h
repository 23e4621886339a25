/* SPDX-License-Identifier: MIT */
/*
 * A look-alike of the PortOne V2 payment API, with faults on demand.
 *
 *     call.c       the frame of a call: secret, key, fault, transaction, answer
 *     operation.c  the calls of the shop: pre-register, confirm, get, cancel
 *     notify.c     webhooks, and payments that become PAID late
 *     control.c    what only a test asks for: tokens, faults, the book
 *     book.c       the money, in a ledger of its own
 *     fault.c      what is to go wrong
 *
 * It keeps to what the shop can see: paths, fields, error types, statuses,
 * idempotency keys, signatures and retries of webhooks.
 */
#ifndef TICKETQ_SANDBOX_H
#define TICKETQ_SANDBOX_H

#include <pthread.h>

#include "app/app.h"
#include "app/webhook.h"
#include "sandbox/book.h"
#include "sandbox/fault.h"

#define SANDBOX_POOL "sandbox"
#define SANDBOX_STORE "store-sandbox"

struct call;

struct sandbox {
    struct app *app;
    const struct tq_env *env;
    tq_store *store;
    char *secret;
    struct app_webhook_key webhook_key;
    struct app_worker *notifier;
    struct faults faults;
    pthread_mutex_t lock; /* `running` */
    struct call *running; /* calls with an idempotency key that are not answered yet */
};

/* operation.c */
void sandbox_pre_register(struct http_request *request);
void sandbox_confirm(struct http_request *request);
void sandbox_get(struct http_request *request);
void sandbox_cancel(struct http_request *request);

/* control.c */
void sandbox_post_tokens(struct http_request *request);
void sandbox_post_faults(struct http_request *request);
void sandbox_delete_faults(struct http_request *request);
void sandbox_get_book(struct http_request *request);

/* notify.c */

/* Record that a webhook is due, in the caller's transaction. `cancellation_id` may be NULL. */
int notify_add(struct sandbox *sandbox, tq_tx *tx, const char *type,
               const struct book_payment *payment, const char *cancellation_id,
               const struct fault *fault, struct tq_error *err);
/* Make a payment PAID and tell, in the caller's transaction. */
int notify_paid(struct sandbox *sandbox, tq_tx *tx, struct book_payment *payment,
                const struct fault *fault, int is_silent, struct tq_error *err);
/* app_step_fn: one late payment or one webhook. */
int notify_step(void *arg, struct tq_error *err);

#endif
