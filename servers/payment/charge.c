/* SPDX-License-Identifier: MIT */
/*
 * The saga of a payment: what each event means in each phase.
 *
 *               Confirm-   Pinned      Pin-     Captured  Mis-       Declined  Unsure
 *               Asked                  Refused            matched
 *   READY       REQUESTED  -           -        CAPTURED  REFUNDING  -         -
 *   REQUESTED   -          CONFIRMING  FAILED   CAPTURED  REFUNDING  -         -
 *   CONFIRMING  -          -           -        CAPTURED  REFUNDING  FAILED    UNKNOWN
 *   UNKNOWN     -          -           -        CAPTURED  REFUNDING  FAILED    -
 *   CAPTURED    -          -           -        -         REFUNDING  !         -
 *   PAID        -          -           -        -         REFUNDING  !         -
 *   REFUNDING   !          -           -        -         -          -         -
 *   REFUNDED    !          -           -        -         -          -         -
 *   FAILED      !          tell        -        CAPTURED  REFUNDING  -         -
 *
 *               Reservation-  Reservation-  Refund-    Refunded  Overdue
 *               Confirmed     Cancelled     Asked
 *   READY       !             FAILED        !          !         FAILED (abandoned)
 *   REQUESTED   !             FAILED        !          !         asks for the pin again
 *   CONFIRMING  !             -             !          !         UNKNOWN
 *   UNKNOWN     !             -             !          !         asks the provider again
 *   CAPTURED    PAID          -             REFUNDING  REFUNDED  tells again
 *   PAID        -             -             REFUNDING  REFUNDED  -
 *   REFUNDING   -             -             -          REFUNDED  asks for the refund again
 *   REFUNDED    -             -             tell       -         -
 *   FAILED      !             -             !          !         -
 *
 * `-` a duplicate or a late one: nothing happens. `!` cannot be: refused and
 * logged. `tell`: says the outcome again.
 *
 * Money is asked for only while the seats are pinned, and the phase is on disk
 * before the provider is called, so that a crash finds CONFIRMING and asks. An
 * unknown outcome is never taken for a refusal: UNKNOWN is left only by an
 * answer of the provider. A payment that we had given up and that was paid all
 * the same (FAILED, Captured) is offered to the reservation, which takes the
 * seats again or has it refunded.
 *
 * What was captured is refunded when the reservation asks for it, having heard
 * that it is paid (RefundAsked). That it is cancelled it may have said before,
 * and it may take the seats again when it hears of the money.
 *
 * No ticket stands for a part of its money. When the provider's book shows that
 * some was given back without us (its console, a dispute: Mismatched), the rest goes
 * back too and PaymentRefunded voids the ticket; when all was, it is Refunded.
 *
 * Invariants: the phase of the row is the state of the saga; row, call and event
 * change in one transaction. Threads: handlers belong to their transaction.
 */
#include "payment/steps.h"

#include "core/error.h"

#define ORIGIN "payment"

static const struct tq_saga_state states[] = {
    {"READY", TQ_SAGA_FORWARD, 900000, "Overdue"},
    {"REQUESTED", TQ_SAGA_FORWARD, 30000, "Overdue"},
    {"CONFIRMING", TQ_SAGA_FORWARD, 120000, "Overdue"},
    {"UNKNOWN", TQ_SAGA_UNKNOWN, 120000, "Overdue"},
    {"CAPTURED", TQ_SAGA_FORWARD, 30000, "Overdue"},
    {"PAID", TQ_SAGA_DONE, 0, NULL},
    {"REFUNDING", TQ_SAGA_COMPENSATE, 120000, "Overdue"},
    {"REFUNDED", TQ_SAGA_UNDONE, 0, NULL},
    {"FAILED", TQ_SAGA_UNDONE, 0, NULL},
};

static const char *const events[] = {
    "ConfirmAsked",         "Pinned",      "PinRefused", "Captured",
    "Mismatched",           "Declined",    "Unsure",     "ReservationConfirmed",
    "ReservationCancelled", "RefundAsked", "Refunded",   "Overdue"};

#define CAPTURE(state)                                                                             \
    TQ_SAGA_GO_UNDO(state, "Captured", "CAPTURED", charge_captured, charge_refund)
#define MISMATCH(state) TQ_SAGA_GO(state, "Mismatched", "REFUNDING", charge_mismatched)

