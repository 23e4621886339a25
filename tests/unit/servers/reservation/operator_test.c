/* SPDX-License-Identifier: MIT */
/*
 * reservation/operator.c: what waits for a payment that nobody knows is ended; as long
 * as the payment service knows one, or cannot be asked, nothing changes.
 */
#include "../reader.h"
#include "hall.h"

#define UNKNOWN "{\"code\":\"PAYMENT_NOT_FOUND\"}"

static struct reader reader;

/* A reservation in PAYING; what the payment service will answer. */
static void begin(struct reservation *row, unsigned status, const char *body)
{
    hall_open();
    reader_open(&reader, "payment");
    hall.service.app = &reader.app;
    reader.status = status;
    reader.body = body;
    ck_assert_int_eq(hold("ann", 0, 2, row), TQ_OK);
    ck_assert_int_eq(bring(row->id, "PaymentRequested"), TQ_OK);
}

static void end(void)
{
    reader_close(&reader);
    hall_close();
}

static int free_it(const char *id, struct reservation *row, struct reservation_payment *payment)
{
    return reservation_free(&hall.service, id, row, payment, &hall.err);
}

START_TEST(what_nobody_pays_for__is_free_again_for_everybody)
{
    struct reservation row;
    struct reservation_payment payment;
    char path[256];
    begin(&row, 404, UNKNOWN);
    ck_assert_int_eq(free_it(row.id, &row, &payment), TQ_OK);
    snprintf(path, sizeof path, "/internal/reservations/%s/payment", row.id);
    ck_assert_str_eq(reader.path, path);
    ck_assert_int_ne(reader.was_signed, 0);
    ck_assert_str_eq(row.phase, "EXPIRED");
    ck_assert_str_eq(row.reason, "PAYMENT_UNKNOWN");
    ck_assert_str_eq(last_told(), "ReservationCancelled");
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
    ck_assert_str_eq(ask("SELECT CAST(seats AS TEXT) FROM person_seats"), "0");
    ck_assert_int_eq(hold("bob", 0, 2, NULL), TQ_OK);
    ck_assert_int_eq(free_it(row.id, &row, &payment), TQ_REPEAT);
    ck_assert_str_eq(row.phase, "EXPIRED");
    end();
}
END_TEST

START_TEST(a_payment_that_comes_to_light_after_all__is_refunded)
{
    struct reservation row;
    struct reservation_payment payment;
    begin(&row, 404, UNKNOWN);
    ck_assert_int_eq(free_it(row.id, &row, &payment), TQ_OK);
    ck_assert_int_eq(hold("bob", 1, 1, NULL), TQ_OK);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    ck_assert_str_eq(last_told(), "ReservationRefundAsked");
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 1);
    end();
}
END_TEST

START_TEST(a_payment_that_is_known__ends_it_itself)
{
    struct reservation row;
    struct reservation_payment payment;
    begin(&row, 200, "{\"paymentId\":\"P\",\"reservationId\":\"R\",\"phase\":\"UNKNOWN\"}");
    ck_assert_int_eq(free_it(row.id, &row, &payment), TQ_TAKEN);
    ck_assert_str_eq(payment.id, "P");
    ck_assert_str_eq(payment.phase, "UNKNOWN");
    ck_assert_uint_eq(seats_in(TQ_SEAT_PAYING), 2);
    end();
}
END_TEST

START_TEST(who_cannot_be_asked__does_not_count_as_a_no)
{
    static const struct {
        unsigned status;
        const char *body;
    } answers[] = {{404, "{\"code\":\"NOT_FOUND\"}"},   {404, "no JSON"},
                   {503, "{\"code\":\"UNAVAILABLE\"}"}, {200, "{\"paymentId\":\"P\"}"},
                   {200, "{\"phase\":\"PAID\"}"},       {200, "[]"}};
    struct reservation row;
    struct reservation_payment payment;
    begin(&row, 404, UNKNOWN);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        reader.status = answers[i].status;
        reader.body = answers[i].body;
        ck_assert_int_eq(free_it(row.id, &row, &payment), TQ_E_UNAVAILABLE);
    }
    ck_assert_uint_eq(seats_in(TQ_SEAT_PAYING), 2);
    end();
}
END_TEST

START_TEST(what_waits_for_no_payment__is_refused)
{
    struct reservation row, held;
    struct reservation_payment payment;
    begin(&row, 404, UNKNOWN);
    ck_assert_int_eq(hold("bob", 2, 1, &held), TQ_OK);
    ck_assert_int_eq(free_it(held.id, &held, &payment), TQ_REFUSED);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    ck_assert_int_eq(free_it(row.id, &row, &payment), TQ_REFUSED);
    ck_assert_str_eq(row.phase, "SOLD");
    ck_assert_int_eq(free_it("nobody", &row, &payment), TQ_GONE);
    end();
}
END_TEST

UNIT_MAIN("servers.reservation.operator", what_nobody_pays_for__is_free_again_for_everybody,
          a_payment_that_comes_to_light_after_all__is_refunded,
          a_payment_that_is_known__ends_it_itself, who_cannot_be_asked__does_not_count_as_a_no,
          what_waits_for_no_payment__is_refused)
