/* SPDX-License-Identifier: MIT */
/*
 * saga/table.c: a sound type passes; each way to get it wrong is refused, and the
 * message names the cell or the state.
 */
#include "saga/table.h"

#include <stdio.h>
#include <string.h>

#include "lib/saga_world.h"

static struct tq_error err = TQ_ERROR_INIT;

/* A copy of the purchase, to be spoiled. */
static struct tq_saga_type type;
static struct tq_saga_state states[TQ_SAGA_STATES_MAX + 1];
static const char *events[TQ_SAGA_EVENTS_MAX + 1];
static struct tq_saga_cell cells[(TQ_SAGA_STATES_MAX + 1) * (TQ_SAGA_EVENTS_MAX + 1)];

static void setup(void)
{
    type = saga_world_type;
    memcpy(states, type.states, type.states_count * sizeof *states);
    memcpy(events, type.events, type.events_count * sizeof *events);
    memcpy(cells, type.cells, type.cells_count * sizeof *cells);
    type.states = states;
    type.events = events;
    type.cells = cells;
}

static struct tq_saga_cell *cell_of(const char *state, const char *event)
{
    for (size_t i = 0; i < type.cells_count; i++) {
        if (strcmp(cells[i].state, state) == 0 && strcmp(cells[i].event, event) == 0) {
            return &cells[i];
        }
    }
    ck_abort_msg("no such cell");
    return NULL;
}

static struct tq_saga_state *state_of(const char *name)
{
    return &states[tq__saga_state(&type, name)];
}

static int make(void)
{
    static struct tq__saga_table table;
    return tq__saga_table_make(&table, &type, &err);
}

/* Refused, and the message has these words. */
static void refused(const char *words)
{
    assert_status(make(), TQ_E_INVALID);
    ck_assert_msg(strstr(err.message, words) != NULL, "'%s' is not in '%s'", words, err.message);
}

START_TEST(a_sound_type__passes_with_its_cells_in_any_order)
{
    setup();
    assert_status(make(), TQ_OK);
    struct tq_saga_cell first = cells[0];
    cells[0] = cells[48];
    cells[48] = first;
    assert_status(make(), TQ_OK);
}
END_TEST

START_TEST(a_missing_cell__is_named)
{
    for (size_t i = 0; i < saga_world_type.cells_count; i++) {
        char words[160];
        setup();
        snprintf(words, sizeof words, "(%s, %s) is missing", cells[i].state, cells[i].event);
        cells[i] = cells[--type.cells_count];
        if (i == type.cells_count) {
            snprintf(words, sizeof words, "(%s, %s) is missing", saga_world_type.cells[i].state,
                     saga_world_type.cells[i].event);
        }
        refused(words);
    }
}
END_TEST

START_TEST(a_cell__is_there_once_and_says_one_thing)
{
    setup();
    cells[1] = cells[0];
    refused("(HELD, PayRequested) stands twice");
    setup();
    cells[1].event = "Nothing";
    refused("(HELD, Nothing) is of no state and event");
    setup();
    cells[1].state = NULL;
    refused("is of no state and event");
    setup();
    cells[1].cell = 0;
    refused("(HELD, Paid) says nothing");
    setup();
    cells[1].cell = TQ_CELL_DEFER + 1;
    refused("(HELD, Paid) says nothing");
    setup();
    cells[1].next = "PAYING";
    refused("(HELD, Paid) goes nowhere and names what to do");
    setup();
    cells[0].next = "NOWHERE";
    refused("(HELD, PayRequested) leads to no state");
}
END_TEST

START_TEST(undoing__is_declared_where_it_is_needed_and_only_there)
{
    setup();
    cell_of("HELD", "PayRequested")->compensation = NULL;
    refused("(HELD, PayRequested) has a handler, and nothing that undoes it");
    cell_of("HELD", "PayRequested")->is_pure = 1;
    assert_status(make(), TQ_OK);
    setup();
    cell_of("HELD", "PayRequested")->is_pure = 1;
    refused("(HELD, PayRequested) is pure and has a compensation");
    setup();
    cell_of("PAYING", "Declined")->compensation = cell_of("HELD", "PayRequested")->compensation;
    refused("(PAYING, Declined) turns back and has a compensation of its own");
    setup();
    cell_of("REFUNDING", "Refunded")->next = "HELD";
    refused("(REFUNDING, Refunded) leads forward from a compensation");
    setup();
    cell_of("REFUNDING", "Refunded")->next = "CONFIRMED";
    refused("(REFUNDING, Refunded) leads forward from a compensation");
}
END_TEST

