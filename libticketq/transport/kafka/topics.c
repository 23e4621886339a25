/* SPDX-License-Identifier: MIT */
/*
 * Makes topics that are not there yet.
 *
 * Brokers are often told not to make topics by themselves, because those then have
 * some number of partitions. So producers and consumers ask for each topic once,
 * before they use it, with the partitions and copies of the URL. A topic that is
 * there stays as it is. When nobody answers within some seconds, they ask again.
 * Threads: its client's.
 */
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "transport/kafka/code.h"
#include "transport/kafka/kafka.h"

#define ANSWER_MS 5000

void tq__kafka_name(const struct kafka_state *state, const char *name,
                    char out_name[KAFKA_NAME_SIZE])
{
    snprintf(out_name, KAFKA_NAME_SIZE, "%s%s", state->options.prefix, name);
}

static rd_kafka_NewTopic_t *describe(const struct kafka_state *state, const char *topic)
{
    char name[KAFKA_NAME_SIZE], reason[160];
    int partitions = (int)state->options.partitions, copies = (int)state->options.replication;
    tq__kafka_name(state, topic, name);
    return rd_kafka_NewTopic_new(name, partitions ? partitions : -1, copies ? copies : -1, reason,
                                 sizeof reason);
}

int tq__kafka_topics_ask(const struct kafka_state *state, rd_kafka_t *client,
                         rd_kafka_queue_t *queue, const char *const *topics, size_t count,
                         struct tq_error *err)
{
    size_t made = 0;
    rd_kafka_NewTopic_t **wanted = tq__alloc(state->env, count, sizeof *wanted);
    if (!wanted) {
        return tq__nomem(KAFKA_ORIGIN, err);
    }
    for (size_t i = 0; i < count; i++) {
        wanted[made] = describe(state, topics[i]);
        made += wanted[made] != NULL;
    }
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, NULL, 0);
    rd_kafka_AdminOptions_set_operation_timeout(options, ANSWER_MS, NULL, 0);
    rd_kafka_CreateTopics(client, wanted, made, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy_array(wanted, made);
    tq__release(state->env, wanted);
    return TQ_OK;
}

int tq__kafka_topics_answer(const struct kafka_state *state, rd_kafka_event_t *event,
                            kafka_topic_fn *visit, void *arg, struct tq_error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    int status = TQ_OK;
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics =
        result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = rd_kafka_topic_result_name(topics[i]);
        rd_kafka_resp_err_t answer = rd_kafka_topic_result_error(topics[i]);
        int is_there = tq__kafka_topic_is_there(answer);
        visit(arg, name, is_there);
        if (!is_there) {
            tq__log(state->env, TQ_LOG_WARN, KAFKA_ORIGIN, "topic %s: %s", name,
                    rd_kafka_topic_result_error_string(topics[i]));
            status = tq__fail_native(err, TQ_E_UNAVAILABLE, answer, KAFKA_ORIGIN,
                                     "a topic could not be made: %s", rd_kafka_err2str(answer));
        }
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        visit(arg, NULL, tq__kafka_topic_is_there(code));
    }
    if (!tq__kafka_topic_is_there(code)) {
        status = tq__fail_native(err, TQ_E_UNAVAILABLE, code, KAFKA_ORIGIN, "%s",
                                 rd_kafka_event_error_string(event));
    }
    return status;
}
