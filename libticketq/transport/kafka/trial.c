/* SPDX-License-Identifier: MIT */
/*
 * One message alone for each partition, until that has acknowledged one of this client.
 *
 * A partition that knows nothing of a producer takes any of its requests as the first
 * (KAFKA-15591; mended in brokers of 2026), and librdkafka keeps the next request ready while
 * one is on its way. So if the first is refused for good, the next would pass it, with a later
 * event of the same key. Once a partition knows the producer, it refuses what does not follow.
 *
 *     untried -> tried (one is under way) -> passed
 *
 * Keys go where clients in Java have them (murmur2).
 *
 * How many partitions there are librdkafka tells none but a partitioner. So the topic's first
 * message is alone in all of the topic and leaves the choice to ours, and later ones are told
 * their partition. That number stays while the client lives, as keys stay where they are.
 * Cost: a round trip for each partition, once for a client.
 *
 * Threads: the producer's; the partitioner may run in one of librdkafka's and writes nothing
 * but the number.
 */
#include "transport/kafka/trial.h"

#include <string.h>

#include <ticketq/status.h>

enum stage { STAGE_UNTRIED = 0, STAGE_TRIED, STAGE_PASSED };

int32_t tq__trial_partitioner(const rd_kafka_topic_t *topic, const void *key, size_t key_bytes,
                              int32_t partitions_count, void *opaque, void *message)
{
    struct kafka_trial *trial = opaque;
    __atomic_store_n(&trial->partitions_count, partitions_count, __ATOMIC_RELEASE);
    return rd_kafka_msg_partitioner_murmur2(topic, key, key_bytes, partitions_count, NULL, message);
}

static int32_t count_partitions(const struct kafka_trial *trial)
{
    return __atomic_load_n(&trial->partitions_count, __ATOMIC_ACQUIRE);
}

/* True when there are stages: their number is known, and there is memory. */
static int has_stages(struct kafka_trial *trial, const struct tq_env *env)
{
    int32_t count = count_partitions(trial);
    if (!trial->stages && count > 0) {
        trial->stages = tq__alloc(env, (size_t)count, 1);
        trial->stages_count = trial->stages ? count : 0;
    }
    return trial->stages != NULL;
}

int tq__trial_begin(struct kafka_trial *trial, const struct tq_env *env,
                    const rd_kafka_topic_t *topic, const char *key, int32_t *out_partition)
{
    if (trial->is_first_away) {
        return TQ_FULL;
    }
    if (count_partitions(trial) == 0) {
        trial->is_first_away = 1;
        *out_partition = RD_KAFKA_PARTITION_UA;
        return TQ_OK;
    }
    if (!has_stages(trial, env)) {
        return TQ_E_NOMEM;
    }
    int32_t partition =
        rd_kafka_msg_partitioner_murmur2(topic, key, strlen(key), trial->stages_count, NULL, NULL);
    if (trial->stages[partition] == STAGE_TRIED) {
        return TQ_FULL;
    }
    if (trial->stages[partition] == STAGE_UNTRIED) {
        trial->stages[partition] = STAGE_TRIED;
    }
    *out_partition = partition;
    return TQ_OK;
}

void tq__trial_undo(struct kafka_trial *trial, int32_t partition)
{
    if (partition == RD_KAFKA_PARTITION_UA) {
        trial->is_first_away = 0;
    } else if (trial->stages[partition] == STAGE_TRIED) {
        trial->stages[partition] = STAGE_UNTRIED;
    }
}

void tq__trial_pass(struct kafka_trial *trial, const struct tq_env *env, int32_t partition)
{
    trial->is_first_away = 0;
    if (has_stages(trial, env) && partition >= 0 && partition < trial->stages_count) {
        trial->stages[partition] = STAGE_PASSED;
    }
}

void tq__trial_reset(struct kafka_trial *trial, const struct tq_env *env)
{
    tq__release(env, trial->stages);
    *trial = (struct kafka_trial){.stages = NULL};
}
