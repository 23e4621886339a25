/* SPDX-License-Identifier: MIT */
/*
 * Which partitions of a topic know a client. See trial.c.
 */
#ifndef TQ_TRANSPORT_KAFKA_TRIAL_H
#define TQ_TRANSPORT_KAFKA_TRIAL_H

#include <librdkafka/rdkafka.h>

#include "core/env.h"

struct kafka_trial {
    int32_t partitions_count; /* atomic; 0: librdkafka has not said */
    int is_first_away;        /* the topic's first message, which will tell */
    unsigned char *stages;    /* of each partition, once their number is known */
    int32_t stages_count;
};

/* librdkafka's partitioner for topics whose opaque is their trial. */
int32_t tq__trial_partitioner(const rd_kafka_topic_t *topic, const void *key, size_t key_bytes,
                              int32_t partitions_count, void *trial, void *message);

/*
 * A message with that key wants to go. TQ_OK: to `*out_partition`, which may be
 * RD_KAFKA_PARTITION_UA; TQ_FULL: when one that is under way is back; TQ_E_NOMEM.
 */
int tq__trial_begin(struct kafka_trial *trial, const struct tq_env *env,
                    const rd_kafka_topic_t *topic, const char *key, int32_t *out_partition);
/* It did not go after all. */
void tq__trial_undo(struct kafka_trial *trial, int32_t partition);
/* The partition has acknowledged one. */
void tq__trial_pass(struct kafka_trial *trial, const struct tq_env *env, int32_t partition);
/* For another client. */
void tq__trial_reset(struct kafka_trial *trial, const struct tq_env *env);

#endif
