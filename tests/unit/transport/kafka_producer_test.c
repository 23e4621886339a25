/* SPDX-License-Identifier: MIT */
/*
 * A producer and what goes wrong beneath it: each message gets one report, a failure
 * lets nothing pass that was handed over later, and afterwards it works again.
 */
#include <pthread.h>
#include <unistd.h>

#include "lib/kafka_rig.h"
#include "transport/kafka/kafka.h"

#define NONE 99

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_rig rig;
static void *producer;
static int statuses[64];

static void setup_anew(const char *query)
{
    kafka_rig_open_mock(&rig, query);
    producer = kafka_rig_producer(&rig);
    for (int i = 0; i < 64; i++) {
        statuses[i] = NONE;
    }
}

/* The partition knows the client. */
static void introduce(void)
{
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 63, 63, 5), 1);
    kafka_rig_reports(&rig, producer, 1, statuses);
    ck_assert_int_eq(statuses[63], TQ_OK);
}

static void setup(const char *query)
{
    setup_anew(query);
    introduce();
}

static void teardown(void)
{
    rig.driver->producer_close(rig.state, producer);
    kafka_rig_close(&rig);
}

static int is_outage(int status)
{
    return status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN;
}

/* It works, whatever was before. */
static void check_works(void)
{
    introduce();
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 20, 10), 20);
    kafka_rig_reports(&rig, producer, 20, statuses);
    for (int n = 1; n <= 20; n++) {
        ck_assert_int_eq(statuses[n], TQ_OK);
    }
}

START_TEST(published__is_reported)
{
    setup("");
    check_works();
    teardown();
}
END_TEST

START_TEST(ob_12_queue_full__is_fewer_accepted_and_then_none)
{
    setup("capacity=4&linger_ms=500");
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 10, 10), 4);
    size_t accepted;
    struct tq_message message = {.topic = RIG_TOPIC, .key = "k1", .payload = "", .cookie = 11};
    assert_status(rig.driver->publish(rig.state, producer, &message, 1, &accepted, &err), TQ_FULL);
    kafka_rig_reports(&rig, producer, 4, statuses);
    ck_assert_int_eq(statuses[4], TQ_OK);
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 5, 8, 10), 4);
    kafka_rig_reports(&rig, producer, 4, statuses);
    teardown();
}
END_TEST

START_TEST(too_large__is_refused_at_once_and_nothing_follows_it)
{
    setup("message_bytes=1000");
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 1, 10), 1);
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 2, 4, 5000), 1);
    kafka_rig_reports(&rig, producer, 2, statuses);
    ck_assert_int_eq(statuses[1], TQ_OK);
    ck_assert_int_eq(statuses[2], TQ_E_LIMIT);
    check_works();
    teardown();
}
END_TEST

#define SEQUENCE_GAP RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER

START_TEST(refused_by_the_broker__fails_and_those_behind_are_taken_back)
{
    setup("linger_ms=0&message_bytes=1000");
    check_works();
    /* Behind the gap, a broker refuses what was sent before the refusal came back. */
    rd_kafka_mock_push_request_errors(rig.cluster, RIG_PRODUCE, 6, RD_KAFKA_RESP_ERR_INVALID_RECORD,
                                      SEQUENCE_GAP, SEQUENCE_GAP, SEQUENCE_GAP, SEQUENCE_GAP,
                                      SEQUENCE_GAP);
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 6, 800), 6);
    kafka_rig_reports(&rig, producer, 6, statuses);
    ck_assert_int_eq(statuses[1], TQ_E_INVALID);
    for (int n = 2; n <= 6; n++) {
        ck_assert_msg(statuses[n] != TQ_OK, "message %d passed", n);
    }
    rd_kafka_mock_clear_request_errors(rig.cluster, RIG_PRODUCE);
    check_works();
    teardown();
}
END_TEST

/* To a partition that knows nothing of the client, no second message goes before the first is
 * there. */
START_TEST(ob_21_the_first_is_refused__nothing_behind_it_passes)
{
    struct tq_message next = {.topic = RIG_TOPIC, .key = "k1", .payload = "", .cookie = 2};
    struct tq_message other = {.topic = RIG_TOPIC, .key = "k2", .payload = "", .cookie = 3};
    size_t accepted;
    setup_anew("linger_ms=0&message_bytes=1000");
    rd_kafka_mock_push_request_errors(rig.cluster, RIG_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_RECORD);
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 1, 800), 1);
    assert_status(rig.driver->publish(rig.state, producer, &next, 1, &accepted, &err), TQ_FULL);
    assert_status(rig.driver->publish(rig.state, producer, &other, 1, &accepted, &err), TQ_FULL);
    kafka_rig_reports(&rig, producer, 1, statuses);
    ck_assert_int_eq(statuses[1], TQ_E_INVALID);
    check_works();
    teardown();
}
END_TEST

