/* SPDX-License-Identifier: MIT */
/*
 * reservation/rows.c: a row moves only from the phase and the fence that were read,
 * a person's seats are counted up to the limit, buyers see what is theirs to see.
 */
#include "core/error.h"
#include "hall.h"

static int move_row(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct reservation row;
    TQ_TRY(reservation_row_get(tx, arg, &row, err));
    struct reservation from = row, to = row;
    snprintf(to.phase, sizeof to.phase, "PAYING");
    from.fence++;
    ck_assert_int_eq(reservation_row_move(tx, &from, &to, err), TQ_STALE);
    from.fence--;
    snprintf(from.phase, sizeof from.phase, "SOLD");
    ck_assert_int_eq(reservation_row_move(tx, &from, &to, err), TQ_STALE);
    ck_assert_int_eq(reservation_row_move(tx, &row, &to, err), TQ_OK);
    ck_assert_int_eq(reservation_row_move(tx, &row, &to, err), TQ_STALE);
    TQ_TRY(reservation_row_get(tx, row.id, &row, err));
    ck_assert_str_eq(row.came_from, "HOLD");
    to.refunded = 7;
    ck_assert_int_eq(reservation_row_move(tx, &row, &to, err), TQ_OK);
    TQ_TRY(reservation_row_get(tx, row.id, &row, err));
    ck_assert_str_eq(row.came_from, "HOLD"); /* it has not left its phase */
    ck_assert_int_eq(row.refunded, 7);
    return TQ_OK;
}

START_TEST(a_row__moves_from_where_it_was_read)
{
    struct reservation row;
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 1, &row), TQ_OK);
    ck_assert_int_eq(tq_ledger_run(hall.service.ledger, move_row, row.id, &hall.err), TQ_OK);
    hall_close();
}
END_TEST

static int count_seats(tq_tx *tx, void *arg, struct tq_error *err)
{
    static const struct {
        size_t seats;
        int64_t limit;
        int result;
    } rows[] = {{3, 4, TQ_OK}, {2, 4, TQ_FULL}, {1, 4, TQ_OK}, {1, 4, TQ_FULL}, {5, 0, TQ_OK}};
    struct reservation row = {.user = "ann", .schedule = SCHEDULE};
    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        row.seats_count = rows[i].seats;
        ck_assert_int_eq(reservation_row_person_take(tx, &row, rows[i].limit, err), rows[i].result);
    }
    row.seats_count = 9;
    return reservation_row_person_give(tx, &row, err);
}

START_TEST(a_person__has_so_many_seats)
{
    hall_open();
    ck_assert_int_eq(tq_ledger_run(hall.service.ledger, count_seats, NULL, &hall.err), TQ_OK);
    ck_assert_str_eq(ask("SELECT seats || '' FROM person_seats"), "0");
    hall_close();
}
END_TEST

START_TEST(what_buyers_see)
{
    struct reservation row;
    struct tq__buf json = TQ__BUF(&hall.service.env);
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 2, &row), TQ_OK);
    reservation_row_put(&json, &row);
    ck_assert_ptr_nonnull(strstr(json.data, "\"totalAmount\":2001,\"currency\":\"KRW\""));
    ck_assert_ptr_nonnull(
        strstr(json.data, "\"seats\":[{\"seatId\":\"A-0\",\"grade\":\"R\",\"price\":1000},"));
    static const char *const hidden[] = {"ticketNumber", "cancelReason", "paymentId", "ann"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_ptr_null(strstr(json.data, hidden[i]));
    }
    tq__buf_done(&json);
    hall_close();
}
END_TEST

UNIT_MAIN("servers.reservation.rows", a_row__moves_from_where_it_was_read,
          a_person__has_so_many_seats, what_buyers_see)
