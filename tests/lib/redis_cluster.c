/* SPDX-License-Identifier: MIT */
/*
 * Finds the servers of a slot in CLUSTER SLOTS, and asks them one by one.
 */
#include "lib/redis_cluster.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <ticketq/system.h>

#include "core/url.h"
#include "lib/unit.h"
#include "store/redis/slots.h"

#define WAIT_STEPS 400
#define WAIT_STEP_US 50000

enum node { MASTER, REPLICA, ANOTHER };

static struct redis_target target;

int redis_cluster_is_there(void)
{
    const char *url = getenv("TICKETQ_TEST_REDIS_CLUSTER");
    struct tq__url parts;
    if (!url || tq__url_parse(&parts, url, NULL) ||
        tq__redis_target_read(&target, parts.path, "cluster=1", NULL)) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_REDIS_CLUSTER\n");
        return 0;
    }
    return 1;
}

void redis_cluster_url(char *url, size_t room, const char *options)
{
    static unsigned places;
    snprintf(url, room, "%s?cluster=1&prefix=%x-%llx-%u:%s", getenv("TICKETQ_TEST_REDIS_CLUSTER"),
             (unsigned)getpid(), (unsigned long long)tq_system_now_ms(NULL), places++, options);
}

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

/* Nobody (port 0) while a replica has not come back from what was done to it before. */
static struct redis_address look_for(const char *tag, enum node which)
{
    struct redis_address found = {.port = 0};
    long long slot = tq__redis_slot(tag);
    redisReply *map = ask(&target.seeds[0], "CLUSTER SLOTS");
    for (size_t i = 0; i < map->elements; i++) {
        const redisReply *range = map->element[i];
        int is_ours = range->element[0]->integer <= slot && slot <= range->element[1]->integer;
        size_t node = which == REPLICA ? 3 : 2;
        if (is_ours == (which != ANOTHER) && node < range->elements) {
            found = address_of(range->element[node]);
        }
    }
    freeReplyObject(map);
    return found;
}

static struct redis_address find_node(const char *tag, enum node which)
{
    struct redis_address found = look_for(tag, which);
    for (int i = 0; i < WAIT_STEPS && !found.port; i++) {
        usleep(WAIT_STEP_US);
        found = look_for(tag, which);
    }
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
            freeReplyObject(ask(from, "MIGRATE %s %d %s 0 60000", to->host, (int)to->port,
                                keys->element[0]->str));
        }
        freeReplyObject(keys);
        usleep(5000); /* some keys are here and some are there for a while */
    } while (count);
}

void redis_cluster_move(const char *tag)
{
    struct redis_address from = find_node(tag, MASTER), to = find_node(tag, ANOTHER);
    char from_name[64], to_name[64];
    int slot = tq__redis_slot(tag);
    name_node(&from, from_name);
    name_node(&to, to_name);
    freeReplyObject(ask(&to, "CLUSTER SETSLOT %d IMPORTING %s", slot, from_name));
    freeReplyObject(ask(&from, "CLUSTER SETSLOT %d MIGRATING %s", slot, to_name));
    move_keys(&from, &to, slot);
    freeReplyObject(ask(&to, "CLUSTER SETSLOT %d NODE %s", slot, to_name));
    freeReplyObject(ask(&from, "CLUSTER SETSLOT %d NODE %s", slot, to_name));
}

void redis_cluster_hand_over(const char *tag)
{
    struct redis_address replica = find_node(tag, REPLICA);
    freeReplyObject(ask(&replica, "CLUSTER FAILOVER"));
}

static pid_t pid_of(const struct redis_address *at)
{
    redisReply *info = ask(at, "INFO server");
    const char *line = strstr(info->str, "process_id:");
    long pid = line ? strtol(line + strlen("process_id:"), NULL, 10) : 0;
    freeReplyObject(info);
    ck_assert_int_gt(pid, 1);
    return (pid_t)pid;
}

/* Whether it is a "master", or a "slave" that follows one. */
static int is_settled_as(const struct redis_address *at, const char *wanted)
{
    redisReply *role = ask(at, "ROLE");
    int is = strcmp(role->element[0]->str, wanted) == 0;
    if (is && strcmp(wanted, "slave") == 0) {
        is = strcmp(role->element[3]->str, "connected") == 0;
    }
    freeReplyObject(role);
    return is;
}

static int comes_to_be(const struct redis_address *at, const char *wanted)
{
    int is = 0;
    for (int i = 0; i < WAIT_STEPS && !is; i++) {
        is = is_settled_as(at, wanted);
        usleep(is ? 0 : WAIT_STEP_US);
    }
    return is;
}

void redis_cluster_replace(const char *tag)
{
    struct redis_address master = find_node(tag, MASTER), replica = find_node(tag, REPLICA);
    pid_t pid = pid_of(&master);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    int is_master = comes_to_be(&replica, "master");
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert(is_master);
}

void redis_cluster_promote_deaf(const char *tag, void (*meanwhile)(void))
{
    struct redis_address master = find_node(tag, MASTER), replica = find_node(tag, REPLICA);
    freeReplyObject(ask(&master, "ACL SETUSER default -psync -sync"));
    freeReplyObject(ask(&master, "CLIENT KILL TYPE replica"));
    meanwhile();
    freeReplyObject(ask(&replica, "CLUSTER FAILOVER TAKEOVER"));
    ck_assert(comes_to_be(&master, "slave"));
    freeReplyObject(ask(&master, "ACL SETUSER default +psync +sync"));
}

void redis_cluster_slow_replica(const char *tag, void (*meanwhile)(void))
{
    struct redis_address replica = find_node(tag, REPLICA);
    pid_t pid = pid_of(&replica);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    meanwhile();
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
}

void redis_cluster_unassign(const char *tag, void (*meanwhile)(void))
{
    struct redis_address master = find_node(tag, MASTER);
    int slot = tq__redis_slot(tag);
    freeReplyObject(ask(&master, "CLUSTER DELSLOTS %d", slot));
    meanwhile();
    freeReplyObject(ask(&master, "CLUSTER ADDSLOTS %d", slot));
}
