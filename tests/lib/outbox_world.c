/* SPDX-License-Identifier: MIT */
/*
 * A service with an outbox and an inbox. See the header.
 */
#include "lib/outbox_world.h"

#include <stdio.h>
#include <string.h>

#include "transport/transport.h"

#define ROUND_MS 20
#define ROUNDS 1500
#define PATIENCE_MS 60000 /* for a lock that processes on a slow disk take in turn */

static struct tq_error err = TQ_ERROR_INIT;

tq_store *outbox_store(const struct tq_env *env, const char *url)
{
    tq_store *store = NULL;
    assert_status(
        tq_store_open(env, TQ_ARGS(tq_store_options, .url = url, .busy_timeout_ms = PATIENCE_MS),
                      &store, &err),
        TQ_OK);
    return store;
}

tq_transport *outbox_transport(const struct tq_env *env, const char *url)
{
    tq_transport *transport = NULL;
    assert_status(
        tq_transport_open(env, TQ_ARGS(tq_transport_options, .url = url), &transport, &err), TQ_OK);
    return transport;
}

void outbox_prepare(tq_store *store)
{
    static const struct tq_migration table = {
        sizeof table, "test_applied", 1, 0,
        "CREATE TABLE applied (id INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL,"
        " event_key TEXT NOT NULL, n BIGINT NOT NULL)"};
    ck_assert_int_ge(tq_outbox_prepare(store, &err), TQ_OK);
    ck_assert_int_ge(tq_ledger_migrate(store, &table, 1, &err), TQ_OK);
}

struct put {
    const char *key;
    int first, last;
};

static int put_events(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct put *put = arg;
    char payload[32];
    for (int n = put->first; n <= put->last; n++) {
        int bytes = snprintf(payload, sizeof payload, "{\"n\":%d}", n);
        int status =
            tq_outbox_append(tx,
                             TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = "SeatCounted",
                                     .aggregate_type = "seat", .aggregate_id = put->key,
                                     .payload = payload, .payload_bytes = (size_t)bytes),
                             1, failure);
        if (status != TQ_OK) {
            return status;
        }
    }
    return TQ_OK;
}

int outbox_put(tq_store *store, const char *key, int first, int last)
{
    struct put put = {key, first, last};
    return tq_ledger_run(store, put_events, &put, &err);
}

static int park(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value key = tq_text(arg);
    int status = tq_tx_exec(tx,
                            "UPDATE outbox_events SET is_blocked = 1, event_id = 'parked'"
                            " WHERE event_key = $1",
                            &key, 1, NULL, NULL, failure);
    return status < 0 ? status
                      : tq_tx_exec(tx,
                                   "INSERT INTO outbox_blocked SELECT event_key, partition,"
                                   " event_id, NULL, 'why' FROM outbox_events WHERE event_key = $1",
                                   &key, 1, NULL, NULL, failure);
}

void outbox_park(tq_store *store, const char *key)
{
    assert_status(tq_ledger_run(store, park, (void *)(uintptr_t)key, &err), TQ_OK);
}

tq_relay *outbox_relay(tq_store *store, tq_transport *transport, const char *owner)
{
    tq_relay *relay = NULL;
    assert_status(
        tq_relay_open(store, transport, TQ_ARGS(tq_relay_options, .owner = owner), &relay, &err),
        TQ_OK);
    return relay;
}

/* The handler's argument: whose inbox it is, and the plan. */
struct handler_arg {
    char consumer[TQ_ID_SIZE];
    struct handler_plan *plan;
};

static int insert(tq_tx *tx, const char *consumer, const struct tq_event *event,
                  struct tq_error *failure)
{
    int n = 0;
    if (sscanf(event->payload, "{\"n\":%d}", &n) != 1) {
        return TQ_E_INVALID;
    }
    const struct tq_value params[] = {tq_text(consumer), tq_text(event->key), tq_int(n)};
    return tq_tx_exec(tx, "INSERT INTO applied (consumer, event_key, n) VALUES ($1, $2, $3)",
                      params, 3, NULL, NULL, failure);
}

