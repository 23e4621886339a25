/* SPDX-License-Identifier: MIT */
/*
 * The outbox over a real Kafka, that of TICKETQ_TEST_KAFKA; without one nothing is said.
 *
 * The relay's rate: events that lie in an outbox on SQLite, until the last row is removed,
 * beside rd_kafka_producev() of as many messages with the same key, headers, payload and
 * settings, until the last delivery report. End to end: 5,000 events a second are
 * committed in one ledger and handled in another, each on a disk; counted from the end of
 * the one commit to the end of the other. And the same beside what a producer and a
 * consumer take without ledgers, which no outbox can go below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include <ticketq/outbox.h>

#include "bench/frame.h"

#define TOPIC "reservation.events"
#define RELAYED 200000
#define PER_COMMIT 500
#define RATE 5000
#define BATCH 25 /* of a commit, end to end */
#define EVENTS (3 * RATE)
#define PAYLOAD "{\"n\":%d,\"reservationId\":\"%026d\",\"seat\":\"A-%05d\",\"price\":99000}"

static tq_store *source, *target;
static tq_transport *transport;
static char url[512];

/* ---- a service ---- */

static tq_store *open_ledger(const char *folder, const char *name)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_store *store = NULL;
    char path[400];
    snprintf(path, sizeof path, "sqlite:%s/%s.db", folder, name);
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = path), &store, &err), TQ_OK,
                "open", &err);
    bench_check(tq_outbox_prepare(store, &err), TQ_OK, "prepare", &err);
    return store;
}

static void open_world(void)
{
    static unsigned worlds;
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    const char *folder = bench_folder();
    source = open_ledger(folder, "source");
    target = open_ledger(folder, "target");
    snprintf(url, sizeof url, "%s?partitions=6&prefix=bench-%x-%llx-%x.",
             getenv("TICKETQ_TEST_KAFKA"), (unsigned)getpid(),
             (unsigned long long)tq_system_now_ms(NULL), worlds++);
    bench_check(
        tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = url), &transport, &err), TQ_OK,
        "transport", &err);
}

static void close_world(void)
{
    tq_transport_close(transport);
    tq_store_close(source);
    tq_store_close(target);
    bench_folder_done();
}

struct range {
    int first, count;
};

static int append(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct range *range = arg;
    static struct tq_event events[PER_COMMIT];
    static char keys[PER_COMMIT][16], payloads[PER_COMMIT][128];
    for (int i = 0; i < range->count; i++) {
        int n = range->first + i;
        snprintf(keys[i], sizeof keys[i], "k%d", n % 1000);
        int bytes = snprintf(payloads[i], sizeof payloads[i], PAYLOAD, n, n, n);
        events[i] = (struct tq_event){
            .size = sizeof *events,
            .topic = TOPIC,
            .type = "ReservationConfirmed",
            .aggregate_type = "reservation",
            .aggregate_id = keys[i],
            .payload = payloads[i],
            .payload_bytes = (size_t)bytes,
        };
    }
    return tq_outbox_append(tx, events, (size_t)range->count, err);
}

static void commit(int first, int count)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct range range = {first, count};
    bench_check(tq_ledger_run(source, append, &range, &err), TQ_OK, "append", &err);
}

static tq_relay *open_relay(uint32_t batch)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_relay *relay = NULL;
    bench_check(tq_relay_open(source, transport,
                              TQ_ARGS(tq_relay_options, .owner = "r1", .batch = batch), &relay,
                              &err),
                TQ_OK, "relay", &err);
    return relay;
}

/* Steps until so many were published; gives the seconds. */
static double relay_all(tq_relay *relay, uint32_t count)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_relay_stats stats = TQ_INIT(tq_relay_stats);
    double begin = bench_clock();
    for (uint32_t published = 0; published < count; published += stats.published) {
        stats.published = 0;
        if (tq_relay_step(relay, 100, &stats, &err) < 0) {
            fprintf(stderr, "relay: %s\n", err.message);
            exit(EXIT_FAILURE);
        }
    }
    return bench_clock() - begin;
}

/* ---- the relay's rate ---- */

static double relayed(void)
{
    open_world();
    tq_relay *relay = open_relay(TQ_BATCH_MAX);
    commit(0, PER_COMMIT);
    relay_all(relay, PER_COMMIT); /* the topic is there, each partition knows the client */
    for (int i = 0; i < RELAYED; i += PER_COMMIT) {
        commit(i, PER_COMMIT);
    }
    double seconds = relay_all(relay, RELAYED);
    tq_relay_close(relay);
    close_world();
    return RELAYED / seconds;
}

