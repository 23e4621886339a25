/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out at the n-th allocation, for every n, on the whole way of an
 * event: whatever fails says so, nothing is lost or done twice, and nothing leaks.
 */
#include <string.h>

#include "lib/fault_ledger.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;
static tq_transport *transport;
static struct handler_plan plan;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
    transport = outbox_transport(&env, "inproc:");
    plan = (struct handler_plan){.key = ""};
}

static void teardown(void)
{
    tq_transport_close(transport);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

/* From here on the n-th allocation fails, once. */
static void fail_at(long n)
{
    test.allocations = 0;
    test.fail_at = n;
}

START_TEST(append__saves_all_or_nothing)
{
    int status = -1;
    for (long n = 1; status != TQ_OK; n++) {
        setup();
        fail_at(n);
        status = outbox_put(store, "k1", 1, 3);
        ck_assert(fault_is_lawful(status));
        fail_at(0);
        ck_assert_int_eq(outbox_pending(store), status == TQ_OK ? 3 : 0);
        teardown();
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

START_TEST(relay_and_inbox__lose_nothing_and_repeat_nothing)
{
    int is_over = 0;
    for (long n = 1; !is_over; n++) {
        setup();
        plan = (struct handler_plan){.key = "k2", .status = TQ_E_INVALID, .times = 1};
        tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
        tq_relay *relay = outbox_relay(store, transport, "r1");
        assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
        assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
        fail_at(n);
        for (int i = 0; i < 8; i++) {
            ck_assert(fault_is_lawful(tq_relay_step(relay, 0, NULL, &err)));
            ck_assert(fault_is_lawful(tq_inbox_step(inbox, 0, NULL, &err)));
            test.now_ms += 1000;
        }
        is_over = test.allocations < n;
        fail_at(0);
        outbox_run(relay, inbox, 20);
        outbox_check_key(store, "payment", "k1", 3);
        ck_assert_int_eq(outbox_pending(store), 0);
        tq_relay_close(relay);
        tq_inbox_close(inbox);
        teardown();
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

static int open_all(void)
{
    static const char *const topics[] = {OUTBOX_TOPIC};
    tq_inbox *inbox = NULL;
    tq_relay *relay = NULL;
    int status = tq_inbox_open(store, transport,
                               TQ_ARGS(tq_inbox_options, .consumer = "payment", .topics = topics,
                                       .topics_count = 1, .dead_letter_topic = OUTBOX_DEAD,
                                       .handler = outbox_apply),
                               &inbox, &err);
    if (status == TQ_OK) {
        status =
            tq_relay_open(store, transport, TQ_ARGS(tq_relay_options, .owner = "r1"), &relay, &err);
    }
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    return status;
}

START_TEST(opening__leaves_nothing_behind)
{
    int status = -1;
    for (long n = 1; status != TQ_OK; n++) {
        setup();
        fail_at(n);
        status = open_all();
        ck_assert(status == TQ_OK || status == TQ_E_NOMEM);
        fail_at(0);
        teardown();
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

START_TEST(a_transport__opens_whole_or_not_at_all)
{
    int status = -1;
    for (long n = 1; status != TQ_OK; n++) {
        tq_transport *opened = NULL;
        test_env_init(&test, 1);
        struct tq_env env = test_env_of(&test);
        fail_at(n);
        status =
            tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = "inproc:"), &opened, &err);
        ck_assert(status == TQ_OK || status == TQ_E_NOMEM);
        tq_transport_close(opened);
        ck_assert_int_eq(test.live, 0);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

UNIT_MAIN("fault.outbox.alloc", append__saves_all_or_nothing,
          relay_and_inbox__lose_nothing_and_repeat_nothing, opening__leaves_nothing_behind,
          a_transport__opens_whole_or_not_at_all)
