/* SPDX-License-Identifier: MIT */
/*
 * What each step of a purchase does: rows, seats, the person's count, the event.
 *
 * purchase.c says when. A step reads the row, changes the seats in the ledger,
 * moves the row from the phase and fence that it read, and tells. A positive
 * outcome (the hold has run out, a seat is taken) has changed nothing. What
 * turns back is undone by the compensation of the step that led there: pin by
 * unpin; a sale is undone by give_back, but only when the money is back.
 *
 * Threads: a step belongs to its transaction.
 */
#include "reservation/steps.h"

#include <stdio.h>
#include <string.h>

#include "app/told.h"
#include "core/error.h"

#define ORIGIN "reservation"
#define TICKET_CHARACTERS 12

/* ---- telling ---- */

static void put_seat_ids(struct tq__buf *json, const struct reservation *row)
{
    tq__put_array(json, "seatIds");
    for (size_t i = 0; i < row->seats_count; i++) {
        tq__put_string(json, NULL, row->seats[i].id);
    }
    tq__put_array_end(json);
}

static void put_payload(struct tq__buf *json, const struct reservation *row, const char *reason)
{
    tq__put_object(json, NULL);
    tq__put_string(json, "reservationId", row->id);
    tq__put_string(json, "userId", row->user);
    tq__put_string(json, "scheduleId", row->schedule);
    put_seat_ids(json, row);
    tq__put_int(json, "totalAmount", row->total);
    tq__put_string(json, "currency", row->currency);
    if (row->payment[0]) {
        tq__put_string(json, "paymentId", row->payment);
    }
    if (row->ticket[0]) {
        tq__put_string(json, "ticketNumber", row->ticket);
    }
    if (reason) {
        tq__put_string(json, "reason", reason);
    }
    tq__put_object_end(json);
}

int purchase_tell(tq_tx *tx, const char *type, const struct reservation *row, const char *reason,
                  struct tq_error *err)
{
    struct tq__buf json = TQ__BUF(tq_tx_env(tx));
    put_payload(&json, row, reason);
    const struct tq_event event = {.size = sizeof event,
                                   .topic = RESERVATION_TOPIC,
                                   .type = type,
                                   .aggregate_type = "reservation",
                                   .aggregate_id = row->id,
                                   .traceparent = row->trace[0] ? row->trace : NULL};
    int rc = app_tell(tx, &event, &json, err);
    tq__buf_done(&json);
    return rc;
}

/* ---- moving ---- */

static void word(char target[RESERVATION_WORD_SIZE], const char *value)
{
    snprintf(target, RESERVATION_WORD_SIZE, "%s", value ? value : "");
}

static int get(tq_tx *tx, const struct tq_saga *saga, struct reservation *row, struct tq_error *err)
{
    int rc = reservation_row_get(tx, saga->id, row, err);
    return rc == TQ_GONE
               ? tq__fail(err, TQ_E_CORRUPT, ORIGIN, "reservation %s has no row", saga->id)
               : rc;
}

/* Write the row, if it is still where it was read. */
static int write_row(tq_tx *tx, const struct reservation *from, const struct reservation *now,
                     struct tq_error *err)
{
    int rc = reservation_row_move(tx, from, now, err);
    return rc == TQ_STALE ? tq__fail(err, TQ_E_CORRUPT, ORIGIN, "reservation %s is not in phase %s",
                                     from->id, from->phase)
                          : rc;
}

/* The row has got to another phase; `now` becomes it. */
static int move(tq_tx *tx, const struct reservation *from, struct reservation *now,
                const char *status, const char *phase, struct tq_error *err)
{
    word(now->status, status);
    word(now->phase, phase);
    return write_row(tx, from, now, err);
}

static void note_payment(struct reservation *row, const struct purchase_input *input)
{
    if (input && input->payment) {
        tq__id_copy(row->payment, input->payment);
    }
}

/* ---- towards the ticket ---- */

/* Whether seats changed as they should; TQ_EXPIRED: too late. All else cannot be. */
static int check_seats(const struct reservation *row, int status, struct tq_error *err)
{
    return status == TQ_OK || status == TQ_EXPIRED
               ? status
               : tq__fail(err, TQ_E_CORRUPT, ORIGIN, "seats of %s in phase %s: %s", row->id,
                          row->phase, tq_status_name(status));
}

