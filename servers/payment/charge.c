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

#define GO(state, event, next, handler)                                                            \
    {                                                                                              \
        state, event, TQ_CELL_GO, next, handler, NULL, 1                                           \
    }
#define CAPTURE(state)                                                                             \
    {                                                                                              \
        state, "Captured", TQ_CELL_GO, "CAPTURED", charge_captured, charge_refund, 0               \
    }
#define MISMATCH(state) GO(state, "Mismatched", "REFUNDING", charge_mismatched)
#define IGNORE(state, event)                                                                       \
    {                                                                                              \
        state, event, TQ_CELL_IGNORE, NULL, NULL, NULL, 0                                          \
    }
#define REFUSE(state, event)                                                                       \
    {                                                                                              \
        state, event, TQ_CELL_REFUSE, NULL, NULL, NULL, 0                                          \
    }

static const struct tq_saga_cell cells[] = {
    GO("READY", "ConfirmAsked", "REQUESTED", charge_request),
    IGNORE("READY", "Pinned"),
    IGNORE("READY", "PinRefused"),
    CAPTURE("READY"),
    MISMATCH("READY"),
    IGNORE("READY", "Declined"),
    IGNORE("READY", "Unsure"),
    REFUSE("READY", "ReservationConfirmed"),
    GO("READY", "ReservationCancelled", "FAILED", charge_failed),
    REFUSE("READY", "RefundAsked"),
    REFUSE("READY", "Refunded"),
    GO("READY", "Overdue", "FAILED", charge_failed),

    IGNORE("REQUESTED", "ConfirmAsked"),
    GO("REQUESTED", "Pinned", "CONFIRMING", charge_confirm),
    GO("REQUESTED", "PinRefused", "FAILED", charge_failed),
    CAPTURE("REQUESTED"),
    MISMATCH("REQUESTED"),
    IGNORE("REQUESTED", "Declined"),
    IGNORE("REQUESTED", "Unsure"),
    REFUSE("REQUESTED", "ReservationConfirmed"),
    GO("REQUESTED", "ReservationCancelled", "FAILED", charge_failed),
    REFUSE("REQUESTED", "RefundAsked"),
    REFUSE("REQUESTED", "Refunded"),
    GO("REQUESTED", "Overdue", "REQUESTED", charge_request_again),

    IGNORE("CONFIRMING", "ConfirmAsked"),
    IGNORE("CONFIRMING", "Pinned"),
    IGNORE("CONFIRMING", "PinRefused"),
    CAPTURE("CONFIRMING"),
    MISMATCH("CONFIRMING"),
    GO("CONFIRMING", "Declined", "FAILED", charge_failed),
    GO("CONFIRMING", "Unsure", "UNKNOWN", charge_unsure),
    REFUSE("CONFIRMING", "ReservationConfirmed"),
    IGNORE("CONFIRMING", "ReservationCancelled"),
    REFUSE("CONFIRMING", "RefundAsked"),
    REFUSE("CONFIRMING", "Refunded"),
    GO("CONFIRMING", "Overdue", "UNKNOWN", charge_ask),

    IGNORE("UNKNOWN", "ConfirmAsked"),
    IGNORE("UNKNOWN", "Pinned"),
    IGNORE("UNKNOWN", "PinRefused"),
    CAPTURE("UNKNOWN"),
    MISMATCH("UNKNOWN"),
    GO("UNKNOWN", "Declined", "FAILED", charge_failed),
    IGNORE("UNKNOWN", "Unsure"),
    REFUSE("UNKNOWN", "ReservationConfirmed"),
    IGNORE("UNKNOWN", "ReservationCancelled"),
    REFUSE("UNKNOWN", "RefundAsked"),
    REFUSE("UNKNOWN", "Refunded"),
    GO("UNKNOWN", "Overdue", "UNKNOWN", charge_ask),

    IGNORE("CAPTURED", "ConfirmAsked"),
    IGNORE("CAPTURED", "Pinned"),
    IGNORE("CAPTURED", "PinRefused"),
    IGNORE("CAPTURED", "Captured"),
    GO("CAPTURED", "Mismatched", "REFUNDING", charge_reversed),
    REFUSE("CAPTURED", "Declined"),
    IGNORE("CAPTURED", "Unsure"),
    GO("CAPTURED", "ReservationConfirmed", "PAID", charge_paid),
    IGNORE("CAPTURED", "ReservationCancelled"),
    GO("CAPTURED", "RefundAsked", "REFUNDING", charge_refunding),
    GO("CAPTURED", "Refunded", "REFUNDED", charge_refunded),
    GO("CAPTURED", "Overdue", "CAPTURED", charge_tell_paid),

    IGNORE("PAID", "ConfirmAsked"),
    IGNORE("PAID", "Pinned"),
    IGNORE("PAID", "PinRefused"),
    IGNORE("PAID", "Captured"),
    GO("PAID", "Mismatched", "REFUNDING", charge_reversed),
    REFUSE("PAID", "Declined"),
    IGNORE("PAID", "Unsure"),
    IGNORE("PAID", "ReservationConfirmed"),
    IGNORE("PAID", "ReservationCancelled"),
    GO("PAID", "RefundAsked", "REFUNDING", charge_refunding),
    GO("PAID", "Refunded", "REFUNDED", charge_refunded),
    IGNORE("PAID", "Overdue"),

    REFUSE("REFUNDING", "ConfirmAsked"),
    IGNORE("REFUNDING", "Pinned"),
    IGNORE("REFUNDING", "PinRefused"),
    IGNORE("REFUNDING", "Captured"),
    IGNORE("REFUNDING", "Mismatched"),
    IGNORE("REFUNDING", "Declined"),
    IGNORE("REFUNDING", "Unsure"),
    IGNORE("REFUNDING", "ReservationConfirmed"),
    IGNORE("REFUNDING", "ReservationCancelled"),
    IGNORE("REFUNDING", "RefundAsked"),
    GO("REFUNDING", "Refunded", "REFUNDED", charge_refunded),
    GO("REFUNDING", "Overdue", "REFUNDING", charge_refund),

    REFUSE("REFUNDED", "ConfirmAsked"),
    IGNORE("REFUNDED", "Pinned"),
    IGNORE("REFUNDED", "PinRefused"),
    IGNORE("REFUNDED", "Captured"),
    IGNORE("REFUNDED", "Mismatched"),
    IGNORE("REFUNDED", "Declined"),
    IGNORE("REFUNDED", "Unsure"),
    IGNORE("REFUNDED", "ReservationConfirmed"),
    IGNORE("REFUNDED", "ReservationCancelled"),
    GO("REFUNDED", "RefundAsked", "REFUNDED", charge_tell_refunded),
    IGNORE("REFUNDED", "Refunded"),
    IGNORE("REFUNDED", "Overdue"),

    REFUSE("FAILED", "ConfirmAsked"),
    GO("FAILED", "Pinned", "FAILED", charge_tell_failed),
    IGNORE("FAILED", "PinRefused"),
    CAPTURE("FAILED"),
    MISMATCH("FAILED"),
    IGNORE("FAILED", "Declined"),
    IGNORE("FAILED", "Unsure"),
    REFUSE("FAILED", "ReservationConfirmed"),
    IGNORE("FAILED", "ReservationCancelled"),
    REFUSE("FAILED", "RefundAsked"),
    REFUSE("FAILED", "Refunded"),
    IGNORE("FAILED", "Overdue"),
};

const struct tq_saga_type charge_type = {
    .size = sizeof charge_type,
    .name = "charge",
    .version = 1,
    .states = states,
    .states_count = sizeof states / sizeof *states,
    .events = events,
    .events_count = sizeof events / sizeof *events,
    .cells = cells,
    .cells_count = sizeof cells / sizeof *cells,
};

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
