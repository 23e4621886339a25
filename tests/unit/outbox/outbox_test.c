/* SPDX-License-Identifier: MIT */
/*
 * outbox/outbox.c: what append refuses and saves, depth and age, and that an
 * operator's retry is only for what is parked.
 */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "lib/ask.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

struct batch {
    const struct tq_event *events;
    size_t count;
};

static int append_batch(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct batch *batch = arg;
    return tq_outbox_append(tx, batch->events, batch->count, failure);
}

static int append(const struct tq_event *events, size_t count)
{
    struct batch batch = {events, count};
    return tq_ledger_run(store, append_batch, &batch, &err);
}

static struct tq_event sample(const char *id)
{
    return (struct tq_event){.size = sizeof(struct tq_event),
                             .id = id,
                             .topic = "a.b",
                             .type = "T",
                             .aggregate_type = "x",
                             .aggregate_id = "x1",
                             .payload = "{}",
                             .payload_bytes = 2};
}

START_TEST(preparing_again__changes_nothing)
{
    setup();
    assert_status(tq_outbox_prepare(store, &err), TQ_REPEAT);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_partitions", NULL), 64);
    teardown();
}
END_TEST

static int go_back_to_1(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static const char *const steps[] = {
        "DROP INDEX outbox_events_blocked",
        "CREATE INDEX outbox_events_pending ON outbox_events (is_blocked, id, partition)",
        "DELETE FROM tq_migrations WHERE scope = 'tq_outbox' AND version > 1",
    };
    int status = TQ_OK;
    (void)arg;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == TQ_OK; i++) {
        status = tq_tx_exec(tx, steps[i], NULL, 0, NULL, NULL, failure);
    }
    return status;
}

START_TEST(an_older_outbox__is_brought_up_to_date_with_its_events)
{
    setup();
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    assert_status(tq_ledger_run(store, go_back_to_1, NULL, &err), TQ_OK);
    assert_status(tq_outbox_prepare(store, &err), TQ_OK);
    ck_assert_int_eq(ask_number(store,
                                "SELECT count(*) FROM sqlite_schema WHERE name LIKE"
                                " 'outbox_events_%' AND name <> 'outbox_events_blocked'",
                                NULL),
                     0);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_events", NULL), 3);
    teardown();
}
END_TEST

/* What opening a relay or an inbox on a store says, with the transport as it is. */
static void assert_refused_at_opening(tq_store *at, const char *words)
{
    struct tq_env env = test_env_of(&test);
    const struct tq_relay_options relaying = {.size = sizeof relaying, .owner = "r"};
    const char *const topics[] = {"a.b"};
    const struct tq_inbox_options reading = {.size = sizeof reading,
                                             .consumer = "c",
                                             .topics = topics,
                                             .topics_count = 1,
                                             .dead_letter_topic = "dlq",
                                             .handler = outbox_apply};
    tq_transport *transport = outbox_transport(&env, "inproc:");
    tq_relay *relay = NULL;
    tq_inbox *inbox = NULL;
    assert_status(tq_relay_open(at, transport, &relaying, &relay, &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, words));
    assert_status(tq_inbox_open(at, transport, &reading, &inbox, &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, words));
    ck_assert_ptr_nonnull(strstr(err.message, "tq_outbox_prepare() comes first"));
    tq_transport_close(transport);
}

START_TEST(what_was_not_prepared__is_said_when_it_is_opened)
{
    const struct tq_migration other = {
        .size = sizeof other, .scope = "mine", .version = 1, .sql = "CREATE TABLE mine (id TEXT);"};
    setup();
    struct tq_env env = test_env_of(&test);
    tq_store *bare = outbox_store(&env, "sqlite::memory:");
    assert_refused_at_opening(bare, "step 0 of 2");
    assert_status(tq_ledger_migrate(bare, &other, 1, &err), TQ_OK);
    assert_refused_at_opening(bare, "step 0 of 2");
    tq_store_close(bare);
    assert_status(tq_ledger_run(store, go_back_to_1, NULL, &err), TQ_OK);
    assert_refused_at_opening(store, "step 1 of 2");
    teardown();
}
END_TEST

