/* SPDX-License-Identifier: MIT */
/*
 * Which server has which slot of a cluster.
 */
#ifndef TQ_STORE_REDIS_SLOTS_H
#define TQ_STORE_REDIS_SLOTS_H

#include "store/redis/address.h"

#define REDIS_SLOTS 16384
#define REDIS_NODES_MAX 256
#define REDIS_NO_NODE REDIS_NODES_MAX

struct redisReply;

/* A node keeps its number while it has a slot; an unused number may be given to another. */
struct redis_slots {
    struct redis_address nodes[REDIS_NODES_MAX];
    size_t nodes_count;
    uint16_t node_of[REDIS_SLOTS]; /* REDIS_NO_NODE: nobody knows */
};

/* The slot of a key is that of what stands between its braces (CRC-16/XMODEM, 14 bits). */
uint16_t tq__redis_slot(const char *tag);

/* One server for everything. */
void tq__redis_slots_single(struct redis_slots *slots, const struct redis_address *address);
/* The number of an address, which is added when it is new. REDIS_NO_NODE: no room for it. */
uint16_t tq__redis_slots_node(struct redis_slots *slots, const struct redis_address *address);
/*
 * Take over the reply to CLUSTER SLOTS from the server at `from`, which stands for
 * hosts that the reply leaves out. 0, or -1 when the reply makes no sense.
 */
int tq__redis_slots_take(struct redis_slots *slots, const struct redisReply *reply,
                         const struct redis_address *from);

#endif
