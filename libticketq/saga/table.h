/* SPDX-License-Identifier: MIT */
/*
 * A saga type, checked and laid out by (state, event).
 */
#ifndef TQ_SAGA_TABLE_H
#define TQ_SAGA_TABLE_H

#include <ticketq/saga.h>

struct tq__saga_table {
    struct tq_saga_type type;
    const struct tq_saga_cell *cells[TQ_SAGA_STATES_MAX][TQ_SAGA_EVENTS_MAX];
};

/* TQ_OK: every cell is defined and contradicts nothing. TQ_E_INVALID names what is wrong. */
int tq__saga_table_make(struct tq__saga_table *table, const struct tq_saga_type *type,
                        struct tq_error *err);
/* Place of a name in the type; -1: there is none. */
int tq__saga_state(const struct tq_saga_type *type, const char *name);
int tq__saga_event(const struct tq_saga_type *type, const char *name);

#endif
