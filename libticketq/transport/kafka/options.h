/* SPDX-License-Identifier: MIT */
/*
 * What the URL of a Kafka transport says.
 */
#ifndef TQ_TRANSPORT_KAFKA_OPTIONS_H
#define TQ_TRANSPORT_KAFKA_OPTIONS_H

#include <ticketq/transport.h>

#include "core/error.h"

/* With TQ_TOPIC_MAX below the 249 bytes that a broker allows. */
#define KAFKA_PREFIX_MAX 64
#define KAFKA_NAME_SIZE (KAFKA_PREFIX_MAX + TQ_TOPIC_MAX + 1)

/* Who decides which member of a group gets which partition. */
enum kafka_rebalance {
    KAFKA_COOPERATIVE = 0, /* the members; only what moves is interrupted */
    KAFKA_EAGER,           /* the members; everything stops meanwhile */
    KAFKA_SERVER           /* the broker (KIP-848): librdkafka 2.4, Kafka 4.0 */
};

struct kafka_options {
    char brokers[TQ_URL_MAX + 1];      /* host:port,host:port */
    char prefix[KAFKA_PREFIX_MAX + 1]; /* of every topic and group */
    char instance[TQ_ID_SIZE];         /* "": no static membership */
    enum kafka_rebalance rebalance;
    uint32_t is_creating;             /* makes topics that are not there */
    uint32_t partitions, replication; /* of those; 0: the broker's default */
    uint32_t timeout_ms;              /* for a message */
    uint32_t linger_ms;
    uint32_t capacity; /* messages of a producer without a report */
    uint32_t message_bytes;
    uint32_t session_ms, poll_ms;
};

/* An option that goes to librdkafka as it is. */
struct kafka_secret {
    const char *name, *property;
    int is_for_sasl, is_for_ssl; /* refused with another `security` */
};

extern const struct kafka_secret tq__kafka_secrets[];
extern const size_t tq__kafka_secrets_count;

/* TQ_OK, or TQ_E_INVALID naming what is not understood. */
int tq__kafka_options_read(struct kafka_options *out_options, const char *path, const char *query,
                           struct tq_error *err);

#endif
