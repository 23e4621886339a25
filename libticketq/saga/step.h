/* SPDX-License-Identifier: MIT */
/*
 * What an event means to a saga: the decision, without I/O.
 */
#ifndef TQ_SAGA_STEP_H
#define TQ_SAGA_STEP_H

#include "saga/table.h"

/* A transition that is to be made. */
struct tq__saga_move {
    const struct tq_saga_cell *cell;
    const struct tq_saga_state *to;
    int64_t deadline_ms; /* 0: none */
    uint32_t attempts;
    int is_turning_back; /* compensations are to be run */
};

/*
 * TQ_OK: make this move. TQ_REPEAT, TQ_REFUSED, TQ_WAIT: nothing is to be done, by the table.
 * TQ_E_INVALID: no such event. TQ_E_CORRUPT: no such state.
 */
int tq__saga_decide(const struct tq__saga_table *table, const struct tq_saga *saga,
                    const char *event, int64_t now_ms, struct tq__saga_move *out_move,
                    struct tq_error *err);
/* When the deadline of a state is brought again after it could not be brought. */
int64_t tq__saga_postponed(const struct tq_saga_state *state, uint32_t attempts, int64_t now_ms);
/* A saga that came into this state is not undone beyond it. */
int tq__saga_is_undone_at(const struct tq_saga_state *state);

#endif
