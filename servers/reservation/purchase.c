/* SPDX-License-Identifier: MIT */
/*
 * The saga of a reservation: what each event means in each phase.
 *
 *                Payment-   Payment-    Payment-   Payment-   Hold-     Cancel-     Payment-
 *                Requested  Paid        Failed     Refunded   Expired   Asked       Disowned
 *   HOLD         PAYING a   SOLD b      EXPIRED    -          EXPIRED   CANCELLED   !
 *   PAYING       tell       SOLD        EXPIRED    -          !         CANCELLING  EXPIRED
 *   CANCELLING   tell       CANCELLED   CANCELLED  -          !         -           CANCELLED
 *   SOLD         -          tell        !          CANCELLED  !         REFUNDING   !
 *   REFUNDING    -          tell        -          CANCELLED  -         -           CANCELLED
 *   EXPIRED      refuse     SOLD c      -          note       -         -           -
 *   CANCELLED    refuse     tell        -          note       -         -           -
 *
 * `-` a duplicate or a late one: nothing happens. `!` cannot be: refused and
 * logged. `tell`: says again where the reservation is, so that a payment that
 * missed it goes on. Whoever paid for seats that are not to be had is told
 * ReservationRefundAsked, and only that makes a paid payment refund: a
 * ReservationCancelled may have been on its way before the money came. A refund
 * that nobody asked for, made at the provider, voids the ticket.
 * a: unless the hold has run out, then the pin is refused and nothing is charged.
 * b: a channel that takes money without asking us; c: paid after the end. Both
 *    get the seats if all of them are free (and the person's limit allows it),
 *    else ReservationRefundAsked, and the payment refunds; a new holder is never
 *    touched.
 *
 * A buyer's cancellation while the payment is at work is noted (CANCELLING) and
 * carried out when its outcome is known. A cancelled ticket is void at once
 * (REFUNDING), but its seats stay SOLD until the money is back.
 *
 * PaymentDisowned is an operator's word (operator.c): nobody knows the payment that is
 * waited for. HOLD and SOLD wait for none.
 *
 * Invariants: the phase of the row is the state of the saga; seats, row, count
 * of the person and event change in one transaction; every move names the fence
 * it read. Threads: handlers belong to their transaction.
 */
#include "reservation/steps.h"

#include <string.h>

#include "core/error.h"

#define ORIGIN "reservation"

static const struct tq_saga_state states[] = {
    {"HOLD", TQ_SAGA_FORWARD, 7200000, "Overdue"},
    {"PAYING", TQ_SAGA_FORWARD, 60000, "Overdue"},
    {"CANCELLING", TQ_SAGA_FORWARD, 60000, "Overdue"},
    {"REFUNDING", TQ_SAGA_COMPENSATE, 60000, "Overdue"},
    {"SOLD", TQ_SAGA_DONE, 0, NULL},
    {"EXPIRED", TQ_SAGA_UNDONE, 0, NULL},
    {"CANCELLED", TQ_SAGA_UNDONE, 0, NULL},
};

static const char *const events[] = {"PaymentRequested", "PaymentPaid", "PaymentFailed",
                                     "PaymentRefunded",  "HoldExpired", "CancelAsked",
                                     "PaymentDisowned",  "Overdue"};

