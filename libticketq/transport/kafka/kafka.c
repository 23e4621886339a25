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

#include <stdio.h>

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

/* The client has told of each broker why it could not be reached; else `code` has to do. */
static int tell_why(rd_kafka_t *client, rd_kafka_resp_err_t code, struct tq_error *err)
{
    char why[160];
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(client);
    snprintf(why, sizeof why, "%s", rd_kafka_err2str(code));
    for (rd_kafka_event_t *event; (event = rd_kafka_queue_poll(queue, 0));) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
            rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            snprintf(why, sizeof why, "%s", rd_kafka_event_error_string(event));
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return tq__fail_native(err, TQ_E_UNAVAILABLE, code, KAFKA_ORIGIN, "%s", why);
}

/* By a client of its own: those of producers and consumers have one thread each to ask them. */
static int kafka_reach(void *opaque, uint32_t timeout_ms, struct tq_error *err)
{
    const struct kafka_state *state = opaque;
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_t *client = NULL;
    TQ_TRY(tq__kafka_producer_client(state, state->options.message_bytes, &client, err));
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, NULL, &metadata, (int)timeout_ms);
    int rc = code ? tell_why(client, code, err) : TQ_OK;
    if (metadata) {
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(client);
    return rc;
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
    .reach = kafka_reach,
};
