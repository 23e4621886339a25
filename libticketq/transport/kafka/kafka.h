/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Kafka transport share.
 */
#ifndef TQ_TRANSPORT_KAFKA_KAFKA_H
#define TQ_TRANSPORT_KAFKA_KAFKA_H

#include <librdkafka/rdkafka.h>

#include <ticketq/driver/transport.h>

#include "transport/kafka/options.h"

#define KAFKA_ORIGIN "transport.kafka"

struct kafka_state {
    const struct tq_env *env;
    struct kafka_options options;
    rd_kafka_conf_t *base; /* what clients of both kinds begin with */
};

/* ---- conf.c ---- */

/* TQ_OK; TQ_E_INVALID, TQ_E_UNSUPPORTED: librdkafka refuses a setting. */
int tq__kafka_conf_base(struct kafka_state *state, const char *query, struct tq_error *err);
/* A client that runs, with its queue of events. TQ_OK, TQ_E_INVALID, TQ_E_UNSUPPORTED,
   TQ_E_UNAVAILABLE. */
int tq__kafka_producer_client(const struct kafka_state *state, uint32_t batch_bytes,
                              rd_kafka_t **out_client, struct tq_error *err);
int tq__kafka_consumer_client(const struct kafka_state *state, const char *group,
                              rd_kafka_t **out_client, struct tq_error *err);
/* An event that is no news of messages or of the group: passed to the log. TQ_OK, or
   TQ_E_UNAVAILABLE when no broker can be reached, or a topic is not there that others are to make.
   `*out_is_fatal`: the client is of no use. */
int tq__kafka_notice(const struct kafka_state *state, rd_kafka_event_t *event, int *out_is_fatal,
                     struct tq_error *err);

/* ---- topics.c ---- */

/* The name of a topic or group at the broker. */
void tq__kafka_name(const struct kafka_state *state, const char *name,
                    char out_name[KAFKA_NAME_SIZE]);
/* Ask for topics to be made; the answer is an event on `queue`. */
int tq__kafka_topics_ask(const struct kafka_state *state, rd_kafka_t *client,
                         rd_kafka_queue_t *queue, const char *const *topics, size_t count,
                         struct tq_error *err);
/* Called for each topic of an answer, by its name at the broker; NULL: for all that were asked. */
typedef void kafka_topic_fn(void *arg, const char *name, int is_there);
/* TQ_OK when all are there; TQ_E_UNAVAILABLE. */
int tq__kafka_topics_answer(const struct kafka_state *state, rd_kafka_event_t *event,
                            kafka_topic_fn *visit, void *arg, struct tq_error *err);

/* ---- producer.c, consumer.c: slots of the driver ---- */

int tq__kafka_producer_open(void *state, void **out_producer, struct tq_error *err);
void tq__kafka_producer_close(void *state, void *producer);
int tq__kafka_publish(void *state, void *producer, const struct tq_message *messages, size_t count,
                      size_t *out_accepted, struct tq_error *err);
int tq__kafka_reports(void *state, void *producer, struct tq_report *out_reports, size_t max,
                      uint32_t timeout_ms, size_t *out_count, struct tq_error *err);
void tq__kafka_wake(void *state, void *producer);
/* The client beneath a producer, to break it on purpose. */
rd_kafka_t *tq__kafka_producer_beneath(void *producer);

int tq__kafka_consumer_open(void *state, const char *group, const char *const *topics,
                            size_t topics_count, void **out_consumer, struct tq_error *err);
void tq__kafka_consumer_close(void *state, void *consumer);
int tq__kafka_poll(void *state, void *consumer, struct tq_message *out_messages, size_t max,
                   uint32_t timeout_ms, size_t *out_count, struct tq_error *err);
void tq__kafka_ack(void *state, void *consumer, const uint64_t *cookies, size_t count);
void tq__kafka_consumer_wake(void *state, void *consumer);
rd_kafka_t *tq__kafka_consumer_beneath(void *consumer);

#endif
