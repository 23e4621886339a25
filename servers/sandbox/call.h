/* SPDX-License-Identifier: MIT */
/*
 * The frame in which every call of the shop is carried out.
 */
#ifndef TICKETQ_SANDBOX_CALL_H
#define TICKETQ_SANDBOX_CALL_H

#include "app/idempotency.h"
#include "sandbox/sandbox.h"

#define CALL_KEY_MIN 16
#define CALL_KEY_MAX 256

/*
 * The effect, in its transaction; may run more than once. Writes status and answer, also for what
 * it refuses; a failure is one of the book.
 */
typedef int call_fn(tq_tx *tx, struct call *call, struct tq_error *err);

struct call {
    struct call *next; /* in `running` */
    struct sandbox *sandbox;
    struct http_request *request;
    const char *payment_id;
    const tq__json *body;
    call_fn *run;
    struct fault fault;
    struct fault webhook_fault;
    char key[CALL_KEY_MAX + 1]; /* "": none */
    char fingerprint[APP_FINGERPRINT_SIZE];
    unsigned status;
    struct tq__buf answer;
    int is_stored; /* the answer is final: keep it under the key */
    int is_cut;    /* the caller is not to hear of it */
};

/* Answers the request: secret, key, fault, effect, answer. */
void call_run(struct http_request *request, enum fault_operation operation, call_fn *run);

/* Begin an answer: `{`. */
void call_answer(struct call *call, unsigned status);
/* A whole answer as the provider words its errors. Returns TQ_OK. */
int call_error(struct call *call, unsigned status, const char *type, const char *message);

#endif
