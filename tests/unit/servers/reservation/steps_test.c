/* SPDX-License-Identifier: MIT */
/*
 * reservation/steps.c: what each step writes into the row, does with the seats and
 * tells, in one transaction.
 */
#include "hall.h"

static void begin(struct reservation *row)
{
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 2, row), TQ_OK);
}

static const char *payload(void)
{
    return ask("SELECT CAST(payload AS TEXT) FROM outbox_events ORDER BY id");
}

START_TEST(a_ticket__has_a_number_and_all_hear_of_it)
{
    struct reservation row;
    begin(&row);
    ck_assert_int_eq(bring(row.id, "PaymentRequested"), TQ_OK);
    ck_assert_str_eq(ask("SELECT COALESCE(ticket_number, 'none') FROM reservations"), "none");
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    char ticket[64];
    snprintf(ticket, sizeof ticket, "%s", ask("SELECT ticket_number FROM reservations"));
    ck_assert_uint_eq(strlen(ticket), 12);
    ck_assert_ptr_nonnull(strstr(payload(), ticket));
    ck_assert_ptr_nonnull(strstr(payload(), "\"seatIds\":[\"A-0\",\"A-1\"]"));
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK); /* told again, the same ticket */
    ck_assert_str_eq(ask("SELECT ticket_number FROM reservations"), ticket);
    ck_assert_ptr_nonnull(strstr(payload(), ticket));
    hall_close();
}
END_TEST

START_TEST(a_cancelled_ticket__is_void_at_once_and_its_seats_wait_for_the_money)
{
    struct reservation row;
    begin(&row);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    ck_assert_int_eq(bring(row.id, "CancelAsked"), TQ_OK);
    ck_assert_str_eq(ask("SELECT status || cancel_reason FROM reservations"),
                     "CANCELLEDCANCELLED_BY_BUYER");
    ck_assert_str_eq(last_told(), "ReservationRefundAsked");
    ck_assert_uint_eq(seats_in(TQ_SEAT_SOLD), 2);
    ck_assert_int_eq(hold("bob", 0, 1, NULL), TQ_TAKEN);
    ck_assert_int_eq(bring(row.id, "PaymentRefunded"), TQ_OK);
    ck_assert_str_eq(ask("SELECT refunded_amount || '' FROM reservations"), "1000");
    ck_assert_str_eq(ask("SELECT seats || '' FROM person_seats"), "0");
    ck_assert_int_eq(hold("bob", 0, 1, NULL), TQ_OK);
    hall_close();
}
END_TEST

START_TEST(money_back_that_nobody_asked_for__voids_the_ticket_and_is_told)
{
    struct reservation row;
    begin(&row);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    ck_assert_int_eq(bring(row.id, "PaymentRefunded"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationCancelled");
    ck_assert_ptr_nonnull(strstr(payload(), "\"reason\":\"PAYMENT_REFUNDED\""));
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
    hall_close();
}
END_TEST

START_TEST(a_cancellation__while_the_payment_is_at_work_keeps_the_seats)
{
    static const struct {
        const char *end, *told;
    } rows[] = {{"PaymentPaid", "ReservationRefundAsked"},
                {"PaymentFailed", "ReservationCancelled"}};
    for (size_t i = 0; i < 2; i++) {
        struct reservation row;
        begin(&row);
        ck_assert_int_eq(bring(row.id, "PaymentRequested"), TQ_OK);
        ck_assert_int_eq(bring(row.id, "CancelAsked"), TQ_OK);
        ck_assert_uint_eq(seats_in(TQ_SEAT_PAYING), 2);
        ck_assert_int_eq(bring(row.id, rows[i].end), TQ_OK);
        ck_assert_str_eq(last_told(), rows[i].told);
        ck_assert_str_eq(ask("SELECT cancel_reason FROM reservations"), "CANCELLED_BY_BUYER");
        ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
        hall_close();
    }
}
END_TEST

UNIT_MAIN("servers.reservation.steps", a_ticket__has_a_number_and_all_hear_of_it,
          a_cancelled_ticket__is_void_at_once_and_its_seats_wait_for_the_money,
          money_back_that_nobody_asked_for__voids_the_ticket_and_is_told,
          a_cancellation__while_the_payment_is_at_work_keeps_the_seats)
