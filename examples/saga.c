/* SPDX-License-Identifier: MIT */
/*
 * An order that ends paid, or cancelled with its seats free again.
 *
 * Shows a saga: its table is data, every cell says what an event means in a
 * state, an event that comes twice does nothing, and what was done is undone by the
 * compensation when the saga turns back.
 */
#include <stdio.h>

#include <ticketq/system.h>
#include <ticketq/ticketq.h>

static int change(tq_tx *tx, const char *sql, const char *id, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(id)};
    return tq_tx_exec(tx, sql, params, 1, NULL, NULL, err);
}

static int pin(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
               struct tq_error *err)
{
    (void)input;
    (void)arg;
    return change(tx, "INSERT INTO pinned (order_id) VALUES ($1)", saga->id, err);
}

static int unpin(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                 struct tq_error *err)
{
    (void)input;
    (void)arg;
    return change(tx, "DELETE FROM pinned WHERE order_id = $1", saga->id, err);
}

/* The first state is where an order begins; one that nobody pays is ended by its deadline. */
static const struct tq_saga_state states[] = {
    {"OPEN", TQ_SAGA_FORWARD, 600000, "Overdue"},
    {"PAYING", TQ_SAGA_FORWARD, 60000, "Overdue"},
    {"PAID", TQ_SAGA_DONE, 0, NULL},
    {"CANCELLED", TQ_SAGA_UNDONE, 0, NULL},
};

static const char *const events[] = {"PayAsked", "Paid", "Declined", "Overdue"};

static const struct tq_saga_cell cells[] = {
    TQ_SAGA_GO_UNDO("OPEN", "PayAsked", "PAYING", pin, unpin),
    TQ_SAGA_REFUSE("OPEN", "Paid"),
    TQ_SAGA_REFUSE("OPEN", "Declined"),
    TQ_SAGA_GO("OPEN", "Overdue", "CANCELLED", NULL),

    TQ_SAGA_IGNORE("PAYING", "PayAsked"),
    TQ_SAGA_GO("PAYING", "Paid", "PAID", NULL),
    TQ_SAGA_GO("PAYING", "Declined", "CANCELLED", NULL), /* unpin() runs */
    TQ_SAGA_GO("PAYING", "Overdue", "PAYING", NULL),     /* no answer is no refusal: go on asking */

    TQ_SAGA_IGNORE("PAID", "PayAsked"),
    TQ_SAGA_IGNORE("PAID", "Paid"),
    TQ_SAGA_REFUSE("PAID", "Declined"),
    TQ_SAGA_IGNORE("PAID", "Overdue"),

    TQ_SAGA_REFUSE("CANCELLED", "PayAsked"),
    TQ_SAGA_REFUSE("CANCELLED", "Paid"),
    TQ_SAGA_IGNORE("CANCELLED", "Declined"),
    TQ_SAGA_IGNORE("CANCELLED", "Overdue"),
};

static const struct tq_saga_type order = TQ_SAGA_TYPE("order", 1, states, events, cells);

struct bringing {
    tq_sagas *sagas;
    const char *id;
    const char *event; /* NULL: begin */
};

static int bring(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct bringing *at = arg;
    return at->event ? tq_saga_apply(tx, at->sagas, at->id, at->event, NULL, err)
                     : tq_saga_start(tx, at->sagas, at->id, "", 0, err);
}

static int count_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    *(int64_t *)arg = columns_count ? columns[0].integer : -1;
    return 0;
}

static int count_pinned(tq_tx *tx, void *arg, struct tq_error *err)
{
    return tq_tx_exec(tx, "SELECT COUNT(*) FROM pinned", NULL, 0, count_row, arg, err);
}

static const struct tq_migration schema[] = {
    {sizeof(struct tq_migration), "example", 1, 0, "CREATE TABLE pinned (order_id TEXT NOT NULL)"},
};

/* What came of each: TQ_OK, TQ_REPEAT where the table says ignore, TQ_REFUSED where it refuses. */
static int run(tq_store *store, tq_sagas *sagas, int64_t *out_pinned, struct tq_error *err)
{
    static const struct {
        const char *id, *event;
        int result;
    } steps[] = {{"order-1", NULL, TQ_OK},       {"order-1", "PayAsked", TQ_OK},
                 {"order-1", "Paid", TQ_OK},     {"order-1", "Paid", TQ_REPEAT},
                 {"order-2", NULL, TQ_OK},       {"order-2", "PayAsked", TQ_OK},
                 {"order-2", "Declined", TQ_OK}, {"order-2", "Paid", TQ_REFUSED}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct bringing at = {sagas, steps[i].id, steps[i].event};
        int rc = tq_ledger_run(store, bring, &at, err);
        printf("%s %s: %s\n", at.id, at.event ? at.event : "begins", tq_status_name(rc));
        if (rc != steps[i].result) {
            return 1;
        }
    }
    return tq_ledger_read(store, count_pinned, out_pinned, err);
}

int main(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_store *store = NULL;
    tq_sagas *sagas = NULL;
    int64_t pinned = 0;
    if (tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err) ||
        tq_ledger_migrate(store, schema, 1, &err) < 0 ||
        tq_sagas_open(store, &order, NULL, &sagas, &err) || run(store, sagas, &pinned, &err)) {
        fprintf(stderr, "%s: %s\n", err.origin, err.message);
        return 1;
    }
    printf("orders with seats: %lld\n", (long long)pinned);
    tq_sagas_close(sagas);
    tq_store_close(store);
    return pinned != 1;
}
