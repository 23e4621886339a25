/* SPDX-License-Identifier: MIT */
/*
 * PortOne's API V2: pre-register, confirm (manual approval), get, cancel.
 *
 * Each call ends in one of three ways (enum portone_outcome):
 *
 *     answer                                     outcome
 *     2xx; 409 ALREADY_PAID                      DONE
 *     400 INVALID_REQUEST                        NO
 *     400 INVALID_PAYMENT_TOKEN                  NO
 *     404 PAYMENT_NOT_FOUND                      NO
 *     409 INFORMATION_MISMATCH                   NO
 *     401, 403: our credentials, not the buyer   UNSURE, and logged
 *     all others, a lost one, no connection      UNSURE
 *
 * So a 4xx of somebody in between, or of a type that is new, refuses nothing.
 * A 502 of the provider behind PortOne says neither yes nor no: the book does.
 * Amounts, currency, store and channel always come from GET, never from a webhook or
 * a confirmation. A book of another payment is none, nor is one that speaks of money
 * and does not say all of it, or contradicts itself: UNSURE. Statuses that are not
 * known count as open: PortOne may add some.
 *
 * The idempotency key is made of operation, payment and a digest of the body: a
 * repetition, also by another process, is one, and a request that asks for
 * something else (the rest of a refund) is another. Threads: [any].
 */
#include "payment/payment.h"

#include <stdio.h>
#include <string.h>

#include "app/digest.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "portone"
#define PATH_SIZE 128
#define KEY_SIZE 160
#define DIGEST_BYTES 15 /* of the body, in a key */

int portone_open(struct portone *portone, struct app *app, struct tq_error *err)
{
    char *secret = NULL;
    portone->env = app_env(app);
    portone->client = app_client(app);
    portone->url = app_config_text(app_config(app), "portone");
    portone->channel = app_config_text(app_config(app), "portone-channel");
    portone->store = app_config_text(app_config(app), "portone-store");
    portone->timeout_ms = (unsigned)app_config_number(app_config(app), "portone-timeout-ms");
    TQ_TRY(app_config_secret(app_config(app), "portone-secret", &secret, err));
    size_t room = strlen(secret) + sizeof "Authorization: PortOne ";
    portone->authorization = tq__alloc(portone->env, room, 1);
    if (portone->authorization) {
        snprintf(portone->authorization, room, "Authorization: PortOne %s", secret);
    }
    app_secret_free(secret);
    return portone->authorization ? TQ_OK : tq__nomem(ORIGIN, err);
}

void portone_close(struct portone *portone)
{
    tq__release(portone->env, portone->authorization);
}

/* The field with the key of a request. */
static int put_key(char target[KEY_SIZE], const char *id, const char *operation,
                   const struct tq__buf *body, struct tq_error *err)
{
    char digest[APP_DIGEST_SIZE(DIGEST_BYTES)];
    TQ_TRY(app_digest(body->data, body->bytes, DIGEST_BYTES, digest, err));
    snprintf(target, KEY_SIZE, "Idempotency-Key: \"%s-%s-%s\"", operation, id, digest);
    return TQ_OK;
}

/* `operation`: last part of the path; NULL for GET, which has no body and no key. */
static int call(struct portone *portone, const char *id, const char *operation,
                const struct tq__buf *body, struct http_answer *answer)
{
    char url[TQ_URL_MAX + PATH_SIZE];
    char key[KEY_SIZE];
    const char *headers[] = {portone->authorization, operation ? key : NULL, NULL};
    struct http_call request = {.method = operation ? "POST" : "GET",
                                .url = url,
                                .headers = headers,
                                .body = body ? body->data : NULL,
                                .body_bytes = body ? body->bytes : 0,
                                .timeout_ms = portone->timeout_ms};
    struct tq_error err = TQ_ERROR_INIT;
    if (operation) {
        TQ_TRY(put_key(key, id, operation, body, &err));
    }
    snprintf(url, sizeof url, "%s/payments/%s%s%s", portone->url, id, operation ? "/" : "",
             operation ? operation : "");
    int rc = http_client_call(portone->client, &request, answer, &err);
    if (rc < 0) {
        app_log(TQ_LOG_WARN, ORIGIN, "%s %s: %s", operation ? operation : "get", id, err.message);
    } else if (answer->status == 401 || answer->status == 403) {
        app_log(TQ_LOG_ERROR, ORIGIN, "%s %s: our credentials are refused (%u)",
                operation ? operation : "get", id, answer->status);
    }
    return rc;
}