static rd_kafka_t *open_client(rd_kafka_type_t kind, const char *const settings[][2], size_t count)
{
    char reason[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", getenv("TICKETQ_TEST_KAFKA") + strlen("kafka://"),
                      reason, sizeof reason);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason);
    }
    return rd_kafka_new(kind, conf, reason, sizeof reason);
}

static rd_kafka_t *open_producer(void)
{
    static const char *const settings[][2] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.type", "zstd"},
        {"compression.level", "1"},
        {"socket.nagle.disable", "true"},
        {"linger.ms", "2"},
        {"enable.gapless.guarantee", "true"},
        {"partitioner", "murmur2"},
        {"max.in.flight", "1"},
    };
    return open_client(RD_KAFKA_PRODUCER, settings, sizeof settings / sizeof *settings);
}

#define HEADER(name, value) RD_KAFKA_V_HEADER((name), (value), sizeof(value) - 1)

static void produce(rd_kafka_t *producer, const char *topic, int n)
{
    char key[16], payload[128];
    snprintf(key, sizeof key, "k%d", n % 1000);
    int bytes = snprintf(payload, sizeof payload, PAYLOAD, n, n, n);
    while (rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, strlen(key)),
        RD_KAFKA_V_VALUE(payload, (size_t)bytes), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        HEADER("ce_specversion", "1.0"), HEADER("ce_id", "019ab3c2-7c1e-7d52-9a39-0c2f5ad1e7b4"),
        HEADER("ce_source", "/reservation"), HEADER("ce_type", "ReservationConfirmed"),
        RD_KAFKA_V_HEADER("ce_subject", key, -1), HEADER("ce_time", "2026-11-22T10:00:00.000Z"),
        HEADER("content-type", "application/json"), RD_KAFKA_V_END)) {
        rd_kafka_poll(producer, 10);
    }
    rd_kafka_poll(producer, 0);
}

/* A world whose topic is there, with as many partitions as the relay's; its name at the broker. */
static void open_topic(char *topic, size_t room)
{
    open_world();
    tq_relay *relay = open_relay(0);
    commit(0, 1);
    relay_all(relay, 1);
    tq_relay_close(relay);
    snprintf(topic, room, "%s%s", strstr(url, "prefix=") + strlen("prefix="), TOPIC);
}

static double produced(void)
{
    char topic[256];
    open_topic(topic, sizeof topic);
    rd_kafka_t *producer = open_producer();
    for (int n = 0; n < PER_COMMIT; n++) {
        produce(producer, topic, n);
    }
    rd_kafka_flush(producer, 30000);
    double begin = bench_clock();
    for (int n = 0; n < RELAYED; n++) {
        produce(producer, topic, n);
    }
    if (rd_kafka_flush(producer, 60000)) {
        fprintf(stderr, "messages are left\n");
        exit(EXIT_FAILURE);
    }
    double seconds = bench_clock() - begin;
    rd_kafka_destroy(producer);
    close_world();
    return RELAYED / seconds;
}

/* ---- end to end ---- */

static double committed[EVENTS], handled[EVENTS];
static int handled_count; /* atomic */

static int handle(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err)
{
    (void)tx;
    (void)event;
    (void)arg;
    (void)err;
    return TQ_OK;
}

static void arrive(const char *payload)
{
    int n;
    if (sscanf(payload, "{\"n\":%d", &n) == 1 && n >= 0 && n < EVENTS) {
        handled[n] = bench_clock();
        __atomic_add_fetch(&handled_count, 1, __ATOMIC_RELEASE);
    }
}

static void told(const struct tq_event *const events[], size_t count, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < count; i++) {
        arrive(events[i]->payload);
    }
}

static tq_inbox *open_inbox(void)
{
    static const char *const topics[] = {TOPIC};
    struct tq_error err = TQ_ERROR_INIT;
    tq_inbox *inbox = NULL;
    bench_check(tq_inbox_open(target, transport,
                              TQ_ARGS(tq_inbox_options, .consumer = "payment", .topics = topics,
                                      .topics_count = 1, .dead_letter_topic = "dlq.payment",
                                      .handler = handle, .applied = told),
                              &inbox, &err),
                TQ_OK, "inbox", &err);
    return inbox;
}

static int is_done(void)
{
    return __atomic_load_n(&handled_count, __ATOMIC_ACQUIRE) >= EVENTS;
}

struct service {
    tq_relay *relay;
    tq_inbox *inbox;
    rd_kafka_t *producer, *consumer; /* in place of the two */
    const char *topic;
    int is_warm; /* atomic: the first ones have arrived */
};

static void tell(const struct service *service, int first)
{
    if (service->relay) {
        commit(first, BATCH);
        return;
    }
    for (int n = first; n < first + BATCH; n++) {
        produce(service->producer, service->topic, n);
    }
}

