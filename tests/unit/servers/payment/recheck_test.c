/* SPDX-License-Identifier: MIT */
/*
 * payment/recheck.c: what has ended is asked for at each of its distances and then no
 * more, what moves on is not, and however many are due only a few are put at a time.
 */
#include <stdlib.h>

#include "shop.h"

#define MANY                                                                                       \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "               \
    "INSERT INTO payments (payment_id, reservation_id, user_id, phase, amount, currency, "         \
    "created_ms, updated_ms, recheck_ms) "                                                         \
    "SELECT 'P' || i, 'r' || i, 'ann', 'FAILED', 1, 'KRW', 1, 1, 1 FROM n"
#define ASKS "SELECT CAST(COUNT(*) AS TEXT) FROM calls WHERE operation = 'ASK'"

/* A payment that has come to its end by these events. */
static void walk(const char *const *events)
{
    shop_open();
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
    for (; *events; events++) {
        ck_assert_int_eq(bring(*events), TQ_OK);
    }
}

static const char *const failed[] = {"ReservationCancelled", NULL};
static const char *const paid[] = {"Captured", "ReservationConfirmed", NULL};

/* 0: never. */
static int64_t recheck_ms(void)
{
    return strtoll(ask("SELECT CAST(recheck_ms AS TEXT) FROM payments"), NULL, 10);
}

static int64_t end_ms(void)
{
    return strtoll(ask("SELECT CAST(updated_ms AS TEXT) FROM payments"), NULL, 10);
}

static int put(void)
{
    return rechecks_put(&shop.service, &shop.err);
}

START_TEST(each_distance__is_up_to_half_as_long_again)
{
    static const struct {
        const char *phase;
        int64_t since, times; /* 0: never */
    } rows[] = {{"FAILED", 0, 1},
                {"FAILED", RECHECK_MS - 1, 1},
                {"FAILED", RECHECK_MS, 5},
                {"FAILED", 5 * RECHECK_MS - 1, 5},
                {"FAILED", 5 * RECHECK_MS, 30},
                {"FAILED", 30 * RECHECK_MS, 720},
                {"FAILED", INT64_C(720) * RECHECK_MS - 1, 720},
                {"FAILED", INT64_C(720) * RECHECK_MS, 0},
                {"PAID", 0, 30},
                {"PAID", 30 * RECHECK_MS, 720},
                {"PAID", INT64_C(720) * RECHECK_MS, 0},
                {"READY", 0, 0},
                {"UNKNOWN", 0, 0},
                {"REFUNDED", 0, 0}};
    shop_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t least = rows[i].times ? 1000 + rows[i].times * RECHECK_MS : 0, seen = 0;
        for (int turn = 0; turn < 32; turn++) {
            int64_t next =
                recheck_next_ms(&shop.service, rows[i].phase, 1000, 1000 + rows[i].since);
            ck_assert_int_ge(next, least);
            ck_assert_int_le(next, least + rows[i].times * RECHECK_MS / 2);
            seen |= next ^ least;
        }
        ck_assert_int_eq(seen != 0, rows[i].times != 0); /* chance is in it */
    }
    shop_close();
}
END_TEST

static void ends_after(const char *const *events, const int64_t *times)
{
    walk(events);
    int64_t end = end_ms();
    for (; *times; times++) {
        ck_assert_int_ge(recheck_ms(), end + *times * RECHECK_MS);
        atomic_store(&shop.desk.test.now_ms, recheck_ms() - 1);
        ck_assert_int_eq(put(), TQ_EMPTY);
        atomic_fetch_add(&shop.desk.test.now_ms, 1);
        ck_assert_int_eq(put(), TQ_OK);
        ck_assert_str_eq(ask("SELECT operation || version FROM calls"), "ASK1");
        ck_assert_int_eq(put(), TQ_EMPTY); /* once */
        desk_do(&shop.desk, "DELETE FROM calls");
    }
    ck_assert_int_eq(recheck_ms(), 0);
    shop_close();
}

START_TEST(an_end__is_asked_for_so_often_and_not_more)
{
    ends_after(failed, (const int64_t[]){1, 5, 30, 720, 0});
    ends_after(paid, (const int64_t[]){30, 720, 0});
}
END_TEST

START_TEST(what_nobody_was_up_for__is_one_question)
{
    walk(failed);
    atomic_fetch_add(&shop.desk.test.now_ms, INT64_C(40) * RECHECK_MS);
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_int_ge(recheck_ms(), end_ms() + INT64_C(720) * RECHECK_MS);
    shop_close();
}
END_TEST