int purchase_pin(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                 struct tq_error *err)
{
    struct reservations *service = arg;
    struct reservation row;
    TQ_TRY(get(tx, saga, &row, err));
    struct reservation before = row;
    struct tq_hold_ref ref = reservation_row_hold(&row);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    TQ_TRY(tq_hold_record_pin(tx, service->book, &ref, 1, &result, err));
    int rc = check_seats(&row, result.status, err);
    if (rc != TQ_OK) {
        return rc;
    }
    note_payment(&row, input);
    TQ_TRY(move(tx, &before, &row, "PENDING", "PAYING", err));
    return purchase_tell(tx, "ReservationPinned", &row, NULL, err);
}

/* Undoes pin(). The seats of a ticket wait for the money to be back: see give_back(). */
int purchase_unpin(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                   struct tq_error *err)
{
    struct reservations *service = arg;
    struct reservation row;
    (void)input;
    TQ_TRY(get(tx, saga, &row, err));
    if (strcmp(row.phase, "SOLD") == 0) {
        return TQ_OK;
    }
    struct tq_hold_ref ref = reservation_row_hold(&row);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    return tq_hold_record_free(tx, service->book, &ref, 1, &result, err);
}

/* The seats of `row` become SOLD and it becomes a ticket. */
static int confirm(tq_tx *tx, struct reservations *service, const struct reservation *before,
                   struct reservation *row, struct tq_error *err)
{
    struct tq_hold_ref ref = reservation_row_hold(row);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    TQ_TRY(tq_hold_record_settle(tx, service->book, &ref, 1, &result, err));
    int rc = check_seats(row, result.status, err);
    if (rc != TQ_OK) {
        return rc;
    }
    TQ_TRY(app_code(tq_tx_env(tx), row->ticket, TICKET_CHARACTERS, err));
    word(row->reason, NULL);
    TQ_TRY(move(tx, before, row, "CONFIRMED", "SOLD", err));
    return purchase_tell(tx, "ReservationConfirmed", row, NULL, err);
}

int purchase_settle(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct reservation row;
    TQ_TRY(get(tx, saga, &row, err));
    struct reservation before = row;
    note_payment(&row, input);
    return confirm(tx, arg, &before, &row, err);
}

/* Paid after the end: all seats again, or none. */
int purchase_retake(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct reservations *service = arg;
    struct reservation row;
    struct sale sale = {.person_limit = 0};
    TQ_TRY(get(tx, saga, &row, err));
    struct reservation before = row;
    if (schedules_sale(service, row.schedule, &sale) != TQ_OK) {
        return tq__fail(err, TQ_E_BUSY, ORIGIN, "schedule %s is not loaded yet", row.schedule);
    }
    int rc = reservation_row_person_take(tx, &row, sale.person_limit, err);
    if (rc != TQ_OK) {
        return rc;
    }
    struct tq_hold_ref ref = reservation_row_hold(&row);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    TQ_TRY(tq_hold_record_retake(tx, service->book, &ref, 1, &result, err));
    if (result.status != TQ_OK && result.status != TQ_REPEAT) {
        TQ_TRY(reservation_row_person_give(tx, &row, err));
        return TQ_TAKEN; /* also when the ended hold is forgotten by now */
    }
    row.fence = result.fence;
    note_payment(&row, input);
    rc = confirm(tx, service, &before, &row, err);
    return rc > 0 ? tq__fail(err, TQ_E_CORRUPT, ORIGIN, "a retaken hold is not settled") : rc;
}

/* ---- away from it ---- */

/* A reservation ends without its seats. */
static int end(tq_tx *tx, struct reservation *row, const char *phase, const char *reason,
               struct tq_error *err)
{
    struct reservation before = *row;
    word(row->reason, reason);
    TQ_TRY(reservation_row_person_give(tx, row, err));
    TQ_TRY(move(tx, &before, row, "CANCELLED", phase, err));
    return purchase_tell(tx, "ReservationCancelled", row, row->reason, err);
}

static const char *reason_of(const void *input, const char *fallback)
{
    const struct purchase_input *given = input;
    return given && given->reason ? given->reason : fallback;
}

/* The hold ran out (its seats were swept), or its payment failed (they were unpinned). */
int purchase_expire(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct reservation row;
    (void)arg;
    TQ_TRY(get(tx, saga, &row, err));
    note_payment(&row, input);
    return end(tx, &row, "EXPIRED", reason_of(input, HOLD_EXPIRED), err);
}

