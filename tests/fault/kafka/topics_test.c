/* SPDX-License-Identifier: MIT */
/*
 * Topics are made on demand with the partitions of the URL, also those of dead letters;
 * a topic that is there stays as it is; messages of one key lie in one partition.
 */
#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "lib/kafka_rig.h"
#include "lib/kafka_world.h"
#include "transport/kafka/kafka.h"

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

/* ---- what an operator does to a topic ---- */

static void own_name(const char *topic, char out_name[256])
{
    const char *prefix = strstr(world.transport_url, "prefix=") + strlen("prefix=");
    snprintf(out_name, 256, "%.*s%s", (int)strcspn(prefix, "&"), prefix, topic);
}

static rd_kafka_t *operator_client(void)
{
    char reason[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", getenv("TICKETQ_TEST_KAFKA") + strlen("kafka://"),
                      reason, sizeof reason);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
}

static void end_order(rd_kafka_t *client, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(rd_kafka_event_error(event), 0);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
}

static void make_topic(const char *topic, int partitions, const char *setting, const char *value)
{
    char name[256], reason[128];
    rd_kafka_t *client = operator_client();
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    own_name(topic, name);
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(name, partitions, 1, reason, sizeof reason);
    rd_kafka_NewTopic_set_config(wanted, setting, value);
    rd_kafka_CreateTopics(client, &wanted, 1, NULL, queue);
    rd_kafka_NewTopic_destroy(wanted);
    end_order(client, queue);
}

static void add_partitions(const char *topic, size_t total)
{
    char name[256], reason[128];
    rd_kafka_t *client = operator_client();
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    own_name(topic, name);
    rd_kafka_NewPartitions_t *wanted =
        rd_kafka_NewPartitions_new(name, total, reason, sizeof reason);
    rd_kafka_CreatePartitions(client, &wanted, 1, NULL, queue);
    rd_kafka_NewPartitions_destroy(wanted);
    end_order(client, queue);
}

/* An event of about so many bytes, which no compression makes much smaller. */
struct large {
    const char *key;
    int n, bytes;
};

static int append_large(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static char payload[TQ_EVENT_PAYLOAD_MAX + 1];
    static unsigned seed = 1;
    const struct large *large = arg;
    int at = snprintf(payload, sizeof payload, "{\"n\":%d,\"x\":\"", large->n);
    while (at < large->bytes - 2) {
        seed = seed * 1103515245u + 12345u;
        payload[at++] = (char)('A' + (seed >> 16) % 26 + ((seed >> 24) & 32));
    }
    at += snprintf(payload + at, sizeof payload - (size_t)at, "\"}");
    return tq_outbox_append(tx,
                            TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = "SeatCounted",
                                    .aggregate_type = "seat", .aggregate_id = large->key,
                                    .payload = payload, .payload_bytes = (size_t)at),
                            1, failure);
}

static void put_large(int keys, int first, int last, int bytes)
{
    char key[16];
    for (int n = first; n <= last; n++) {
        for (int k = 0; k < keys; k++) {
            snprintf(key, sizeof key, "k%d", k);
            struct large large = {key, n, bytes};
            assert_status(tq_ledger_run(world.store, append_large, &large, &err), TQ_OK);
        }
    }
}

/* It parks whatever it blames. */
static tq_relay *strict_relay(void)
{
    tq_relay *relay = NULL;
    assert_status(tq_relay_open(world.store, world.transport,
                                TQ_ARGS(tq_relay_options, .owner = "r1", .attempts_max = 1), &relay,
                                &err),
                  TQ_OK);
    return relay;
}

static tq_inbox *inbox;
static tq_relay *relay;

/* A world whose topic has a setting of its own, with a relay that parks what it blames. */
static void open_strict(const char *setting, const char *value)
{
    kafka_world_open(&world, "partitions=1");
    make_topic(OUTBOX_TOPIC, 1, setting, value);
    plan = (struct handler_plan){.key = ""};
    inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    relay = strict_relay();
}

static void close_strict(void)
{
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}

/* A topic takes less than a batch of ours: each event is small enough, so none is blamed. */
START_TEST(a_topic_that_takes_less_than_a_batch__blames_nobody)
{
    open_strict("max.message.bytes", "20000");
    put_large(10, 1, 20, 1000);
    kafka_world_run(&world, relay, inbox, &plan, 200, LONG);
    ck_assert_int_eq(plan.told, 200);
    kafka_world_check(&world, "payment", 10, 20);
    kafka_world_check_blameless(&world);
    close_strict();
}
END_TEST

static int note_parked(void *arg, const struct tq_parked *parked)
{
    int *count = arg;
    ck_assert_str_eq(parked->event.key, "k0");
    ck_assert_ptr_nonnull(strstr(parked->reason, *count ? "waits behind" : "LIMIT"));
    ++*count;
    return TQ_OK;
}

START_TEST(an_event_that_a_topic_does_not_take__is_parked_alone)
{
    int parked = 0;
    open_strict("max.message.bytes", "20000");
    put_large(10, 1, 3, 500);
    put_large(1, 4, 4, 60000);
    for (int n = 4; n <= 5; n++) {
        for (int k = n == 4; k < 10; k++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", k);
            assert_status(outbox_put(world.store, key, n, n), TQ_OK);
        }
    }
    kafka_world_run(&world, relay, inbox, &plan, 48, LONG);
    ck_assert_int_eq(plan.told, 48);
    outbox_check_key(world.store, "payment", "k0", 3);
    outbox_check_key(world.store, "payment", "k1", 5);
    outbox_check_key(world.store, "payment", "k9", 5);
    assert_status(tq_outbox_parked(world.store, 10, note_parked, &parked, &err), TQ_OK);
    ck_assert_int_eq(parked, 2);
    close_strict();
}
END_TEST

