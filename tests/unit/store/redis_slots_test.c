/* SPDX-License-Identifier: MIT */
/*
 * store/redis/slots.c: slots are those of Redis, a reply to CLUSTER SLOTS is taken over
 * or refused, numbers of servers last and are given away when they are all used.
 */
#include "store/redis/slots.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

static struct redis_slots slots;
static const struct redis_address here = {"10.0.0.9", 7000};

START_TEST(slots__are_those_of_redis) /* CLUSTER KEYSLOT */
{
    ck_assert_uint_eq(tq__redis_slot("123456789"), 0x31c3);
    ck_assert_uint_eq(tq__redis_slot("foo"), 12182);
    ck_assert_uint_eq(tq__redis_slot("concert-1"), 5863);
    ck_assert_uint_eq(tq__redis_slot(""), 0);
}
END_TEST

/* A reply as it comes from a server. */
static int take(const char *wire)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    redisReaderFeed(reader, wire, strlen(wire));
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    int rc = tq__redis_slots_take(&slots, reply, &here);
    freeReplyObject(reply);
    redisReaderFree(reader);
    return rc;
}

START_TEST(a_map__is_taken_over)
{
    tq__redis_slots_single(&slots, &here);
    ck_assert_int_eq(take("*2\r\n"
                          "*3\r\n:0\r\n:8191\r\n*2\r\n$8\r\n10.0.0.1\r\n:7001\r\n"
                          "*4\r\n:8192\r\n:16383\r\n*2\r\n$0\r\n\r\n:7002\r\n"
                          "*2\r\n$8\r\n10.0.0.3\r\n:7003\r\n"),
                     0);
    ck_assert_uint_eq(slots.nodes_count, 3);
    ck_assert_str_eq(slots.nodes[slots.node_of[0]].host, "10.0.0.1");
    ck_assert_uint_eq(slots.node_of[0], slots.node_of[8191]);
    ck_assert_str_eq(slots.nodes[slots.node_of[8192]].host, here.host); /* left out */
    ck_assert_uint_eq(slots.nodes[slots.node_of[16383]].port, 7002);
}
END_TEST

START_TEST(nonsense__is_refused)
{
    static const char *const bad[] = {
        ":1\r\n",
        "*0\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
    };
    tq__redis_slots_single(&slots, &here);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(take(bad[i]), -1);
    }
}
END_TEST

START_TEST(numbers__last_and_are_given_away_at_the_end)
{
    struct redis_address address = {"n", 1};
    tq__redis_slots_single(&slots, &here);
    for (unsigned i = 1; i < REDIS_NODES_MAX; i++) {
        address.port = (uint16_t)i;
        ck_assert_uint_eq(tq__redis_slots_node(&slots, &address), i);
        ck_assert_uint_eq(tq__redis_slots_node(&slots, &address), i);
        slots.node_of[i] = (uint16_t)i;
    }
    slots.node_of[77] = 0;
    address.port = 9999;
    ck_assert_uint_eq(tq__redis_slots_node(&slots, &address), 77);
    ck_assert_uint_eq(slots.nodes[77].port, 9999);
    slots.node_of[77] = 77;
    address.port = 9998;
    ck_assert_uint_eq(tq__redis_slots_node(&slots, &address), REDIS_NO_NODE);
}
END_TEST

UNIT_MAIN("store.redis.slots", slots__are_those_of_redis, a_map__is_taken_over,
          nonsense__is_refused, numbers__last_and_are_given_away_at_the_end)