START_TEST(counts__are_bounded)
{
    static struct tq_event events[TQ_BATCH_MAX + 1];
    setup();
    for (size_t i = 0; i <= TQ_BATCH_MAX; i++) {
        events[i] = sample(NULL);
    }
    assert_status(append(events, 0), TQ_E_LIMIT);
    assert_status(append(events, TQ_BATCH_MAX + 1), TQ_E_LIMIT);
    assert_status(append(events, TQ_BATCH_MAX), TQ_OK);
    assert_status(append(NULL, 1), TQ_E_INVALID);
    ck_assert_int_eq(outbox_pending(store), TQ_BATCH_MAX);
    teardown();
}
END_TEST

START_TEST(ids__are_made_or_kept_and_refused_twice)
{
    struct tq_event events[] = {sample(NULL), sample("e1")};
    setup();
    assert_status(append(events, 2), TQ_OK);
    assert_status(append(events, 2), TQ_REPEAT);
    ck_assert_int_eq(outbox_pending(store), 2);
    ck_assert_int_eq(ask_number(store,
                                "SELECT count(*) FROM outbox_events WHERE event_id = $1 OR"
                                " (length(event_id) = 36 AND event_id LIKE '________-____-7%')",
                                "e1"),
                     2);
    teardown();
}
END_TEST

START_TEST(one_bad_event__refuses_the_batch)
{
    struct tq_event events[] = {sample("e1"), sample("e2")};
    setup();
    events[1].topic = "no topic";
    assert_status(append(events, 2), TQ_E_INVALID);
    ck_assert_int_eq(outbox_pending(store), 0);
    teardown();
}
END_TEST

START_TEST(a_row__has_all_of_the_event_and_the_partition_of_its_key)
{
    static const struct tq_header headers[] = {{"shop", "north"}};
    struct tq_event event = sample("e1");
    event.key = "k7";
    event.traceparent = "00-11-22-01";
    event.headers = headers;
    event.headers_count = 1;
    setup();
    assert_status(append(&event, 1), TQ_OK);
    ck_assert_int_eq(
        ask_number(store,
                   "SELECT count(*) FROM outbox_events WHERE event_id = 'e1' AND topic = 'a.b'"
                   " AND event_key = 'k7' AND type = 'T' AND aggregate_type = 'x' AND"
                   " aggregate_id = 'x1' AND payload = '{}' AND is_blocked = 0 AND attempts = 0"
                   " AND headers = $1",
                   "traceparent: 00-11-22-01\nshop: north\n"),
        1);
    ck_assert_int_eq(ask_number(store, "SELECT partition FROM outbox_events", NULL),
                     tq__hash("k7") % 64);
    ck_assert_int_eq(ask_number(store, "SELECT created_ms FROM outbox_events", NULL), test.now_ms);
    teardown();
}
END_TEST

START_TEST(stats__tell_depth_and_age)
{
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    struct tq_event event = sample("e1");
    setup();
    assert_status(tq_outbox_stats(store, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.pending, 0);
    ck_assert_int_eq(stats.oldest_ms, 0);
    assert_status(append(&event, 1), TQ_OK);
    test.now_ms += 1500;
    event.id = "e2";
    assert_status(append(&event, 1), TQ_OK);
    assert_status(tq_outbox_stats(store, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.pending, 2);
    ck_assert_uint_eq(stats.parked, 0);
    ck_assert_int_eq(stats.oldest_ms, 1500);
    stats.size = 4;
    assert_status(tq_outbox_stats(store, &stats, &err), TQ_E_ABI);
    teardown();
}
END_TEST

START_TEST(retry__is_for_what_is_parked)
{
    struct tq_event event = sample("e1");
    setup();
    assert_status(append(&event, 1), TQ_OK);
    assert_status(tq_outbox_retry(store, "e1", &err), TQ_GONE);
    assert_status(tq_outbox_retry(store, "e9", &err), TQ_GONE);
    assert_status(tq_outbox_retry(store, "no id", &err), TQ_E_INVALID);
    assert_status(tq_outbox_retry(store, NULL, &err), TQ_E_INVALID);
    assert_status(tq_outbox_parked(store, 1, NULL, NULL, &err), TQ_E_INVALID);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.outbox", preparing_again__changes_nothing,
          what_was_not_prepared__is_said_when_it_is_opened,
          an_older_outbox__is_brought_up_to_date_with_its_events, counts__are_bounded,
          ids__are_made_or_kept_and_refused_twice, one_bad_event__refuses_the_batch,
          a_row__has_all_of_the_event_and_the_partition_of_its_key, stats__tell_depth_and_age,
          retry__is_for_what_is_parked)
