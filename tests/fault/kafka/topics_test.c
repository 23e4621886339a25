/* SPDX-License-Identifier: MIT */
/*
 * Topics are made on demand with the partitions of the URL, also those of dead letters;
 * a topic that is there stays as it is; messages of one key lie in one partition.
 */
#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "lib/kafka_world.h"

#define LONG 3000 /* rounds: a minute */

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_world world;
static struct handler_plan plan;

/* The broker's own answer; 0: there is no such topic. */
static int partitions_of(const char *topic)
{
    char name[256], reason[128];
    const struct rd_kafka_metadata *metadata = NULL;
    const char *prefix = strstr(world.transport_url, "prefix=") + strlen("prefix=");
    const char *broker = getenv("TICKETQ_TEST_KAFKA") + strlen("kafka://");
    int found = 0;
    snprintf(name, sizeof name, "%.*s%s", (int)strcspn(prefix, "&"), prefix, topic);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", broker, reason, sizeof reason);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    ck_assert_int_eq(rd_kafka_metadata(client, 1, NULL, &metadata, 30000), 0);
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0) {
            found = metadata->topics[i].partition_cnt;
        }
    }
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_destroy(client);
    return found;
}

static void bury_one(void)
{
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_INVALID, .times = 1};
    tq_inbox *inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(world.store, world.transport, "r1");
    assert_status(outbox_put(world.store, "k1", 1, 2), TQ_OK);
    kafka_world_run(&world, relay, inbox, &plan, 1, LONG);
    ck_assert_int_eq(plan.told, 1);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
}

START_TEST(topics__are_made_with_the_partitions_of_the_url)
{
    kafka_world_open(&world, "partitions=5&replication=1");
    ck_assert_int_eq(partitions_of(OUTBOX_TOPIC), 0);
    bury_one();
    ck_assert_int_eq(partitions_of(OUTBOX_TOPIC), 5);
    ck_assert_int_eq(partitions_of(OUTBOX_DEAD), 5);
    kafka_world_close(&world);
}
END_TEST

START_TEST(without_partitions__the_broker_decides)
{
    kafka_world_open(&world, "");
    bury_one();
    ck_assert_int_gt(partitions_of(OUTBOX_TOPIC), 0);
    kafka_world_close(&world);
}
END_TEST

START_TEST(a_topic_that_is_there__stays_as_it_is)
{
    char other_url[600];
    kafka_world_open(&world, "partitions=2");
    bury_one();
    snprintf(other_url, sizeof other_url, "%s0", world.transport_url); /* 20 */
    tq_transport_close(world.transport);
    world.transport = outbox_transport(&world.env, other_url);
    tq_relay *relay = outbox_relay(world.store, world.transport, "r1");
    assert_status(outbox_put(world.store, "k2", 1, 2), TQ_OK);
    kafka_world_run(&world, relay, NULL, &plan, 0, LONG);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    ck_assert_int_eq(partitions_of(OUTBOX_TOPIC), 2);
    tq_relay_close(relay);
    kafka_world_close(&world);
}
END_TEST

START_TEST(more_copies_than_brokers__is_an_outage_that_blames_nobody)
{
    kafka_world_open(&world, "replication=3");
    tq_relay *relay = outbox_relay(world.store, world.transport, "r1");
    assert_status(outbox_put(world.store, "k1", 1, 2), TQ_OK);
    ck_assert_int_gt(kafka_world_run(&world, relay, NULL, &plan, 0, 50), 0);
    ck_assert_int_eq(outbox_pending(world.store), 2);
    kafka_world_check_blameless(&world);
    tq_relay_close(relay);
    kafka_world_close(&world);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        topics__are_made_with_the_partitions_of_the_url,
        without_partitions__the_broker_decides,
        a_topic_that_is_there__stays_as_it_is,
        more_copies_than_brokers__is_an_outage_that_blames_nobody,
    };
    kafka_world_need_broker();
    return unit_main("fault.kafka_topics", tests, sizeof tests / sizeof *tests);
}
