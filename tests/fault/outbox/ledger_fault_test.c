/* SPDX-License-Identifier: MIT */
/*
 * The n-th call to the database fails, for every n: refused, with the connection
 * gone before it, and with the answer lost after it. Append tells the truth, and
 * what was saved is applied once and in order afterwards: no event is blamed for the
 * database, although each has one attempt only.
 */
#include <stdio.h>
#include <string.h>

#include "lib/ask.h"
#include "lib/fault_ledger.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;
static tq_transport *transport;
static tq_relay *relay;
static tq_inbox *inbox;
static struct handler_plan plan;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = fault_ledger_open(&env);
    outbox_prepare(store);
    transport = outbox_transport(&env, "inproc:");
    plan = (struct handler_plan){.key = "k2", .status = TQ_E_CORRUPT, .times = 1};
    inbox = outbox_inbox(store, transport, "payment", &plan, 1);
    relay = outbox_relay(store, transport, "r1");
}

static void teardown(void)
{
    fault_plan_set(FAULT_NONE, 0, 0);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int is_over(void)
{
    return fault_plan.numbered < fault_plan.at;
}

/* Appends under a fault; returns how many events of k1 were saved. */
static int append(void)
{
    int status = outbox_put(store, "k1", 1, 3);
    ck_assert(fault_is_lawful(status));
    long at = fault_plan.at;
    fault_plan.at = 0;
    int64_t saved = outbox_pending(store);
    fault_plan.at = at;
    ck_assert(status == TQ_OK          ? saved == 3
              : status == TQ_E_UNKNOWN ? saved == 3 || saved == 0
                                       : saved == 0);
    return (int)saved;
}

static void run(int kind, long at)
{
    fault_plan_set(kind, FAULT_ANY, at);
    int saved = append();
    int sent_bad = outbox_put(store, "k2", 1, 1) == TQ_OK;
    for (int i = 0; i < 8; i++) {
        ck_assert(fault_is_lawful(tq_relay_step(relay, 0, NULL, &err)));
        ck_assert(fault_is_lawful(tq_inbox_step(inbox, 0, NULL, &err)));
        test.now_ms += 1000;
    }
    int was_over = is_over();
    fault_plan_set(FAULT_NONE, 0, 0);
    for (int i = 0; i < 3; i++) {
        test.now_ms += 30000; /* leases that were claimed and not heard of run out */
        outbox_run(relay, inbox, 20);
    }
    fault_plan.at = was_over ? -1 : 0;
    outbox_check_key(store, "payment", "k1", saved);
    ck_assert_int_eq(outbox_pending(store), 0);
    ck_assert_int_ge(
        ask_number(store, "SELECT count(*) FROM processed_events WHERE consumer = $1", "payment"),
        saved + sent_bad);
}

static void run_all(int kind)
{
    int was_over = 0;
    for (long at = 1; !was_over; at++) {
        setup();
        run(kind, at);
        was_over = fault_plan.at == -1;
        teardown();
        ck_assert_int_lt(at, 1000);
    }
}

START_TEST(a_refused_call__loses_nothing)
{
    run_all(FAULT_BEFORE);
}
END_TEST

START_TEST(a_connection_that_breaks__loses_nothing)
{
    run_all(FAULT_CRASH);
}
END_TEST

START_TEST(a_lost_answer__repeats_nothing)
{
    run_all(FAULT_AFTER);
}
END_TEST

UNIT_MAIN("fault.outbox.ledger", a_refused_call__loses_nothing,
          a_connection_that_breaks__loses_nothing, a_lost_answer__repeats_nothing)