static void commit_at_rate(struct service *service)
{
    while (!__atomic_load_n(&service->is_warm, __ATOMIC_ACQUIRE)) {
        usleep(1000);
    }
    double begin = bench_clock();
    for (int n = BATCH; n < EVENTS; n += BATCH) {
        double early = begin + (double)n / RATE - bench_clock();
        if (early > 0) {
            usleep((useconds_t)(early * 1e6));
        }
        tell(service, n);
        for (int i = n; i < n + BATCH; i++) {
            committed[i] = bench_clock();
        }
    }
}

static void check_step(int status, const struct tq_error *err)
{
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", err->origin, err->message);
        exit(EXIT_FAILURE);
    }
}

static void consume(rd_kafka_t *consumer)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
    if (message) {
        char payload[16] = "";
        size_t bytes = message->len < sizeof payload ? message->len : sizeof payload - 1;
        memcpy(payload, message->payload, bytes);
        arrive(payload);
        rd_kafka_message_destroy(message);
    }
}

static void play(void *arg, size_t number)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct service *service = arg;
    if (number == 0) {
        commit_at_rate(service);
        return;
    }
    while (!is_done()) {
        if (number == 1 && service->relay) {
            check_step(tq_relay_step(service->relay, 100, NULL, &err), &err);
        } else if (number == 1) {
            rd_kafka_poll(service->producer, 100);
        } else if (service->inbox) {
            check_step(tq_inbox_step(service->inbox, 100, NULL, &err), &err);
        } else {
            consume(service->consumer);
        }
        if (handled_count >= BATCH) {
            __atomic_store_n(&service->is_warm, 1, __ATOMIC_RELEASE);
        }
    }
}

static int is_less(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Milliseconds that so many of a thousand events stay below. */
static double measure(struct service *service, int of_thousand)
{
    static double passed[EVENTS];
    handled_count = 0;
    tell(service, 0);
    bench_threads(3, play, service);
    for (int n = BATCH; n < EVENTS; n++) {
        passed[n - BATCH] = (handled[n] - committed[n]) * 1000;
    }
    qsort(passed, EVENTS - BATCH, sizeof *passed, is_less);
    return passed[(EVENTS - BATCH) * of_thousand / 1000];
}

static double end_to_end(int of_thousand)
{
    open_world();
    struct service service = {.relay = open_relay(0), .inbox = open_inbox()};
    double ms = measure(&service, of_thousand);
    tq_relay_close(service.relay);
    tq_inbox_close(service.inbox);
    close_world();
    return ms;
}

static rd_kafka_t *open_consumer(const char *topic)
{
    static const char *const settings[][2] = {{"group.id", "bare"},
                                              {"auto.offset.reset", "earliest"},
                                              {"isolation.level", "read_committed"},
                                              {"fetch.wait.max.ms", "100"}};
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_t *consumer =
        open_client(RD_KAFKA_CONSUMER, settings, sizeof settings / sizeof *settings);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

static double bare_ms(void)
{
    char topic[256];
    open_topic(topic, sizeof topic);
    struct service service = {
        .producer = open_producer(), .consumer = open_consumer(topic), .topic = topic};
    double ms = measure(&service, 500);
    rd_kafka_consumer_close(service.consumer);
    rd_kafka_destroy(service.consumer);
    rd_kafka_destroy(service.producer);
    close_world();
    return ms;
}

static double median_ms(void)
{
    return end_to_end(500);
}

static double slow_ms(void)
{
    return end_to_end(990);
}

static double ten(void)
{
    return 10;
}

static double hundred(void)
{
    return 100;
}

static const struct bench_figure figures[] = {
    {
        .name = "kafka.relay",
        .unit = "events/s",
        .against = "rd_kafka_producev alone",
        .value = relayed,
        .reference = produced,
        .goal = 0.7,
    },
    {
        .name = "kafka.end_to_end_p50",
        .unit = "ms at 5000/s",
        .against = "10 ms",
        .value = median_ms,
        .reference = ten,
        .goal = 1,
        .is_a_cost = 1,
    },
    {
        .name = "kafka.end_to_end_beside_bare",
        .unit = "ms at 5000/s",
        .against = "producer to consumer, without ledgers",
        .value = median_ms,
        .reference = bare_ms,
        .is_a_cost = 1,
    },
    {
        .name = "kafka.end_to_end_p99",
        .unit = "ms at 5000/s",
        .against = "100 ms",
        .value = slow_ms,
        .reference = hundred,
        .goal = 1,
        .is_a_cost = 1,
    },
};

int main(int count, char **names)
{
    if (!getenv("TICKETQ_TEST_KAFKA")) {
        fprintf(stderr, "kafka: there is no TICKETQ_TEST_KAFKA\n");
        return EXIT_SUCCESS;
    }
    return BENCH_MAIN(count, names, figures);
}
