/* SPDX-License-Identifier: MIT */
/*
 * librdkafka's own little broker. See the header.
 */
#include "lib/kafka_mock.h"

#include <stdio.h>
#include <string.h>

#include <ticketq/system.h>

static struct tq_error err = TQ_ERROR_INIT;

void kafka_mock_open(struct kafka_mock *mock, const char *query)
{
    char url[256], reason[128];
    test_env_init(&mock->test, 1);
    mock->env = test_env_of(&mock->test);
    mock->env.now_ms = tq_system_now_ms;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    mock->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    mock->cluster = rd_kafka_mock_cluster_new(mock->owner, 1);
    rd_kafka_mock_topic_create(mock->cluster, MOCK_TOPIC, 2, 1);
    snprintf(url, sizeof url, "kafka://%s?create=no%s%s",
             rd_kafka_mock_cluster_bootstraps(mock->cluster), query[0] ? "&" : "", query);
    assert_status(tq_transport_open(&mock->env, TQ_ARGS(tq_transport_options, .url = url),
                                    &mock->transport, &err),
                  TQ_OK);
    mock->driver = tq__transport_driver(mock->transport);
    mock->state = tq__transport_state(mock->transport);
}

void kafka_mock_close(struct kafka_mock *mock)
{
    tq_transport_close(mock->transport);
    ck_assert_int_eq(mock->test.live, 0);
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->owner);
}

void *kafka_mock_producer(struct kafka_mock *mock)
{
    void *producer = NULL;
    assert_status(mock->driver->producer_open(mock->state, &producer, &err), TQ_OK);
    return producer;
}

size_t kafka_mock_publish(struct kafka_mock *mock, void *producer, const char *key, int first,
                          int last, size_t payload_bytes)
{
    static char payload[100000];
    static const struct tq_header headers[] = {{"ce_type", "Counted"}, {"empty", ""}};
    struct tq_message messages[64];
    size_t count = 0, accepted = 0;
    memset(payload, 'x', sizeof payload);
    for (int n = first; n <= last; n++) {
        messages[count++] = (struct tq_message){
            .topic = MOCK_TOPIC,
            .key = key,
            .headers = headers,
            .headers_count = 2,
            .payload = payload,
            .payload_bytes = payload_bytes,
            .cookie = (uint64_t)n,
        };
    }
    int status = mock->driver->publish(mock->state, producer, messages, count, &accepted, &err);
    assert_status(status, TQ_OK);
    return accepted;
}

void kafka_mock_reports(struct kafka_mock *mock, void *producer, size_t expected, int *statuses)
{
    struct tq_report reports[64];
    size_t count = 0, total = 0;
    for (int i = 0; i < MOCK_PATIENCE && total < expected; i++) {
        int status =
            mock->driver->reports(mock->state, producer, reports, 64, MOCK_ROUND_MS, &count, &err);
        for (size_t k = 0; status == TQ_OK && k < count; k++, total++) {
            statuses[reports[k].cookie] = reports[k].status;
        }
    }
    ck_assert_uint_eq(total, expected);
}
