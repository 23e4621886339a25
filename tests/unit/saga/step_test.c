/* SPDX-License-Identifier: MIT */
/*
 * saga/step.c: the whole table of the purchase, cell by cell, against what was
 * declared; deadlines, attempts and turning back.
 */
#include "saga/step.h"

#include <string.h>

#include "lib/saga_world.h"

#define NOW_MS 1000000

static struct tq_error err = TQ_ERROR_INIT;
static struct tq__saga_table table;
static struct tq__saga_move move;

static int decide(const char *state, const char *event, uint32_t attempts)
{
    const struct tq_saga saga = {
        .size = sizeof saga, .id = "p1", .state = state, .attempts = attempts};
    return tq__saga_decide(&table, &saga, event, NOW_MS, &move, &err);
}

static void setup(void)
{
    assert_status(tq__saga_table_make(&table, &saga_world_type, &err), TQ_OK);
}

START_TEST(every_cell__comes_to_what_it_says)
{
    static const int outcomes[] = {0, TQ_OK, TQ_REPEAT, TQ_REFUSED, TQ_WAIT};
    setup();
    for (size_t i = 0; i < saga_world_type.cells_count; i++) {
        const struct tq_saga_cell *cell = &saga_world_type.cells[i];
        assert_status(decide(cell->state, cell->event, 0), outcomes[cell->cell]);
        if (cell->cell == TQ_CELL_GO) {
            ck_assert_str_eq(move.to->name, cell->next);
            ck_assert_ptr_eq(move.cell, cell);
            ck_assert_int_eq(move.deadline_ms,
                             move.to->deadline_ms ? NOW_MS + move.to->deadline_ms : 0);
        }
    }
}
END_TEST

START_TEST(what_is_not_in_the_table__is_an_error)
{
    setup();
    assert_status(decide("HELD", "Nothing", 0), TQ_E_INVALID);
    assert_status(decide("HELD", NULL, 0), TQ_E_INVALID);
    assert_status(decide("NOWHERE", "Paid", 0), TQ_E_CORRUPT);
}
END_TEST

START_TEST(attempts__count_a_deadline_in_one_state)
{
    setup();
    assert_status(decide("ASKING", "TimedOut", 4), TQ_OK);
    ck_assert_uint_eq(move.attempts, 5);
    assert_status(decide("PAYING", "TimedOut", 4), TQ_OK);
    ck_assert_uint_eq(move.attempts, 0);
    assert_status(decide("ASKING", "Paid", 4), TQ_OK);
    ck_assert_uint_eq(move.attempts, 0);
}
END_TEST

START_TEST(turning_back__is_leaving_the_way_and_nothing_else)
{
    static const struct {
        const char *state, *event;
        int is_turning_back;
    } cases[] = {
        {"HELD", "PayRequested", 0},  {"HELD", "HoldExpired", 1},
        {"PAYING", "Declined", 1},    {"ASKING", "Declined", 1},
        {"CANCELLED", "Paid", 0},     {"CANCELLED", "PaidTooLate", 0},
        {"REFUNDING", "Refunded", 0}, {"REFUNDING", "PaidTooLate", 0},
        {"PAYING", "Paid", 0},
    };
    setup();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_status(decide(cases[i].state, cases[i].event, 0), TQ_OK);
        ck_assert_msg(move.is_turning_back == cases[i].is_turning_back, "(%s, %s)", cases[i].state,
                      cases[i].event);
    }
}
END_TEST

START_TEST(putting_off__doubles_up_to_its_limits)
{
    struct tq_saga_state state = {"S", TQ_SAGA_FORWARD, 1000, "E"};
    ck_assert_int_eq(tq__saga_postponed(&state, 0, NOW_MS), NOW_MS + 1000);
    ck_assert_int_eq(tq__saga_postponed(&state, 1, NOW_MS), NOW_MS + 2000);
    ck_assert_int_eq(tq__saga_postponed(&state, 6, NOW_MS), NOW_MS + 64000);
    ck_assert_int_eq(tq__saga_postponed(&state, 4000000000u, NOW_MS), NOW_MS + 64000);
    state.deadline_ms = 600000;
    ck_assert_int_eq(tq__saga_postponed(&state, 6, NOW_MS), NOW_MS + 3600000);
    state.deadline_ms = 4000000000u;
    ck_assert_int_eq(tq__saga_postponed(&state, 6, NOW_MS), NOW_MS + 4000000000);
}
END_TEST

UNIT_MAIN("saga.step", every_cell__comes_to_what_it_says, what_is_not_in_the_table__is_an_error,
          attempts__count_a_deadline_in_one_state,
          turning_back__is_leaving_the_way_and_nothing_else, putting_off__doubles_up_to_its_limits)
