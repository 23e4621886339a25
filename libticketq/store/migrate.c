/* SPDX-License-Identifier: MIT */
/*
 * Numbered steps of a schema.
 *
 * tq_migrations has a row for each step of each scope that was applied. All
 * missing steps are applied with their rows in one transaction that no other
 * starter's can overlap, so a database is at the old version or at the new one,
 * never between; a starter that comes second finds nothing to do. A database
 * that has more steps than the program was written by a newer one: it is left
 * alone. Threads: [any].
 */
#include "store/ledger.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "store/migrate_sql.h"

struct plan {
    const struct tq_migration *steps;
    size_t steps_count;
};

static const struct tq_migration *step_at(const struct plan *plan, size_t place)
{
    return tq__args_at(plan->steps, place);
}

static int check_step(const struct tq_migration *step, const char *scope, uint32_t version,
                      struct tq_error *err)
{
    struct tq_migration use;
    TQ_TRY(TQ__READ(&use, step, "migration", err));
    TQ_TRY(tq__id_check(use.scope, "scope", "migration", err));
    if (strcmp(use.scope, scope) != 0 || use.version != version || !use.sql) {
        return tq__fail(err, TQ_E_INVALID, "migration",
                        "step %u of %s is missing, out of order or empty", version, scope);
    }
    return TQ_OK;
}

static int check_plan(const struct plan *plan, struct tq_error *err)
{
    const struct tq_migration *migrations = plan->steps;
    TQ_TRY(tq__args_count(plan->steps_count, TQ_BATCH_MAX, "migrations_count", "migration", err));
    TQ_TRY(TQ__CHECK(migrations, plan->steps_count, "migration", err));
    for (size_t i = 0; i < plan->steps_count; i++) {
        TQ_TRY(check_step(step_at(plan, i), plan->steps[0].scope, (uint32_t)i + 1, err));
    }
    return TQ_OK;
}

static int take_version(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[0].integer;
    return 0;
}

static int apply(tq_tx *tx, const struct tq_migration *step, struct tq_error *err)
{
    const struct tq_value row[] = {tq_text(step->scope), tq_int(step->version),
                                   tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(tx->ledger->driver->script(tx->conn, step->sql, err));
    return tq_tx_exec(tx, MIGRATE_applied, row, 3, NULL, NULL, err);
}

static int migrate(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct plan *plan = arg;
    const struct tq_value scope = tq_text(plan->steps[0].scope);
    int64_t version = 0;
    TQ_TRY(tx->ledger->driver->script(tx->conn, MIGRATE_create, err));
    TQ_TRY(tq_tx_exec(tx, MIGRATE_version, &scope, 1, take_version, &version, err));
    if (version < 0 || (uint64_t)version > plan->steps_count) {
        return tq__fail(err, TQ_E_CORRUPT, "migration",
                        "%s is at version %lld, this program knows %zu", plan->steps[0].scope,
                        (long long)version, plan->steps_count);
    }
    if ((uint64_t)version == plan->steps_count) {
        return TQ_REPEAT;
    }
    for (size_t i = (size_t)version; i < plan->steps_count; i++) {
        TQ_TRY(apply(tx, step_at(plan, i), err));
    }
    return TQ_OK;
}

int tq_ledger_migrate(tq_store *store, const struct tq_migration *migrations,
                      size_t migrations_count, struct tq_error *err)
{
    struct plan plan = {migrations, migrations_count};
    struct tq__ledger *ledger = NULL;
    TQ_TRY(tq__ledger_of(store, &ledger, err));
    TQ_TRY(check_plan(&plan, err));
    TQ_TRY(tq__ledger_check_nesting(ledger, err));
    struct tq__run run = TQ__RUN(migrate, &plan);
    tq__ledger_run_alone(ledger, TQ_TX_SCHEMA, &run);
    return tq__run_result(&run, err);
}

/* ---- looking ---- */

struct looking {
    const char *scope;
    int64_t *version;
};

static int look(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct looking *looking = arg;
    const struct tq_value scope = tq_text(looking->scope);
    return tq_tx_exec(tx, MIGRATE_version, &scope, 1, take_version, looking->version, err);
}

int tq__ledger_version(tq_store *store, const char *scope, int64_t *out_version,
                       struct tq_error *err)
{
    struct looking looking = {scope, out_version};
    return tq_ledger_read(store, look, &looking, err);
}
