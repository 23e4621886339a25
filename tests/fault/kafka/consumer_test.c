/* SPDX-License-Identifier: MIT */
/*
 * A consumer and what goes wrong beneath it: nothing is lost, nothing is handed out twice
 * while it is held, and what was acknowledged does not come again.
 */
#include <string.h>

#include "lib/kafka_rig.h"
#include "lib/kafka_world.h"
#include "transport/kafka/kafka.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_rig rig;
static void *producer, *consumer;

static void *join(void)
{
    static const char *const topics[] = {RIG_TOPIC, RIG_TOPIC};
    void *joined = NULL;
    assert_status(rig.driver->consumer_open(rig.state, "payment", topics, 2, &joined, &err), TQ_OK);
    return joined;
}

static void setup(const char *options)
{
    char url[512];
    kafka_world_url(url, sizeof url, options);
    kafka_rig_open(&rig, url);
    producer = kafka_rig_producer(&rig);
    consumer = join();
}

static void teardown(void)
{
    rig.driver->consumer_close(rig.state, consumer);
    rig.driver->producer_close(rig.state, producer);
    kafka_rig_close(&rig);
}

/* One by one: a client's first message to a partition goes alone. */
static void publish(int first, int last)
{
    int statuses[64];
    for (int n = first; n <= last; n++) {
        ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", n, n, 10), 1);
        kafka_rig_reports(&rig, producer, 1, statuses);
    }
}

static size_t poll_for(size_t expected, int rounds, uint64_t *cookies)
{
    struct tq_message messages[64];
    size_t total = 0;
    for (int i = 0; i < rounds && total < expected; i++) {
        size_t count = 0;
        int status =
            rig.driver->poll(rig.state, consumer, messages, 64 - total, RIG_ROUND_MS, &count, &err);
        for (size_t k = 0; status == TQ_OK && k < count; k++) {
            ck_assert_str_eq(messages[k].key, "k1");
            cookies[total++] = messages[k].cookie;
        }
    }
    return total;
}

static void expect(size_t expected, uint64_t *cookies)
{
    ck_assert_uint_eq(poll_for(expected, RIG_PATIENCE, cookies), expected);
}

START_TEST(acknowledged__does_not_come_again_and_the_rest_does)
{
    uint64_t cookies[64];
    setup("partitions=2&instance=pod-1&session_ms=6000");
    publish(1, 5);
    expect(5, cookies);
    rig.driver->ack(rig.state, consumer, cookies, 3);
    rig.driver->consumer_close(rig.state, consumer);
    consumer = join();
    expect(2, cookies);
    rig.driver->ack(rig.state, consumer, cookies, 2);
    ck_assert_uint_eq(poll_for(1, 10, cookies), 0);
    teardown();
}
END_TEST

START_TEST(fatal__is_begun_anew_and_what_is_held_is_not_handed_out_twice)
{
    uint64_t cookies[64];
    setup("partitions=2&session_ms=6000");
    publish(1, 3);
    expect(3, cookies);
    rd_kafka_test_fatal_error(tq__kafka_consumer_beneath(consumer),
                              RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "on purpose");
    publish(4, 4);
    expect(1, &cookies[3]);
    rig.driver->ack(rig.state, consumer, cookies, 4);
    rig.driver->consumer_close(rig.state, consumer);
    consumer = join();
    ck_assert_uint_eq(poll_for(1, 100, cookies), 0);
    teardown();
}
END_TEST

START_TEST(without_memory__a_message_is_kept_for_the_next_time)
{
    uint64_t cookies[64];
    struct tq_message message;
    size_t count = 0;
    int status = TQ_EMPTY;
    setup("partitions=2");
    publish(1, 1);
    expect(1, cookies);
    rig.driver->ack(rig.state, consumer, cookies, 1);
    publish(2, 4);
    rig.test.fail_at = rig.test.allocations + 1;
    rig.test.fail_forever = 1;
    for (int i = 0; i < RIG_PATIENCE && status == TQ_EMPTY; i++) {
        status = rig.driver->poll(rig.state, consumer, &message, 1, RIG_ROUND_MS, &count, &err);
    }
    assert_status(status, TQ_E_NOMEM);
    rig.test.fail_at = 0;
    rig.test.fail_forever = 0;
    expect(3, cookies);
    rig.driver->ack(rig.state, consumer, cookies, 3);
    teardown();
}
END_TEST

START_TEST(opening_without_memory__is_told)
{
    static const char *const topics[] = {RIG_TOPIC};
    void *other = NULL;
    setup("partitions=2");
    for (int i = 1; i <= 3; i++) {
        rig.test.fail_at = rig.test.allocations + i;
        assert_status(rig.driver->consumer_open(rig.state, "payment", topics, 1, &other, &err),
                      TQ_E_NOMEM);
    }
    rig.test.fail_at = 0;
    teardown();
}
END_TEST

/* Polls until the message of that size is there; returns how many came before it. */
static size_t poll_until(size_t payload_bytes)
{
    struct tq_message message;
    size_t before = 0, count = 0;
    for (int i = 0; i < RIG_PATIENCE; i++) {
        int status = rig.driver->poll(rig.state, consumer, &message, 1, RIG_ROUND_MS, &count, &err);
        if (status == TQ_OK && message.payload_bytes == payload_bytes) {
            return before;
        }
        before += status == TQ_OK;
    }
    ck_abort_msg("it did not come");
}

/* Whether the broker found the last positions in its socket when it woke up, nobody knows. */
START_TEST(closed_while_the_broker_is_away__ends_in_bounded_time)
{
    uint64_t cookies[64];
    setup("partitions=2");
    publish(1, 3);
    expect(3, cookies);
    kafka_world_ctl("pause");
    rig.driver->ack(rig.state, consumer, cookies, 3);
    rig.driver->consumer_close(rig.state, consumer);
    kafka_world_ctl("resume");
    consumer = join();
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 4, 4, 20), 1);
    size_t before = poll_until(20);
    ck_assert(before == 0 || before == 3);
    teardown();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        acknowledged__does_not_come_again_and_the_rest_does,
        fatal__is_begun_anew_and_what_is_held_is_not_handed_out_twice,
        without_memory__a_message_is_kept_for_the_next_time,
        opening_without_memory__is_told,
        closed_while_the_broker_is_away__ends_in_bounded_time,
    };
    kafka_world_need_broker();
    return unit_main("fault.kafka_consumer", tests, sizeof tests / sizeof *tests);
}
