/* SPDX-License-Identifier: MIT */
/*
 * librdkafka's own little broker, for errors that a real one cannot be asked for. It
 * keeps few messages and has no requests for administration; whatever a real broker can
 * show is shown on one (tests/fault/kafka).
 */
#ifndef TESTS_LIB_KAFKA_MOCK_H
#define TESTS_LIB_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "transport/transport.h"

#define MOCK_TOPIC "seat.events"
#define MOCK_PATIENCE 600 /* rounds of MOCK_ROUND_MS */
#define MOCK_ROUND_MS 50

/* Request numbers of the protocol. */
enum { MOCK_PRODUCE = 0 };

struct kafka_mock {
    struct test_env test;
    struct tq_env env; /* with the clock of the system, which librdkafka has, too */
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    tq_transport *transport;
    const struct tq_transport_driver *driver;
    void *state;
};

void kafka_mock_open(struct kafka_mock *mock, const char *query);
/* Whatever was opened on it has to be closed; sees that all memory was given back. */
void kafka_mock_close(struct kafka_mock *mock);

void *kafka_mock_producer(struct kafka_mock *mock);
/* Messages number `first` to `last` of a key, with the number as cookie; returns how many were
   accepted, at most in one call. */
size_t kafka_mock_publish(struct kafka_mock *mock, void *producer, const char *key, int first,
                          int last, size_t payload_bytes);
/* Waits until so many have been reported. `statuses` has a place for each cookie. */
void kafka_mock_reports(struct kafka_mock *mock, void *producer, size_t expected, int *statuses);

#endif
