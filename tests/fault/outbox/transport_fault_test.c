/* SPDX-License-Identifier: MIT */
/*
 * What a relay does when the transport fails it: nothing is lost, order per key
 * holds, nobody is blamed who is not at fault, and the rest flows on.
 */
#include <stdio.h>
#include <string.h>

#include "lib/ask.h"
#include "lib/fault_transport.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static tq_store *store;
static tq_transport *transport;
static tq_relay *relay;
static tq_inbox *inbox;
static struct handler_plan plan;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
    transport = fault_transport_open(&env);
    plan = (struct handler_plan){.key = ""};
    inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    relay = outbox_relay(store, transport, "r1");
}

static void teardown(void)
{
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static void step(int expected)
{
    assert_status(tq_relay_step(relay, 0, NULL, &err), expected);
}

static int64_t attempts_of_all(void)
{
    return ask_number(store, "SELECT COALESCE(SUM(attempts), 0) FROM outbox_events", NULL);
}

START_TEST(ob_05_crash_after_delivery__is_published_again_with_the_same_id)
{
    setup();
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    step(TQ_OK);
    assert_status(tq_inbox_step(inbox, 0, NULL, &err), TQ_OK);
    /* The relay is gone before it hears of the deliveries. */
    fault_transport.is_silent = 1;
    tq_relay_close(relay);
    fault_transport.is_silent = 0;
    ck_assert_int_eq(outbox_pending(store), 3);
    relay = outbox_relay(store, transport, "r1");
    outbox_run(relay, inbox, 20);
    ck_assert_uint_eq(fault_transport.tape_count, 6);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(fault_transport.tape[i].id, fault_transport.tape[i + 3].id);
    }
    ck_assert_int_eq(outbox_pending(store), 0);
    outbox_check_key(store, "payment", "k1", 3);
    teardown();
}
END_TEST

START_TEST(ob_06_crash_before_publishing__is_taken_over_when_the_lease_ends)
{
    setup();
    step(TQ_EMPTY); /* r1 has the leases, and is never heard of again */
    assert_status(outbox_put(store, "k1", 1, 2), TQ_OK);
    tq_relay *successor = outbox_relay(store, transport, "r2");
    assert_status(tq_relay_step(successor, 0, NULL, &err), TQ_EMPTY);
    ck_assert_uint_eq(fault_transport.tape_count, 0);
    test.now_ms += 30000;
    outbox_run(successor, inbox, 20);
    outbox_check_key(store, "payment", "k1", 2);
    tq_relay_close(successor);
    teardown();
}
END_TEST

START_TEST(a_restart_under_the_same_name__takes_its_leases_back_at_once)
{
    setup();
    step(TQ_EMPTY);
    assert_status(outbox_put(store, "k1", 1, 2), TQ_OK);
    tq_relay *successor = outbox_relay(store, transport, "r1");
    outbox_run(successor, inbox, 20);
    outbox_check_key(store, "payment", "k1", 2);
    tq_relay_close(successor);
    teardown();
}
END_TEST

START_TEST(ob_07_two_relays__share_the_partitions_and_keep_the_order)
{
    char key[16];
    setup();
    tq_relay *other = outbox_relay(store, transport, "r2");
    step(TQ_EMPTY);
    assert_status(tq_relay_step(other, 0, NULL, &err), TQ_EMPTY);
    test.now_ms += 10000;
    step(TQ_EMPTY);
    assert_status(tq_relay_step(other, 0, NULL, &err), TQ_EMPTY);
    test.now_ms += 10000;
    assert_status(tq_relay_step(other, 0, NULL, &err), TQ_EMPTY);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM outbox_partitions WHERE owner = $1", "r1"), 32);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM outbox_partitions WHERE owner = $1", "r2"), 32);
    for (int n = 1; n <= 5; n++) {
        for (int k = 0; k < 40; k++) {
            snprintf(key, sizeof key, "k%d", k);
            assert_status(outbox_put(store, key, n, n), TQ_OK);
        }
        step(TQ_OK);
        assert_status(tq_relay_step(other, 0, NULL, &err), TQ_OK);
    }
    outbox_run(relay, inbox, 50);
    outbox_run(other, inbox, 50);
    ck_assert_uint_eq(fault_transport.tape_count, 200);
    for (int k = 0; k < 40; k++) {
        snprintf(key, sizeof key, "k%d", k);
        outbox_check_key(store, "payment", key, 5);
    }
    ck_assert_int_eq(outbox_pending(store), 0);
    tq_relay_close(other);
    teardown();
}
END_TEST

