/* SPDX-License-Identifier: MIT */
/*
 * Who may come in and by which way: a password, TLS, several brokers of which one is
 * dead. What is wrong with the access is an outage that says so; it costs no event.
 */
#include <stdio.h>
#include <string.h>

#include "lib/kafka_world.h"

#define KEYS 4
#define LONG 3000 /* rounds: a minute */

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_world world;
static struct handler_plan plan;

static void finish(void)
{
    plan = (struct handler_plan){.key = ""};
    tq_inbox *inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    tq_relay *relay = outbox_relay(world.store, world.transport, "r1");
    kafka_world_run(&world, relay, inbox, &plan, KEYS * 5, LONG);
    ck_assert_int_eq(plan.told, KEYS * 5);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    kafka_world_check(&world, "payment", KEYS, 5);
    kafka_world_check_blameless(&world);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}

static void check_arrives(const char *broker)
{
    kafka_world_open_at(&world, broker, "partitions=2");
    kafka_world_put(&world, KEYS, 1, 5);
    finish();
}

/* Until a step fails with that word in its message. */
static int is_told(const char *word, tq_relay *relay, tq_inbox *inbox)
{
    for (int i = 0; i < LONG; i++) {
        int status =
            relay ? tq_relay_step(relay, 20, NULL, &err) : tq_inbox_step(inbox, 20, NULL, &err);
        ck_assert(status >= 0 || status == TQ_E_UNAVAILABLE);
        if (status < 0 && strstr(err.message, word)) {
            return 1;
        }
    }
    return 0;
}

/* With what is wrong in the URL; then with what is right. */
static void check_refused(const char *wrong, const char *right, const char *word)
{
    kafka_world_open_at(&world, wrong, "partitions=2&timeout_ms=2000");
    kafka_world_put(&world, KEYS, 1, 5);
    plan = (struct handler_plan){.key = ""};
    tq_inbox *inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    tq_relay *relay = outbox_relay(world.store, world.transport, "r1");
    ck_assert(is_told(word, relay, NULL));
    ck_assert(is_told(word, NULL, inbox));
    ck_assert_int_eq(outbox_pending(world.store), KEYS * 5);
    kafka_world_check_blameless(&world);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(world.transport);
    kafka_world_url_at(right, world.transport_url, sizeof world.transport_url, "partitions=2");
    world.transport = outbox_transport(&world.env, world.transport_url);
    finish();
}

START_TEST(with_a_password__events_arrive)
{
    check_arrives(getenv("TICKETQ_TEST_KAFKA_SASL"));
}
END_TEST

START_TEST(with_a_wrong_password__an_outage_says_so)
{
    char wrong[256];
    const char *right = getenv("TICKETQ_TEST_KAFKA_SASL");
    snprintf(wrong, sizeof wrong, "%s-not", right);
    check_refused(wrong, right, "uthentication");
}
END_TEST

START_TEST(over_tls__events_arrive)
{
    check_arrives(getenv("TICKETQ_TEST_KAFKA_TLS"));
}
END_TEST

START_TEST(of_an_unknown_authority__an_outage_says_so)
{
    char wrong[256];
    const char *right = getenv("TICKETQ_TEST_KAFKA_TLS");
    snprintf(wrong, sizeof wrong, "%.*s", (int)(strstr(right, "&ca=") - right), right);
    check_refused(wrong, right, "certificate");
}
END_TEST

START_TEST(of_several_brokers_one_is_dead__events_arrive)
{
    char several[256];
    const char *alive = getenv("TICKETQ_TEST_KAFKA") + strlen("kafka://");
    snprintf(several, sizeof several, "kafka://127.0.0.1:1,%s,127.0.0.1:2", alive);
    check_arrives(several);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        with_a_password__events_arrive,
        with_a_wrong_password__an_outage_says_so,
        over_tls__events_arrive,
        of_an_unknown_authority__an_outage_says_so,
        of_several_brokers_one_is_dead__events_arrive,
    };
    kafka_world_need_broker();
    return unit_main("fault.kafka_access", tests, sizeof tests / sizeof *tests);
}
