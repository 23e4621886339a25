/* SPDX-License-Identifier: MIT */
/*
 * transport/inproc/inproc.c, beyond what every transport promises: limits to the
 * message, a report only after the last group, topics without a group, and what
 * is under way when somebody closes.
 */
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "transport/transport.h"

static struct test_env test;
static struct tq_error err = TQ_ERROR_INIT;
static tq_transport *transport;
static const struct tq_transport_driver *driver;
static void *state, *producer;

static void setup(const char *url)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    assert_status(
        tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = url), &transport, &err),
        TQ_OK);
    driver = tq__transport_driver(transport);
    state = tq__transport_state(transport);
    assert_status(driver->producer_open(state, &producer, &err), TQ_OK);
}

static void teardown(void)
{
    if (producer) {
        driver->producer_close(state, producer);
    }
    tq_transport_close(transport);
    ck_assert_int_eq(test.live, 0);
}

static void *join(const char *group)
{
    static const char *const topics[] = {"a.b"};
    void *consumer = NULL;
    assert_status(driver->consumer_open(state, group, topics, 1, &consumer, &err), TQ_OK);
    return consumer;
}

static int publish(size_t count, size_t *out_accepted)
{
    static char large[65536];
    struct tq_message messages[8];
    memset(large, 'x', sizeof large);
    for (size_t i = 0; i < count; i++) {
        messages[i] = (struct tq_message){.topic = "a.b",
                                          .key = "k",
                                          .payload = large,
                                          .payload_bytes = sizeof large,
                                          .cookie = i};
    }
    return driver->publish(state, producer, messages, count, out_accepted, &err);
}

static size_t reports(void)
{
    struct tq_report found[16];
    size_t count = 0;
    int status = driver->reports(state, producer, found, 16, 0, &count, &err);
    return status == TQ_OK ? count : 0;
}

static size_t poll_and_ack(void *consumer)
{
    struct tq_message messages[16];
    uint64_t cookies[16];
    size_t count = 0;
    int status = driver->poll(state, consumer, messages, 16, 0, &count, &err);
    for (size_t i = 0; status == TQ_OK && i < count; i++) {
        cookies[i] = messages[i].cookie;
    }
    if (status == TQ_OK) {
        driver->ack(state, consumer, cookies, count);
    }
    return status == TQ_OK ? count : 0;
}

START_TEST(capacity__holds_to_the_message_and_comes_back)
{
    size_t accepted = 0;
    setup("inproc:?capacity=3");
    void *consumer = join("g");
    assert_status(publish(2, &accepted), TQ_OK);
    assert_status(publish(2, &accepted), TQ_OK);
    ck_assert_uint_eq(accepted, 1);
    accepted = 99;
    assert_status(publish(1, &accepted), TQ_FULL);
    ck_assert_uint_eq(accepted, 99);
    ck_assert_uint_eq(poll_and_ack(consumer), 3);
    assert_status(publish(1, &accepted), TQ_FULL);
    ck_assert_uint_eq(reports(), 3);
    assert_status(publish(4, &accepted), TQ_OK);
    ck_assert_uint_eq(accepted, 3);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(bytes__are_bounded_too)
{
    size_t accepted = 0, total = 0;
    setup("inproc:");
    void *consumer = join("g");
    while (publish(8, &accepted) == TQ_OK) {
        total += accepted;
        ck_assert_uint_lt(total, 2000);
    }
    ck_assert_uint_gt(total, 1000);
    ck_assert_uint_lt(total, 1024);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(a_report__comes_after_the_last_group_and_at_once_without_one)
{
    size_t accepted = 0;
    setup("inproc:");
    assert_status(publish(2, &accepted), TQ_OK);
    ck_assert_uint_eq(reports(), 2);
    void *one = join("g1"), *two = join("g2");
    assert_status(publish(2, &accepted), TQ_OK);
    ck_assert_uint_eq(poll_and_ack(one), 2);
    ck_assert_uint_eq(reports(), 0);
    ck_assert_uint_eq(poll_and_ack(two), 2);
    ck_assert_uint_eq(reports(), 2);
    driver->consumer_close(state, one);
    assert_status(publish(1, &accepted), TQ_OK);
    ck_assert_uint_eq(poll_and_ack(two), 1);
    ck_assert_uint_eq(reports(), 0);
    one = join("g1");
    ck_assert_uint_eq(poll_and_ack(one), 1);
    ck_assert_uint_eq(reports(), 1);
    driver->consumer_close(state, one);
    driver->consumer_close(state, two);
    teardown();
}
END_TEST

START_TEST(a_closed_producer__leaves_messages_and_takes_its_reports)
{
    size_t accepted = 0;
    setup("inproc:?capacity=4");
    void *consumer = join("g");
    assert_status(publish(2, &accepted), TQ_OK);
    ck_assert_uint_eq(poll_and_ack(consumer), 2);
    assert_status(publish(2, &accepted), TQ_OK);
    driver->producer_close(state, producer);
    assert_status(driver->producer_open(state, &producer, &err), TQ_OK);
    ck_assert_uint_eq(poll_and_ack(consumer), 2);
    ck_assert_uint_eq(reports(), 0);
    assert_status(publish(4, &accepted), TQ_OK);
    ck_assert_uint_eq(accepted, 4);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(without_memory__what_was_accepted_stays_accepted)
{
    size_t accepted = 0;
    setup("inproc:");
    void *consumer = join("g");
    test.allocations = 0;
    test.fail_at = 3;
    assert_status(publish(4, &accepted), TQ_OK);
    ck_assert_uint_eq(accepted, 2);
    test.allocations = 0;
    test.fail_at = 1;
    assert_status(publish(1, &accepted), TQ_E_NOMEM);
    test.fail_at = 0;
    ck_assert_uint_eq(poll_and_ack(consumer), 2);
    ck_assert_uint_eq(reports(), 2);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

UNIT_MAIN("transport.inproc", capacity__holds_to_the_message_and_comes_back, bytes__are_bounded_too,
          a_report__comes_after_the_last_group_and_at_once_without_one,
          a_closed_producer__leaves_messages_and_takes_its_reports,
          without_memory__what_was_accepted_stays_accepted)
