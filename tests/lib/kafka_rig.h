/* SPDX-License-Identifier: MIT */
/*
 * A Kafka transport, its slots and some messages, on one of two brokers.
 *
 * librdkafka's own little one is for errors that a real one cannot be asked for: it keeps
 * few messages and has no requests for administration. Whatever a real broker can show is
 * shown on one.
 */
#ifndef TESTS_LIB_KAFKA_RIG_H
#define TESTS_LIB_KAFKA_RIG_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "transport/transport.h"

#define RIG_TOPIC "seat.events"
#define RIG_PATIENCE 600 /* rounds of RIG_ROUND_MS */
#define RIG_ROUND_MS 50

/* Request numbers of the protocol. */
enum { RIG_PRODUCE = 0 };

struct kafka_rig {
    struct test_env test;
    struct tq_env env; /* with the clock of the system, which librdkafka has, too */
    rd_kafka_t *owner; /* of the little broker; NULL: a real one */
    rd_kafka_mock_cluster_t *cluster;
    tq_transport *transport;
    const struct tq_transport_driver *driver;
    void *state;
};

void kafka_rig_open_mock(struct kafka_rig *rig, const char *query);
void kafka_rig_open(struct kafka_rig *rig, const char *url);
/* Whatever was opened on it has to be closed; sees that all memory was given back. */
void kafka_rig_close(struct kafka_rig *rig);

void *kafka_rig_producer(struct kafka_rig *rig);
/* Messages number `first` to `last` of a key, with the number as cookie; returns how many were
   accepted, at most in one call. */
size_t kafka_rig_publish(struct kafka_rig *rig, void *producer, const char *key, int first,
                         int last, size_t payload_bytes);
/* Waits until so many have been reported. `statuses` has a place for each cookie. */
void kafka_rig_reports(struct kafka_rig *rig, void *producer, size_t expected, int *statuses);

#endif
