/* SPDX-License-Identifier: MIT */
/*
 * reservation/inbox.c: events of neighbours come over the in-process transport, move
 * their reservation once, and the front hears of it; what cannot be read is put aside.
 */
#include "../neighbour.h"
#include "hall.h"

static struct neighbour neighbour;

static void begin(void)
{
    hall_open();
    neighbour_open(&neighbour, &hall.desk,
                   TQ_ARGS(tq_inbox_options, .consumer = "reservation",
                           .topics = reservation_topics, .topics_count = 2,
                           .dead_letter_topic = "dlq.reservation", .handler = reservation_event,
                           .applied = reservation_applied, .arg = &hall.service));
}

static void end(void)
{
    neighbour_close(&neighbour);
    hall_close();
}

#define OF_PAYMENT "{\"paymentId\":\"P\",\"amount\":1000}"

static void tell_payment(const char *type, const char *key, const char *payload)
{
    neighbour_tell(&neighbour, "payment.events", type, key, payload);
}

START_TEST(a_purchase__from_hold_to_ticket_and_back)
{
    struct reservation row;
    begin();
    ck_assert_int_eq(hold("ann", 0, 2, &row), TQ_OK);
    tell_payment("PaymentRequested", row.id, OF_PAYMENT);
    ck_assert_str_eq(last_told(), "ReservationPinned");
    ck_assert_uint_eq(seats_in(TQ_SEAT_PAYING), 2);
    tell_payment("PaymentPaid", row.id, OF_PAYMENT);
    ck_assert_str_eq(last_told(), "ReservationConfirmed");
    ck_assert_uint_eq(seats_in(TQ_SEAT_SOLD), 2);
    ck_assert_str_eq(ask("SELECT payment_id FROM reservations"), "P");
    tell_payment("PaymentRefunded", row.id, OF_PAYMENT);
    ck_assert_str_eq(last_told(), "ReservationCancelled");
    ck_assert_str_eq(ask("SELECT refunded_amount || '' FROM reservations"), "1000");
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
    end();
}
END_TEST

START_TEST(a_failure__frees_the_seats_and_keeps_the_reason)
{
    struct reservation row;
    begin();
    ck_assert_int_eq(hold("ann", 0, 2, &row), TQ_OK);
    tell_payment("PaymentRequested", row.id, OF_PAYMENT);
    tell_payment("PaymentFailed", row.id,
                 "{\"paymentId\":\"P\",\"amount\":1,\"reason\":\"CARD_DECLINED\"}");
    ck_assert_str_eq(ask("SELECT cancel_reason FROM reservations"), "CARD_DECLINED");
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
    end();
}
END_TEST

START_TEST(a_schedule__is_noted_once)
{
    begin();
    for (int i = 0; i < 2; i++) {
        neighbour_tell(&neighbour, "event.events", "SchedulePublished", "s-9",
                       "{\"eventId\":\"e-1\",\"salesOpenAt\":10,\"salesCloseAt\":20,"
                       "\"personLimit\":2}");
    }
    ck_assert_str_eq(ask("SELECT sales_open_ms || ' ' || sales_close_ms || ' ' || person_limit || "
                         "' ' || is_loaded FROM schedules WHERE schedule_id = 's-9'"),
                     "10 20 2 0");
    end();
}
END_TEST

START_TEST(what_cannot_be_read__is_a_dead_letter_and_what_is_not_known_is_left)
{
    static const char *const payloads[] = {"{}", "{\"paymentId\":\"P\"}",
                                           "{\"paymentId\":\"a b\",\"amount\":1}"};
    struct reservation row;
    begin();
    ck_assert_int_eq(hold("ann", 0, 1, &row), TQ_OK);
    for (size_t i = 0; i < 3; i++) {
        tell_payment("PaymentPaid", row.id, payloads[i]);
    }
    neighbour_tell(&neighbour, "event.events", "SchedulePublished", "s-9", "{}");
    ck_assert_str_eq(
        ask("SELECT COUNT(*) || '' FROM processed_events WHERE dead_reason IS NOT NULL"), "4");
    tell_payment("AnEventOfTheFuture", row.id, "{}");
    ck_assert_str_eq(ask("SELECT phase FROM reservations"), "HOLD");
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM processed_events WHERE dead_reason IS NULL"),
                     "1");
    end();
}
END_TEST

UNIT_MAIN("servers.reservation.inbox", a_purchase__from_hold_to_ticket_and_back,
          a_failure__frees_the_seats_and_keeps_the_reason, a_schedule__is_noted_once,
          what_cannot_be_read__is_a_dead_letter_and_what_is_not_known_is_left)
