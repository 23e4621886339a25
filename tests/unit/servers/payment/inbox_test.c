/* SPDX-License-Identifier: MIT */
/*
 * payment/inbox.c: events of a neighbour with a ledger of its own come over the
 * in-process transport and move the payment of their reservation, once.
 */
#include "../neighbour.h"
#include "shop.h"

static struct neighbour neighbour;

static void begin(void)
{
    shop_open();
    neighbour_open(&neighbour, &shop.desk,
                   TQ_ARGS(tq_inbox_options, .consumer = "payment", .topics = payment_topics,
                           .topics_count = 1, .dead_letter_topic = "dlq.payment",
                           .handler = payment_event, .applied = payment_applied,
                           .arg = &shop.service));
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
}

static void end(void)
{
    neighbour_close(&neighbour);
    shop_close();
}

static void tell(const char *type, const char *key, const char *payload)
{
    neighbour_tell(&neighbour, "reservation.events", type, key, payload);
}

START_TEST(each_type__brings_its_event)
{
    begin();
    ck_assert_int_eq(bring("ConfirmAsked"), TQ_OK);
    tell("ReservationPinned", RESERVATION, "{}");
    ck_assert_str_eq(phase(), "CONFIRMING");
    ck_assert_str_eq(waiting_call(), "CONFIRM");
    ck_assert_int_eq(bring("Captured"), TQ_OK);
    tell("ReservationConfirmed", RESERVATION, "{}");
    ck_assert_str_eq(phase(), "PAID");
    tell("ReservationRefundAsked", RESERVATION, "{\"reason\":\"CANCELLED_BY_BUYER\"}");
    ck_assert_str_eq(phase(), "REFUNDING");
    ck_assert_str_eq(ask("SELECT failure FROM payments"), "CANCELLED_BY_BUYER");
    end();
}
END_TEST

START_TEST(a_refusal__ends_the_payment_with_its_reason)
{
    begin();
    ck_assert_int_eq(bring("ConfirmAsked"), TQ_OK);
    tell("ReservationPinRefused", RESERVATION, "{\"reason\":\"HOLD_EXPIRED\"}");
    ck_assert_str_eq(phase(), "FAILED");
    ck_assert_str_eq(ask("SELECT failure FROM payments"), "HOLD_EXPIRED");
    end();
}
END_TEST

START_TEST(what_is_none_of_ours__is_applied_and_does_nothing)
{
    begin();
    tell("ReservationHeld", RESERVATION, "{}");
    tell("ReservationCancelled", "r-of-nobody", "{}");
    tell("AnEventOfTheFuture", RESERVATION, "{}");
    ck_assert_str_eq(phase(), "READY");
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM processed_events WHERE dead_reason IS NULL"),
                     "3");
    tell("ReservationCancelled", RESERVATION, "{}");
    ck_assert_str_eq(phase(), "FAILED");
    end();
}
END_TEST

UNIT_MAIN("servers.payment.inbox", each_type__brings_its_event,
          a_refusal__ends_the_payment_with_its_reason,
          what_is_none_of_ours__is_applied_and_does_nothing)
