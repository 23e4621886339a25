/* SPDX-License-Identifier: MIT */
/*
 * A Kafka transport on one of two brokers. See the header.
 */
#include "lib/kafka_rig.h"

#include <stdio.h>
#include <string.h>

#include <ticketq/system.h>

static struct tq_error err = TQ_ERROR_INIT;

void kafka_rig_open(struct kafka_rig *rig, const char *url)
{
    test_env_init(&rig->test, 1);
    rig->env = test_env_of(&rig->test);
    rig->env.now_ms = tq_system_now_ms;
    assert_status(tq_transport_open(&rig->env, TQ_ARGS(tq_transport_options, .url = url),
                                    &rig->transport, &err),
                  TQ_OK);
    rig->driver = tq__transport_driver(rig->transport);
    rig->state = tq__transport_state(rig->transport);
}

void kafka_rig_open_mock(struct kafka_rig *rig, const char *query)
{
    char url[256], reason[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    rig->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    rig->cluster = rd_kafka_mock_cluster_new(rig->owner, 1);
    rd_kafka_mock_topic_create(rig->cluster, RIG_TOPIC, 2, 1);
    snprintf(url, sizeof url, "kafka://%s?create=0%s%s",
             rd_kafka_mock_cluster_bootstraps(rig->cluster), query[0] ? "&" : "", query);
    kafka_rig_open(rig, url);
}

void kafka_rig_close(struct kafka_rig *rig)
{
    tq_transport_close(rig->transport);
    ck_assert_int_eq(rig->test.live, 0);
    if (rig->owner) {
        rd_kafka_mock_cluster_destroy(rig->cluster);
        rd_kafka_destroy(rig->owner);
    }
    *rig = (struct kafka_rig){.owner = NULL};
}

void *kafka_rig_producer(struct kafka_rig *rig)
{
    void *producer = NULL;
    assert_status(rig->driver->producer_open(rig->state, &producer, &err), TQ_OK);
    return producer;
}

size_t kafka_rig_publish(struct kafka_rig *rig, void *producer, const char *key, int first,
                         int last, size_t payload_bytes)
{
    static char payload[100000];
    static const struct tq_header headers[] = {{"ce_type", "Counted"}, {"empty", ""}};
    struct tq_message messages[64];
    size_t count = 0, accepted = 0;
    memset(payload, 'x', sizeof payload);
    for (int n = first; n <= last; n++) {
        messages[count++] = (struct tq_message){
            .topic = RIG_TOPIC,
            .key = key,
            .headers = headers,
            .headers_count = 2,
            .payload = payload,
            .payload_bytes = payload_bytes,
            .cookie = (uint64_t)n,
        };
    }
    int status = TQ_FULL;
    for (int i = 0; i < RIG_PATIENCE && status == TQ_FULL; i++) {
        struct tq_report report;
        size_t reported;
        status = rig->driver->publish(rig->state, producer, messages, count, &accepted, &err);
        if (status == TQ_FULL) { /* the topic is being made */
            ck_assert_int_eq(rig->driver->reports(rig->state, producer, &report, 1, RIG_ROUND_MS,
                                                  &reported, &err),
                             TQ_EMPTY);
        }
    }
    assert_status(status, TQ_OK);
    return accepted;
}

void kafka_rig_reports(struct kafka_rig *rig, void *producer, size_t expected, int *statuses)
{
    struct tq_report reports[64];
    size_t count = 0, total = 0;
    for (int i = 0; i < RIG_PATIENCE && total < expected; i++) {
        int status =
            rig->driver->reports(rig->state, producer, reports, 64, RIG_ROUND_MS, &count, &err);
        for (size_t k = 0; status == TQ_OK && k < count; k++, total++) {
            statuses[reports[k].cookie] = reports[k].status;
        }
    }
    ck_assert_uint_eq(total, expected);
}
