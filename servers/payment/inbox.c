/* SPDX-License-Identifier: MIT */
/*
 * Events of the reservation service, applied in the inbox's transaction.
 *
 *     ReservationPinned       Pinned                of the payment that belongs
 *     ReservationPinRefused   PinRefused            to the reservation in the
 *     ReservationConfirmed    ReservationConfirmed  event's key; a reservation
 *     ReservationCancelled    ReservationCancelled  without one is none of ours
 *     ReservationRefundAsked  RefundAsked
 *
 * Threads: the inbox's worker.
 */
#include "payment/payment.h"

#include <string.h>

#include "core/error.h"

const char *const payment_topics[1] = {"reservation.events"};

/* The event of the saga for an event of the reservation; NULL: none of ours. */
static const char *charge_event(const struct tq_event *event)
{
    static const struct {
        const char *type;
        const char *event;
    } types[] = {{"ReservationPinned", "Pinned"},
                 {"ReservationPinRefused", "PinRefused"},
                 {"ReservationConfirmed", "ReservationConfirmed"},
                 {"ReservationCancelled", "ReservationCancelled"},
                 {"ReservationRefundAsked", "RefundAsked"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(event->type, types[i].type) == 0) {
            return types[i].event;
        }
    }
    return NULL;
}

int payment_event(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err)
{
    struct payments *service = arg;
    const char *name = charge_event(event);
    struct payment row;
    tq__json *payload = NULL;
    if (!name) {
        return TQ_OK;
    }
    int rc = payment_row_of_reservation(tx, event->key, &row, err);
    if (rc != TQ_OK) {
        return rc;
    }
    TQ_TRY(
        tq__json_parse(&service->env, event->payload, event->payload_bytes, NULL, &payload, err));
    const struct charge_input input = {
        .reason = tq__json_string(tq__json_member(payload, "reason")), .row = &row};
    rc = charge_apply(tx, service, row.id, name, &input, err);
    tq__json_free(payload);
    return rc;
}

void payment_applied(const struct tq_event *const events[], size_t count, void *arg)
{
    for (size_t i = 0; i < count; i++) {
        if (charge_event(events[i])) {
            calls_wake(arg);
        }
    }
}
