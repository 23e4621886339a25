/* SPDX-License-Identifier: MIT */
/*
 * The steps of a charge (steps.c), for the table in charge.c. `input` is a struct
 * charge_input or NULL, `arg` the service.
 */
#ifndef TQ_PAYMENT_STEPS_H
#define TQ_PAYMENT_STEPS_H

#include "payment/payment.h"

/* The buyer pays: ask the reservation to pin the seats. The second: ask again. */
tq_saga_fn charge_request, charge_request_again;
/* The seats are pinned: have the provider take the money. */
tq_saga_fn charge_confirm;
/* Nobody knows whether it did. The second: it is time to ask again. */
tq_saga_fn charge_unsure, charge_ask;
/* The money is ours: tell the reservation. The second: tell again. */
tq_saga_fn charge_captured, charge_tell_paid;
/* Undoes charge_captured(): have the provider give the money back. */
tq_saga_fn charge_refund;
/* There is a ticket. */
tq_saga_fn charge_paid;
/* The money goes back. The others: it was the wrong amount or no real money; some of it went back
   by itself. */
tq_saga_fn charge_refunding, charge_mismatched, charge_reversed;
/* It is back. The second: tell again. */
tq_saga_fn charge_refunded, charge_tell_refunded;
/* No money was taken. The second: tell again. */
tq_saga_fn charge_failed, charge_tell_failed;

#endif
