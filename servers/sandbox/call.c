/* SPDX-License-Identifier: MIT */
/*
 * Carries out the calls of the shop.
 *
 * Each goes the same way: secret, idempotency key, fault, one transaction that
 * holds the effect, the webhook that tells of it and the answer under its key, and
 * only then the answer itself. So whatever happens to the connection, a repetition
 * with the same key gets what was decided, for three hours. While a call runs, a
 * second one with its key is refused.
 *
 * Threads: a pool; the list of running calls has a mutex, all else is in the ledger.
 */
#include "sandbox/call.h"

#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "core/env.h"
#include "core/error.h"

#define KEEP_MS 10800000 /* answers, under their keys */

/* ---- answers ---- */

void call_answer(struct call *call, unsigned status)
{
    tq__buf_clear(&call->answer);
    tq__put_object(&call->answer, NULL);
    call->status = status;
}

int call_error(struct call *call, unsigned status, const char *type, const char *message)
{
    call_answer(call, status);
    tq__put_string(&call->answer, "type", type);
    tq__put_string(&call->answer, "message", message);
    tq__put_object_end(&call->answer);
    return TQ_OK;
}

static void reply_error(struct http_request *request, unsigned status, const char *type,
                        const char *message)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "type", type);
    tq__put_string(&json, "message", message);
    tq__put_object_end(&json);
    http_reply_json(request, status, &json);
}

/* ---- what precedes the effect ---- */

static int is_authorized(const struct sandbox *sandbox, struct http_request *request)
{
    static const char scheme[] = "PortOne ";
    const char *given = http_header(request, "Authorization");
    size_t bytes = strlen(sandbox->secret);
    int is_right = given && strncmp(given, scheme, strlen(scheme)) == 0 &&
                   strlen(given + strlen(scheme)) == bytes &&
                   CRYPTO_memcmp(given + strlen(scheme), sandbox->secret, bytes) == 0;
    if (!is_right) {
        reply_error(request, 401, "UNAUTHORIZED", "The API secret is missing or wrong.");
    }
    return is_right;
}

/* A string of RFC 8941: quoted. */
static int read_key(struct call *call)
{
    const char *value = http_header(call->request, "Idempotency-Key");
    size_t bytes = value ? strlen(value) : 0;
    if (!value) {
        return 1;
    }
    int is_quoted = bytes >= CALL_KEY_MIN + 2 && bytes <= CALL_KEY_MAX + 2 && value[0] == '"' &&
                    value[bytes - 1] == '"' && !memchr(value + 1, '"', bytes - 2);
    if (!is_quoted || !app_fingerprint(call->request, call->fingerprint)) {
        reply_error(call->request, 400, "INVALID_REQUEST",
                    "Idempotency-Key is a quoted string of 16 to 256 characters.");
        return 0;
    }
    memcpy(call->key, value + 1, bytes - 2);
    call->key[bytes - 2] = '\0';
    return 1;
}

/* Non-zero: nobody else runs with this key now. */
static int enter(struct call *call)
{
    struct sandbox *sandbox = call->sandbox;
    int is_alone = 1;
    if (!call->key[0]) {
        return 1;
    }
    pthread_mutex_lock(&sandbox->lock);
    for (const struct call *at = sandbox->running; at; at = at->next) {
        is_alone = is_alone && strcmp(at->key, call->key) != 0;
    }
    if (is_alone) {
        call->next = sandbox->running;
        sandbox->running = call;
    }
    pthread_mutex_unlock(&sandbox->lock);
    if (!is_alone) {
        reply_error(call->request, 409, "IDEMPOTENCY_OUTSTANDING_REQUEST",
                    "A request with this key is being carried out.");
    }
    return is_alone;
}

static void leave(struct call *call)
{
    pthread_mutex_lock(&call->sandbox->lock);
    struct call **at = &call->sandbox->running;
    while (*at && *at != call) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = call->next;
    }
    pthread_mutex_unlock(&call->sandbox->lock);
}