START_TEST(ob_08_zombie__changes_nothing_after_its_lease)
{
    setup();
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    snprintf(fault_transport.key, sizeof fault_transport.key, "k1");
    fault_transport.report_status = TQ_E_LIMIT;
    fault_transport.is_silent = 1;
    step(TQ_OK);
    /* It sleeps past its lease; the successor delivers the event and another one. */
    test.now_ms += 30000;
    fault_transport.report_status = 0;
    fault_transport.is_silent = 0;
    assert_status(outbox_put(store, "k1", 2, 2), TQ_OK);
    tq_relay *successor = outbox_relay(store, transport, "r2");
    assert_status(tq_relay_step(successor, 0, NULL, &err), TQ_OK);
    /* Now it hears that its event was refused. That must not block the successor's key. */
    step(TQ_OK);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_blocked", NULL), 0);
    ck_assert_int_eq(attempts_of_all(), 0);
    outbox_run(successor, inbox, 20);
    step(TQ_EMPTY);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM outbox_partitions WHERE owner = 'r2'", NULL), 64);
    outbox_check_key(store, "payment", "k1", 2);
    tq_relay_close(successor);
    teardown();
}
END_TEST

START_TEST(ob_10_transport_away__costs_no_attempt_and_drains_in_order)
{
    static const int ways[] = {TQ_E_UNAVAILABLE, TQ_E_UNKNOWN};
    setup();
    assert_status(outbox_put(store, "k1", 1, 5), TQ_OK);
    assert_status(outbox_put(store, "k2", 1, 5), TQ_OK);
    for (int i = 0; i < 20; i++) {
        fault_transport.publish_status = TQ_E_UNAVAILABLE;
        step(TQ_E_UNAVAILABLE);
        fault_transport.publish_status = 0;
        fault_transport.report_status = ways[i % 2];
        step(TQ_OK);
        step(ways[i % 2]);
        fault_transport.report_status = 0;
        fault_transport.publish_status = TQ_E_UNAVAILABLE;
        step(TQ_E_UNAVAILABLE);
        test.now_ms += 30000;
    }
    fault_transport.publish_status = 0;
    ck_assert_int_eq(attempts_of_all(), 0);
    ck_assert_int_eq(outbox_pending(store), 10);
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "k1", 5);
    outbox_check_key(store, "payment", "k2", 5);
    ck_assert(fault_tape_is_in_order("k1") && fault_tape_is_in_order("k2"));
    teardown();
}
END_TEST

/* Collects ids, reasons and the first event's attempts. */
struct parked_list {
    int count;
    uint32_t attempts;
    char first_id[TQ_ID_SIZE];
    char last_id[TQ_ID_SIZE];
    char first_reason[128], last_reason[128];
};

static int on_parked(void *arg, const struct tq_parked *parked)
{
    struct parked_list *list = arg;
    if (list->count++ == 0) {
        list->attempts = parked->attempts;
        snprintf(list->first_id, sizeof list->first_id, "%s", parked->event.id);
        snprintf(list->first_reason, sizeof list->first_reason, "%s", parked->reason);
    }
    snprintf(list->last_id, sizeof list->last_id, "%s", parked->event.id);
    snprintf(list->last_reason, sizeof list->last_reason, "%s", parked->reason);
    ck_assert_str_eq(parked->event.key, "bad");
    ck_assert_str_eq(parked->event.topic, OUTBOX_TOPIC);
    ck_assert_str_eq(parked->event.type, "SeatCounted");
    return TQ_OK;
}

/* Refused until it is parked. */
static void park_key(void)
{
    snprintf(fault_transport.key, sizeof fault_transport.key, "bad");
    fault_transport.report_status = TQ_E_LIMIT;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_ge(tq_relay_step(relay, 0, NULL, &err), TQ_OK);
        assert_status(tq_inbox_step(inbox, 0, NULL, &err) < 0, 0);
        test.now_ms += i % 4 == 3 ? 60000 : 0;
    }
}

