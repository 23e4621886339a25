/* SPDX-License-Identifier: MIT */
/*
 * An order is written together with the event that tells of it; the event is
 * applied exactly once.
 *
 * Shows the ledger, the outbox, the relay and the inbox: one SQLite database,
 * one queue inside the process, two services that know nothing of each other.
 */
#include <stdio.h>

#include <ticketq/system.h>
#include <ticketq/ticketq.h>

static int fail(const struct tq_error *err)
{
    fprintf(stderr, "%s: %s\n", err->origin, err->message);
    return 1;
}

/* The order and its event: both, or neither. */
static int place_order(tq_tx *tx, void *arg, struct tq_error *err)
{
    const char *id = arg;
    const struct tq_value params[] = {tq_text(id), tq_int(2)};
    int rc = tq_tx_exec(tx, "INSERT INTO orders (id, seats) VALUES ($1, $2)", params, 2, NULL,
                        NULL, err);
    if (rc) {
        return rc;
    }
    return tq_outbox_append(tx,
                            TQ_ARGS(tq_event, .topic = "order.events", .type = "OrderPlaced",
                                    .aggregate_type = "order", .aggregate_id = id,
                                    .payload = "{\"seats\":2}", .payload_bytes = 11),
                            1, err);
}

/* Another service: counts, once per event, in the transaction of its inbox. */
static int count_order(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err)
{
    (void)arg;
    printf("%s %s %.*s\n", event->type, event->aggregate_id, (int)event->payload_bytes,
           event->payload);
    return tq_tx_exec(tx, "UPDATE totals SET orders = orders + 1", NULL, 0, NULL, NULL, err);
}

static int read_total(void *arg, const struct tq_value *columns, size_t columns_count)
{
    *(int64_t *)arg = columns_count ? columns[0].integer : -1;
    return 0;
}

static int total(tq_tx *tx, void *arg, struct tq_error *err)
{
    return tq_tx_exec(tx, "SELECT orders FROM totals", NULL, 0, read_total, arg, err);
}

static const struct tq_migration schema[] = {
    {sizeof(struct tq_migration), "example", 1, 0,
     "CREATE TABLE orders (id TEXT PRIMARY KEY, seats INTEGER NOT NULL);"
     "CREATE TABLE totals (orders INTEGER NOT NULL); INSERT INTO totals VALUES (0)"},
};

int main(void)
{
    static const char *const topics[] = {"order.events"};
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_store *store = NULL;
    tq_transport *transport = NULL;
    tq_inbox *inbox = NULL;
    tq_relay *relay = NULL;
    int64_t orders = 0;
    if (tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err) ||
        tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = "inproc:"), &transport,
                          &err) ||
        tq_ledger_migrate(store, schema, 1, &err) < 0 || tq_outbox_prepare(store, &err) < 0 ||
        tq_inbox_open(store, transport,
                      TQ_ARGS(tq_inbox_options, .consumer = "counter", .topics = topics,
                              .topics_count = 1, .dead_letter_topic = "dlq.counter",
                              .handler = count_order),
                      &inbox, &err) ||
        tq_relay_open(store, transport, TQ_ARGS(tq_relay_options, .owner = "relay-1"), &relay,
                      &err) ||
        tq_ledger_run(store, place_order, (void *)"order-1", &err)) {
        return fail(&err);
    }
    for (int step = 0; step < 10; step++) {
        if (tq_relay_step(relay, 10, NULL, &err) < 0 || tq_inbox_step(inbox, 10, NULL, &err) < 0) {
            return fail(&err);
        }
    }
    if (tq_ledger_read(store, total, &orders, &err)) {
        return fail(&err);
    }
    printf("orders counted: %lld\n", (long long)orders);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
    return orders != 1;
}