static void change_topic(const char *topic, const char *setting, const char *value)
{
    char name[256];
    rd_kafka_t *client = operator_client();
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    own_name(topic, name);
    rd_kafka_ConfigResource_t *wanted = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_ConfigResource_set_config(wanted, setting, value);
    rd_kafka_AlterConfigs(client, &wanted, 1, NULL, queue);
    rd_kafka_ConfigResource_destroy(wanted);
    end_order(client, queue);
}

/* To the broker every event is too old: its clock and ours are not one. */
START_TEST(a_clock_that_the_broker_does_not_believe__blames_nobody)
{
    open_strict("message.timestamp.before.max.ms", "0");
    kafka_world_put(&world, 10, 1, 5);
    ck_assert_int_gt(kafka_world_run(&world, relay, inbox, &plan, 50, 20), 0);
    ck_assert_int_gt(outbox_pending(world.store), 0);
    kafka_world_check_blameless(&world);
    change_topic(OUTBOX_TOPIC, "message.timestamp.before.max.ms", "3600000");
    kafka_world_run(&world, relay, inbox, &plan, 50, LONG);
    kafka_world_check(&world, "payment", 10, 5);
    close_strict();
}
END_TEST

/* A relay that begins anew knows them at once, an inbox finds them ten seconds later. */
START_TEST(partitions_that_are_added__lose_and_double_nothing)
{
    kafka_world_open(&world, "partitions=2");
    plan = (struct handler_plan){.key = ""};
    inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    relay = outbox_relay(world.store, world.transport, "r1");
    kafka_world_put(&world, 12, 1, 5);
    kafka_world_run(&world, relay, inbox, &plan, 60, LONG);
    tq_relay_close(relay);
    add_partitions(OUTBOX_TOPIC, 7);
    relay = outbox_relay(world.store, world.transport, "r1");
    kafka_world_put(&world, 12, 6, 10);
    kafka_world_run(&world, relay, inbox, &plan, 120, LONG);
    ck_assert_int_eq(partitions_of(OUTBOX_TOPIC), 7);
    kafka_world_check(&world, "payment", 12, 10);
    kafka_world_check_blameless(&world);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}
END_TEST

static int is_client(void *producer, const char *name)
{
    return strcmp(rd_kafka_name(tq__kafka_producer_beneath(producer)), name) == 0;
}

/* Who would have to say that it is there may be what is away. */
START_TEST(a_topic_that_was_there__is_not_waited_for_again)
{
    struct kafka_rig rig = {.owner = NULL};
    struct tq_report report;
    const struct tq_message message = {.topic = RIG_TOPIC, .key = "k1", .payload = ""};
    char url[512];
    int statuses[2] = {TQ_EMPTY, TQ_EMPTY};
    size_t count = 0;
    kafka_world_url(url, sizeof url, "partitions=2");
    kafka_rig_open(&rig, url);
    void *producer = kafka_rig_producer(&rig);
    assert_status(rig.driver->publish(rig.state, producer, &message, 1, &count, &err), TQ_FULL);
    ck_assert_uint_eq(kafka_rig_publish(&rig, producer, "k1", 0, 0, 10), 1);
    kafka_rig_reports(&rig, producer, 1, statuses);
    char first[64] = "";
    strncpy(first, rd_kafka_name(tq__kafka_producer_beneath(producer)), sizeof first - 1);
    rd_kafka_test_fatal_error(tq__kafka_producer_beneath(producer),
                              RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "on purpose");
    for (int i = 0; i < RIG_PATIENCE && is_client(producer, first); i++) {
        int status = rig.driver->reports(rig.state, producer, &report, 1, 0, &count, &err);
        ck_assert(status >= 0 || status == TQ_E_UNAVAILABLE);
    }
    ck_assert(!is_client(producer, first));
    const struct tq_message next = {.topic = RIG_TOPIC, .key = "k1", .payload = "", .cookie = 1};
    assert_status(rig.driver->publish(rig.state, producer, &next, 1, &count, &err), TQ_OK);
    ck_assert_uint_eq(count, 1);
    kafka_rig_reports(&rig, producer, 1, statuses);
    assert_status(statuses[1], TQ_OK);
    rig.driver->producer_close(rig.state, producer);
    kafka_rig_close(&rig);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        topics__are_made_with_the_partitions_of_the_url,
        without_partitions__the_broker_decides,
        a_topic_that_is_there__stays_as_it_is,
        more_copies_than_brokers__is_an_outage_that_blames_nobody,
        a_topic_that_takes_less_than_a_batch__blames_nobody,
        an_event_that_a_topic_does_not_take__is_parked_alone,
        partitions_that_are_added__lose_and_double_nothing,
        a_clock_that_the_broker_does_not_believe__blames_nobody,
        a_topic_that_was_there__is_not_waited_for_again,
    };
    kafka_world_need_broker();
    return unit_main("fault.kafka_topics", tests, sizeof tests / sizeof *tests);
}
