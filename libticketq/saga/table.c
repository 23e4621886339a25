/* SPDX-License-Identifier: MIT */
/*
 * Checks a declared saga type, so that nothing about it can surprise later.
 *
 *   names     states and events are ids, each once; limits hold
 *   cells     each (state, event) is defined once; GO names its next state, the
 *             others name nothing
 *   states    one on the way has a deadline whose cell is a GO; an end has none
 *   undoing   a handler between FORWARD states has a compensation or is pure;
 *             COMPENSATE leads only to COMPENSATE and UNDONE
 *   ways      each state can be reached from the first one, and from each an end
 *
 * The last two lines are what "ends done or undone" rests on: a saga that is left
 * alone is moved by its deadlines, and there is no state without a way out. A
 * message names the cell or the state. Threads: [pure].
 */
#include "saga/table.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/error.h"

#define ORIGIN "saga"
#define BIT(place) (1u << (place))

int tq__saga_state(const struct tq_saga_type *type, const char *name)
{
    for (size_t i = 0; i < type->states_count; i++) {
        if (name && strcmp(type->states[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int tq__saga_event(const struct tq_saga_type *type, const char *name)
{
    for (size_t i = 0; i < type->events_count; i++) {
        if (name && strcmp(type->events[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* The saga's way ends in this state, for now. */
static int is_end(const struct tq_saga_state *state)
{
    return state->kind == TQ_SAGA_DONE || state->kind == TQ_SAGA_UNDONE;
}

/* ---- names ---- */

static int check_names(const struct tq_saga_type *type, struct tq_error *err)
{
    for (size_t i = 0; i < type->states_count; i++) {
        const char *name = type->states[i].name;
        TQ_TRY(tq__id_check(name, "the name of a state", ORIGIN, err));
        if (tq__saga_state(type, name) != (int)i) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN, "the state %s stands twice", name);
        }
    }
    for (size_t i = 0; i < type->events_count; i++) {
        const char *name = type->events[i];
        TQ_TRY(tq__id_check(name, "the name of an event", ORIGIN, err));
        if (tq__saga_event(type, name) != (int)i) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN, "the event %s stands twice", name);
        }
    }
    return TQ_OK;
}

static int check_sizes(const struct tq_saga_type *type, struct tq_error *err)
{
    TQ_TRY(tq__id_check(type->name, "the name of a saga type", ORIGIN, err));
    if (!type->states || !type->events || !type->cells || type->states_count == 0 ||
        type->events_count == 0) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "a saga type has states, events and cells");
    }
    if (type->states_count > TQ_SAGA_STATES_MAX || type->events_count > TQ_SAGA_EVENTS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "at most %d states and %d events",
                        TQ_SAGA_STATES_MAX, TQ_SAGA_EVENTS_MAX);
    }
    return TQ_OK;
}

/* ---- cells ---- */

static int cell_fault(const struct tq_saga_cell *cell, const char *what, struct tq_error *err)
{
    return tq__fail(err, TQ_E_INVALID, ORIGIN, "cell (%s, %s) %s", cell->state, cell->event, what);
}

static int lay_out(struct tq__saga_table *table, struct tq_error *err)
{
    const struct tq_saga_type *type = &table->type;
    for (size_t i = 0; i < type->cells_count; i++) {
        const struct tq_saga_cell *cell = &type->cells[i];
        int state = tq__saga_state(type, cell->state), event = tq__saga_event(type, cell->event);
        if (state < 0 || event < 0) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN, "cell (%s, %s) is of no state and event",
                            cell->state ? cell->state : "NULL", cell->event ? cell->event : "NULL");
        }
        if (table->cells[state][event]) {
            return cell_fault(cell, "stands twice", err);
        }
        table->cells[state][event] = cell;
    }
    for (size_t state = 0; state < type->states_count; state++) {
        for (size_t event = 0; event < type->events_count; event++) {
            if (!table->cells[state][event]) {
                return tq__fail(err, TQ_E_INVALID, ORIGIN, "cell (%s, %s) is missing",
                                type->states[state].name, type->events[event]);
            }
        }
    }
    return TQ_OK;
}

static int check_undoing(const struct tq_saga_cell *cell, uint32_t from, uint32_t to,
                         struct tq_error *err)
{
    if (from == TQ_SAGA_COMPENSATE && to != TQ_SAGA_COMPENSATE && to != TQ_SAGA_UNDONE) {
        return cell_fault(cell, "leads forward from a compensation", err);
    }
    if (from == TQ_SAGA_FORWARD && to == TQ_SAGA_FORWARD && cell->handler && !cell->compensation &&
        !cell->is_pure) {
        return cell_fault(cell, "has a handler, and nothing that undoes it", err);
    }
    if (cell->compensation && (to == TQ_SAGA_COMPENSATE || to == TQ_SAGA_UNDONE)) {
        return cell_fault(cell, "turns back and has a compensation of its own", err);
    }
    if (cell->compensation && cell->is_pure) {
        return cell_fault(cell, "is pure and has a compensation", err);
    }
    return TQ_OK;
}

static int check_cell(const struct tq_saga_type *type, const struct tq_saga_cell *cell,
                      struct tq_error *err)
{
    if (cell->cell < TQ_CELL_GO || cell->cell > TQ_CELL_DEFER) {
        return cell_fault(cell, "says nothing", err);
    }
    if (cell->cell != TQ_CELL_GO) {
        int is_empty = !cell->next && !cell->handler && !cell->compensation && !cell->is_pure;
        return is_empty ? TQ_OK : cell_fault(cell, "goes nowhere and names what to do", err);
    }
    int next = tq__saga_state(type, cell->next);
    if (next < 0) {
        return cell_fault(cell, "leads to no state", err);
    }
    return check_undoing(cell, type->states[tq__saga_state(type, cell->state)].kind,
                         type->states[next].kind, err);
}

/* ---- states ---- */

static int state_fault(const struct tq_saga_state *state, const char *what, struct tq_error *err)
{
    return tq__fail(err, TQ_E_INVALID, ORIGIN, "state %s %s", state->name, what);
}

static int check_state(const struct tq__saga_table *table, size_t place, struct tq_error *err)
{
    const struct tq_saga_state *state = &table->type.states[place];
    if (state->kind < TQ_SAGA_FORWARD || state->kind > TQ_SAGA_UNDONE) {
        return state_fault(state, "has no kind", err);
    }
    if (is_end(state)) {
        int is_plain = !state->deadline && state->deadline_ms == 0;
        return is_plain ? TQ_OK : state_fault(state, "is an end and has a deadline", err);
    }
    int event = tq__saga_event(&table->type, state->deadline);
    if (state->deadline_ms == 0 || event < 0) {
        return state_fault(state, "has no deadline", err);
    }
    if (table->cells[place][event]->cell != TQ_CELL_GO) {
        return cell_fault(table->cells[place][event], "is a deadline's and does not go", err);
    }
    return TQ_OK;
}

/* ---- ways ---- */

/* The states that a GO of this one leads to. */
static uint32_t nexts_of(const struct tq__saga_table *table, size_t state)
{
    uint32_t nexts = 0;
    for (size_t event = 0; event < table->type.events_count; event++) {
        const struct tq_saga_cell *cell = table->cells[state][event];
        if (cell->cell == TQ_CELL_GO) {
            nexts |= BIT(tq__saga_state(&table->type, cell->next));
        }
    }
    return nexts;
}

static int check_ways(const struct tq__saga_table *table, struct tq_error *err)
{
    const struct tq_saga_type *type = &table->type;
    uint32_t reached = BIT(0), ending = 0;
    for (size_t round = 0; round < type->states_count; round++) {
        for (size_t i = 0; i < type->states_count; i++) {
            uint32_t nexts = nexts_of(table, i);
            reached |= reached & BIT(i) ? nexts : 0;
            ending |= is_end(&type->states[i]) || (nexts & ending) ? BIT(i) : 0;
        }
    }
    for (size_t i = 0; i < type->states_count; i++) {
        if (!(reached & BIT(i))) {
            return state_fault(&type->states[i], "cannot be reached", err);
        }
        if (!(ending & BIT(i))) {
            return state_fault(&type->states[i], "never comes to an end", err);
        }
    }
    return TQ_OK;
}

int tq__saga_table_make(struct tq__saga_table *table, const struct tq_saga_type *type,
                        struct tq_error *err)
{
    memset(table, 0, sizeof *table);
    TQ_TRY(TQ__READ(&table->type, type, ORIGIN, err));
    type = &table->type;
    TQ_TRY(check_sizes(type, err));
    TQ_TRY(check_names(type, err));
    TQ_TRY(lay_out(table, err));
    for (size_t i = 0; i < type->cells_count; i++) {
        TQ_TRY(check_cell(type, &type->cells[i], err));
    }
    for (size_t i = 0; i < type->states_count; i++) {
        TQ_TRY(check_state(table, i, err));
    }
    if (is_end(&type->states[0])) {
        return state_fault(&type->states[0], "is the first one and an end", err);
    }
    return check_ways(table, err);
}
