/* SPDX-License-Identifier: MIT */
/*
 * The slot map of a cluster: 16,384 slots, each with the number of its master.
 *
 * The map is a guess that servers correct: MOVED sets one slot, CLUSTER SLOTS all.
 * A standalone server is a map in which node 0 has every slot. Addresses keep
 * their numbers, because connections are found by them; when all numbers are
 * used, one that has no slot any more is given away, and whoever had a connection
 * under it notices by the address. Threads: [pure]; the client's lock guards it.
 */
#include "store/redis/slots.h"

#include <hiredis/hiredis.h>
#include <string.h>

/* CRC-16/XMODEM of the sixteen values of four bits. */
static const uint16_t nibbles[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

uint16_t tq__redis_slot(const char *tag)
{
    uint16_t crc = 0;
    for (; *tag; tag++) {
        unsigned byte = (unsigned char)*tag;
        crc = (uint16_t)(crc << 4 ^ nibbles[crc >> 12 ^ byte >> 4]);
        crc = (uint16_t)(crc << 4 ^ nibbles[crc >> 12 ^ (byte & 15)]);
    }
    return crc % REDIS_SLOTS;
}

void tq__redis_slots_single(struct redis_slots *slots, const struct redis_address *address)
{
    slots->nodes[0] = *address;
    slots->nodes_count = 1;
    memset(slots->node_of, 0, sizeof slots->node_of);
}

static size_t unused_node(const struct redis_slots *slots)
{
    unsigned char is_used[REDIS_NODES_MAX + 1] = {0};
    size_t node = 0;
    for (size_t i = 0; i < REDIS_SLOTS; i++) {
        is_used[slots->node_of[i]] = 1;
    }
    while (node < REDIS_NODES_MAX && is_used[node]) {
        node++;
    }
    return node;
}

uint16_t tq__redis_slots_node(struct redis_slots *slots, const struct redis_address *address)
{
    size_t node = 0;
    while (node < slots->nodes_count && !tq__redis_address_is(&slots->nodes[node], address)) {
        node++;
    }
    if (node < slots->nodes_count) {
        return (uint16_t)node;
    }
    if (node == REDIS_NODES_MAX) {
        node = unused_node(slots);
    } else {
        slots->nodes_count++;
    }
    if (node < REDIS_NODES_MAX) {
        slots->nodes[node] = *address;
    }
    return (uint16_t)node;
}

static int is_array(const redisReply *reply, size_t elements_min)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= elements_min;
}

static int is_slot(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0 &&
           reply->integer < REDIS_SLOTS;
}

/* [host, port, ...]; a host that is empty or null is that of who answered. */
static int read_master(const redisReply *reply, const struct redis_address *from,
                       struct redis_address *out_address)
{
    if (!is_array(reply, 2) || reply->element[1]->type != REDIS_REPLY_INTEGER ||
        reply->element[1]->integer < 1 || reply->element[1]->integer > 65535) {
        return -1;
    }
    const redisReply *host = reply->element[0];
    *out_address = *from;
    out_address->port = (uint16_t)reply->element[1]->integer;
    if (host->type == REDIS_REPLY_STRING && host->len && host->len < REDIS_HOST_SIZE) {
        memcpy(out_address->host, host->str, host->len + 1);
    }
    return 0;
}

int tq__redis_slots_take(struct redis_slots *slots, const redisReply *reply,
                         const struct redis_address *from)
{
    if (!is_array(reply, 1)) {
        return -1;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *range = reply->element[i];
        struct redis_address master;
        if (!is_array(range, 3) || !is_slot(range->element[0]) || !is_slot(range->element[1]) ||
            read_master(range->element[2], from, &master)) {
            return -1;
        }
        uint16_t node = tq__redis_slots_node(slots, &master);
        for (long long slot = range->element[0]->integer; slot <= range->element[1]->integer;
             slot++) {
            slots->node_of[slot] = node;
        }
    }
    return 0;
}