int purchase_cancel(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                    struct tq_error *err)
{
    struct reservation row;
    (void)arg;
    TQ_TRY(get(tx, saga, &row, err));
    note_payment(&row, input);
    return end(tx, &row, "CANCELLED", "CANCELLED_BY_BUYER", err);
}

/* The money came for what the buyer no longer wants. */
int purchase_cancel_paid(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    TQ_TRY(purchase_cancel(tx, saga, input, arg, err));
    return purchase_tell_refund(tx, saga, input, arg, err);
}

/* HOLD has no pin to undo: the seats are let go here. */
int purchase_release_and_cancel(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                                struct tq_error *err)
{
    TQ_TRY(purchase_unpin(tx, saga, NULL, arg, err));
    return purchase_cancel(tx, saga, input, arg, err);
}

int purchase_release_and_expire(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                                struct tq_error *err)
{
    TQ_TRY(purchase_unpin(tx, saga, NULL, arg, err));
    return purchase_expire(tx, saga, input, arg, err);
}

/* The payment is at work: what the buyer wants is done when its outcome is known. */
int purchase_note_cancel(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    struct reservation row;
    (void)input;
    (void)arg;
    TQ_TRY(get(tx, saga, &row, err));
    struct reservation before = row;
    word(row.reason, "CANCELLED_BY_BUYER");
    return move(tx, &before, &row, "PENDING", "CANCELLING", err);
}

/* The ticket is void; the seats wait for the refund. */
int purchase_ask_refund(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                        struct tq_error *err)
{
    struct reservation row;
    (void)input;
    (void)arg;
    TQ_TRY(get(tx, saga, &row, err));
    struct reservation before = row;
    word(row.reason, "CANCELLED_BY_BUYER");
    TQ_TRY(move(tx, &before, &row, "CANCELLED", "REFUNDING", err));
    TQ_TRY(purchase_tell(tx, "ReservationCancelled", &row, row.reason, err));
    return purchase_tell(tx, "ReservationRefundAsked", &row, row.reason, err);
}

static int64_t amount_of(const void *input)
{
    const struct purchase_input *given = input;
    return given ? given->amount : 0;
}

/* The money is back: now the seats are. A `reason` takes the place of the one that is known. */
static int give_back(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                     const char *reason, struct reservation *row, struct tq_error *err)
{
    TQ_TRY(get(tx, saga, row, err));
    struct reservation before = *row;
    struct tq_hold_ref ref = reservation_row_hold(row);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    TQ_TRY(tq_hold_record_give_back(tx, ((struct reservations *)arg)->book, &ref, 1, &result, err));
    TQ_TRY(check_seats(row, result.status, err));
    row->refunded = amount_of(input);
    word(row->reason, reason ? reason : before.reason);
    TQ_TRY(reservation_row_person_give(tx, row, err));
    return move(tx, &before, row, "CANCELLED", "CANCELLED", err);
}

int purchase_give_back(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                       struct tq_error *err)
{
    struct reservation row;
    return give_back(tx, saga, input, arg, NULL, &row, err);
}

/* The money went back without our asking. */
int purchase_void(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *err)
{
    struct reservation row;
    TQ_TRY(give_back(tx, saga, input, arg, "PAYMENT_REFUNDED", &row, err));
    return purchase_tell(tx, "ReservationCancelled", &row, row.reason, err);
}

int purchase_note_refund(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    struct reservation row;
    (void)arg;
    TQ_TRY(get(tx, saga, &row, err));
    struct reservation before = row;
    row.refunded = amount_of(input);
    return write_row(tx, &before, &row, err);
}

/* ---- saying it again ---- */

static int tell(tq_tx *tx, const struct tq_saga *saga, const void *input, const char *type,
                struct tq_error *err)
{
    struct reservation row;
    TQ_TRY(get(tx, saga, &row, err));
    note_payment(&row, input);
    return purchase_tell(tx, type, &row, row.reason[0] ? row.reason : NULL, err);
}

int purchase_tell_pinned(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    (void)arg;
    return tell(tx, saga, input, "ReservationPinned", err);
}

int purchase_tell_refused(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                          struct tq_error *err)
{
    (void)arg;
    return tell(tx, saga, input, "ReservationPinRefused", err);
}

int purchase_tell_confirmed(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                            struct tq_error *err)
{
    (void)arg;
    return tell(tx, saga, input, "ReservationConfirmed", err);
}

int purchase_tell_refund(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                         struct tq_error *err)
{
    (void)arg;
    return tell(tx, saga, input, "ReservationRefundAsked", err);
}
