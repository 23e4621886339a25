/* SPDX-License-Identifier: MIT */
/*
 * Who of a group gets which message.
 *
 * A group's messages lie in 64 partitions by the hash of their key, each a list
 * in order of arrival: first what a member holds and has not acknowledged, then
 * what waits. A partition belongs to the member that holds something of it, and
 * to anybody while nothing is held. So members come and go without a protocol,
 * the order of a key is kept, and two members never hold the same key:
 *
 *     nothing held      any member may take      -> held by it
 *     held by A         A may take more, B skips the partition
 *     A acknowledges    the last one held        -> nothing held
 *     A leaves          what it held waits again, in front
 *
 * Polls begin where the last one stopped, so that a busy partition does not
 * starve the others. Cost of a poll: the messages taken and at most 64 looks.
 * Invariant: `waiting` follows the last of the `held_count` first ones, but for
 * gaps that acknowledgements out of order leave. Threads: the transport's lock.
 */
#include "transport/inproc/group.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"

struct inproc_group *tq__inproc_group_make(const struct tq_env *env, const char *name)
{
    struct inproc_group *group = tq__alloc(env, 1, sizeof *group);
    if (group) {
        tq__id_copy(group->name, name);
    }
    return group;
}

void tq__inproc_group_free(const struct tq_env *env, struct inproc_group *group)
{
    for (struct inproc_topic *at = group->topics, *next; at; at = next) {
        next = at->next;
        tq__release(env, at);
    }
    tq__release(env, group);
}

int tq__inproc_group_wants(const struct inproc_group *group, const char *topic)
{
    for (const struct inproc_topic *at = group->topics; at; at = at->next) {
        if (strcmp(at->name, topic) == 0) {
            return 1;
        }
    }
    return 0;
}

int tq__inproc_group_subscribe(const struct tq_env *env, struct inproc_group *group,
                               const char *topic, struct tq_error *err)
{
    if (tq__inproc_group_wants(group, topic)) {
        return TQ_OK;
    }
    struct inproc_topic *added = tq__alloc(env, 1, sizeof *added);
    if (!added) {
        return tq__nomem("transport.inproc", err);
    }
    strncpy(added->name, topic, sizeof added->name - 1);
    added->next = group->topics;
    group->topics = added;
    return TQ_OK;
}

void tq__inproc_group_put(struct inproc_group *group, struct inproc_delivery *delivery)
{
    struct inproc_partition *partition = &group->partitions[delivery->partition];
    delivery->group = group;
    delivery->next = NULL;
    delivery->previous = partition->last;
    *(partition->last ? &partition->last->next : &partition->first) = delivery;
    partition->last = delivery;
    if (!partition->waiting) {
        partition->waiting = delivery;
    }
}

static size_t take_partition(struct inproc_partition *partition,
                             const struct inproc_consumer *consumer, struct inproc_delivery **out,
                             size_t max)
{
    size_t count = 0;
    if (partition->held_count && partition->owner != consumer) {
        return 0;
    }
    for (; count < max && partition->waiting; count++) {
        out[count] = partition->waiting;
        partition->waiting = partition->waiting->next;
    }
    partition->held_count += count;
    partition->owner = consumer;
    return count;
}

size_t tq__inproc_group_take(struct inproc_group *group, const struct inproc_consumer *consumer,
                             struct inproc_delivery **out, size_t max)
{
    size_t count = 0;
    for (uint32_t i = 0; i < INPROC_PARTITIONS && count < max; i++) {
        struct inproc_partition *partition = &group->partitions[group->cursor];
        count += take_partition(partition, consumer, out + count, max - count);
        group->cursor = (group->cursor + 1) % INPROC_PARTITIONS;
    }
    return count;
}

void tq__inproc_group_remove(struct inproc_delivery *delivery)
{
    struct inproc_partition *partition = &delivery->group->partitions[delivery->partition];
    *(delivery->previous ? &delivery->previous->next : &partition->first) = delivery->next;
    *(delivery->next ? &delivery->next->previous : &partition->last) = delivery->previous;
    partition->held_count--;
}

void tq__inproc_group_return(struct inproc_group *group, const struct inproc_consumer *consumer)
{
    for (size_t i = 0; i < INPROC_PARTITIONS; i++) {
        struct inproc_partition *partition = &group->partitions[i];
        if (partition->held_count && partition->owner == consumer) {
            partition->waiting = partition->first;
            partition->held_count = 0;
        }
    }
}
