/* SPDX-License-Identifier: MIT */
/*
 * reservation/reflect.c: what the front could not be told, because the rows could not be read,
 * it hears from the next sweep; up to a limit. What it is told is in purchase_test.c.
 */
#include "hall.h"

/* Bring an event without telling the front. */
static void bring_quietly(const char *id, const char *event)
{
    struct bringing bringing = {id, event, {.payment = "P", .amount = 1000}};
    ck_assert_int_eq(tq_ledger_run(hall.service.ledger, bring_in, &bringing, &hall.err), TQ_OK);
}

/* From here on there is no memory to read anything with. */
static void fail_reads(int is_failing)
{
    struct test_env *test = &hall.desk.test;
    atomic_store(&test->fail_forever, is_failing);
    atomic_store(&test->fail_at, is_failing ? atomic_load(&test->allocations) + 1 : 0);
}

static int sweep(void)
{
    return reservation_sweep(&hall.service, &hall.err);
}

START_TEST(what_could_not_be_read__is_told_by_the_first_sweep_that_can)
{
    struct reservation row;
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 2, &row), TQ_OK);
    bring_quietly(row.id, "PaymentRequested");
    const char *id = row.id;
    fail_reads(1);
    purchase_reflect(&hall.service, &id, 1);
    purchase_reflect(&hall.service, &id, 1);
    ck_assert_uint_eq(hall.service.untold.count, 1);
    sweep();
    fail_reads(0);
    ck_assert_uint_eq(hall.service.untold.count, 1);
    ck_assert_uint_eq(seats_in(TQ_SEAT_HOLD), 2);
    bring_quietly(row.id, "PaymentPaid"); /* it is told what is so then */
    ck_assert_int_eq(sweep(), TQ_EMPTY);
    ck_assert_uint_eq(hall.service.untold.count, 0);
    ck_assert_uint_eq(seats_in(TQ_SEAT_SOLD), 2);
    hall_close();
}
END_TEST

/* The front's own seats of a reservation that is noted behind `before` others. */
static void check_room(size_t before, enum tq_seat_state state)
{
    struct reservation row;
    char others[RESERVATION_UNTOLD_MAX][TQ_ID_SIZE];
    const char *ids[RESERVATION_UNTOLD_MAX + 1];
    hall_open();
    ck_assert_int_eq(hold("ann", 0, 1, &row), TQ_OK);
    bring_quietly(row.id, "PaymentRequested");
    for (size_t i = 0; i < before; i++) {
        snprintf(others[i], sizeof others[i], "r-%zu", i);
        ids[i] = others[i];
    }
    ids[before] = row.id;
    fail_reads(1);
    purchase_reflect(&hall.service, ids, before + 1);
    fail_reads(0);
    sweep();
    ck_assert_uint_eq(hall.service.untold.count, 0);
    ck_assert_uint_eq(seats_in(state), 1);
    hall_close();
}

START_TEST(more_than_can_be_noted__waits_for_the_schedule_to_be_loaded)
{
    check_room(RESERVATION_UNTOLD_MAX - 2, TQ_SEAT_PAYING);
    check_room(RESERVATION_UNTOLD_MAX - 1, TQ_SEAT_PAYING);
    check_room(RESERVATION_UNTOLD_MAX, TQ_SEAT_HOLD);
}
END_TEST

UNIT_MAIN("servers.reservation.reflect",
          what_could_not_be_read__is_told_by_the_first_sweep_that_can,
          more_than_can_be_noted__waits_for_the_schedule_to_be_loaded)
