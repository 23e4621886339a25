/* SPDX-License-Identifier: MIT */
/*
 * The broker is away: at the start, in the middle, for long, or says nothing any more
 * (OB-05, OB-10, OB-11, OB-15 on a real one). No event is lost, none is counted against,
 * and every group that reads the topics, now or later, applies each once and in order.
 */
#include <stdio.h>
#include <unistd.h>

#include "lib/kafka_world.h"

#define KEYS 12
#define LONG 3000 /* rounds: a minute */

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_world world;
static struct handler_plan plan;
static tq_relay *relay;
static tq_inbox *inbox;

static void setup(const char *options)
{
    kafka_world_open(&world, options);
    plan = (struct handler_plan){.key = ""};
    inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    relay = outbox_relay(world.store, world.transport, "r1");
}

static void teardown(void)
{
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}

/* A group that comes late sees everything that lies in the topic, repeats included. */
static void check_late_group(int count)
{
    struct handler_plan late_plan = {.key = ""};
    tq_inbox *late = outbox_inbox(world.store, world.transport, "late", &late_plan, 1);
    kafka_world_run(&world, NULL, late, &late_plan, KEYS * count, LONG);
    kafka_world_check(&world, "late", KEYS, count);
    tq_inbox_close(late);
}

static void check_all(int count)
{
    kafka_world_run(&world, relay, inbox, &plan, KEYS * count, LONG);
    ck_assert_int_eq(plan.told, KEYS * count);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    kafka_world_check(&world, "payment", KEYS, count);
    kafka_world_check_blameless(&world);
    check_late_group(count);
}

START_TEST(ob_10_away_at_the_start__goes_on_when_it_comes)
{
    kafka_world_ctl("kill");
    setup("partitions=3&timeout_ms=2000");
    kafka_world_put(&world, KEYS, 1, 5);
    ck_assert_int_gt(kafka_world_run(&world, relay, inbox, &plan, KEYS * 5, 200), 0);
    ck_assert_int_eq(outbox_pending(world.store), KEYS * 5);
    kafka_world_check_blameless(&world);
    kafka_world_ctl("start");
    check_all(5);
    teardown();
}
END_TEST

START_TEST(ob_10_killed_in_the_middle__again_and_again)
{
    setup("partitions=3&timeout_ms=2000");
    int n = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++, n++) {
            kafka_world_put(&world, KEYS, n + 1, n + 1);
            kafka_world_run(&world, relay, inbox, &plan, KEYS * (n + 1), 3);
        }
        kafka_world_put(&world, KEYS, n + 1, n + 1);
        kafka_world_run(&world, relay, inbox, &plan, KEYS * ++n, 1);
        kafka_world_ctl("kill");
        for (int i = 0; i < 4; i++, n++) {
            kafka_world_put(&world, KEYS, n + 1, n + 1);
            kafka_world_run(&world, relay, inbox, &plan, KEYS * (n + 1), 60);
        }
        kafka_world_ctl("start");
    }
    check_all(n);
    teardown();
}
END_TEST

START_TEST(ob_05_paused__what_may_have_arrived_is_sent_again_and_applied_once)
{
    setup("partitions=3&timeout_ms=2000");
    kafka_world_put(&world, KEYS, 1, 2);
    kafka_world_run(&world, relay, inbox, &plan, KEYS * 2, LONG);
    kafka_world_ctl("pause");
    int outages = 0;
    for (int n = 3; n <= 8; n++) {
        kafka_world_put(&world, KEYS, n, n);
        outages += kafka_world_run(&world, relay, inbox, &plan, KEYS * n, 50);
    }
    kafka_world_ctl("resume");
    ck_assert_int_gt(outages, 0);
    check_all(8);
    teardown();
}
END_TEST

static int append_large(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static char payload[5000];
    int bytes = snprintf(payload, sizeof payload, "{\"n\":1,\"x\":\"%04000d\"}", 0);
    (void)arg;
    return tq_outbox_append(tx,
                            TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = "SeatCounted",
                                    .aggregate_type = "seat", .aggregate_id = "k0",
                                    .payload = payload, .payload_bytes = (size_t)bytes),
                            1, failure);
}

static int first_parked(void *arg, const struct tq_parked *parked)
{
    snprintf(arg, TQ_ID_SIZE, "%s", parked->event.id);
    ck_assert_str_eq(parked->event.key, "k0");
    return 1;
}

START_TEST(ob_11_too_large__is_parked_alone_and_can_be_retried)
{
    char id[TQ_ID_SIZE] = "", roomy[600];
    setup("partitions=3&message_bytes=2000");
    tq_relay_close(relay);
    assert_status(tq_relay_open(world.store, world.transport,
                                TQ_ARGS(tq_relay_options, .owner = "r1", .attempts_max = 1), &relay,
                                &err),
                  TQ_OK);
    assert_status(tq_ledger_run(world.store, append_large, NULL, &err), TQ_OK);
    assert_status(outbox_put(world.store, "k0", 2, 3), TQ_OK);
    for (int k = 1; k < KEYS; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        assert_status(outbox_put(world.store, key, 1, 3), TQ_OK);
    }
    kafka_world_run(&world, relay, inbox, &plan, (KEYS - 1) * 3, LONG);
    ck_assert_int_eq(plan.told, (KEYS - 1) * 3);
    outbox_check_key(world.store, "payment", "k0", 0);
    ck_assert_int_eq(tq_outbox_parked(world.store, 10, first_parked, id, &err), 1);
    /* The operator allows larger ones. */
    tq_relay_close(relay);
    snprintf(roomy, sizeof roomy, "%s0", world.transport_url);
    tq_transport *other = outbox_transport(&world.env, roomy);
    relay = outbox_relay(world.store, other, "r1");
    assert_status(tq_outbox_retry(world.store, id, &err), TQ_OK);
    check_all(3);
    tq_transport_close(other);
    teardown();
}
END_TEST

START_TEST(ob_09_a_lease_that_could_end_before_a_report__is_refused)
{
    tq_relay *none = NULL;
    kafka_world_open(&world, "timeout_ms=19000");
    tq_transport *slow = outbox_transport(&world.env, "kafka://127.0.0.1:1?timeout_ms=18999");
    assert_status(tq_relay_open(world.store, world.transport,
                                TQ_ARGS(tq_relay_options, .owner = "r2"), &none, &err),
                  TQ_E_INVALID);
    assert_status(
        tq_relay_open(world.store, slow, TQ_ARGS(tq_relay_options, .owner = "r2"), &none, &err),
        TQ_OK);
    tq_relay_close(none);
    tq_transport_close(slow);
    kafka_world_close(&world);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        ob_09_a_lease_that_could_end_before_a_report__is_refused,
        ob_11_too_large__is_parked_alone_and_can_be_retried,
        ob_10_away_at_the_start__goes_on_when_it_comes,
        ob_10_killed_in_the_middle__again_and_again,
        ob_05_paused__what_may_have_arrived_is_sent_again_and_applied_once,
    };
    kafka_world_need_broker();
    return unit_main("fault.kafka_broker", tests, sizeof tests / sizeof *tests);
}
