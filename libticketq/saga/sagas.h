/* SPDX-License-Identifier: MIT */
/*
 * What the files of sagas share: the open type, and a saga's row.
 */
#ifndef TQ_SAGA_SAGAS_H
#define TQ_SAGA_SAGAS_H

#include "core/error.h"
#include "saga/step.h"

struct tq_sagas {
    const struct tq_env *env;
    tq_store *store;
    void *arg;
    const char *name;
    struct tq__saga_table *tables; /* the current definition first */
    size_t tables_count;
};

/* A row, with its own texts. */
struct tq__saga_record {
    struct tq_saga saga;
    uint32_t definition;
    char id[TQ_ID_SIZE];
    char state[TQ_ID_SIZE];
    char data[TQ_SAGA_DATA_MAX + 1];
};

/* Fills a record from the columns of `read` and `stuck`. */
void tq__saga_take(struct tq__saga_record *record, const struct tq_value *columns);
/* TQ_OK; TQ_GONE: no such saga. */
int tq__saga_load(tq_tx *tx, const tq_sagas *sagas, const char *id,
                  struct tq__saga_record *out_record, struct tq_error *err);
/* The definition that the saga was begun with; NULL: it is not open. */
const struct tq__saga_table *tq__saga_table_of(const tq_sagas *sagas,
                                               const struct tq__saga_record *record);
/* Bring an event to a loaded saga. Results as tq_saga_apply(). */
int tq__saga_bring(tq_tx *tx, const tq_sagas *sagas, const struct tq__saga_record *record,
                   const char *event, const void *input, struct tq_error *err);
/* One line of history. */
int tq__saga_note(tq_tx *tx, const tq_sagas *sagas, const char *id, uint64_t version,
                  const char *from, const char *event, const char *to, struct tq_error *err);

#endif