static const char *type_of(struct http_answer *answer)
{
    const char *type = tq__json_string(tq__json_member(http_answer_json(answer), "type"));
    return type ? type : "";
}

static enum portone_outcome outcome_of(int rc, struct http_answer *answer)
{
    static const struct {
        unsigned status;
        const char *type;
        enum portone_outcome outcome;
    } errors[] = {{400, "INVALID_REQUEST", PORTONE_NO},
                  {400, "INVALID_PAYMENT_TOKEN", PORTONE_NO},
                  {404, "PAYMENT_NOT_FOUND", PORTONE_NO},
                  {409, "INFORMATION_MISMATCH", PORTONE_NO},
                  {409, "ALREADY_PAID", PORTONE_DONE}};
    if (rc < 0) {
        return PORTONE_UNSURE;
    }
    if (answer->status / 100 == 2) {
        return PORTONE_DONE;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].status == answer->status && strcmp(errors[i].type, type_of(answer)) == 0) {
            return errors[i].outcome;
        }
    }
    return PORTONE_UNSURE;
}

static void put_amounts(struct tq__buf *json, const struct payment *row)
{
    tq__put_int(json, "totalAmount", row->amount);
    tq__put_string(json, "currency", row->currency);
}

/* POST a body and say what is known afterwards; `reason` may be NULL. Takes the body. */
static enum portone_outcome post(struct portone *portone, const char *id, const char *operation,
                                 struct tq__buf *body, char reason[PAYMENT_WORD_SIZE])
{
    struct http_answer answer = HTTP_ANSWER(portone->env);
    enum portone_outcome outcome = PORTONE_UNSURE;
    if (!body->is_failed) {
        outcome = outcome_of(call(portone, id, operation, body, &answer), &answer);
    }
    if (outcome == PORTONE_NO && reason && type_of(&answer)[0]) {
        snprintf(reason, PAYMENT_WORD_SIZE, "%s", type_of(&answer));
    }
    http_answer_done(&answer);
    tq__buf_done(body);
    return outcome;
}

enum portone_outcome portone_pre_register(struct portone *portone, const struct payment *row)
{
    struct tq__buf body = TQ__BUF(portone->env);
    tq__put_object(&body, NULL);
    put_amounts(&body, row);
    tq__put_object_end(&body);
    return post(portone, row->id, "pre-register", &body, NULL);
}

enum portone_outcome portone_confirm(struct portone *portone, const struct payment *row,
                                     char reason[PAYMENT_WORD_SIZE])
{
    struct tq__buf body = TQ__BUF(portone->env);
    tq__put_object(&body, NULL);
    tq__put_string(&body, "paymentToken", row->token);
    put_amounts(&body, row);
    if (strcmp(portone->channel, "LIVE") == 0) {
        tq__put_bool(&body, "isTest", 0);
    }
    tq__put_object_end(&body);
    return post(portone, row->id, "confirm", &body, reason);
}

enum portone_outcome portone_cancel(struct portone *portone, const struct payment *row)
{
    struct tq__buf body = TQ__BUF(portone->env);
    tq__put_object(&body, NULL);
    tq__put_string(&body, "reason", row->failure[0] ? row->failure : "RESERVATION_CANCELLED");
    tq__put_int(&body, "currentCancellableAmount", row->paid - row->cancelled);
    tq__put_object_end(&body);
    return post(portone, row->id, "cancel", &body, NULL);
}

/* Some of the money went back, or none did. */
enum { NONE_BACK, SOME_BACK };

static const struct status {
    const char *name;
    enum portone_status status;
    int back; /* of what has been paid */
} statuses[] = {{"PAID", PORTONE_PAID, NONE_BACK},
                {"PARTIAL_CANCELLED", PORTONE_PAID, SOME_BACK},
                {"CANCELLED", PORTONE_CANCELLED, SOME_BACK},
                {"FAILED", PORTONE_FAILED, NONE_BACK}};

