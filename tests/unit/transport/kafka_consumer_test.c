/* SPDX-License-Identifier: MIT */
/*
 * A consumer and what goes wrong beneath it: nothing is lost, nothing is handed out twice
 * while it is held, and what was acknowledged does not come again.
 */
#include <string.h>

#include "lib/kafka_mock.h"
#include "transport/kafka/kafka.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_mock mock;
static void *producer, *consumer;

static void *join(void)
{
    static const char *const topics[] = {MOCK_TOPIC, MOCK_TOPIC};
    void *joined = NULL;
    assert_status(mock.driver->consumer_open(mock.state, "payment", topics, 2, &joined, &err),
                  TQ_OK);
    return joined;
}

static void setup(const char *query)
{
    kafka_mock_open(&mock, query);
    producer = kafka_mock_producer(&mock);
    consumer = join();
}

static void teardown(void)
{
    mock.driver->consumer_close(mock.state, consumer);
    mock.driver->producer_close(mock.state, producer);
    kafka_mock_close(&mock);
}

static void publish(int first, int last)
{
    int statuses[64];
    size_t count = (size_t)(last - first + 1);
    ck_assert_uint_eq(kafka_mock_publish(&mock, producer, "k1", first, last, 10), count);
    kafka_mock_reports(&mock, producer, count, statuses);
}

static size_t poll_for(size_t expected, int rounds, uint64_t *cookies)
{
    struct tq_message messages[64];
    size_t total = 0;
    for (int i = 0; i < rounds && total < expected; i++) {
        size_t count = 0;
        int status = mock.driver->poll(mock.state, consumer, messages, 64 - total, MOCK_ROUND_MS,
                                       &count, &err);
        for (size_t k = 0; status == TQ_OK && k < count; k++) {
            ck_assert_str_eq(messages[k].key, "k1");
            cookies[total++] = messages[k].cookie;
        }
    }
    return total;
}

static void expect(size_t expected, uint64_t *cookies)
{
    ck_assert_uint_eq(poll_for(expected, MOCK_PATIENCE, cookies), expected);
}

START_TEST(acknowledged__does_not_come_again_and_the_rest_does)
{
    uint64_t cookies[64];
    setup("instance=pod-1&session_ms=1000");
    publish(1, 5);
    expect(5, cookies);
    mock.driver->ack(mock.state, consumer, cookies, 3);
    mock.driver->consumer_close(mock.state, consumer);
    consumer = join();
    expect(2, cookies);
    mock.driver->ack(mock.state, consumer, cookies, 2);
    ck_assert_uint_eq(poll_for(1, 10, cookies), 0);
    teardown();
}
END_TEST

START_TEST(fatal__is_begun_anew_and_what_is_held_is_not_handed_out_twice)
{
    uint64_t cookies[64];
    setup("session_ms=1000");
    publish(1, 3);
    expect(3, cookies);
    rd_kafka_test_fatal_error(tq__kafka_consumer_beneath(consumer),
                              RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "on purpose");
    publish(4, 4);
    expect(1, &cookies[3]);
    mock.driver->ack(mock.state, consumer, cookies, 4);
    mock.driver->consumer_close(mock.state, consumer);
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
    setup("");
    publish(1, 1);
    expect(1, cookies);
    mock.driver->ack(mock.state, consumer, cookies, 1);
    publish(2, 4);
    mock.test.fail_at = mock.test.allocations + 1;
    mock.test.fail_forever = 1;
    for (int i = 0; i < MOCK_PATIENCE && status == TQ_EMPTY; i++) {
        status = mock.driver->poll(mock.state, consumer, &message, 1, MOCK_ROUND_MS, &count, &err);
    }
    assert_status(status, TQ_E_UNAVAILABLE);
    mock.test.fail_at = 0;
    mock.test.fail_forever = 0;
    expect(3, cookies);
    mock.driver->ack(mock.state, consumer, cookies, 3);
    teardown();
}
END_TEST

START_TEST(opening_without_memory__is_told)
{
    static const char *const topics[] = {MOCK_TOPIC};
    void *other = NULL;
    setup("");
    for (int i = 1; i <= 3; i++) {
        mock.test.fail_at = mock.test.allocations + i;
        assert_status(mock.driver->consumer_open(mock.state, "payment", topics, 1, &other, &err),
                      TQ_E_NOMEM);
    }
    mock.test.fail_at = 0;
    teardown();
}
END_TEST

START_TEST(closed_while_the_broker_is_away__ends_in_bounded_time)
{
    uint64_t cookies[64];
    setup("");
    publish(1, 3);
    expect(3, cookies);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    mock.driver->ack(mock.state, consumer, cookies, 3);
    mock.driver->consumer_close(mock.state, consumer);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    consumer = join();
    teardown();
}
END_TEST

UNIT_MAIN("transport.kafka_consumer", acknowledged__does_not_come_again_and_the_rest_does,
          fatal__is_begun_anew_and_what_is_held_is_not_handed_out_twice,
          without_memory__a_message_is_kept_for_the_next_time, opening_without_memory__is_told,
          closed_while_the_broker_is_away__ends_in_bounded_time)
