/* SPDX-License-Identifier: MIT */
/*
 * The transport over Apache Kafka 4, with librdkafka.
 *
 * The state is what the URL says; every producer and every consumer has a client of its
 * own beneath it, with its own connections and threads. Those threads are librdkafka's:
 * they do its network, and call nothing of ours. Opening connects to nobody, so a broker
 * that is away at the start is no different from one that goes away later.
 *
 * Threads: [any]; the state is constant after open.
 */
#include "transport/kafka/kafka.h"

#include "transport/builtin.h"

/* librdkafka looks for messages that are out of time once a second. */
#define LOOK_MS 1000

static int kafka_open(void *opaque, const struct tq_transport_config *config, struct tq_error *err)
{
    struct kafka_state *state = opaque;
    state->env = config->env;
    TQ_TRY(tq__kafka_options_read(&state->options, config->path, config->query, err));
    return tq__kafka_conf_base(state, config->query, err);
}

static void kafka_close(void *opaque)
{
    struct kafka_state *state = opaque;
    if (state->base) {
        rd_kafka_conf_destroy(state->base);
    }
}

static uint32_t kafka_report_ms(void *opaque)
{
    const struct kafka_state *state = opaque;
    return state->options.timeout_ms + LOOK_MS;
}

const struct tq_transport_driver tq__kafka_driver = {
    .size = sizeof(struct tq_transport_driver),
    .abi = TQ_TRANSPORT_ABI,
    .caps = TQ_TRANSPORT_DURABLE | TQ_TRANSPORT_SHARED,
    .name = "kafka",
    .state_size = sizeof(struct kafka_state),
    .open = kafka_open,
    .close = kafka_close,
    .producer_open = tq__kafka_producer_open,
    .producer_close = tq__kafka_producer_close,
    .publish = tq__kafka_publish,
    .reports = tq__kafka_reports,
    .wake = tq__kafka_wake,
    .consumer_open = tq__kafka_consumer_open,
    .consumer_close = tq__kafka_consumer_close,
    .poll = tq__kafka_poll,
    .ack = tq__kafka_ack,
    .consumer_wake = tq__kafka_consumer_wake,
    .report_ms = kafka_report_ms,
};
