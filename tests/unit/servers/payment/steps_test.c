/* SPDX-License-Identifier: MIT */
/*
 * payment/steps.c: what each step writes into the row, what it tells, and what it
 * asks of the provider, all in one transaction.
 */
#include "shop.h"

static const char *const way[] = {"ConfirmAsked", "Pinned", "Captured", "ReservationConfirmed"};

/* As far as the event `last`; NULL: a payment that nobody asked for yet. */
static void walk(const char *last)
{
    shop_open();
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
    for (size_t i = 0; last && (i == 0 || strcmp(way[i - 1], last) != 0); i++) {
        ck_assert_int_eq(bring(way[i]), TQ_OK);
    }
}

START_TEST(the_way_to_a_ticket_tells_and_asks_in_order)
{
    walk(NULL);
    ck_assert_int_eq(bring("ConfirmAsked"), TQ_OK);
    ck_assert_str_eq(last_told(), "PaymentRequested");
    ck_assert_str_eq(waiting_call(), "");
    ck_assert_int_eq(bring("Pinned"), TQ_OK);
    ck_assert_str_eq(waiting_call(), "CONFIRM");
    ck_assert_int_eq(bring("Captured"), TQ_OK);
    ck_assert_str_eq(last_told(), "PaymentPaid");
    ck_assert_str_eq(ask("SELECT COALESCE(payment_token, 'none') FROM payments"), "none");
    ck_assert_int_eq(bring("ReservationConfirmed"), TQ_OK);
    ck_assert_str_eq(last_told(), "PaymentPaid");
    shop_close();
}
END_TEST

START_TEST(money_that_was_taken_is_asked_back_when_the_saga_turns)
{
    static const char *const last[] = {"Captured", "ReservationConfirmed"};
    for (size_t i = 0; i < 2; i++) {
        walk(last[i]);
        ck_assert_int_eq(bring("RefundAsked"), TQ_OK);
        ck_assert_str_eq(waiting_call(), "CANCEL");
        ck_assert_int_eq(bring("Refunded"), TQ_OK);
        ck_assert_str_eq(last_told(), "PaymentRefunded");
        shop_close();
    }
}
END_TEST

START_TEST(the_wrong_money_goes_back_and_the_reservation_hears_of_a_failure)
{
    walk("Pinned");
    ck_assert_int_eq(bring("Mismatched"), TQ_OK);
    ck_assert_str_eq(waiting_call(), "CANCEL");
    ck_assert_str_eq(last_told(), "PaymentFailed");
    shop_close();
}
END_TEST

START_TEST(a_payment_that_was_given_up_and_paid_late_is_offered_again)
{
    walk("ConfirmAsked");
    ck_assert_int_eq(bring("PinRefused"), TQ_OK);
    ck_assert_int_eq(bring("Captured"), TQ_OK);
    ck_assert_str_eq(last_told(), "PaymentPaid");
    ck_assert_int_eq(bring("RefundAsked"), TQ_OK);
    ck_assert_str_eq(waiting_call(), "CANCEL");
    shop_close();
}
END_TEST

START_TEST(a_part_that_went_back_turns_a_ticket_into_a_refund_of_the_rest)
{
    static const char *const last[] = {"Captured", "ReservationConfirmed"};
    for (size_t i = 0; i < 2; i++) {
        walk(last[i]);
        ck_assert_int_eq(bring("Mismatched"), TQ_OK);
        ck_assert_str_eq(waiting_call(), "CANCEL");
        ck_assert_str_eq(last_told(), "PaymentPaid"); /* void when the money is back */
        ck_assert_str_eq(ask("SELECT CAST(cancelled_amount AS TEXT) FROM payments"), "5000");
        ck_assert_int_eq(bring("Refunded"), TQ_OK);
        ck_assert_str_eq(last_told(), "PaymentRefunded");
        shop_close();
    }
}
END_TEST

START_TEST(what_is_told_again_says_the_same)
{
    static const struct {
        const char *last, *then, *event, *told;
    } rows[] = {{"ConfirmAsked", NULL, "Overdue", "PaymentRequested"},
                {"Captured", NULL, "Overdue", "PaymentPaid"},
                {"ConfirmAsked", "PinRefused", "Pinned", "PaymentFailed"},
                {"Captured", "Refunded", "RefundAsked", "PaymentRefunded"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        walk(rows[i].last);
        if (rows[i].then) {
            ck_assert_int_eq(bring(rows[i].then), TQ_OK);
        }
        char before[256];
        snprintf(before, sizeof before, "%s",
                 ask("SELECT CAST(payload AS TEXT) FROM outbox_events ORDER BY id"));
        ck_assert_int_eq(bring(rows[i].event), TQ_OK);
        ck_assert_str_eq(last_told(), rows[i].told);
        ck_assert_str_eq(ask("SELECT CAST(payload AS TEXT) FROM outbox_events ORDER BY id"),
                         before);
        shop_close();
    }
}
END_TEST

UNIT_MAIN("servers.payment.steps", the_way_to_a_ticket_tells_and_asks_in_order,
          money_that_was_taken_is_asked_back_when_the_saga_turns,
          the_wrong_money_goes_back_and_the_reservation_hears_of_a_failure,
          a_payment_that_was_given_up_and_paid_late_is_offered_again,
          a_part_that_went_back_turns_a_ticket_into_a_refund_of_the_rest,
          what_is_told_again_says_the_same)