static const struct tq_saga_cell cells[] = {
    TQ_SAGA_GO_UNDO("HOLD", "PaymentRequested", "PAYING", purchase_pin, purchase_unpin),
    TQ_SAGA_GO("HOLD", "PaymentPaid", "SOLD", purchase_settle),
    TQ_SAGA_GO("HOLD", "PaymentFailed", "EXPIRED", purchase_release_and_expire),
    TQ_SAGA_IGNORE("HOLD", "PaymentRefunded"),
    TQ_SAGA_GO("HOLD", "HoldExpired", "EXPIRED", purchase_expire),
    TQ_SAGA_GO("HOLD", "CancelAsked", "CANCELLED", purchase_release_and_cancel),
    TQ_SAGA_REFUSE("HOLD", "PaymentDisowned"),
    TQ_SAGA_GO("HOLD", "Overdue", "HOLD", NULL), /* the sweep ends it */

    TQ_SAGA_GO("PAYING", "PaymentRequested", "PAYING", purchase_tell_pinned),
    TQ_SAGA_GO("PAYING", "PaymentPaid", "SOLD", purchase_settle),
    TQ_SAGA_GO("PAYING", "PaymentFailed", "EXPIRED", purchase_expire),
    TQ_SAGA_IGNORE("PAYING", "PaymentRefunded"),
    TQ_SAGA_REFUSE("PAYING", "HoldExpired"),
    TQ_SAGA_GO("PAYING", "CancelAsked", "CANCELLING", purchase_note_cancel),
    TQ_SAGA_GO("PAYING", "PaymentDisowned", "EXPIRED", purchase_expire),
    TQ_SAGA_GO("PAYING", "Overdue", "PAYING", purchase_tell_pinned),

    TQ_SAGA_GO("CANCELLING", "PaymentRequested", "CANCELLING", purchase_tell_pinned),
    TQ_SAGA_GO("CANCELLING", "PaymentPaid", "CANCELLED", purchase_cancel_paid),
    TQ_SAGA_GO("CANCELLING", "PaymentFailed", "CANCELLED", purchase_cancel),
    TQ_SAGA_IGNORE("CANCELLING", "PaymentRefunded"),
    TQ_SAGA_REFUSE("CANCELLING", "HoldExpired"),
    TQ_SAGA_IGNORE("CANCELLING", "CancelAsked"),
    TQ_SAGA_GO("CANCELLING", "PaymentDisowned", "CANCELLED", purchase_cancel),
    TQ_SAGA_GO("CANCELLING", "Overdue", "CANCELLING", purchase_tell_pinned),

    TQ_SAGA_IGNORE("SOLD", "PaymentRequested"),
    TQ_SAGA_GO("SOLD", "PaymentPaid", "SOLD", purchase_tell_confirmed),
    TQ_SAGA_REFUSE("SOLD", "PaymentFailed"),
    TQ_SAGA_GO("SOLD", "PaymentRefunded", "CANCELLED", purchase_void),
    TQ_SAGA_REFUSE("SOLD", "HoldExpired"),
    TQ_SAGA_GO("SOLD", "CancelAsked", "REFUNDING", purchase_ask_refund),
    TQ_SAGA_REFUSE("SOLD", "PaymentDisowned"),
    TQ_SAGA_IGNORE("SOLD", "Overdue"),

    TQ_SAGA_IGNORE("REFUNDING", "PaymentRequested"),
    TQ_SAGA_GO("REFUNDING", "PaymentPaid", "REFUNDING", purchase_tell_refund),
    TQ_SAGA_IGNORE("REFUNDING", "PaymentFailed"),
    TQ_SAGA_GO("REFUNDING", "PaymentRefunded", "CANCELLED", purchase_give_back),
    TQ_SAGA_IGNORE("REFUNDING", "HoldExpired"),
    TQ_SAGA_IGNORE("REFUNDING", "CancelAsked"),
    TQ_SAGA_GO("REFUNDING", "PaymentDisowned", "CANCELLED", purchase_give_back),
    TQ_SAGA_GO("REFUNDING", "Overdue", "REFUNDING", purchase_tell_refund),

    TQ_SAGA_GO("EXPIRED", "PaymentRequested", "EXPIRED", purchase_tell_refused),
    TQ_SAGA_GO("EXPIRED", "PaymentPaid", "SOLD", purchase_retake),
    TQ_SAGA_IGNORE("EXPIRED", "PaymentFailed"),
    TQ_SAGA_GO("EXPIRED", "PaymentRefunded", "EXPIRED", purchase_note_refund),
    TQ_SAGA_IGNORE("EXPIRED", "HoldExpired"),
    TQ_SAGA_IGNORE("EXPIRED", "CancelAsked"),
    TQ_SAGA_IGNORE("EXPIRED", "PaymentDisowned"),
    TQ_SAGA_IGNORE("EXPIRED", "Overdue"),

    TQ_SAGA_GO("CANCELLED", "PaymentRequested", "CANCELLED", purchase_tell_refused),
    TQ_SAGA_GO("CANCELLED", "PaymentPaid", "CANCELLED", purchase_tell_refund),
    TQ_SAGA_IGNORE("CANCELLED", "PaymentFailed"),
    TQ_SAGA_GO("CANCELLED", "PaymentRefunded", "CANCELLED", purchase_note_refund),
    TQ_SAGA_IGNORE("CANCELLED", "HoldExpired"),
    TQ_SAGA_IGNORE("CANCELLED", "CancelAsked"),
    TQ_SAGA_IGNORE("CANCELLED", "PaymentDisowned"),
    TQ_SAGA_IGNORE("CANCELLED", "Overdue"),
};

const struct tq_saga_type purchase_type = TQ_SAGA_TYPE("purchase", 1, states, events, cells);

/* ---- bringing events ---- */

/* Answer a payment whose reservation is not here, or cannot have its seats. */
static int tell_no(tq_tx *tx, const char *id, const char *event, const struct purchase_input *input,
                   const char *reason, struct tq_error *err)
{
    struct reservation row = {.seats_count = 0};
    const char *answer = strcmp(event, "PaymentPaid") == 0        ? "ReservationRefundAsked"
                         : strcmp(event, "PaymentRequested") == 0 ? "ReservationPinRefused"
                                                                  : NULL;
    if (!answer) {
        return TQ_GONE;
    }
    TQ_TRY(reservation_row_get(tx, id, &row, err));
    tq__id_copy(row.id, id);
    tq__id_copy(row.payment, input->payment);
    return purchase_tell(tx, answer, &row, reason, err);
}

/* The hold has run out and the sweep has not come by yet: end it now, then look again. */
static int expire_first(tq_tx *tx, struct reservations *service, const char *id, const char *event,
                        const struct purchase_input *input, struct tq_error *err)
{
    TQ_TRY(tq_saga_apply(tx, service->purchases, id, "HoldExpired", NULL, err));
    return tq_saga_apply(tx, service->purchases, id, event, input, err);
}

int purchase_apply(tq_tx *tx, struct reservations *service, const char *id, const char *event,
                   const struct purchase_input *input, struct tq_error *err)
{
    int rc = tq_saga_apply(tx, service->purchases, id, event, input, err);
    if (rc == TQ_EXPIRED) {
        rc = expire_first(tx, service, id, event, input, err);
    }
    switch (rc) {
    case TQ_STALE:
    case TQ_WAIT:
        return tq__fail(err, TQ_E_BUSY, ORIGIN, "reservation %s is on the move", id);
    case TQ_GONE:
        return tell_no(tx, id, event, input, "RESERVATION_UNKNOWN", err);
    case TQ_TAKEN:
    case TQ_FULL:
        return tell_no(tx, id, event, input, "SEATS_GONE", err);
    default:
        return rc;
    }
}
