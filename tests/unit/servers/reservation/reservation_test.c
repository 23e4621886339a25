/* SPDX-License-Identifier: MIT */
/*
 * reservation/reservation.c, rows.c and schedules.c: holds at their limits, under
 * keys that come again, refused without a trace, over restarts, and past their time.
 */
#include "hall.h"

#include "lib/fault_hold.h"
#include "lib/merged.h"

#define KEY "a-key-that-comes-again"

START_TEST(a_hold_writes_everything_at_once)
{
    struct reservation row;
    hall_open();
    ck_assert_int_eq(hold("ann", 1, 2, &row), TQ_OK);
    ck_assert_int_eq(row.total, 1001 + 1002);
    ck_assert_str_eq(row.seats[1].grade, "R");
    ck_assert_str_eq(last_told(), "ReservationHeld");
    ck_assert_str_eq(ask("SELECT state FROM sagas"), "HOLD");
    ck_assert_str_eq(ask("SELECT seat_id FROM reservation_seats ORDER BY position"), "A-2");
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 2);
    hall_close();
}
END_TEST

START_TEST(the_persons_limit__below_at_and_over)
{
    hall_open();
    ck_assert_int_eq(hold("ann", 0, LIMIT - 1, NULL), TQ_OK);
    ck_assert_int_eq(hold("ann", LIMIT - 1, 2, NULL), TQ_FULL);
    ck_assert_int_eq(hold("ann", LIMIT - 1, 1, NULL), TQ_OK);
    ck_assert_int_eq(hold("ann", LIMIT, 1, NULL), TQ_FULL);
    ck_assert_int_eq(hold("bob", LIMIT, LIMIT, NULL), TQ_OK);
    ck_assert_int_eq(hold("cid", 0, LIMIT + 1, NULL), TQ_TAKEN);
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 2 * LIMIT);
    hall_close();
}
END_TEST

START_TEST(a_refusal_leaves_no_trace)
{
    hall_open();
    ck_assert_int_eq(hold_as("ann", KEY, 0, LIMIT + 1, NULL), TQ_FULL);
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM idempotency"), "0");
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM person_seats"), "0");
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
    ck_assert_int_eq(hold_as("ann", KEY, 0, 1, NULL), TQ_OK);
    hall_close();
}
END_TEST

START_TEST(a_key_that_comes_again)
{
    struct reservation row;
    hall_open();
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, &row), TQ_OK);
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, NULL), TQ_REPEAT);
    ck_assert_int_eq(hold_as("ann", KEY, 3, 1, NULL), TQ_REFUSED);
    ck_assert_int_eq(hold_as("bob", KEY, 3, 1, NULL), TQ_OK);
    ck_assert_int_eq(reservation_cancel(&hall.service, row.id, "ann", &row, &hall.err), TQ_OK);
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, NULL), TQ_REPEAT);
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 1);
    hall_close();
}
END_TEST

/* One of those who come at the same time. */
struct comer {
    const char *user;
    const char *key;
    int first, count;
    int rc;
};

static void come(void *arg, size_t n)
{
    struct comer *comer = (struct comer *)arg + n;
    comer->rc = hold_as(comer->user, comer->key, comer->first, comer->count, NULL);
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(holds_at_the_same_time__each_for_itself)
{
    struct comer comers[] = {{"ann", KEY, 0, 2, 99},
                             {"ann", KEY, 0, 2, 99},
                             {"bob", "a-key-of-bob-alone", 2, 1, 99},
                             {"eve", "a-key-for-too-many", 3, LIMIT + 1, 99}};
    hall_open();
    merged_run(hall.service.ledger, 4, come, comers, nothing, NULL);
    ck_assert_int_eq(comers[0].rc + comers[1].rc, TQ_OK + TQ_REPEAT);
    ck_assert_int_eq(comers[2].rc, TQ_OK);
    ck_assert_int_eq(comers[3].rc, TQ_FULL);
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 3);
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM idempotency"), "2");
    ck_assert_str_eq(ask("SELECT CAST(SUM(seats) AS TEXT) FROM person_seats"), "3");
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM reservations"), "2");
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM sagas"), "2");
    hall_close();
}
END_TEST

static void come_with_the_same_key(void)
{
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, NULL), TQ_OK);
}

static void come_in_other_words(void)
{
    hall.wording++;
    come_with_the_same_key();
    hall.wording--;
}

static void come_second(void (*first)(void), int expected)
{
    hall_open();
    hall_close_book();
    hall.driver = &fault_hold_driver;
    hall_open_book(&hall.err);
    fault_hold_after_claim(first);
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, NULL), expected);
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 2);
    ck_assert_int_eq(hold("bob", 1, 1, NULL), TQ_TAKEN);
    hall_close();
}

START_TEST(who_has_the_claim_comes_second_to_the_ledger__the_claim_stays)
{
    come_second(come_with_the_same_key, TQ_REPEAT);
    come_second(come_in_other_words, TQ_REFUSED);
}
END_TEST

START_TEST(the_front_comes_back_after_a_restart)
{
    struct reservation row;
    hall_open();
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, &row), TQ_OK);
    ck_assert_int_eq(hold("bob", 2, 1, &row), TQ_OK);
    ck_assert_int_eq(bring(row.id, "PaymentPaid"), TQ_OK);
    hall_close_book();
    hall_open_book(&hall.err);
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 2);
    ck_assert_uint_eq(seats_in(TQ_SEAT_SOLD), 1);
    ck_assert_int_eq(hold_as("ann", KEY, 0, 2, NULL), TQ_REPEAT);
    ck_assert_int_eq(hold("cid", 1, 2, NULL), TQ_TAKEN);
    hall_close();
}
END_TEST