static void wait_ms(int64_t delay_ms)
{
    const struct timespec delay = {(time_t)(delay_ms / 1000), (long)(delay_ms % 1000) * 1000000};
    nanosleep(&delay, NULL);
}

/* ---- the frame of a call ---- */

static int run_once(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct call *call = arg;
    call->is_stored = 0;
    call->is_cut = 0;
    if (call->key[0]) {
        int rc = book_answer_find(tx, call->key, call->fingerprint, KEEP_MS, &call->status,
                                  &call->answer, err);
        if (rc == TQ_REFUSED) {
            return call_error(call, 400, "INVALID_REQUEST",
                              "The Idempotency-Key was used for another request.");
        }
        if (rc != TQ_GONE) {
            return rc;
        }
    }
    TQ_TRY(call->run(tx, call, err));
    TQ_TRY(tq__buf_check(&call->answer, "sandbox", err));
    return call->key[0] && call->is_stored
               ? book_answer_put(tx, call->key, call->fingerprint, call->status, &call->answer, err)
               : TQ_OK;
}

/* Writes the answer, whatever comes of it. */
static void carry_out(struct call *call)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_store *store = call->sandbox->store;
    if (call->fault.kind == FAULT_DELAY) {
        wait_ms(fault_delay_ms(&call->fault, 1000));
    }
    if (call->fault.kind == FAULT_ERROR_5XX) {
        call_error(call, 500, "INTERNAL", "A fault on demand: nothing was done.");
        return;
    }
    int rc = strcmp(call->request->method, "GET") == 0 ? tq_ledger_read(store, run_once, call, &err)
                                                       : tq_ledger_run(store, run_once, call, &err);
    if (rc < 0) {
        app_log(TQ_LOG_ERROR, "sandbox", "%s: %s", tq_status_name(rc), err.message);
        call->is_cut = 0;
        call_error(call, 500, "INTERNAL", "The book cannot be reached.");
    }
}

static void answer(struct call *call)
{
    app_worker_wake(call->sandbox->notifier);
    if (call->is_cut) {
        http_cut(call->request);
    } else if (call->fault.kind == FAULT_TIMEOUT_AFTER_EFFECT) {
        wait_ms(fault_delay_ms(&call->fault, 0));
        http_cut(call->request);
    } else {
        http_reply_json(call->request, call->status, &call->answer);
    }
}

/* The body as an object; no body at all is an empty one. */
static int read_body(struct call *call)
{
    if (call->request->body_bytes == 0) {
        return 1;
    }
    struct tq_error err = TQ_ERROR_INIT;
    tq__json *root = NULL;
    if (tq__json_parse(call->sandbox->env, call->request->body, call->request->body_bytes, NULL,
                       &root, &err) < 0 ||
        !tq__json_is_object(root)) {
        tq__json_free(root);
        reply_error(call->request, 400, "INVALID_REQUEST", "The body is not a JSON object.");
        return 0;
    }
    call->body = root;
    return 1;
}

void call_run(struct http_request *request, enum fault_operation operation, call_fn *run)
{
    struct sandbox *sandbox = request->arg;
    struct call call = {.sandbox = sandbox,
                        .request = request,
                        .payment_id = http_param(request, "paymentId"),
                        .run = run,
                        .answer = TQ__BUF(sandbox->env)};
    if (!is_authorized(sandbox, request)) {
        return;
    }
    if (!tq__id_is_valid(call.payment_id)) {
        reply_error(request, 400, "INVALID_REQUEST", "The payment id is not allowed.");
    } else if (read_key(&call) && read_body(&call) && enter(&call)) {
        call.fault = faults_take(&sandbox->faults, sandbox->env, operation, call.payment_id);
        if (operation == ON_CONFIRM || operation == ON_CANCEL) {
            call.webhook_fault =
                faults_take(&sandbox->faults, sandbox->env, ON_WEBHOOK, call.payment_id);
        }
        carry_out(&call);
        leave(&call); /* who has the answer may come with the key again */
        answer(&call);
    }
    tq__json_free((tq__json *)call.body);
    tq__buf_done(&call.answer);
}
