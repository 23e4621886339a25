/* SPDX-License-Identifier: MIT */
/*
 * All services in one process, on the embedded default.
 *
 *     ticketqd [serve] ...   serves until SIGTERM, then drains
 *     ticketqd audit ...     reads the ledgers and the provider's book (audit.c)
 *     ticketqd letters ...   shows dead letters, and tells their events again (letters.c)
 *
 * The services know each other only by events and internal reads; this file is
 * the only one that knows all of them, and it knows nothing but their names.
 *
 * One purchase, from the request to the settled seat:
 *
 *     gateway/gateway.c          who asks, and has a pass: no I/O
 *     reservation/routes.c       hold: POST /v1/reservations/hold
 *     reservation/reservation.c  reservation_hold: claim on the front, then record():
 *                                one transaction
 *     payment/routes.c           begin, confirm: POST /v1/payments, .../confirm
 *     payment/payment.c          payment_begin, payment_confirm
 *     payment/charge.c           READY, ConfirmAsked -> REQUESTED; 202 is answered
 *     payment/steps.c            charge_request tells PaymentRequested
 *     reservation/inbox.c        PaymentRequested
 *     reservation/purchase.c     HOLD -> PAYING
 *     reservation/steps.c        purchase_pin tells ReservationPinned
 *     payment/inbox.c            ReservationPinned
 *     payment/steps.c            charge_confirm: CONFIRMING and its call are on disk
 *     payment/calls.c            calls_step: the provider is asked, the outcome brought
 *     payment/portone.c          portone_confirm, portone_get
 *     payment/steps.c            charge_captured tells PaymentPaid
 *     reservation/steps.c        purchase_settle: the seats are SOLD, there is a ticket;
 *                                tells ReservationConfirmed
 *     payment/steps.c            charge_paid: PAID, done
 */
#include <string.h>

#include "app/app.h"
#include "event/service.h"
#include "gateway/service.h"
#include "payment/service.h"
#include "queue/service.h"
#include "reservation/service.h"
#include "ticketqd/audit.h"
#include "ticketqd/letters.h"
#include "user/service.h"

static const struct app_service *const services[] = {
    &gateway_service, &user_service,        &event_service,
    &queue_service,   &reservation_service, &payment_service,
};

static const struct app_program program = {
    .name = "ticketqd",
    .summary =
        "high-demand ticket sales: all services in one process (see also: ticketqd audit, letters)",
    .services = services,
    .services_count = sizeof services / sizeof *services,
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "audit") == 0) {
        return audit_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "letters") == 0) {
        return letters_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        argv++;
        argc--;
    }
    return app_main(&program, argc, argv);
}