static const struct tq_saga_cell cells[] = {
    TQ_SAGA_GO("READY", "ConfirmAsked", "REQUESTED", charge_request),
    TQ_SAGA_IGNORE("READY", "Pinned"),
    TQ_SAGA_IGNORE("READY", "PinRefused"),
    CAPTURE("READY"),
    MISMATCH("READY"),
    TQ_SAGA_IGNORE("READY", "Declined"),
    TQ_SAGA_IGNORE("READY", "Unsure"),
    TQ_SAGA_REFUSE("READY", "ReservationConfirmed"),
    TQ_SAGA_GO("READY", "ReservationCancelled", "FAILED", charge_failed),
    TQ_SAGA_REFUSE("READY", "RefundAsked"),
    TQ_SAGA_REFUSE("READY", "Refunded"),
    TQ_SAGA_GO("READY", "Overdue", "FAILED", charge_failed),

    TQ_SAGA_IGNORE("REQUESTED", "ConfirmAsked"),
    TQ_SAGA_GO("REQUESTED", "Pinned", "CONFIRMING", charge_confirm),
    TQ_SAGA_GO("REQUESTED", "PinRefused", "FAILED", charge_failed),
    CAPTURE("REQUESTED"),
    MISMATCH("REQUESTED"),
    TQ_SAGA_IGNORE("REQUESTED", "Declined"),
    TQ_SAGA_IGNORE("REQUESTED", "Unsure"),
    TQ_SAGA_REFUSE("REQUESTED", "ReservationConfirmed"),
    TQ_SAGA_GO("REQUESTED", "ReservationCancelled", "FAILED", charge_failed),
    TQ_SAGA_REFUSE("REQUESTED", "RefundAsked"),
    TQ_SAGA_REFUSE("REQUESTED", "Refunded"),
    TQ_SAGA_GO("REQUESTED", "Overdue", "REQUESTED", charge_request_again),

    TQ_SAGA_IGNORE("CONFIRMING", "ConfirmAsked"),
    TQ_SAGA_IGNORE("CONFIRMING", "Pinned"),
    TQ_SAGA_IGNORE("CONFIRMING", "PinRefused"),
    CAPTURE("CONFIRMING"),
    MISMATCH("CONFIRMING"),
    TQ_SAGA_GO("CONFIRMING", "Declined", "FAILED", charge_failed),
    TQ_SAGA_GO("CONFIRMING", "Unsure", "UNKNOWN", charge_unsure),
    TQ_SAGA_REFUSE("CONFIRMING", "ReservationConfirmed"),
    TQ_SAGA_IGNORE("CONFIRMING", "ReservationCancelled"),
    TQ_SAGA_REFUSE("CONFIRMING", "RefundAsked"),
    TQ_SAGA_REFUSE("CONFIRMING", "Refunded"),
    TQ_SAGA_GO("CONFIRMING", "Overdue", "UNKNOWN", charge_ask),

    TQ_SAGA_IGNORE("UNKNOWN", "ConfirmAsked"),
    TQ_SAGA_IGNORE("UNKNOWN", "Pinned"),
    TQ_SAGA_IGNORE("UNKNOWN", "PinRefused"),
    CAPTURE("UNKNOWN"),
    MISMATCH("UNKNOWN"),
    TQ_SAGA_GO("UNKNOWN", "Declined", "FAILED", charge_failed),
    TQ_SAGA_IGNORE("UNKNOWN", "Unsure"),
    TQ_SAGA_REFUSE("UNKNOWN", "ReservationConfirmed"),
    TQ_SAGA_IGNORE("UNKNOWN", "ReservationCancelled"),
    TQ_SAGA_REFUSE("UNKNOWN", "RefundAsked"),
    TQ_SAGA_REFUSE("UNKNOWN", "Refunded"),
    TQ_SAGA_GO("UNKNOWN", "Overdue", "UNKNOWN", charge_ask),

    TQ_SAGA_IGNORE("CAPTURED", "ConfirmAsked"),
    TQ_SAGA_IGNORE("CAPTURED", "Pinned"),
    TQ_SAGA_IGNORE("CAPTURED", "PinRefused"),
    TQ_SAGA_IGNORE("CAPTURED", "Captured"),
    TQ_SAGA_GO("CAPTURED", "Mismatched", "REFUNDING", charge_reversed),
    TQ_SAGA_REFUSE("CAPTURED", "Declined"),
    TQ_SAGA_IGNORE("CAPTURED", "Unsure"),
    TQ_SAGA_GO("CAPTURED", "ReservationConfirmed", "PAID", charge_paid),
    TQ_SAGA_IGNORE("CAPTURED", "ReservationCancelled"),
    TQ_SAGA_GO("CAPTURED", "RefundAsked", "REFUNDING", charge_refunding),
    TQ_SAGA_GO("CAPTURED", "Refunded", "REFUNDED", charge_refunded),
    TQ_SAGA_GO("CAPTURED", "Overdue", "CAPTURED", charge_tell_paid),

    TQ_SAGA_IGNORE("PAID", "ConfirmAsked"),
    TQ_SAGA_IGNORE("PAID", "Pinned"),
    TQ_SAGA_IGNORE("PAID", "PinRefused"),
    TQ_SAGA_IGNORE("PAID", "Captured"),
    TQ_SAGA_GO("PAID", "Mismatched", "REFUNDING", charge_reversed),
    TQ_SAGA_REFUSE("PAID", "Declined"),
    TQ_SAGA_IGNORE("PAID", "Unsure"),
    TQ_SAGA_IGNORE("PAID", "ReservationConfirmed"),
    TQ_SAGA_IGNORE("PAID", "ReservationCancelled"),
    TQ_SAGA_GO("PAID", "RefundAsked", "REFUNDING", charge_refunding),
    TQ_SAGA_GO("PAID", "Refunded", "REFUNDED", charge_refunded),
    TQ_SAGA_IGNORE("PAID", "Overdue"),

    TQ_SAGA_REFUSE("REFUNDING", "ConfirmAsked"),
    TQ_SAGA_IGNORE("REFUNDING", "Pinned"),
    TQ_SAGA_IGNORE("REFUNDING", "PinRefused"),
    TQ_SAGA_IGNORE("REFUNDING", "Captured"),
    TQ_SAGA_IGNORE("REFUNDING", "Mismatched"),
    TQ_SAGA_IGNORE("REFUNDING", "Declined"),
    TQ_SAGA_IGNORE("REFUNDING", "Unsure"),
    TQ_SAGA_IGNORE("REFUNDING", "ReservationConfirmed"),
    TQ_SAGA_IGNORE("REFUNDING", "ReservationCancelled"),
    TQ_SAGA_IGNORE("REFUNDING", "RefundAsked"),
    TQ_SAGA_GO("REFUNDING", "Refunded", "REFUNDED", charge_refunded),
    TQ_SAGA_GO("REFUNDING", "Overdue", "REFUNDING", charge_refund),

    TQ_SAGA_REFUSE("REFUNDED", "ConfirmAsked"),
    TQ_SAGA_IGNORE("REFUNDED", "Pinned"),
    TQ_SAGA_IGNORE("REFUNDED", "PinRefused"),
    TQ_SAGA_IGNORE("REFUNDED", "Captured"),
    TQ_SAGA_IGNORE("REFUNDED", "Mismatched"),
    TQ_SAGA_IGNORE("REFUNDED", "Declined"),
    TQ_SAGA_IGNORE("REFUNDED", "Unsure"),
    TQ_SAGA_IGNORE("REFUNDED", "ReservationConfirmed"),
    TQ_SAGA_IGNORE("REFUNDED", "ReservationCancelled"),
    TQ_SAGA_GO("REFUNDED", "RefundAsked", "REFUNDED", charge_tell_refunded),
    TQ_SAGA_IGNORE("REFUNDED", "Refunded"),
    TQ_SAGA_IGNORE("REFUNDED", "Overdue"),

    TQ_SAGA_REFUSE("FAILED", "ConfirmAsked"),
    TQ_SAGA_GO("FAILED", "Pinned", "FAILED", charge_tell_failed),
    TQ_SAGA_IGNORE("FAILED", "PinRefused"),
    CAPTURE("FAILED"),
    MISMATCH("FAILED"),
    TQ_SAGA_IGNORE("FAILED", "Declined"),
    TQ_SAGA_IGNORE("FAILED", "Unsure"),
    TQ_SAGA_REFUSE("FAILED", "ReservationConfirmed"),
    TQ_SAGA_IGNORE("FAILED", "ReservationCancelled"),
    TQ_SAGA_REFUSE("FAILED", "RefundAsked"),
    TQ_SAGA_REFUSE("FAILED", "Refunded"),
    TQ_SAGA_IGNORE("FAILED", "Overdue"),
};

const struct tq_saga_type charge_type = TQ_SAGA_TYPE("charge", 1, states, events, cells);

int charge_apply(tq_tx *tx, struct payments *service, const char *id, const char *event,
                 const struct charge_input *input, struct tq_error *err)
{
    int rc = tq_saga_apply(tx, service->charges, id, event, input, err);
    switch (rc) {
    case TQ_STALE:
    case TQ_WAIT:
        return tq__fail(err, TQ_E_BUSY, ORIGIN, "payment %s is on the move", id);
    case TQ_REFUSED:
        if (input && input->token) {
            return rc; /* a buyer may ask for anything */
        }
        app_log(TQ_LOG_ERROR, ORIGIN, "%s makes no sense to payment %s", event, id);
        return rc;
    default:
        return rc;
    }
}