static const struct status *status_of(const char *name)
{
    static const struct status open = {"", PORTONE_OPEN, NONE_BACK};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (strcmp(statuses[i].name, name) == 0) {
            return &statuses[i];
        }
    }
    return &open;
}

/* What does not fit is left out: it is none of the words we know. 0: there is no word. */
static int copy_word(char *target, size_t room, const tq__json *node)
{
    const char *text = tq__json_string(node);
    snprintf(target, room, "%s", text && strlen(text) < room ? text : "");
    return text != NULL;
}

static int copy_amount(int64_t *target, const tq__json *amount, const char *name)
{
    return tq__json_int64(tq__json_member(amount, name), target) && *target >= 0;
}

/* Everything that says whose money there is, and how much. 0: it cannot all be true. */
static int read_money(const tq__json *json, int back, struct portone_book *book)
{
    const tq__json *amount = tq__json_member(json, "amount");
    const tq__json *channel = tq__json_member(json, "channel");
    return copy_word(book->currency, sizeof book->currency, tq__json_member(json, "currency")) &&
           copy_word(book->channel, sizeof book->channel, tq__json_member(channel, "type")) &&
           copy_word(book->store, sizeof book->store, tq__json_member(json, "storeId")) &&
           copy_amount(&book->total, amount, "total") &&
           copy_amount(&book->discount, amount, "discount") &&
           copy_amount(&book->paid, amount, "paid") &&
           copy_amount(&book->cancelled, amount, "cancelled") && book->paid <= book->total &&
           book->discount <= book->total - book->paid && book->cancelled <= book->total &&
           book->paid + book->discount > 0 && (book->cancelled > 0) == (back == SOME_BACK);
}

static int read_book(const char *id, const tq__json *json, struct portone_book *book)
{
    const char *told_id = tq__json_string(tq__json_member(json, "id"));
    const char *name = tq__json_string(tq__json_member(json, "status"));
    memset(book, 0, sizeof *book);
    if (!told_id || strcmp(told_id, id) != 0 || !name) {
        return 0;
    }
    const struct status *status = status_of(name);
    book->status = status->status;
    if (portone_has_money(book)) {
        return read_money(json, status->back, book);
    }
    copy_word(book->reason, sizeof book->reason,
              tq__json_member(tq__json_member(json, "failure"), "pgCode"));
    if (!tq__id_is_valid(book->reason)) { /* a code or nothing: it is told to buyers */
        book->reason[0] = '\0';
    }
    return 1;
}

enum portone_outcome portone_get(struct portone *portone, const char *id,
                                 struct portone_book *out_book)
{
    struct http_answer answer = HTTP_ANSWER(portone->env);
    enum portone_outcome outcome = outcome_of(call(portone, id, NULL, NULL, &answer), &answer);
    if (outcome == PORTONE_DONE && !read_book(id, http_answer_json(&answer), out_book)) {
        app_log(TQ_LOG_ERROR, ORIGIN, "get %s: the answer is no book of this payment", id);
        outcome = PORTONE_UNSURE;
    } else if (outcome == PORTONE_NO && answer.status != 404) {
        outcome = PORTONE_UNSURE; /* our question was refused: that says nothing of the payment */
    }
    http_answer_done(&answer);
    return outcome;
}

/* "" wants anything. */
static int is_wanted(const char *wanted, const char *found)
{
    return !wanted[0] || strcmp(wanted, found) == 0;
}

int portone_matches(const struct portone *portone, const struct portone_book *book,
                    const struct payment *row)
{
    return book->total == row->amount && strcmp(book->currency, row->currency) == 0 &&
           is_wanted(portone->channel, book->channel) && is_wanted(portone->store, book->store);
}

int portone_has_money(const struct portone_book *book)
{
    return book->status == PORTONE_PAID || book->status == PORTONE_CANCELLED;
}

int portone_is_whole(const struct portone_book *book)
{
    return book->paid + book->discount == book->total && book->cancelled == 0;
}
