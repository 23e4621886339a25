/* SPDX-License-Identifier: MIT */
/*
 * What buyers do with payments: begin one, confirm it, look at it.
 *
 * A payment is begun for a reservation of the same user that is still held; its
 * amount comes from the reservation service, never from the buyer. A
 * reservation has one payment: who begins a second gets the first. Confirming
 * brings the browser's payment token to the saga and answers at once; the money
 * moves later, when the seats are pinned (charge.c).
 *
 * Threads: [any].
 */
#include "payment/payment.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

#define ORIGIN "payment"

struct work {
    struct payments *service;
    struct payment_wish *wish;
    int asked; /* begin: what the reservation service said, TQ_OK, TQ_GONE or TQ_EXPIRED */
};

/* One body for all that come at the same time: none behind one that failed, which is taken out. */
static int for_each(tq_tx *tx, tq_tx_fn *body, void *const args[], size_t count, int results[],
                    struct tq_error *const errs[])
{
    int rc = TQ_OK;
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        rc = results[i] = body(tx, args[i], errs[i]);
    }
    return TQ_OK;
}

/* Run a body that may undo itself; the result is the outcome. */
static int run(struct payments *service, tq_tx_each_fn *body, struct work *work,
               struct tq_error *err)
{
    int rc = tq_ledger_run_each(service->ledger, body, work, err);
    return app_once_outcome(work->wish->once, rc);
}

/* Keep the answer for whoever repeats the request. */
static int answer(tq_tx *tx, struct payment_wish *wish, unsigned status, struct tq_error *err)
{
    tq__buf_clear(&wish->answer);
    payment_row_put(&wish->answer, &wish->row);
    TQ_TRY(tq__buf_check(&wish->answer, ORIGIN, err));
    return app_once_end(tx, wish->once, status, &wish->answer, err);
}

/* ---- begin ---- */

static int copy_reservation(const tq__json *json, struct payment *row, struct tq_error *err)
{
    const char *user = tq__json_string(tq__json_member(json, "userId"));
    const char *phase = tq__json_string(tq__json_member(json, "phase"));
    const char *currency = tq__json_string(tq__json_member(json, "currency"));
    if (!user || !phase || !currency || strlen(currency) != PAYMENT_CURRENCY_SIZE - 1 ||
        !tq__json_int64(tq__json_member(json, "totalAmount"), &row->amount)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, "reservation answered what nobody reads");
    }
    if (strcmp(user, row->user) != 0) {
        return TQ_GONE;
    }
    memcpy(row->currency, currency, PAYMENT_CURRENCY_SIZE);
    return strcmp(phase, "HOLD") == 0 ? TQ_OK : TQ_EXPIRED;
}

/* What is to be paid, from who has the seats. */
static int ask_reservation(struct payments *service, struct payment *row, struct tq_error *err)
{
    struct http_answer reply = HTTP_ANSWER(&service->env);
    char path[128];
    snprintf(path, sizeof path, "/internal/reservations/%s", row->reservation);
    int rc = app_internal_get(service->app, "reservation", path, &reply, err);
    if (rc < 0) {
        rc = TQ_E_UNAVAILABLE; /* a read that was lost has no effect */
    } else if (reply.status == 200) {
        rc = copy_reservation(http_answer_json(&reply), row, err);
    } else {
        rc = reply.status == 404
                 ? TQ_GONE
                 : tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, "reservation answered %u", reply.status);
    }
    http_answer_done(&reply);
    return rc;
}

static int add(tq_tx *tx, struct payments *service, struct payment *row, struct tq_error *err)
{
    TQ_TRY(app_code(tq_tx_env(tx), row->id, PAYMENT_ID_CHARACTERS, err));
    snprintf(row->phase, sizeof row->phase, "READY");
    row->created_ms = tq_tx_now_ms(tx);
    int rc = payment_row_add(tx, row, err);
    if (rc != TQ_OK) {
        return rc;
    }
    TQ_TRY(tq_saga_start(tx, service->charges, row->id, "", 0, err));
    return call_put(tx, row->id, "PRE_REGISTER", err);
}

static int begin(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct work *work = arg;
    struct payment_wish *wish = work->wish;
    int rc = app_once_begin(tx, wish->once, err);
    if (rc != TQ_OK) {
        return rc;
    }
    if (work->asked != TQ_OK) {
        return app_once_undo(wish->once, work->asked);
    }
    rc = add(tx, work->service, &wish->row, err);
    if (rc == TQ_REPEAT) {
        rc = payment_row_of_reservation(tx, wish->row.reservation, &wish->row, err);
    }
    return rc == TQ_OK ? answer(tx, wish, 201, err) : rc;
}

static int begin_each(tq_tx *tx, void *const args[], size_t count, int results[],
                      struct tq_error *const errs[])
{
    return for_each(tx, begin, args, count, results, errs);
}

int payment_begin(struct payments *service, struct payment_wish *wish, struct tq_error *err)
{
    struct work work = {.service = service, .wish = wish};
    int rc = ask_reservation(service, &wish->row, err);
    TQ_TRY(rc);
    work.asked = rc; /* counts unless the key has its answer already */
    rc = run(service, begin_each, &work, err);
    if (rc == TQ_OK) {
        calls_wake(service);
    }
    return rc;
}

/* ---- confirm ---- */

static int read_own(tq_tx *tx, const char *id, const char *user, struct payment *row,
                    struct tq_error *err)
{
    int rc = payment_row_get(tx, id, row, err);
    return rc == TQ_OK && strcmp(user, row->user) != 0 ? TQ_GONE : rc;
}

static int confirm(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct work *work = arg;
    struct payment_wish *wish = work->wish;
    struct payment row;
    const struct charge_input input = {.token = wish->row.token, .row = &row};
    int rc = app_once_begin(tx, wish->once, err);
    if (rc != TQ_OK) {
        return rc;
    }
    rc = read_own(tx, wish->row.id, wish->row.user, &row, err);
    if (rc != TQ_OK) {
        return rc < 0 ? rc : app_once_undo(wish->once, rc);
    }
    rc = charge_apply(tx, work->service, row.id, "ConfirmAsked", &input, err);
    if (rc < 0 || rc == TQ_REFUSED) {
        return rc < 0 ? rc : app_once_undo(wish->once, TQ_CLOSED);
    }
    wish->row = row;
    return answer(tx, wish, 202, err);
}

static int confirm_each(tq_tx *tx, void *const args[], size_t count, int results[],
                        struct tq_error *const errs[])
{
    return for_each(tx, confirm, args, count, results, errs);
}

int payment_confirm(struct payments *service, struct payment_wish *wish, struct tq_error *err)
{
    struct work work = {.service = service, .wish = wish};
    return run(service, confirm_each, &work, err);
}

/* ---- look ---- */

struct reading {
    const char *id;
    const char *user;
    struct payment *row;
};

static int read_one(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct reading *reading = arg;
    return read_own(tx, reading->id, reading->user, reading->row, err);
}

int payment_get(struct payments *service, const char *id, const char *user, struct payment *row,
                struct tq_error *err)
{
    struct reading reading = {id, user, row};
    return tq_ledger_read(service->ledger, read_one, &reading, err);
}

static int read_of_reservation(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct reading *reading = arg;
    return payment_row_of_reservation(tx, reading->id, reading->row, err);
}

int payment_of_reservation(struct payments *service, const char *reservation, struct payment *row,
                           struct tq_error *err)
{
    struct reading reading = {.id = reservation, .row = row};
    return tq_ledger_read(service->ledger, read_of_reservation, &reading, err);
}
