/* SPDX-License-Identifier: MIT */
/*
 * outbox/inbox.c: what it is opened with, and what a step tells. Its promises are in
 * tests/conform/outbox, its faults in tests/fault/outbox.
 */
#include <string.h>

#include "lib/fault_transport.h"
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
    transport = fault_transport_open(&env);
}

static void teardown(void)
{
    tq_transport_close(transport);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static void try_open(struct tq_inbox_options options, int expected)
{
    tq_inbox *inbox = NULL;
    options.size = sizeof options;
    assert_status(tq_inbox_open(store, transport, &options, &inbox, &err), expected);
    ck_assert_int_eq(inbox != NULL, expected == TQ_OK);
    tq_inbox_close(inbox);
}

START_TEST(options__are_required_and_bounded)
{
    static const char *const topics[] = {"a.b"}, *const bad[] = {"a.b", "no topic"};
    const struct tq_inbox_options good = {.consumer = "payment",
                                          .topics = topics,
                                          .topics_count = 1,
                                          .dead_letter_topic = "dlq.a",
                                          .handler = outbox_apply};
    struct tq_inbox_options options = good;
    setup();
    try_open(good, TQ_OK);
    options.consumer = NULL;
    try_open(options, TQ_E_INVALID);
    options = good;
    options.topics_count = 0;
    try_open(options, TQ_E_LIMIT);
    options = good;
    options.topics = bad;
    options.topics_count = 2;
    try_open(options, TQ_E_INVALID);
    options = good;
    options.dead_letter_topic = NULL;
    try_open(options, TQ_E_INVALID);
    options = good;
    options.handler = NULL;
    try_open(options, TQ_E_INVALID);
    options = good;
    options.batch = TQ_BATCH_MAX + 1;
    try_open(options, TQ_E_LIMIT);
    assert_status(tq_inbox_step(NULL, 0, NULL, &err), TQ_E_INVALID);
    tq_inbox_close(NULL);
    teardown();
}
END_TEST

START_TEST(a_transport_that_is_away__is_told_and_loses_nothing)
{
    struct tq_inbox_stats stats = TQ_INIT(tq_inbox_stats);
    struct handler_plan plan = {.key = ""};
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    assert_status(outbox_put(store, "k1", 1, 2), TQ_OK);
    assert_status(tq_relay_step(relay, 0, NULL, &err), TQ_OK);
    fault_transport.fail_at = fault_transport.calls + 1;
    assert_status(tq_inbox_step(inbox, 0, &stats, &err), TQ_E_UNAVAILABLE);
    assert_status(tq_inbox_step(inbox, 0, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.applied, 2);
    assert_status(tq_inbox_step(inbox, 0, &stats, &err), TQ_EMPTY);
    ck_assert_uint_eq(stats.applied, 0);
    ck_assert_int_eq(plan.told, 2);
    ck_assert_int_eq(plan.told_times, 1);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

static int first_then_fail(tq_tx *tx, const struct tq_event *event, void *arg,
                           struct tq_error *failure)
{
    int *calls = arg; /* by the number of the event */
    int n = event->payload[5] - '0';
    (void)failure;
    calls[n]++;
    ck_assert_ptr_eq(tq_tx_env(tx)->ctx, &test);
    return n == 2 ? TQ_E_UNAVAILABLE : TQ_GONE;
}

START_TEST(a_positive_outcome__is_applied_and_what_is_behind_a_failure_is_not_called)
{
    static const char *const topics[] = {OUTBOX_TOPIC};
    struct tq_inbox_stats stats = TQ_INIT(tq_inbox_stats);
    tq_inbox *inbox = NULL;
    int calls[5] = {0};
    setup();
    assert_status(tq_inbox_open(store, transport,
                                TQ_ARGS(tq_inbox_options, .consumer = "payment", .topics = topics,
                                        .topics_count = 1, .dead_letter_topic = OUTBOX_DEAD,
                                        .handler = first_then_fail, .arg = calls),
                                &inbox, &err),
                  TQ_OK);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    assert_status(outbox_put(store, "k1", 1, 4), TQ_OK);
    assert_status(tq_relay_step(relay, 0, NULL, &err), TQ_OK);
    assert_status(tq_inbox_step(inbox, 0, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.applied, 1);
    ck_assert_uint_eq(stats.failed, 1);
    ck_assert(calls[1] && calls[2] == 1 && !calls[3] && !calls[4]);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.inbox", options__are_required_and_bounded,
          a_transport_that_is_away__is_told_and_loses_nothing,
          a_positive_outcome__is_applied_and_what_is_behind_a_failure_is_not_called)
