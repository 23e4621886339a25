/* SPDX-License-Identifier: MIT */
/*
 * Decides what an event does to a saga.
 *
 *   cell      outcome       state       version   deadline              attempts
 *   GO        TQ_OK         next        + 1       now + next's          0; same state by its
 *                                                                       deadline: + 1
 *   IGNORE    TQ_REPEAT     as it was
 *   REFUSE    TQ_REFUSED    as it was
 *   DEFER     TQ_WAIT       as it was
 *
 * A move turns back when it leaves FORWARD, UNKNOWN or DONE for COMPENSATE or
 * UNDONE. Within COMPENSATE, and from there to UNDONE, nothing is undone again.
 *
 * Pure: no I/O, no clock, no allocation. Threads: [pure].
 */
#include "saga/step.h"

#include <string.h>

#include "core/error.h"

#define POSTPONED_MAX_MS 3600000
#define SHIFT_MAX 6

static const int outcomes[] = {
    [TQ_CELL_GO] = TQ_OK,
    [TQ_CELL_IGNORE] = TQ_REPEAT,
    [TQ_CELL_REFUSE] = TQ_REFUSED,
    [TQ_CELL_DEFER] = TQ_WAIT,
};

int tq__saga_is_undone_at(const struct tq_saga_state *state)
{
    return state->kind == TQ_SAGA_COMPENSATE || state->kind == TQ_SAGA_UNDONE;
}

int tq__saga_decide(const struct tq__saga_table *table, const struct tq_saga *saga,
                    const char *event, int64_t now_ms, struct tq__saga_move *out_move,
                    struct tq_error *err)
{
    const struct tq_saga_type *type = &table->type;
    int state = tq__saga_state(type, saga->state), column = tq__saga_event(type, event);
    if (column < 0) {
        return tq__fail(err, TQ_E_INVALID, "saga", "%s knows no event %.64s", type->name,
                        event ? event : "NULL");
    }
    if (state < 0) {
        return tq__fail(err, TQ_E_CORRUPT, "saga", "saga %s is in a state that %s has not",
                        saga->id, type->name);
    }
    const struct tq_saga_cell *cell = table->cells[state][column];
    if (cell->cell != TQ_CELL_GO) {
        return outcomes[cell->cell];
    }
    const struct tq_saga_state *from = &type->states[state];
    const struct tq_saga_state *to = &type->states[tq__saga_state(type, cell->next)];
    int is_again = from == to && from->deadline && strcmp(event, from->deadline) == 0;
    *out_move = (struct tq__saga_move){
        .cell = cell,
        .to = to,
        .deadline_ms = to->deadline_ms ? now_ms + to->deadline_ms : 0,
        .attempts = is_again ? saga->attempts + 1 : 0,
        .is_turning_back = tq__saga_is_undone_at(to) && !tq__saga_is_undone_at(from),
    };
    return TQ_OK;
}

int64_t tq__saga_postponed(const struct tq_saga_state *state, uint32_t attempts, int64_t now_ms)
{
    int64_t pause_ms = (int64_t)state->deadline_ms << (attempts < SHIFT_MAX ? attempts : SHIFT_MAX);
    int64_t most_ms = state->deadline_ms > POSTPONED_MAX_MS ? state->deadline_ms : POSTPONED_MAX_MS;
    return now_ms + (pause_ms < most_ms ? pause_ms : most_ms);
}
