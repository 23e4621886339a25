/* SPDX-License-Identifier: MIT */
/*
 * Opening a saga type, beginning a saga, reading one and bringing it an event.
 *
 * table.c checks what was declared, step.c decides, move.c writes, deadline.c
 * does what is due. A type may be open in several definitions: a saga keeps the
 * number of the one it was begun with, and only that one decides for it.
 * Threads: [any]; an open type does not change.
 */
#include "saga/sagas.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "saga/saga_sql.h"
#include "store/store.h"

#define ORIGIN "saga"

TQ_AUTO_DEFINE(tq_sagas, tq_sagas_close)

static const struct tq_migration migrations[] = {
    {sizeof(struct tq_migration), "tq_saga", 1, 0, SAGA_schema_1},
};

/* ---- open, close ---- */

static int make_tables(tq_sagas *sagas, const struct tq_saga_type *type, struct tq_error *err)
{
    uint32_t newer = UINT32_MAX;
    while (type) {
        if (sagas->tables_count == TQ_SAGA_DEFINITIONS_MAX) {
            return tq__fail(err, TQ_E_LIMIT, ORIGIN, "at most %d definitions of a type",
                            TQ_SAGA_DEFINITIONS_MAX);
        }
        struct tq__saga_table *table = &sagas->tables[sagas->tables_count++];
        TQ_TRY(tq__saga_table_make(table, type, err));
        if (strcmp(table->type.name, sagas->tables[0].type.name) != 0 ||
            table->type.version >= newer) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN,
                            "a previous definition has another name or no lower version");
        }
        newer = table->type.version;
        type = table->type.previous;
    }
    return TQ_OK;
}

int tq_sagas_open(tq_store *store, const struct tq_saga_type *type, void *arg, tq_sagas **out_sagas,
                  struct tq_error *err)
{
    TQ_AUTO(tq_sagas) *sagas = NULL;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, store, type, out_sagas));
    sagas = tq__alloc(tq__store_env(store), 1, sizeof *sagas);
    if (!sagas) {
        return tq__nomem(ORIGIN, err);
    }
    sagas->env = tq__store_env(store);
    sagas->store = tq__store_ref(store);
    sagas->arg = arg;
    sagas->tables = tq__alloc(sagas->env, TQ_SAGA_DEFINITIONS_MAX, sizeof *sagas->tables);
    if (!sagas->tables) {
        return tq__nomem(ORIGIN, err);
    }
    TQ_TRY(make_tables(sagas, type, err));
    sagas->name = sagas->tables[0].type.name;
    TQ_TRY(tq_ledger_migrate(store, migrations, sizeof migrations / sizeof *migrations, err));
    *out_sagas = tq__take(&sagas);
    return TQ_OK;
}

void tq_sagas_close(tq_sagas *sagas)
{
    if (!sagas) {
        return;
    }
    tq_store *store = sagas->store;
    tq__release(sagas->env, sagas->tables);
    tq__release(sagas->env, sagas);
    tq_store_close(store);
}

/* ---- rows ---- */

enum saga_column { ID, DEFINITION, STATE, VERSION, DEADLINE, ATTEMPTS, UPDATED, DATA };

void tq__saga_take(struct tq__saga_record *record, const struct tq_value *columns)
{
    uint32_t bytes = columns[DATA].bytes;
    bytes = bytes < TQ_SAGA_DATA_MAX ? bytes : TQ_SAGA_DATA_MAX;
    tq__id_copy(record->id, columns[ID].data);
    tq__id_copy(record->state, columns[STATE].data);
    memcpy(record->data, columns[DATA].data, bytes);
    record->data[bytes] = '\0';
    record->definition = (uint32_t)columns[DEFINITION].integer;
    record->saga = (struct tq_saga){
        .size = sizeof record->saga,
        .id = record->id,
        .state = record->state,
        .version = (uint64_t)columns[VERSION].integer,
        .deadline_ms = columns[DEADLINE].type == TQ_INT ? columns[DEADLINE].integer : 0,
        .updated_ms = columns[UPDATED].integer,
        .attempts = (uint32_t)columns[ATTEMPTS].integer,
        .data_bytes = bytes,
        .data = record->data,
    };
}

static int on_saga(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    tq__saga_take(arg, columns);
    return TQ_OK;
}

int tq__saga_load(tq_tx *tx, const tq_sagas *sagas, const char *id,
                  struct tq__saga_record *out_record, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(sagas->name), tq_text(id)};
    out_record->saga.size = 0;
    TQ_TRY(tq_tx_exec(tx, SAGA_read, params, 2, on_saga, out_record, err));
    return out_record->saga.size ? TQ_OK : TQ_GONE;
}

static int check(const tq_tx *tx, const tq_sagas *sagas, const char *id, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, tx, sagas));
    return tq__id_check(id, "a saga's id", ORIGIN, err);
}

/* ---- start, apply, read ---- */

int tq_saga_start(tq_tx *tx, tq_sagas *sagas, const char *id, const char *data, size_t data_bytes,
                  struct tq_error *err)
{
    TQ_TRY(check(tx, sagas, id, err));
    if (data_bytes > TQ_SAGA_DATA_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "a saga's data has at most %d bytes",
                        TQ_SAGA_DATA_MAX);
    }
    if (data_bytes && (!data || memchr(data, '\0', data_bytes))) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "a saga's data is text");
    }
    const struct tq_saga_type *type = &sagas->tables[0].type;
    const int64_t now_ms = tq_tx_now_ms(tx);
    const struct tq_value params[] = {
        tq_text(type->name),
        tq_text(id),
        tq_int(type->version),
        tq_text(type->states[0].name),
        tq_int(now_ms + type->states[0].deadline_ms),
        tq_int(now_ms),
        tq_text_of(data_bytes ? data : "", data_bytes),
    };
    int status = tq_tx_exec(tx, SAGA_start, params, 7, NULL, NULL, err);
    if (status != TQ_OK) {
        return status;
    }
    return tq__saga_note(tx, sagas, id, 1, "", "", type->states[0].name, err);
}

int tq_saga_apply(tq_tx *tx, tq_sagas *sagas, const char *id, const char *event, const void *input,
                  struct tq_error *err)
{
    struct tq__saga_record record;
    TQ_TRY(check(tx, sagas, id, err));
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, event));
    int status = tq__saga_load(tx, sagas, id, &record, err);
    return status == TQ_OK ? tq__saga_bring(tx, sagas, &record, event, input, err) : status;
}

int tq_saga_read(tq_tx *tx, tq_sagas *sagas, const char *id, tq_saga_row_fn *visit, void *arg,
                 struct tq_error *err)
{
    struct tq__saga_record record;
    TQ_TRY(check(tx, sagas, id, err));
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, visit));
    int status = tq__saga_load(tx, sagas, id, &record, err);
    return status == TQ_OK ? visit(arg, &record.saga) : status;
}
