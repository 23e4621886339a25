/* SPDX-License-Identifier: MIT */
/*
 * What an operator does: ends a reservation that waits for a payment which nobody knows.
 *
 * Such a one is left behind when the ledger went back to an earlier state, or lost
 * the payments: its saga waits for an event that nobody will tell, and its seats stay
 * pinned. The payment service is asked first; as long as it knows a payment of the
 * reservation, that one's own saga will end it, and freeing it is refused.
 *
 * Nothing can be sold twice by that, also when a payment should come to light between
 * the question and the answer: the purchase goes on as after a payment that failed, and
 * who is paid after the end takes the seats again or is refunded (purchase.c).
 *
 * Threads: [any]; blocks on the payment service and the ledger.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "reservation/reservation.h"

#define ORIGIN "reservation"

static int copy_payment(const tq__json *json, struct reservation_payment *out, struct tq_error *err)
{
    const char *id = tq__json_string(tq__json_member(json, "paymentId"));
    const char *phase = tq__json_string(tq__json_member(json, "phase"));
    if (!tq__id_is_valid(id) || !phase) {
        return tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, "payment answered what nobody reads");
    }
    tq__id_copy(out->id, id);
    snprintf(out->phase, sizeof out->phase, "%s", phase);
    return TQ_TAKEN;
}

/* TQ_GONE: the payment service has never heard of it. TQ_TAKEN: it has. */
static int ask_payment(struct reservations *service, const char *id,
                       struct reservation_payment *out, struct tq_error *err)
{
    struct http_answer reply = HTTP_ANSWER(&service->env);
    char path[TQ_ID_SIZE + 64];
    snprintf(path, sizeof path, "/internal/reservations/%s/payment", id);
    int rc = app_internal_get(service->app, "payment", path, &reply, err);
    const tq__json *json = rc < 0 ? NULL : http_answer_json(&reply);
    const char *code = tq__json_string(tq__json_member(json, "code"));
    if (rc < 0) {
        rc = TQ_E_UNAVAILABLE; /* a read that was lost has no effect */
    } else if (reply.status == 200) {
        rc = copy_payment(json, out, err);
    } else if (reply.status == 404 && code && strcmp(code, "PAYMENT_NOT_FOUND") == 0) {
        rc = TQ_GONE; /* and not merely a server without this route */
    } else {
        rc = tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, "payment answered %u", reply.status);
    }
    http_answer_done(&reply);
    return rc;
}

struct freeing {
    struct reservations *service;
    const char *id;
    struct reservation *row;
};

static int disown(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct freeing *freeing = arg;
    const struct purchase_input input = {.reason = "PAYMENT_UNKNOWN"};
    int rc = purchase_apply(tx, freeing->service, freeing->id, "PaymentDisowned", &input, err);
    TQ_TRY(rc);
    TQ_TRY(reservation_row_get(tx, freeing->id, freeing->row, err));
    return rc;
}

int reservation_free(struct reservations *service, const char *id, struct reservation *row,
                     struct reservation_payment *out_payment, struct tq_error *err)
{
    struct freeing freeing = {service, id, row};
    int rc = reservation_get(service, id, NULL, row, err);
    if (rc != TQ_OK) {
        return rc;
    }
    rc = ask_payment(service, id, out_payment, err);
    if (rc != TQ_GONE) {
        return rc;
    }
    rc = tq_ledger_run(service->ledger, disown, &freeing, err);
    if (rc == TQ_OK) {
        purchase_reflect(service, &id, 1);
    }
    return rc;
}
