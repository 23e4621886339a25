/* SPDX-License-Identifier: MIT */
/*
 * A group of consumers inside this process, and the messages it has to see.
 */
#ifndef TQ_TRANSPORT_INPROC_GROUP_H
#define TQ_TRANSPORT_INPROC_GROUP_H

#include <ticketq/driver/transport.h>

#include "core/error.h"

#define INPROC_PARTITIONS 64

struct inproc_message;
struct inproc_consumer;

/* A message on its way to one group. */
struct inproc_delivery {
    struct inproc_delivery *next, *previous;
    struct inproc_message *message;
    struct inproc_group *group;
    uint32_t partition;
};

/* Messages of some keys in order: those that a member holds, then those that wait. */
struct inproc_partition {
    struct inproc_delivery *first, *last;
    struct inproc_delivery *waiting;     /* NULL: none */
    const struct inproc_consumer *owner; /* while held_count > 0 */
    size_t held_count;
};

struct inproc_topic {
    struct inproc_topic *next;
    char name[TQ_TOPIC_MAX + 1];
};

struct inproc_group {
    struct inproc_group *next;
    char name[TQ_ID_SIZE];
    struct inproc_topic *topics;
    uint32_t cursor;   /* the partition where the next poll begins */
    uint32_t arrivals; /* what members park on */
    struct inproc_partition partitions[INPROC_PARTITIONS];
};

/* All of these are called with the transport's lock held. */
struct inproc_group *tq__inproc_group_make(const struct tq_env *env, const char *name);
void tq__inproc_group_free(const struct tq_env *env, struct inproc_group *group);
int tq__inproc_group_subscribe(const struct tq_env *env, struct inproc_group *group,
                               const char *topic, struct tq_error *err);
int tq__inproc_group_wants(const struct inproc_group *group, const char *topic);
void tq__inproc_group_put(struct inproc_group *group, struct inproc_delivery *delivery);
/* Hands out up to `max` deliveries that this consumer may have. */
size_t tq__inproc_group_take(struct inproc_group *group, const struct inproc_consumer *consumer,
                             struct inproc_delivery **out, size_t max);
void tq__inproc_group_remove(struct inproc_delivery *delivery);
/* What the consumer holds waits again, in its old order. */
void tq__inproc_group_return(struct inproc_group *group, const struct inproc_consumer *consumer);

#endif