START_TEST(ob_11_poison__parks_its_key_only_and_retry_keeps_the_order)
{
    struct parked_list list = {0};
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    setup();
    assert_status(outbox_put(store, "bad", 1, 2), TQ_OK);
    assert_status(outbox_put(store, "good", 1, 2), TQ_OK);
    park_key();
    assert_status(outbox_put(store, "bad", 3, 3), TQ_OK);
    assert_status(outbox_put(store, "good", 3, 3), TQ_OK);
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "good", 3);
    outbox_check_key(store, "payment", "bad", 0);
    assert_status(tq_outbox_stats(store, &stats, &err), TQ_OK);
    ck_assert_uint_eq(stats.pending, 0);
    ck_assert_uint_eq(stats.parked, 3);
    ck_assert_int_eq(stats.oldest_ms, 0);
    assert_status(tq_outbox_parked(store, 10, on_parked, &list, &err), TQ_OK);
    ck_assert_int_eq(list.count, 3);
    ck_assert_uint_eq(list.attempts, 8);
    ck_assert_ptr_nonnull(strstr(list.first_reason, "TQ_E_LIMIT"));
    ck_assert_ptr_nonnull(strstr(list.last_reason, list.first_id));
    fault_transport.report_status = 0;
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "bad", 0);
    assert_status(tq_outbox_retry(store, "nosuch", &err), TQ_GONE);
    assert_status(tq_outbox_retry(store, list.last_id, &err), TQ_OK);
    assert_status(tq_outbox_retry(store, list.last_id, &err), TQ_GONE);
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "bad", 3);
    ck_assert_int_eq(outbox_pending(store), 0);
    teardown();
}
END_TEST

START_TEST(a_refusal__waits_longer_each_time_while_other_keys_flow)
{
    setup();
    snprintf(fault_transport.key, sizeof fault_transport.key, "bad");
    fault_transport.report_status = TQ_E_INVALID;
    assert_status(outbox_put(store, "bad", 1, 3), TQ_OK);
    step(TQ_OK);
    step(TQ_OK);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM outbox_blocked", NULL), 1);
    assert_status(outbox_put(store, "good", 1, 1), TQ_OK);
    fault_transport.report_status = 0;
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "good", 1);
    outbox_check_key(store, "payment", "bad", 0);
    ck_assert_int_eq(attempts_of_all(), 1);
    test.now_ms += 1000;
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "bad", 3);
    teardown();
}
END_TEST

START_TEST(a_later_event__does_not_pass_one_whose_refusal_is_just_heard_of)
{
    setup();
    snprintf(fault_transport.key, sizeof fault_transport.key, "bad");
    fault_transport.report_status = TQ_E_INVALID;
    assert_status(outbox_put(store, "bad", 1, 1), TQ_OK);
    step(TQ_OK);
    fault_transport.report_status = 0;
    assert_status(outbox_put(store, "bad", 2, 2), TQ_OK);
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "bad", 0);
    test.now_ms += 1000;
    outbox_run(relay, inbox, 20);
    outbox_check_key(store, "payment", "bad", 2);
    teardown();
}
END_TEST

START_TEST(ob_12_queue_full__waits_and_drops_nothing)
{
    setup();
    fault_transport.accept_max = 7;
    for (int k = 0; k < 10; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        assert_status(outbox_put(store, key, 1, 10), TQ_OK);
    }
    step(TQ_OK);
    ck_assert_uint_eq(fault_transport.tape_count, 7);
    fault_transport.publish_status = TQ_FULL;
    for (int i = 0; i < 5; i++) {
        step(TQ_EMPTY);
    }
    ck_assert_uint_eq(fault_transport.tape_count, 7);
    fault_transport.publish_status = 0;
    outbox_run(relay, inbox, 100);
    ck_assert_uint_eq(fault_transport.tape_count, 100);
    for (int k = 0; k < 10; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        outbox_check_key(store, "payment", key, 10);
    }
    teardown();
}
END_TEST

START_TEST(ob_15_half_of_the_reports_fail__only_delivered_rows_go)
{
    setup();
    fault_transport.report_status = TQ_E_UNAVAILABLE;
    fault_transport.every = 2;
    for (int k = 0; k < 20; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        assert_status(outbox_put(store, key, 1, 1), TQ_OK);
    }
    step(TQ_OK);
    ck_assert_uint_eq(fault_transport.tape_count, 10);
    fault_transport.publish_status = TQ_E_UNAVAILABLE;
    assert_status(tq_inbox_step(inbox, 0, NULL, &err), TQ_OK);
    step(TQ_E_UNAVAILABLE);
    ck_assert_int_lt(tq_relay_step(relay, 0, NULL, &err), 0);
    ck_assert_int_eq(outbox_pending(store), 10);
    ck_assert_int_eq(attempts_of_all(), 0);
    fault_transport.publish_status = fault_transport.report_status = 0;
    outbox_run(relay, inbox, 20);
    ck_assert_uint_eq(fault_transport.tape_count, 20);
    ck_assert_int_eq(outbox_pending(store), 0);
    teardown();
}
END_TEST

