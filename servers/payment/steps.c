/* SPDX-License-Identifier: MIT */
/*
 * What each step of a payment does: the row, the call to the provider, the event.
 *
 * charge.c says when. A step never calls the provider: it puts the call on the
 * work list, in the same transaction, and calls.c makes it. What turns back
 * after the money was taken is undone by the compensation of charge_captured(),
 * which is the refund. Threads: a step belongs to its transaction.
 */
#include "payment/steps.h"

#include <stdio.h>
#include <string.h>

#include "app/told.h"
#include "core/error.h"

#define ORIGIN "payment"

/* ---- telling and moving ---- */

static void put_payload(struct tq__buf *json, const struct payment *row)
{
    tq__put_object(json, NULL);
    tq__put_string(json, "paymentId", row->id);
    tq__put_string(json, "reservationId", row->reservation);
    tq__put_int(json, "amount", row->amount);
    tq__put_string(json, "currency", row->currency);
    if (row->failure[0]) {
        tq__put_string(json, "reason", row->failure);
    }
    tq__put_object_end(json);
}

/* Tell of a payment, in the order of its reservation. */
static int tell(tq_tx *tx, const char *type, const struct payment *row, struct tq_error *err)
{
    struct tq__buf json = TQ__BUF(tq_tx_env(tx));
    put_payload(&json, row);
    const struct tq_event event = {.size = sizeof event,
                                   .topic = PAYMENT_TOPIC,
                                   .type = type,
                                   .aggregate_type = "payment",
                                   .aggregate_id = row->id,
                                   .key = row->reservation,
                                   .traceparent = row->trace[0] ? row->trace : NULL};
    int rc = app_tell(tx, &event, &json, err);
    tq__buf_done(&json);
    return rc;
}

static int get(tq_tx *tx, const struct tq_saga *saga, const void *input, struct payment *row,
               struct tq_error *err)
{
    const struct charge_input *given = input;
    if (given && given->row) {
        *row = *given->row;
        return TQ_OK;
    }
    int rc = payment_row_get(tx, saga->id, row, err);
    return rc == TQ_GONE ? tq__fail(err, TQ_E_CORRUPT, ORIGIN, "payment %s has no row", saga->id)
                         : rc;
}

static int tell_again(tq_tx *tx, const struct tq_saga *saga, const char *type, struct tq_error *err)
{
    struct payment row;
    TQ_TRY(get(tx, saga, NULL, &row, err));
    return tell(tx, type, &row, err);
}

static int move(tq_tx *tx, struct payment *row, const char *phase, struct tq_error *err)
{
    char from[PAYMENT_WORD_SIZE];
    memcpy(from, row->phase, sizeof from);
    snprintf(row->phase, sizeof row->phase, "%s", phase);
    int rc = payment_row_move(tx, from, row, err);
    return rc == TQ_STALE
               ? tq__fail(err, TQ_E_CORRUPT, ORIGIN, "payment %s is not in phase %s", row->id, from)
               : rc;
}

/* Move to a phase in which nothing is under way: only what the provider does by itself goes on. */
static int end(tq_tx *tx, struct payment *row, const char *phase, const struct payments *service,
               struct tq_error *err)
{
    int64_t now_ms = tq_tx_now_ms(tx);
    row->recheck_ms = recheck_next_ms(service, phase, now_ms, now_ms);
    return move(tx, row, phase, err);
}

static void note_reason(struct payment *row, const void *input, const char *fallback)
{
    const struct charge_input *given = input;
    snprintf(row->failure, sizeof row->failure, "%s",
             given && given->reason ? given->reason : fallback);
}

static void note_book(struct payment *row, const void *input)
{
    const struct charge_input *given = input;
    if (given) {
        row->paid = given->paid;
        row->cancelled = given->cancelled;
    }
}

/* ---- towards the money ---- */

int charge_request(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                   struct tq_error *err)
{
    const struct charge_input *given = input;
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    snprintf(row.token, sizeof row.token, "%s", given->token);
    TQ_TRY(move(tx, &row, "REQUESTED", err));
    if (given->row) {
        *given->row = row;
    }
    return tell(tx, "PaymentRequested", &row, err);
}

int charge_request_again(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    (void)input;
    (void)arg;
    return tell_again(tx, saga, "PaymentRequested", err);
}

int charge_confirm(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                   struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    TQ_TRY(move(tx, &row, "CONFIRMING", err));
    return call_put(tx, row.id, "CONFIRM", err);
}

/* The call that left us unsure stays on the work list and is made again. */
int charge_unsure(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    return move(tx, &row, "UNKNOWN", err);
}

int charge_ask(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
               struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    TQ_TRY(move(tx, &row, "UNKNOWN", err));
    return call_nudge(tx, row.id, "CONFIRM", err);
}

int charge_captured(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    note_book(&row, input);
    row.token[0] = row.failure[0] = '\0';
    TQ_TRY(move(tx, &row, "CAPTURED", err));
    return tell(tx, "PaymentPaid", &row, err);
}

int charge_tell_paid(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                     struct tq_error *err)
{
    (void)input;
    (void)arg;
    return tell_again(tx, saga, "PaymentPaid", err);
}

int charge_paid(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                struct tq_error *err)
{
    struct payment row;
    TQ_TRY(get(tx, saga, input, &row, err));
    return end(tx, &row, "PAID", arg, err);
}

/* ---- away from it ---- */

int charge_refund(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *err)
{
    (void)input;
    (void)arg;
    return call_put(tx, saga->id, "CANCEL", err);
}

int charge_refunding(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                     struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    note_reason(&row, input, "RESERVATION_CANCELLED");
    return move(tx, &row, "REFUNDING", err);
}

/* What was paid is not what we asked for: no ticket for it, and all of it goes back. */
int charge_mismatched(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                      struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    note_book(&row, input);
    note_reason(&row, input, "AMOUNT_MISMATCH");
    row.token[0] = '\0';
    TQ_TRY(move(tx, &row, "REFUNDING", err));
    TQ_TRY(call_put(tx, row.id, "CANCEL", err));
    return tell(tx, "PaymentFailed", &row, err);
}

/* Some of what was captured went back without us: the rest follows. */
int charge_reversed(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    note_book(&row, input);
    note_reason(&row, input, "CANCELLED_BY_PROVIDER");
    return move(tx, &row, "REFUNDING", err);
}

int charge_refunded(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(get(tx, saga, input, &row, err));
    note_book(&row, input);
    TQ_TRY(move(tx, &row, "REFUNDED", err));
    return tell(tx, "PaymentRefunded", &row, err);
}

int charge_tell_refunded(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    (void)input;
    (void)arg;
    return tell_again(tx, saga, "PaymentRefunded", err);
}

int charge_failed(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *err)
{
    struct payment row;
    TQ_TRY(get(tx, saga, input, &row, err));
    note_reason(&row, input, "ABANDONED");
    row.token[0] = '\0';
    TQ_TRY(end(tx, &row, "FAILED", arg, err));
    return tell(tx, "PaymentFailed", &row, err);
}

int charge_tell_failed(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                       struct tq_error *err)
{
    (void)input;
    (void)arg;
    return tell_again(tx, saga, "PaymentFailed", err);
}