START_TEST(what_is_not_on_sale)
{
    struct sale sale;
    hall_open();
    ck_assert_int_eq(hold("ann", SEATS - 1, 2, NULL), TQ_GONE);
    ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_GONE);
    atomic_store(&hall.desk.test.now_ms, 9000000000000 - 1);
    ck_assert_int_eq(hold("ann", 0, 1, NULL), TQ_OK);
    atomic_store(&hall.desk.test.now_ms, 9000000000000);
    ck_assert_int_eq(hold("ann", 1, 1, NULL), TQ_CLOSED);
    hall_close();
}
END_TEST

START_TEST(only_the_owner_extends_and_cancels)
{
    struct reservation row, out;
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 1, &row), TQ_OK);
    struct reservations *service = &hall.service;
    ck_assert_int_eq(reservation_extend(service, row.id, "bob", &out, &hall.err), TQ_GONE);
    ck_assert_int_eq(reservation_cancel(service, row.id, "bob", &out, &hall.err), TQ_GONE);
    ck_assert_int_eq(reservation_get(service, row.id, "bob", &out, &hall.err), TQ_GONE);
    atomic_fetch_add(&hall.desk.test.now_ms, TTL_MS / 2);
    ck_assert_int_eq(reservation_extend(service, row.id, "ann", &out, &hall.err), TQ_OK);
    ck_assert_int_eq(out.expires_ms, row.expires_ms + TTL_MS / 2);
    ck_assert_int_eq(reservation_cancel(service, row.id, "ann", &out, &hall.err), TQ_OK);
    ck_assert_str_eq(out.phase, "CANCELLED");
    ck_assert_int_eq(reservation_cancel(service, row.id, "ann", &out, &hall.err), TQ_REPEAT);
    ck_assert_int_eq(reservation_extend(service, row.id, "ann", &out, &hall.err), TQ_REFUSED);
    ck_assert_uint_eq(seats_in(TQ_SEAT_AVAILABLE), SEATS);
    hall_close();
}
END_TEST

START_TEST(the_sweep_ends_what_has_run_out_and_nothing_else)
{
    struct reservation first, second;
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 2, &first), TQ_OK);
    ck_assert_int_eq(reservation_sweep(&hall.service, &hall.err), TQ_EMPTY);
    atomic_fetch_add(&hall.desk.test.now_ms, TTL_MS - 1);
    ck_assert_int_eq(hold("bob", 2, 1, &second), TQ_OK);
    ck_assert_int_eq(reservation_sweep(&hall.service, &hall.err), TQ_EMPTY);
    atomic_fetch_add(&hall.desk.test.now_ms, 1);
    ck_assert_int_eq(reservation_sweep(&hall.service, &hall.err), TQ_OK);
    ck_assert_int_eq(reservation_get(&hall.service, first.id, NULL, &first, &hall.err), TQ_OK);
    ck_assert_str_eq(first.phase, "EXPIRED");
    ck_assert_str_eq(first.reason, HOLD_EXPIRED);
    ck_assert_str_eq(last_told(), "ReservationCancelled");
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 1);
    ck_assert_int_eq(hold("cid", 0, 2, NULL), TQ_OK);
    hall_close();
}
END_TEST

START_TEST(who_comes_before_the_sweep_gets_the_seat_and_the_old_reservation_ends)
{
    struct reservation row;
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 1, &row), TQ_OK);
    atomic_fetch_add(&hall.desk.test.now_ms, TTL_MS + 1);
    ck_assert_int_eq(hold("bob", 0, 1, NULL), TQ_OK);
    ck_assert_int_eq(reservation_sweep(&hall.service, &hall.err), TQ_OK);
    ck_assert_int_eq(reservation_get(&hall.service, row.id, NULL, &row, &hall.err), TQ_OK);
    ck_assert_str_eq(row.phase, "EXPIRED");
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 1);
    hall_close();
}
END_TEST

/* The seats of a page, in order. */
static void assert_page(const char *cursor, const char *first, const char *second)
{
    struct tq__buf json = TQ__BUF(&hall.service.env);
    ck_assert_int_eq(
        app_page_read(hall.service.ledger, &reservation_page, "ann", cursor, 2, &json, &hall.err),
        TQ_OK);
    const char *at = strstr(json.data, first);
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(strstr(at, second) != NULL, 1);
    ck_assert_int_eq(strstr(json.data, "nextCursor") != NULL, strcmp(second, "]") != 0);
    ck_assert_ptr_null(strstr(json.data, "A-3")); /* bob's */
    tq__buf_done(&json);
}

START_TEST(the_list_is_newest_first_and_goes_on_behind_a_cursor)
{
    struct reservation rows[3];
    hall_open();
    for (int i = 0; i < 3; i++) {
        atomic_fetch_add(&hall.desk.test.now_ms, 1);
        ck_assert_int_eq(hold("ann", i, 1, &rows[i]), TQ_OK);
    }
    ck_assert_int_eq(hold("bob", 3, 1, NULL), TQ_OK);
    assert_page("", "A-2", "A-1");
    assert_page(rows[1].id, "A-0", "]");
    hall_close();
}
END_TEST

UNIT_MAIN("servers.reservation.reservation", a_hold_writes_everything_at_once,
          the_persons_limit__below_at_and_over, a_refusal_leaves_no_trace, a_key_that_comes_again,
          holds_at_the_same_time__each_for_itself,
          who_has_the_claim_comes_second_to_the_ledger__the_claim_stays,
          the_front_comes_back_after_a_restart, what_is_not_on_sale,
          only_the_owner_extends_and_cancels, the_sweep_ends_what_has_run_out_and_nothing_else,
          who_comes_before_the_sweep_gets_the_seat_and_the_old_reservation_ends,
          the_list_is_newest_first_and_goes_on_behind_a_cursor)
