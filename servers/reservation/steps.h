/* SPDX-License-Identifier: MIT */
/*
 * The steps of a purchase (steps.c), for the table in purchase.c. `input` is a
 * struct purchase_input or NULL, `arg` the service.
 */
#ifndef TQ_RESERVATION_STEPS_H
#define TQ_RESERVATION_STEPS_H

#include "reservation/reservation.h"

/* HOLD: from here on no timer frees the seats. A positive outcome: they are not held any more. */
tq_saga_fn purchase_pin;
/* Undoes purchase_pin(). */
tq_saga_fn purchase_unpin;
/* The seats become SOLD, the reservation a ticket. */
tq_saga_fn purchase_settle;
/* Paid after the end: the same seats again, as a ticket. TQ_TAKEN, TQ_FULL: it cannot be. */
tq_saga_fn purchase_retake;
/* Ends it: its time ran out or its payment failed. The second where the seats are still held. */
tq_saga_fn purchase_expire, purchase_release_and_expire;
/* Ends it: the buyer wants so. The others: the seats are still held; it was paid meanwhile. */
tq_saga_fn purchase_cancel, purchase_release_and_cancel, purchase_cancel_paid;
/* The payment is at work: to be cancelled when its outcome is known. */
tq_saga_fn purchase_note_cancel;
/* The ticket is void; its seats wait for the refund. */
tq_saga_fn purchase_ask_refund;
/* The money of a ticket is back, and nobody had asked for that: the ticket is void. */
tq_saga_fn purchase_void;
/* The money is back, and so are the seats of a ticket; the second: there are none to give. */
tq_saga_fn purchase_give_back, purchase_note_refund;
/* Say again where it is. */
tq_saga_fn purchase_tell_pinned, purchase_tell_refused, purchase_tell_confirmed,
    purchase_tell_refund;

#endif
