/* SPDX-License-Identifier: MIT */
/*
 * outbox/relay.c: options and their limits, what a step tells, and that closing
 * hands the leases back. What it does when things fail is in tests/fault/outbox.
 */
#include <string.h>

#include "lib/ask.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static tq_store *store;
static tq_transport *transport;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
    transport = outbox_transport(&env, "inproc:");
}

static void teardown(void)
{
    tq_transport_close(transport);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static void try_open(const struct tq_relay_options *options, int expected)
{
    tq_relay *relay = NULL;
    assert_status(tq_relay_open(store, transport, options, &relay, &err), expected);
    ck_assert_int_eq(relay != NULL, expected == TQ_OK);
    tq_relay_close(relay);
}

START_TEST(options__have_limits)
{
    setup();
    try_open(NULL, TQ_E_INVALID);
    try_open(TQ_ARGS(tq_relay_options, .batch = 1), TQ_E_INVALID);
    try_open(TQ_ARGS(tq_relay_options, .owner = "no id"), TQ_E_INVALID);
    try_open(TQ_ARGS(tq_relay_options, .owner = "r1", .batch = TQ_BATCH_MAX), TQ_OK);
    try_open(TQ_ARGS(tq_relay_options, .owner = "r1", .batch = TQ_BATCH_MAX + 1), TQ_E_LIMIT);
    try_open(TQ_ARGS(tq_relay_options, .owner = "r1", .lease_ms = 100), TQ_OK);
    try_open(TQ_ARGS(tq_relay_options, .owner = "r1", .lease_ms = 99), TQ_E_LIMIT);
    try_open(TQ_ARGS(tq_relay_options, .owner = "r1", .lease_ms = 3600000), TQ_OK);
    try_open(TQ_ARGS(tq_relay_options, .owner = "r1", .lease_ms = 3600001), TQ_E_LIMIT);
    teardown();
}
END_TEST

START_TEST(stores_without_a_ledger__are_refused)
{
    tq_relay *relay = NULL;
    setup();
    tq_store *memory = outbox_store(&env, "memory:");
    assert_status(
        tq_relay_open(memory, transport, TQ_ARGS(tq_relay_options, .owner = "r1"), &relay, &err),
        TQ_E_UNSUPPORTED);
    assert_status(
        tq_relay_open(NULL, transport, TQ_ARGS(tq_relay_options, .owner = "r1"), &relay, &err),
        TQ_E_INVALID);
    assert_status(
        tq_relay_open(store, NULL, TQ_ARGS(tq_relay_options, .owner = "r1"), &relay, &err),
        TQ_E_INVALID);
    assert_status(tq_relay_step(NULL, 0, NULL, &err), TQ_E_INVALID);
    tq_store_close(memory);
    teardown();
}
END_TEST

START_TEST(a_step__tells_what_was_published_and_what_waits)
{
    struct tq_relay_stats stats = TQ_INIT(tq_relay_stats);
    struct handler_plan plan = {.key = ""};
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    assert_status(tq_relay_step(relay, 0, &stats, &err), TQ_EMPTY);
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    assert_status(tq_relay_step(relay, 0, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.waiting, 3);
    ck_assert_uint_eq(stats.published, 0);
    assert_status(tq_relay_step(relay, 0, &stats, &err), TQ_EMPTY);
    assert_status(tq_inbox_step(inbox, 0, NULL, &err), TQ_OK);
    ck_assert_int_eq(outbox_pending(store), 3);
    assert_status(tq_relay_step(relay, 0, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(stats.published, 3);
    ck_assert_int_eq(outbox_pending(store), 0);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

START_TEST(batches__bound_a_step_and_the_window_bounds_all)
{
    struct tq_relay_stats stats = TQ_INIT(tq_relay_stats);
    struct handler_plan plan = {.key = ""};
    tq_relay *relay = NULL;
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    assert_status(tq_relay_open(store, transport,
                                TQ_ARGS(tq_relay_options, .owner = "r1", .batch = 4), &relay, &err),
                  TQ_OK);
    assert_status(outbox_put(store, "k1", 1, 100), TQ_OK);
    for (uint32_t i = 1; i <= 16; i++) {
        assert_status(tq_relay_step(relay, 0, &stats, &err), TQ_OK);
        ck_assert_uint_eq(stats.waiting, 4 * i);
    }
    assert_status(tq_relay_step(relay, 0, &stats, &err), TQ_EMPTY);
    ck_assert_uint_eq(stats.waiting, 64);
    outbox_run(relay, inbox, 200);
    outbox_check_key(store, "payment", "k1", 100);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

START_TEST(a_step_without_memory__says_so)
{
    int status = TQ_E_NOMEM;
    for (long n = 1; status != TQ_OK; n++) {
        struct handler_plan plan = {.key = ""};
        setup();
        tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
        tq_relay *relay = outbox_relay(store, transport, "r1");
        assert_status(tq_relay_step(relay, 0, NULL, &err), TQ_EMPTY);
        assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
        test.fail_at = test.allocations + n;
        status = tq_relay_step(relay, 0, NULL, &err);
        ck_assert_int_eq(status == TQ_OK, test.allocations < test.fail_at);
        ck_assert(status == TQ_OK || status == TQ_E_NOMEM);
        test.fail_at = 0;
        outbox_run(relay, inbox, 20);
        outbox_check_key(store, "payment", "k1", 1);
        tq_relay_close(relay);
        tq_inbox_close(inbox);
        teardown();
    }
}
END_TEST

START_TEST(partitions_max__leaves_the_rest_to_others)
{
    tq_relay *relay = NULL;
    setup();
    assert_status(tq_relay_open(store, transport,
                                TQ_ARGS(tq_relay_options, .owner = "r1", .partitions_max = 5),
                                &relay, &err),
                  TQ_OK);
    assert_status(tq_relay_step(relay, 0, NULL, &err), TQ_EMPTY);
    static const char held[] = "SELECT count(*) FROM outbox_partitions WHERE owner = $1";
    ck_assert_int_eq(ask_number(store, held, "r1"), 5);
    tq_relay_close(relay);
    ck_assert_int_eq(ask_number(store, held, "r1"), 0);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_relays", NULL), 0);
    teardown();
}
END_TEST

START_TEST(closing__keeps_what_was_not_acknowledged)
{
    struct handler_plan plan = {.key = ""};
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    assert_status(tq_relay_step(relay, 0, NULL, &err), TQ_OK);
    tq_relay_close(relay);
    ck_assert_int_eq(outbox_pending(store), 3);
    relay = outbox_relay(store, transport, "r2");
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "k1", 3);
    ck_assert_int_eq(outbox_pending(store), 0);
    tq_relay_close(relay);
    tq_relay_close(NULL);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

static tq_relay *open_briefly(const char *owner)
{
    tq_relay *relay = NULL;
    assert_status(tq_relay_open(store, transport,
                                TQ_ARGS(tq_relay_options, .owner = owner, .lease_ms = 300), &relay,
                                &err),
                  TQ_OK);
    return relay;
}

/* Another had the partitions in between, freed a key and went away. */
START_TEST(partitions_that_come_back__are_looked_at_as_a_whole)
{
    struct handler_plan plan = {.key = ""};
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    outbox_park(store, "k1");
    tq_relay *relay = open_briefly("r1");
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    assert_status(tq_relay_step(relay, 0, NULL, &err), TQ_OK);
    test.now_ms += 301;
    tq_relay *other = open_briefly("r2");
    assert_status(tq_outbox_retry(store, "parked", &err), TQ_OK);
    assert_status(tq_relay_step(other, 0, NULL, &err), TQ_OK);
    tq_relay_close(other);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_blocked", NULL), 0);
    assert_status(outbox_put(store, "k1", 2, 2), TQ_OK);
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "k1", 2);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.relay", options__have_limits, stores_without_a_ledger__are_refused,
          a_step__tells_what_was_published_and_what_waits,
          batches__bound_a_step_and_the_window_bounds_all, a_step_without_memory__says_so,
          partitions_max__leaves_the_rest_to_others, closing__keeps_what_was_not_acknowledged,
          partitions_that_come_back__are_looked_at_as_a_whole)