START_TEST(what_moves_on__takes_no_time_with_it)
{
    walk(failed);
    ck_assert_int_ne(recheck_ms(), 0);
    ck_assert_int_eq(bring("Captured"), TQ_OK);
    ck_assert_int_eq(recheck_ms(), 0);
    ck_assert_int_eq(bring("ReservationConfirmed"), TQ_OK);
    ck_assert_int_ge(recheck_ms(), end_ms() + 30 * RECHECK_MS);
    ck_assert_int_eq(bring("Refunded"), TQ_OK);
    ck_assert_int_eq(recheck_ms(), 0);
    shop_close();
}
END_TEST

START_TEST(a_call_that_waits__keeps_its_place)
{
    walk(failed);
    desk_do(&shop.desk, "INSERT INTO calls (payment_id, operation, due_ms, attempts, since_ms, "
                        "version) VALUES ('P', 'CANCEL', 7, 1, 7, 1)");
    atomic_store(&shop.desk.test.now_ms, recheck_ms());
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_str_eq(ask("SELECT operation || due_ms || version FROM calls"), "CANCEL72");
    shop_close();
}
END_TEST

START_TEST(a_crowd__comes_in_small_batches)
{
    shop_open();
    desk_do(&shop.desk, MANY);
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_str_eq(ask(ASKS), "16");
    ck_assert_int_eq(put(), TQ_EMPTY); /* enough are new on the list */
    desk_do(&shop.desk, "DELETE FROM calls WHERE payment_id = "
                        "(SELECT payment_id FROM calls LIMIT 1)");
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_str_eq(ask(ASKS), "16");
    desk_do(&shop.desk, "UPDATE calls SET attempts = 7");
    ck_assert_int_eq(put(), TQ_EMPTY);
    desk_do(&shop.desk, "UPDATE calls SET attempts = 8"); /* the provider does not answer these */
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_str_eq(ask(ASKS), "32");
    shop_close();
}
END_TEST

START_TEST(the_calls_of_a_sale__do_not_count_as_questions)
{
    shop_open();
    desk_do(&shop.desk, MANY);
    desk_do(&shop.desk, "INSERT INTO calls (payment_id, operation, due_ms, attempts, since_ms, "
                        "version) SELECT 'C' || payment_id, 'CANCEL', 1, 0, 1, 1 FROM payments");
    ck_assert_int_eq(put(), TQ_OK); /* refunds that nobody can make do not stop it */
    ck_assert_str_eq(ask(ASKS), "16");
    shop_close();
}
END_TEST

START_TEST(a_restart__finds_time_and_question)
{
    walk(failed);
    int64_t due = recheck_ms();
    atomic_store(&shop.desk.test.now_ms, due);
    tq_sagas_close(shop.service.charges);
    shop.service.charges = NULL;
    tq_store_close(shop.desk.ledger);
    desk_open_ledger(&shop.desk);
    shop.service.ledger = shop.desk.ledger;
    ck_assert_int_eq(payment_rows_prepare(shop.service.ledger, &shop.err), TQ_REPEAT);
    ck_assert_int_eq(recheck_ms(), due);
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_str_eq(waiting_call(), "ASK");
    shop_close();
}
END_TEST

START_TEST(what_had_ended_before_times_were_noted__is_asked_for_once)
{
    static struct desk desk;
    struct payments *service = &shop.service;
    memset(&shop, 0, sizeof shop);
    desk_open(&desk, "payment", PAYMENT_v1, NULL);
    desk_do(&desk, "INSERT INTO payments (payment_id, reservation_id, user_id, phase, amount, "
                   "currency, created_ms, updated_ms) VALUES "
                   "('P', 'r', 'ann', 'PAID', 1, 'KRW', 1, 1), "
                   "('Q', 'q', 'ann', 'READY', 1, 'KRW', 1, 1)");
    service->env = desk.env;
    service->ledger = desk.ledger;
    service->recheck_ms = RECHECK_MS;
    atomic_store(&desk.test.now_ms, INT64_C(1000) * RECHECK_MS);
    ck_assert_int_eq(payment_rows_prepare(service->ledger, &shop.err), TQ_OK);
    ck_assert_int_eq(put(), TQ_OK);
    ck_assert_str_eq(desk_ask(&desk, "SELECT group_concat(payment_id) FROM calls"), "P");
    desk_do(&desk, "DELETE FROM calls");
    ck_assert_int_eq(put(), TQ_EMPTY);
    desk_close(&desk);
}
END_TEST

UNIT_MAIN("servers.payment.recheck", each_distance__is_up_to_half_as_long_again,
          an_end__is_asked_for_so_often_and_not_more, what_nobody_was_up_for__is_one_question,
          what_moves_on__takes_no_time_with_it, a_call_that_waits__keeps_its_place,
          a_crowd__comes_in_small_batches, the_calls_of_a_sale__do_not_count_as_questions,
          a_restart__finds_time_and_question,
          what_had_ended_before_times_were_noted__is_asked_for_once)