int outbox_apply(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *failure)
{
    struct handler_arg *handler = arg;
    struct handler_plan *plan = handler->plan;
    int status = insert(tx, handler->consumer, event, failure);
    plan->called++;
    if (status == TQ_OK && plan->times > 0 && strcmp(plan->key, event->key) == 0) {
        plan->times--;
        status = plan->status;
    }
    return status;
}

static void told(const struct tq_event *const events[], size_t count, void *arg)
{
    struct handler_arg *handler = arg;
    for (size_t i = 0; i < count; i++) {
        ck_assert_ptr_nonnull(events[i]->id);
    }
    handler->plan->told += (int)count;
    handler->plan->told_times++;
}

tq_inbox *outbox_inbox(tq_store *store, tq_transport *transport, const char *consumer,
                       struct handler_plan *plan, uint32_t attempts_max)
{
    static const char *const topics[] = {OUTBOX_TOPIC};
    static struct handler_arg args[16];
    static size_t args_count;
    struct handler_arg *arg = &args[args_count++ % 16];
    tq_inbox *inbox = NULL;
    snprintf(arg->consumer, sizeof arg->consumer, "%s", consumer);
    arg->plan = plan;
    assert_status(tq_inbox_open(store, transport,
                                TQ_ARGS(tq_inbox_options, .consumer = consumer, .topics = topics,
                                        .topics_count = 1, .dead_letter_topic = OUTBOX_DEAD,
                                        .handler = outbox_apply, .applied = told, .arg = arg,
                                        .attempts_max = attempts_max),
                                &inbox, &err),
                  TQ_OK);
    return inbox;
}

void outbox_run(tq_relay *relay, tq_inbox *inbox, int rounds)
{
    int is_busy = 1;
    for (int i = 0; i < rounds && is_busy; i++) {
        int relayed = tq_relay_step(relay, 0, NULL, &err);
        ck_assert_msg(relayed >= 0, "%s: %s", err.origin, err.message);
        int applied = inbox ? tq_inbox_step(inbox, 0, NULL, &err) : TQ_EMPTY;
        ck_assert_msg(applied >= 0, "%s: %s", err.origin, err.message);
        is_busy = relayed == TQ_OK || applied == TQ_OK;
    }
}

void outbox_finish(tq_store *store, tq_relay *relay, tq_inbox *inbox,
                   const struct handler_plan *plan, int told)
{
    int is_done = 0;
    for (int i = 0; i < ROUNDS && !is_done; i++) {
        assert_step(relay ? tq_relay_step(relay, 0, NULL, &err) : TQ_EMPTY);
        assert_step(inbox ? tq_inbox_step(inbox, ROUND_MS, NULL, &err) : TQ_EMPTY);
        is_done = plan->told >= told && (!relay || outbox_pending(store) == 0);
    }
    ck_assert_int_eq(plan->told, told);
    ck_assert(is_done);
}

int outbox_takes_a_moment(const tq_transport *transport)
{
    return (tq__transport_driver(transport)->caps & TQ_TRANSPORT_SHARED) != 0;
}

/* ---- looking ---- */

int64_t outbox_pending(tq_store *store)
{
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    assert_status(tq_outbox_stats(store, &stats, &err), TQ_OK);
    return (int64_t)stats.pending;
}

struct sequence {
    const char *consumer, *key;
    int count;
    int is_ordered;
};

static int on_applied(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct sequence *sequence = arg;
    (void)columns_count;
    sequence->is_ordered &= columns[0].integer == ++sequence->count;
    return TQ_OK;
}

static int read_sequence(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct sequence *sequence = arg;
    const struct tq_value params[] = {tq_text(sequence->consumer), tq_text(sequence->key)};
    sequence->count = 0;
    sequence->is_ordered = 1;
    return tq_tx_exec(tx,
                      "SELECT n FROM applied WHERE consumer = $1 AND event_key = $2 ORDER BY id",
                      params, 2, on_applied, sequence, failure);
}

void outbox_check_key(tq_store *store, const char *consumer, const char *key, int count)
{
    struct sequence sequence = {consumer, key, 0, 1};
    assert_status(tq_ledger_read(store, read_sequence, &sequence, &err), TQ_OK);
    ck_assert_msg(sequence.count == count, "%s applied %d events of %s, expected %d", consumer,
                  sequence.count, key, count);
    ck_assert_msg(sequence.is_ordered, "%s applied %s out of order", consumer, key);
}
