/* SPDX-License-Identifier: MIT */
/*
 * Publishing: an idempotent producer, whose delivery reports are the relay's.
 *
 * Order of a key. While everything works librdkafka keeps it. When a message fails,
 * nothing that was handed over after it may pass, or a consumer would see a gap of
 * its key and then the event that belongs there. So a producer is used until its first
 * failure only:
 *
 *     works    -> a report is bad, librdkafka gives up (gapless guarantee, a fatal
 *                 error), or the oldest message is as old as half its time  -> broken
 *     broken   -> all messages are taken back from librdkafka, which is thrown away;
 *                 what it had not delivered is reported; a new one is begun -> works
 *
 * Each of them delivers, of every key, a beginning of what it was given. Whatever copies
 * several of them leave in a topic, the first copy of each event is in order, and
 * later copies are what the inbox leaves out. Half the time, because librdkafka's own
 * limit (message.timeout.ms) ends messages one by one and lets the next one pass when
 * the broker is back in that moment; it only remains for a relay that is not called.
 *
 * One request at a time is on its way to a broker (conf.c). A broker that has no memory of a
 * producer takes any of its requests as the first: of two on their way to a partition that it
 * is just getting, it may refuse one and take the other, which librdkafka then counts as
 * proof that both are there (KAFKA-15591; mended in brokers of 2026). Requests carry many
 * messages, so the rate stays what it is. And a partition that has taken nothing of this client
 * yet gets one message alone (trial.c).
 *
 * What a broker refuses as too large is a batch. Only a message that was in it alone, because
 * it is larger than batches may be, is refused; of any other nobody is to blame, and the next
 * client makes smaller batches, until the broker takes them or a message is alone.
 *
 * A message that librdkafka refuses at once ends the call of `publish`, so that its
 * relay hears of it before it hands over more of its key. A topic's first message waits
 * until the topic is there (topics.c); a later client asks again, but does not wait, since
 * who could answer may be the one who is away. A full queue is TQ_FULL.
 *
 * Threads: one call at a time, but for wake; `lock` guards the queue, which changes
 * with the client.
 */
#include <pthread.h>
#include <string.h>

#include "core/env.h"
#include "transport/kafka/code.h"
#include "transport/kafka/flights.h"
#include "transport/kafka/kafka.h"
#include "transport/kafka/trial.h"

/* A topic's way with a client: unasked -> asked -> there, or unasked again. Those that others
   make stay unasked. */
enum topic_state { TOPIC_UNASKED = 0, TOPIC_ASKED, TOPIC_IS_THERE };

struct kafka_topic {
    struct kafka_topic *next;
    struct kafka_trial trial;
    enum topic_state state;
    int was_there;             /* for a client before: this one asks as well, but does not wait */
    rd_kafka_topic_t *beneath; /* once it is there */
    char topic[TQ_TOPIC_MAX + 1];
    char name[KAFKA_NAME_SIZE]; /* at the broker */
};

struct kafka_producer {
    const struct kafka_state *state;
    struct kafka_flights flights;
    struct kafka_topic *topics;
    rd_kafka_t *client; /* NULL: could not be begun */
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event; /* delivery reports that did not fit into a call */
    pthread_mutex_t lock;
    uint32_t batch_bytes; /* of the largest batch */
    int is_batch_too_large;
    int is_broken;
};

/* ---- the client ---- */

static void set_queue(struct kafka_producer *producer, rd_kafka_queue_t *queue)
{
    pthread_mutex_lock(&producer->lock);
    producer->queue = queue;
    pthread_mutex_unlock(&producer->lock);
}

static int begin_client(struct kafka_producer *producer, struct tq_error *err)
{
    TQ_TRY(
        tq__kafka_producer_client(producer->state, producer->batch_bytes, &producer->client, err));
    set_queue(producer, rd_kafka_queue_get_main(producer->client));
    producer->is_broken = 0;
    return TQ_OK;
}

/* What was asked is answered to nobody. */
static void leave_topics(struct kafka_producer *producer)
{
    for (struct kafka_topic *at = producer->topics; at; at = at->next) {
        if (at->beneath) {
            rd_kafka_topic_destroy(at->beneath);
        }
        at->beneath = NULL;
        at->was_there |= at->state == TOPIC_IS_THERE;
        at->state = TOPIC_UNASKED;
    }
}