START_TEST(deadlines__are_on_the_way_and_not_at_an_end)
{
    setup();
    state_of("PAYING")->deadline_ms = 0;
    refused("state PAYING has no deadline");
    setup();
    state_of("PAYING")->deadline = "Nothing";
    refused("state PAYING has no deadline");
    setup();
    state_of("PAYING")->deadline = NULL;
    refused("state PAYING has no deadline");
    setup();
    state_of("PAYING")->deadline = "HoldExpired";
    refused("(PAYING, HoldExpired) is a deadline's and does not go");
    setup();
    state_of("CONFIRMED")->deadline_ms = 1;
    refused("state CONFIRMED is an end and has a deadline");
    setup();
    state_of("CONFIRMED")->deadline = "TimedOut";
    refused("state CONFIRMED is an end and has a deadline");
    setup();
    state_of("PAYING")->kind = 0;
    refused("state PAYING has no kind");
    setup();
    state_of("PAYING")->kind = TQ_SAGA_UNDONE + 1;
    refused("state PAYING has no kind");
}
END_TEST

START_TEST(ways__lead_everywhere_and_to_an_end)
{
    setup();
    cell_of("CANCELLED", "PaidTooLate")->next = "CANCELLED";
    refused("state REFUNDING cannot be reached");
    setup();
    cell_of("REFUNDING", "Refunded")->next = "REFUNDING";
    state_of("REFUNDED")->kind = TQ_SAGA_UNDONE;
    cell_of("CANCELLED", "Refunded")->cell = TQ_CELL_GO;
    cell_of("CANCELLED", "Refunded")->next = "REFUNDED";
    refused("state REFUNDING never comes to an end");
    setup();
    struct tq_saga_state first = states[0];
    states[0] = states[3];
    states[3] = first;
    refused("state CONFIRMED is the first one and an end");
}
END_TEST

START_TEST(names__are_ids_and_stand_once)
{
    setup();
    states[2].name = "HELD";
    refused("the state HELD stands twice");
    setup();
    events[2] = "Paid";
    refused("the event Paid stands twice");
    setup();
    states[2].name = "no id";
    refused("the name of a state");
    setup();
    events[2] = NULL;
    refused("the name of an event");
    setup();
    type.name = "";
    refused("the name of a saga type");
    setup();
    type.states_count = 0;
    refused("has states, events and cells");
}
END_TEST

/* A ring of `count` states that an event each leads on, and one that ends it. */
static void make_ring(size_t states_count, size_t events_count)
{
    static char names[TQ_SAGA_STATES_MAX + 1][8], words[TQ_SAGA_EVENTS_MAX + 1][8];
    setup();
    type.states_count = states_count;
    type.events_count = events_count;
    type.cells_count = 0;
    for (size_t i = 0; i < states_count; i++) {
        snprintf(names[i], sizeof names[i], "S%zu", i);
        states[i] = (struct tq_saga_state){names[i], TQ_SAGA_FORWARD, 1000, "E0"};
    }
    states[states_count - 1] =
        (struct tq_saga_state){names[states_count - 1], TQ_SAGA_DONE, 0, NULL};
    for (size_t i = 0; i < events_count; i++) {
        snprintf(words[i], sizeof words[i], "E%zu", i);
        events[i] = words[i];
        for (size_t j = 0; j < states_count; j++) {
            int is_on = i == 0 && j + 1 < states_count;
            cells[type.cells_count++] =
                (struct tq_saga_cell){.state = names[j],
                                      .event = words[i],
                                      .cell = is_on ? TQ_CELL_GO : TQ_CELL_IGNORE,
                                      .next = is_on ? names[j + 1] : NULL};
        }
    }
}

START_TEST(numbers__have_limits)
{
    make_ring(TQ_SAGA_STATES_MAX - 1, TQ_SAGA_EVENTS_MAX - 1);
    assert_status(make(), TQ_OK);
    make_ring(TQ_SAGA_STATES_MAX, TQ_SAGA_EVENTS_MAX);
    assert_status(make(), TQ_OK);
    make_ring(TQ_SAGA_STATES_MAX + 1, 1);
    assert_status(make(), TQ_E_LIMIT);
    make_ring(2, TQ_SAGA_EVENTS_MAX + 1);
    assert_status(make(), TQ_E_LIMIT);
}
END_TEST

UNIT_MAIN("saga.table", a_sound_type__passes_with_its_cells_in_any_order, a_missing_cell__is_named,
          a_cell__is_there_once_and_says_one_thing,
          undoing__is_declared_where_it_is_needed_and_only_there,
          deadlines__are_on_the_way_and_not_at_an_end, ways__lead_everywhere_and_to_an_end,
          names__are_ids_and_stand_once, numbers__have_limits)