START_TEST(a_lost_report__repeats_and_the_inbox_leaves_it_out)
{
    setup();
    fault_transport.report_status = TQ_E_UNKNOWN;
    fault_transport.every = 3;
    fault_transport.is_delivered = 1;
    assert_status(outbox_put(store, "k1", 1, 10), TQ_OK);
    for (int i = 0; i < 60 && outbox_pending(store) > 0; i++) {
        int status = tq_relay_step(relay, 0, NULL, &err);
        ck_assert(status >= 0 || status == TQ_E_UNKNOWN);
        ck_assert_int_ge(tq_inbox_step(inbox, 0, NULL, &err), TQ_OK);
    }
    ck_assert_int_eq(outbox_pending(store), 0);
    ck_assert_uint_gt(fault_transport.tape_count, 10);
    ck_assert(fault_tape_is_in_order("k1"));
    outbox_check_key(store, "payment", "k1", 10);
    teardown();
}
END_TEST

START_TEST(ob_20_hot_key__is_ordered_and_starves_nobody)
{
    char key[16];
    setup();
    fault_transport.accept_max = 50;
    for (int n = 1; n <= 20; n++) {
        assert_status(outbox_put(store, "hot", 50 * n - 49, 50 * n), TQ_OK);
        snprintf(key, sizeof key, "k%d", n);
        assert_status(outbox_put(store, key, 1, 1), TQ_OK);
    }
    for (int i = 0; i < 4; i++) {
        step(TQ_OK);
        assert_status(tq_inbox_step(inbox, 0, NULL, &err), TQ_OK);
    }
    outbox_check_key(store, "payment", "k1", 1);
    outbox_check_key(store, "payment", "k3", 1);
    outbox_run(relay, inbox, 200);
    outbox_check_key(store, "payment", "hot", 1000);
    outbox_check_key(store, "payment", "k20", 1);
    teardown();
}
END_TEST

START_TEST(each_call_fails_in_turn__and_nothing_is_lost)
{
    for (long at = 1;; at++) {
        setup();
        assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
        assert_status(outbox_put(store, "k2", 1, 3), TQ_OK);
        fault_transport.fail_at = at;
        for (int i = 0; i < 12; i++) {
            int status = tq_relay_step(relay, 0, NULL, &err);
            ck_assert(status >= 0 || status == TQ_E_UNAVAILABLE);
            status = tq_inbox_step(inbox, 0, NULL, &err);
            ck_assert(status >= 0 || status == TQ_E_UNAVAILABLE);
        }
        outbox_check_key(store, "payment", "k1", 3);
        outbox_check_key(store, "payment", "k2", 3);
        ck_assert_int_eq(outbox_pending(store), 0);
        int is_over = fault_transport.calls < at;
        teardown();
        if (is_over) {
            break;
        }
    }
}
END_TEST

UNIT_MAIN("fault.outbox.transport", ob_05_crash_after_delivery__is_published_again_with_the_same_id,
          ob_06_crash_before_publishing__is_taken_over_when_the_lease_ends,
          a_restart_under_the_same_name__takes_its_leases_back_at_once,
          ob_07_two_relays__share_the_partitions_and_keep_the_order,
          ob_08_zombie__changes_nothing_after_its_lease,
          ob_10_transport_away__costs_no_attempt_and_drains_in_order,
          ob_11_poison__parks_its_key_only_and_retry_keeps_the_order,
          a_refusal__waits_longer_each_time_while_other_keys_flow,
          a_later_event__does_not_pass_one_whose_refusal_is_just_heard_of,
          ob_12_queue_full__waits_and_drops_nothing,
          ob_15_half_of_the_reports_fail__only_delivered_rows_go,
          a_lost_report__repeats_and_the_inbox_leaves_it_out,
          ob_20_hot_key__is_ordered_and_starves_nobody,
          each_call_fails_in_turn__and_nothing_is_lost)