static void release_topics(struct kafka_producer *producer)
{
    for (struct kafka_topic *at = producer->topics, *next; at; at = next) {
        next = at->next;
        tq__trial_reset(&at->trial, producer->state->env);
        tq__release(producer->state->env, at);
    }
}

static void end_client(struct kafka_producer *producer)
{
    rd_kafka_queue_t *queue = producer->queue;
    if (!producer->client) {
        return;
    }
    set_queue(producer, NULL);
    rd_kafka_event_destroy(producer->event);
    rd_kafka_queue_destroy(queue);
    leave_topics(producer);
    rd_kafka_destroy(producer->client);
    producer->event = NULL;
    producer->client = NULL;
}

/* ---- open, close ---- */

void tq__kafka_producer_close(void *opaque, void *handle)
{
    const struct kafka_state *state = opaque;
    struct kafka_producer *producer = handle;
    if (producer->client) {
        rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE);
    }
    end_client(producer);
    release_topics(producer);
    tq__flights_done(&producer->flights, state->env);
    pthread_mutex_destroy(&producer->lock);
    tq__release(state->env, producer);
}

int tq__kafka_producer_open(void *opaque, void **out_producer, struct tq_error *err)
{
    const struct kafka_state *state = opaque;
    struct kafka_producer *producer = tq__alloc(state->env, 1, sizeof *producer);
    if (!producer) {
        return tq__nomem(KAFKA_ORIGIN, err);
    }
    producer->state = state;
    producer->batch_bytes = state->options.message_bytes;
    pthread_mutex_init(&producer->lock, NULL);
    int rc = tq__flights_open(&producer->flights, state->env, state->options.capacity, err);
    if (rc == TQ_OK) {
        rc = begin_client(producer, err);
    }
    if (rc < 0) {
        tq__kafka_producer_close(opaque, producer);
        return rc;
    }
    *out_producer = producer;
    return TQ_OK;
}

rd_kafka_t *tq__kafka_producer_beneath(void *handle)
{
    return ((struct kafka_producer *)handle)->client;
}

/* ---- publish ---- */

static struct kafka_topic *find_topic(struct kafka_producer *producer, const char *topic)
{
    for (struct kafka_topic *at = producer->topics; at; at = at->next) {
        if (strcmp(at->topic, topic) == 0) {
            return at;
        }
    }
    struct kafka_topic *added = tq__alloc(producer->state->env, 1, sizeof *added);
    if (added) {
        strncpy(added->topic, topic, TQ_TOPIC_MAX);
        tq__kafka_name(producer->state, topic, added->name);
        added->next = producer->topics;
        producer->topics = added;
    }
    return added;
}

static rd_kafka_topic_t *begin_topic(struct kafka_producer *producer, struct kafka_topic *topic)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(producer->client);
    tq__trial_reset(&topic->trial, producer->state->env);
    rd_kafka_topic_conf_set_opaque(conf, &topic->trial);
    rd_kafka_topic_conf_set_partitioner_cb(conf, tq__trial_partitioner);
    return rd_kafka_topic_new(producer->client, topic->name, conf);
}

static int is_awaited(const struct kafka_topic *topic)
{
    return topic->state == TOPIC_ASKED && !topic->was_there;
}

/* TQ_OK when it is there, was, or is others' to make; TQ_FULL: it has been asked for. */
static int await_topic(struct kafka_producer *producer, struct kafka_topic *topic,
                       struct tq_error *err)
{
    const char *const topics[] = {topic->topic};
    if (topic->state == TOPIC_UNASKED && producer->state->options.is_creating) {
        TQ_TRY(tq__kafka_topics_ask(producer->state, producer->client, producer->queue, topics, 1,
                                    err));
        topic->state = TOPIC_ASKED;
    }
    if (is_awaited(topic)) {
        return TQ_FULL;
    }
    if (!topic->beneath) {
        topic->beneath = begin_topic(producer, topic);
    }
    return topic->beneath ? TQ_OK
                          : tq__fail(err, TQ_E_UNAVAILABLE, KAFKA_ORIGIN, "no topic: %s",
                                     rd_kafka_err2str(rd_kafka_last_error()));
}

static rd_kafka_headers_t *make_headers(const struct tq_message *message)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->headers_count);
    for (size_t i = 0; i < message->headers_count; i++) {
        const struct tq_header *header = &message->headers[i];
        rd_kafka_header_add(headers, header->name, -1, header->value,
                            (ssize_t)strlen(header->value));
    }
    return headers;
}

