/* SPDX-License-Identifier: MIT */
/*
 * Commands to a server on this machine; a connection that fails fails the test.
 */
#include "lib/redis_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "lib/unit.h"

static redisReply *reply_to(unsigned port, const char *command)
{
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    redisReply *reply = redisCommand(context, command);
    redisFree(context);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", command, reply->str);
    return reply;
}

void redis_ask(unsigned port, const char *command)
{
    freeReplyObject(reply_to(port, command));
}

long long redis_count(unsigned port, const char *command)
{
    redisReply *reply = reply_to(port, command);
    long long count =
        reply->type == REDIS_REPLY_ARRAY ? (long long)reply->elements : reply->integer;
    freeReplyObject(reply);
    return count;
}

long redis_refusals(unsigned port, const char *error)
{
    char line[64];
    redisReply *reply = reply_to(port, "INFO errorstats");
    snprintf(line, sizeof line, "errorstat_%s:count=", error);
    const char *at = strstr(reply->str, line);
    long count = at ? strtol(at + strlen(line), NULL, 10) : 0;
    freeReplyObject(reply);
    return count;
}