START_TEST(passing_errors__are_tried_again_without_a_word)
{
    setup("linger_ms=0");
    rd_kafka_mock_push_request_errors(
        rig.cluster, RIG_PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    check_works();
    teardown();
}
END_TEST

/* The sizes of what lies in the topic, in order. */
static void check_log(const size_t *sizes, size_t count)
{
    static const char *const topics[] = {RIG_TOPIC};
    void *consumer = NULL;
    struct tq_message message;
    size_t found = 0;
    assert_status(rig.driver->consumer_open(rig.state, "log", topics, 1, &consumer, &err), TQ_OK);
    for (int i = 0; i < RIG_PATIENCE && found < count; i++) {
        size_t polled = 0;
        int status =
            rig.driver->poll(rig.state, consumer, &message, 1, RIG_ROUND_MS, &polled, &err);
        if (status == TQ_OK && polled) {
            ck_assert_uint_eq(message.payload_bytes, sizes[found++]);
            rig.driver->ack(rig.state, consumer, &message.cookie, 1);
        }
    }
    ck_assert_uint_eq(found, count);
    rig.driver->consumer_close(rig.state, consumer);
}

/*
 * A broker that has just got a partition refuses the first request and takes the second:
 * nothing that is behind a message may be on its way before that is there (KAFKA-15591).
 */
START_TEST(ob_21_a_new_leader_refuses_the_first__nothing_behind_it_passes)
{
    static const size_t sizes[] = {5, 10, 20, 30};
    setup("linger_ms=0");
    rd_kafka_mock_broker_set_rtt(rig.cluster, 1, 200);
    rd_kafka_mock_push_request_errors(rig.cluster, RIG_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    for (int n = 1; n <= 3; n++) {
        ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", n, n, sizes[n]), 1);
        usleep(50000); /* a request of its own, if that may be */
    }
    kafka_rig_reports(&rig, producer, 3, statuses);
    for (int n = 1; n <= 3; n++) {
        ck_assert_int_eq(statuses[n], TQ_OK);
    }
    rd_kafka_mock_broker_set_rtt(rig.cluster, 1, 0);
    check_log(sizes, 4);
    teardown();
}
END_TEST

START_TEST(ob_13_fatal__is_begun_anew_and_everything_is_reported)
{
    setup("linger_ms=500");
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 10, 10), 10);
    rd_kafka_test_fatal_error(tq__kafka_producer_beneath(producer),
                              RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "on purpose");
    kafka_rig_reports(&rig, producer, 10, statuses);
    for (int n = 1; n <= 10; n++) {
        ck_assert(is_outage(statuses[n]));
    }
    check_works();
    teardown();
}
END_TEST

START_TEST(ob_10_broker_away__is_the_transports_trouble_and_passes)
{
    setup("timeout_ms=4000&linger_ms=0");
    check_works();
    rd_kafka_mock_broker_set_down(rig.cluster, 1);
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 10, 10), 10);
    kafka_rig_reports(&rig, producer, 10, statuses);
    for (int n = 1; n <= 10; n++) {
        ck_assert(is_outage(statuses[n]));
    }
    rd_kafka_mock_broker_set_up(rig.cluster, 1);
    check_works();
    teardown();
}
END_TEST

START_TEST(never_there__is_said_and_nothing_is_accepted)
{
    struct tq_message message = {.topic = RIG_TOPIC, .key = "k1", .payload = ""};
    struct tq_report report;
    size_t count = 0;
    int status = TQ_EMPTY;
    kafka_rig_open(&rig, "kafka://127.0.0.1:1");
    producer = kafka_rig_producer(&rig);
    assert_status(rig.driver->publish(rig.state, producer, &message, 1, &count, &err), TQ_FULL);
    for (int i = 0; i < RIG_PATIENCE && status == TQ_EMPTY; i++) {
        status = rig.driver->reports(rig.state, producer, &report, 1, RIG_ROUND_MS, &count, &err);
    }
    assert_status(status, TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1:1")); /* where it was looked for */
    teardown();
}
END_TEST

static void *wake_later(void *arg)
{
    (void)arg;
    rig.driver->wake(rig.state, producer);
    return NULL;
}

START_TEST(wake__may_come_at_any_time)
{
    pthread_t threads[8];
    struct tq_report report;
    size_t count;
    setup("linger_ms=0");
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, wake_later, NULL);
        rd_kafka_test_fatal_error(tq__kafka_producer_beneath(producer),
                                  RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, "on purpose");
        rig.driver->reports(rig.state, producer, &report, 1, 10, &count, &err);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    check_works();
    teardown();
}
END_TEST

START_TEST(closed_with_messages_under_way__lets_go_of_all)
{
    setup("linger_ms=500");
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 1, 40, 10), 40);
    teardown();
}
END_TEST

START_TEST(without_memory__is_told)
{
    void *other = NULL;
    setup("");
    rig.test.fail_at = rig.test.allocations + 1;
    assert_status(rig.driver->producer_open(rig.state, &other, &err), TQ_E_NOMEM);
    rig.test.fail_at = rig.test.allocations + 2;
    assert_status(rig.driver->producer_open(rig.state, &other, &err), TQ_E_NOMEM);
    rig.test.fail_at = 0;
    check_works();
    teardown();
}
END_TEST

UNIT_MAIN("transport.kafka_producer", published__is_reported,
          ob_12_queue_full__is_fewer_accepted_and_then_none,
          too_large__is_refused_at_once_and_nothing_follows_it,
          refused_by_the_broker__fails_and_those_behind_are_taken_back,
          ob_21_the_first_is_refused__nothing_behind_it_passes,
          passing_errors__are_tried_again_without_a_word,
          ob_21_a_new_leader_refuses_the_first__nothing_behind_it_passes,
          ob_13_fatal__is_begun_anew_and_everything_is_reported,
          ob_10_broker_away__is_the_transports_trouble_and_passes,
          never_there__is_said_and_nothing_is_accepted, wake__may_come_at_any_time,
          closed_with_messages_under_way__lets_go_of_all, without_memory__is_told)