static rd_kafka_resp_err_t produce(struct kafka_producer *producer, const struct kafka_topic *topic,
                                   int32_t partition, const struct tq_message *message,
                                   struct kafka_flight *flight)
{
    rd_kafka_headers_t *headers = make_headers(message);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        producer->client, RD_KAFKA_V_RKT(topic->beneath), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(message->key, strlen(message->key)),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)message->payload, message->payload_bytes),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(flight), RD_KAFKA_V_END);
    if (code) {
        rd_kafka_headers_destroy(headers);
    }
    return code;
}

/* Takes over one message that may go. `*out_is_last`: none may follow in this call. */
static int publish_to(struct kafka_producer *producer, struct kafka_topic *topic, int32_t partition,
                      const struct tq_message *message, int64_t now_ms, int *out_is_last)
{
    struct kafka_flight *flight = tq__flights_begin(&producer->flights, message->cookie, now_ms);
    if (!flight) {
        return TQ_FULL;
    }
    flight->bytes = strlen(message->key) + message->payload_bytes;
    rd_kafka_resp_err_t code = produce(producer, topic, partition, message, flight);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        tq__flights_end(&producer->flights, flight);
        return TQ_FULL;
    }
    if (code) {
        int status = tq__kafka_report_status(code, RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
        tq__flights_settle(&producer->flights, flight, status);
        producer->is_broken |= status == TQ_E_UNAVAILABLE;
        *out_is_last = 1;
    }
    return TQ_OK;
}

static int publish_one(struct kafka_producer *producer, const struct tq_message *message,
                       int64_t now_ms, int *out_is_last, struct tq_error *err)
{
    int32_t partition;
    struct kafka_topic *topic = find_topic(producer, message->topic);
    if (!topic) {
        return tq__nomem(KAFKA_ORIGIN, err);
    }
    int status = await_topic(producer, topic, err);
    if (status == TQ_OK) {
        status = tq__trial_begin(&topic->trial, producer->state->env, topic->beneath, message->key,
                                 &partition);
    }
    if (status != TQ_OK) {
        return status == TQ_E_NOMEM ? tq__nomem(KAFKA_ORIGIN, err) : status;
    }
    status = publish_to(producer, topic, partition, message, now_ms, out_is_last);
    if (status != TQ_OK || *out_is_last) {
        tq__trial_undo(&topic->trial, partition);
    }
    return status;
}

int tq__kafka_publish(void *opaque, void *handle, const struct tq_message *messages, size_t count,
                      size_t *out_accepted, struct tq_error *err)
{
    const struct kafka_state *state = opaque;
    struct kafka_producer *producer = handle;
    const int64_t now_ms = tq__now_ms(state->env);
    size_t accepted = 0;
    int status = TQ_OK, is_last = 0;
    if (producer->is_broken) {
        return TQ_FULL; /* `reports` mends it, and has something to report */
    }
    while (accepted < count && status == TQ_OK && !is_last) {
        status = publish_one(producer, &messages[accepted], now_ms, &is_last, err);
        accepted += status == TQ_OK;
    }
    if (accepted == 0 && status != TQ_OK) {
        return status;
    }
    *out_accepted = accepted;
    return TQ_OK;
}

/* ---- reports ---- */

/* What a delivery report says of its message, and of the partition. */
static int read_report(struct kafka_producer *producer, const rd_kafka_message_t *message)
{
    const struct kafka_flight *flight = message->_private;
    int status = tq__kafka_report_status(message->err, rd_kafka_message_status(message));
    if (status == TQ_OK) {
        tq__trial_pass(rd_kafka_topic_opaque(message->rkt), producer->state->env,
                       message->partition);
    }
    if (status != TQ_E_LIMIT || flight->bytes > producer->batch_bytes) {
        return status;
    }
    producer->is_batch_too_large = 1;
    return TQ_E_UNAVAILABLE;
}

/* Delivery reports of the event at hand; returns how many. */
static size_t take(struct kafka_producer *producer, struct tq_report *out, size_t max)
{
    size_t count = tq__flights_take(&producer->flights, out, max);
    while (producer->event && count < max) {
        const rd_kafka_message_t *message = rd_kafka_event_message_next(producer->event);
        if (!message) {
            rd_kafka_event_destroy(producer->event);
            producer->event = NULL;
            break;
        }
        struct kafka_flight *flight = message->_private;
        out[count] = (struct tq_report){flight->cookie, read_report(producer, message), 0};
        producer->is_broken |= out[count++].status < 0;
        tq__flights_end(&producer->flights, flight);
    }
    return count;
}

