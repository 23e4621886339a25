/* SPDX-License-Identifier: MIT */
/*
 * Rooms on a Redis Cluster (TICKETQ_TEST_REDIS_CLUSTER) under load while the slot of
 * the room moves key by key to another master, its master hands over to its
 * replica, and its master stops and is replaced.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <ticketq/driver/room.h>
#include <ticketq/system.h>

#include "core/url.h"
#include "lib/room_rush.h"
#include "lib/unit.h"
#include "store/redis/slots.h"

#define ROOM "show" /* of rush_begin() */
#define WAIT_STEPS 400

static struct rush rush;
static struct redis_target target;

static void begin(const char *options)
{
    char url[1024];
    static unsigned runs;
    snprintf(url, sizeof url, "%s?cluster=1&prefix=%x-%llx-%u:%s",
             getenv("TICKETQ_TEST_REDIS_CLUSTER"), (unsigned)getpid(),
             (unsigned long long)tq_system_now_ms(NULL), runs++, options);
    rush_begin(&rush, url);
}

/* ---- what an operator does ---- */

static redisReply *ask(const struct redis_address *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisContext *context = redisConnect(at->host, at->port);
    redisReply *reply = redisvCommand(context, format, args);
    va_end(args);
    redisFree(context);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", format, reply->str);
    return reply;
}

static struct redis_address address_of(const redisReply *node)
{
    struct redis_address address = {.port = (uint16_t)node->element[1]->integer};
    snprintf(address.host, sizeof address.host, "%s", node->element[0]->str);
    return address;
}

/* Master of the room (0) and its replica (1); another master (2). */
static struct redis_address find_node(int which)
{
    struct redis_address found = {.port = 0};
    long long slot = tq__redis_slot(ROOM);
    redisReply *map = ask(&target.seeds[0], "CLUSTER SLOTS");
    for (size_t i = 0; i < map->elements; i++) {
        const redisReply *range = map->element[i];
        int is_ours = range->element[0]->integer <= slot && slot <= range->element[1]->integer;
        if (is_ours == (which < 2)) {
            ck_assert_uint_gt(range->elements, 2 + (which == 1));
            found = address_of(range->element[which == 1 ? 3 : 2]);
        }
    }
    freeReplyObject(map);
    ck_assert_uint_ne(found.port, 0);
    return found;
}

static void name_node(const struct redis_address *at, char name[64])
{
    redisReply *reply = ask(at, "CLUSTER MYID");
    snprintf(name, 64, "%s", reply->str);
    freeReplyObject(reply);
}

static void move_keys(const struct redis_address *from, const struct redis_address *to, int slot)
{
    size_t count;
    do {
        redisReply *keys = ask(from, "CLUSTER GETKEYSINSLOT %d 1", slot);
        count = keys->elements;
        if (count) {
            freeReplyObject(ask(from, "MIGRATE %s %d %s 0 5000", to->host, (int)to->port,
                                keys->element[0]->str));
        }
        freeReplyObject(keys);
        usleep(5000); /* some keys are here and some are there for a while */
    } while (count);
}

static void move_slot(void)
{
    struct redis_address from = find_node(0), to = find_node(2);
    char from_name[64], to_name[64];
    int slot = tq__redis_slot(ROOM);
    name_node(&from, from_name);
    name_node(&to, to_name);
    freeReplyObject(ask(&to, "CLUSTER SETSLOT %d IMPORTING %s", slot, from_name));
    freeReplyObject(ask(&from, "CLUSTER SETSLOT %d MIGRATING %s", slot, to_name));
    move_keys(&from, &to, slot);
    freeReplyObject(ask(&to, "CLUSTER SETSLOT %d NODE %s", slot, to_name));
    freeReplyObject(ask(&from, "CLUSTER SETSLOT %d NODE %s", slot, to_name));
}

static void move_there_and_back(void)
{
    move_slot();
    usleep(50000);
    move_slot();
}

static void hand_over(void)
{
    struct redis_address replica = find_node(1);
    freeReplyObject(ask(&replica, "CLUSTER FAILOVER"));
}

static long pid_of(const struct redis_address *at)
{
    redisReply *info = ask(at, "INFO server");
    const char *line = strstr(info->str, "process_id:");
    long pid = line ? strtol(line + strlen("process_id:"), NULL, 10) : 0;
    freeReplyObject(info);
    ck_assert_int_gt(pid, 1);
    return pid;
}

static void stop_master(void)
{
    struct redis_address master = find_node(0), replica = find_node(1);
    long pid = pid_of(&master);
    int is_master = 0;
    ck_assert_int_eq(kill((pid_t)pid, SIGSTOP), 0);
    for (int i = 0; i < WAIT_STEPS && !is_master; i++) {
        usleep(50000);
        redisReply *role = ask(&replica, "ROLE");
        is_master = strcmp(role->element[0]->str, "master") == 0;
        freeReplyObject(role);
    }
    ck_assert_int_eq(kill((pid_t)pid, SIGCONT), 0);
    ck_assert(is_master);
}

/* ---- what visitors notice ---- */

START_TEST(a_slot_moves__and_nobody_notices)
{
    begin("&wait_ms=20000");
    rush_run(&rush, move_there_and_back);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    rush_check(&rush);
    ck_assert_int_eq(rush_state(&rush).tail % TQ_ROOM_LOSS_GAP, RUSH_VISITORS);
    rush_end(&rush);
}
END_TEST

START_TEST(a_master_hands_over__and_nobody_is_refused)
{
    begin("&wait_ms=20000");
    rush_run(&rush, hand_over);
    ck_assert_uint_eq(rush.unavailable, 0);
    rush_check(&rush);
    ck_assert_int_gt(rush_state(&rush).tail, TQ_ROOM_LOSS_GAP); /* nobody knows what was lost */
    rush_end(&rush);
}
END_TEST

/* What the replica had not heard of is lost: those come back by their places. */
START_TEST(a_master_is_replaced__and_everybody_has_a_place)
{
    begin("&wait_ms=1000&timeout_ms=500");
    rush_run(&rush, stop_master);
    rush_again(&rush);
    rush_check(&rush);
    rush_end(&rush);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_slot_moves__and_nobody_notices,
        a_master_hands_over__and_nobody_is_refused,
        a_master_is_replaced__and_everybody_has_a_place,
    };
    const char *url = getenv("TICKETQ_TEST_REDIS_CLUSTER");
    struct tq__url parts;
    if (!url || tq__url_parse(&parts, url, NULL) ||
        tq__redis_target_read(&target, parts.path, "cluster=1", NULL)) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_REDIS_CLUSTER\n");
        return EXIT_SUCCESS;
    }
    return unit_main("fault.room.cluster", tests, sizeof tests / sizeof *tests);
}
