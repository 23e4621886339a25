/* SPDX-License-Identifier: MIT */
/*
 * reservation/schedules.c: seats are fetched from the event service over HTTP, all
 * of a schedule or none; what was fetched is there again after a restart.
 */
#include "../reader.h"
#include "hall.h"
#include "lib/fault_ledger.h"

static struct reader reader;

static void begin(void)
{
    hall_open();
    reader_open(&reader, "event");
    hall.service.app = &reader.app;
    reader.status = 200;
    desk_do(&hall.desk, "INSERT INTO schedules (schedule_id, event_id, currency, sales_open_ms, "
                        "sales_close_ms, person_limit, is_loaded) "
                        "VALUES ('s-2', 'e-1', '', 10, 20, 3, 0)");
}

static void end(void)
{
    reader_close(&reader);
    hall_close();
}

static int step(void)
{
    return schedules_step(&hall.service, &hall.err);
}

#define DOCUMENT(seats) "{\"currency\":\"KRW\",\"seats\":[" seats "]}"

START_TEST(a_schedule__is_on_sale_when_its_seats_are_here)
{
    struct sale sale;
    uint64_t unknown = 0;
    struct priced_seat seats[] = {{.id = "B-2"}, {.id = "B-9"}};
    begin();
    ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_GONE);
    reader.body = DOCUMENT("[\"B-1\",\"R\",100],[\"B-2\",\"S\",0]");
    ck_assert_int_eq(step(), TQ_OK);
    ck_assert_str_eq(reader.path, "/internal/schedules/s-2");
    ck_assert_int_eq(reader.was_signed, 1);
    ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_OK);
    ck_assert_str_eq(sale.currency, "KRW");
    ck_assert_int_eq(sale.open_ms, 10);
    ck_assert_int_eq(sale.close_ms, 20);
    ck_assert_int_eq(sale.person_limit, 3);
    ck_assert_int_eq(schedules_price(&hall.service, "s-2", seats, 1, &unknown), TQ_OK);
    ck_assert_str_eq(seats[0].grade, "S");
    ck_assert_int_eq(schedules_price(&hall.service, "s-2", seats, 2, &unknown), TQ_GONE);
    ck_assert_uint_eq(unknown, 2);
    ck_assert_int_eq(step(), TQ_EMPTY);
    end();
}
END_TEST

START_TEST(what_cannot_be_used__leaves_nothing_and_is_tried_again)
{
    static const struct {
        unsigned status;
        const char *body;
    } rows[] = {{500, "{}"},
                {404, "{}"},
                {200, "not json"},
                {200, "{\"seats\":[[\"B-1\",\"R\",1]]}"},
                {200, DOCUMENT("")},
                {200, DOCUMENT("[\"B-1\",\"R\",-1]")},
                {200, DOCUMENT("[\"B-1\",\"R\",\"1\"]")},
                {200, DOCUMENT("[\"B 1\",\"R\",1]")},
                {200, DOCUMENT("[\"B-1\",\"R\",1],[\"B-1\",\"R\",1]")}};
    struct sale sale;
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader.status = rows[i].status;
        reader.body = rows[i].body;
        ck_assert_msg(step() < 0, "%s", rows[i].body);
        ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_GONE);
        ck_assert_int_eq(step(), TQ_EMPTY); /* the round of all is over: from the first again */
    }
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM seat_prices WHERE schedule_id = 's-2'"), "0");
    reader.status = 200;
    reader.body = DOCUMENT("[\"B-1\",\"R\",1]");
    ck_assert_int_eq(step(), TQ_OK);
    ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_OK);
    end();
}
END_TEST

START_TEST(a_restart__finds_what_was_fetched)
{
    struct sale sale;
    begin();
    reader.body = DOCUMENT("[\"B-1\",\"R\",100]");
    ck_assert_int_eq(step(), TQ_OK);
    hall_close_book();
    hall_open_book(&hall.err);
    ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_OK);
    ck_assert_str_eq(sale.currency, "KRW");
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    ck_assert_int_eq(tq_book_map(hall.service.book, "s-2", &map, &hall.err), TQ_OK);
    ck_assert_uint_eq(map.seats_count, 1);
    end();
}
END_TEST

/* It is written down, and nobody would look for it any more. */
START_TEST(written_down_but_not_told_so__it_is_on_sale_all_the_same)
{
    struct sale sale;
    begin();
    tq_store *ledger = hall.service.ledger;
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(tq_store_open(&hall.desk.env,
                                TQ_ARGS(tq_store_options, .url = hall.desk.url,
                                        .driver = &fault_ledger_driver),
                                &hall.service.ledger, &err),
                  TQ_OK);
    reader.body = DOCUMENT("[\"B-1\",\"R\",100]");
    fault_plan_set(FAULT_AFTER, 1u << FAULT_COMMIT, 1);
    ck_assert_int_eq(step(), TQ_E_UNKNOWN);
    fault_plan_set(FAULT_NONE, 0, 0);
    ck_assert_str_eq(ask("SELECT is_loaded || '' FROM schedules WHERE schedule_id = 's-2'"), "1");
    ck_assert_int_eq(step(), TQ_EMPTY);
    ck_assert_int_eq(schedules_sale(&hall.service, "s-2", &sale), TQ_OK);
    tq_store_close(hall.service.ledger);
    hall.service.ledger = ledger;
    end();
}
END_TEST

UNIT_MAIN("servers.reservation.schedules", a_schedule__is_on_sale_when_its_seats_are_here,
          what_cannot_be_used__leaves_nothing_and_is_tried_again, a_restart__finds_what_was_fetched,
          written_down_but_not_told_so__it_is_on_sale_all_the_same)