static void on_topic(void *arg, const char *name, int is_there)
{
    struct kafka_producer *producer = arg;
    for (struct kafka_topic *at = producer->topics; at; at = at->next) {
        if (at->state == TOPIC_ASKED && (!name || strcmp(at->name, name) == 0)) {
            at->state = is_there ? TOPIC_IS_THERE : TOPIC_UNASKED;
        }
    }
}

/* Nobody is held up by what is said of topics that were there. */
static int take_answer(struct kafka_producer *producer, rd_kafka_event_t *event,
                       struct tq_error *err)
{
    int is_any_awaited = 0;
    for (const struct kafka_topic *at = producer->topics; at; at = at->next) {
        is_any_awaited |= is_awaited(at);
    }
    int status = tq__kafka_topics_answer(producer->state, event, on_topic, producer, err);
    return is_any_awaited ? status : TQ_OK;
}

/* Takes the event over. */
static int serve(struct kafka_producer *producer, rd_kafka_event_t *event, struct tq_error *err)
{
    int status;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        producer->event = event;
        return TQ_OK;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        status = take_answer(producer, event, err);
        break;
    default:
        status = tq__kafka_notice(producer->state, event, &producer->is_broken, err);
        break;
    }
    rd_kafka_event_destroy(event);
    return status;
}

/* What librdkafka knows of each message is taken down; of the rest nobody knows. */
static void take_all_back(struct kafka_producer *producer)
{
    rd_kafka_event_t *event = producer->event;
    rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (!event) {
        event = rd_kafka_queue_poll(producer->queue, 0);
    }
    for (; event; event = rd_kafka_queue_poll(producer->queue, 0)) {
        const rd_kafka_message_t *message;
        while (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR &&
               (message = rd_kafka_event_message_next(event))) {
            tq__flights_settle(&producer->flights, message->_private,
                               read_report(producer, message));
        }
        rd_kafka_event_destroy(event);
    }
    producer->event = NULL;
}

static void shrink_batches(struct kafka_producer *producer)
{
    producer->batch_bytes = producer->batch_bytes / 2 + 1;
    producer->is_batch_too_large = 0;
    tq__log(producer->state->env, TQ_LOG_WARN, KAFKA_ORIGIN,
            "the broker takes no batch of %u bytes; they have %u now", producer->batch_bytes * 2,
            producer->batch_bytes);
}

static int begin_anew(struct kafka_producer *producer, struct tq_error *err)
{
    if (producer->client) {
        take_all_back(producer);
        end_client(producer);
        tq__flights_settle_all(&producer->flights, TQ_E_UNKNOWN);
        tq__log(producer->state->env, TQ_LOG_INFO, KAFKA_ORIGIN, "a producer is begun anew");
    }
    if (producer->is_batch_too_large) {
        shrink_batches(producer);
    }
    return begin_client(producer, err);
}

int tq__kafka_reports(void *opaque, void *handle, struct tq_report *out_reports, size_t max,
                      uint32_t timeout_ms, size_t *out_count, struct tq_error *err)
{
    const struct kafka_state *state = opaque;
    struct kafka_producer *producer = handle;
    int status = TQ_OK;
    if (producer->is_broken || tq__flights_are_late(&producer->flights, tq__now_ms(state->env),
                                                    state->options.timeout_ms / 2)) {
        producer->is_broken = 1;
        status = begin_anew(producer, err);
    }
    size_t count = take(producer, out_reports, max);
    while (count < max && status == TQ_OK) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(producer->queue, (int)timeout_ms);
        if (!event) {
            break;
        }
        status = serve(producer, event, err);
        count += take(producer, out_reports + count, max - count);
        timeout_ms = 0;
    }
    if (count == 0) {
        return status == TQ_OK ? TQ_EMPTY : status;
    }
    *out_count = count;
    return TQ_OK;
}

void tq__kafka_wake(void *opaque, void *handle)
{
    struct kafka_producer *producer = handle;
    (void)opaque;
    pthread_mutex_lock(&producer->lock);
    if (producer->queue) {
        rd_kafka_queue_yield(producer->queue);
    }
    pthread_mutex_unlock(&producer->lock);
}
