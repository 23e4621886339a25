/* SPDX-License-Identifier: MIT */
/*
 * Asks the server by hiredis, and redis-benchmark, whose last line says the rate. One thread.
 */
#include "bench/bare_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/frame.h"
#include "core/url.h"
#include "store/redis/address.h"

static struct redis_target target;

static void must(int is_good, const char *what)
{
    if (!is_good) {
        fprintf(stderr, "%s\n", what);
        exit(EXIT_FAILURE);
    }
}

int bare_redis_is_there(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__url parts;
    const char *url = getenv("TICKETQ_TEST_REDIS");
    if (url) {
        bench_check(tq__url_parse(&parts, url, &err), TQ_OK, "url", &err);
        bench_check(tq__redis_target_read(&target, parts.path, parts.query, &err), TQ_OK, "url",
                    &err);
    }
    return url != NULL;
}

redisContext *bare_redis_connect(void)
{
    redisContext *context = redisConnect(target.seeds[0].host, target.seeds[0].port);
    must(context && !context->err, "no server");
    return context;
}

redisReply *bare_redis_ask(const char *command, const char *argument)
{
    redisContext *context = bare_redis_connect();
    redisReply *reply = redisCommand(context, command, argument);
    redisFree(context);
    must(reply != NULL, "no server");
    return reply;
}

void bare_redis_forget_all(void)
{
    freeReplyObject(bare_redis_ask("FLUSHALL", NULL));
}

double bare_redis_rate(int depth, size_t count, const char *keys, const char *command)
{
    char line[512], answer[256];
    double rate = 0;
    snprintf(line, sizeof line, "redis-benchmark -h %s -p %u -c 50 -P %d -n %zu -r %s --csv %s",
             target.seeds[0].host, target.seeds[0].port, depth, count, keys, command);
    FILE *pipe = popen(line, "r");
    while (pipe && fgets(answer, sizeof answer, pipe)) {
        const char *comma = strstr(answer, "\",\"");
        rate = comma && strtod(comma + 3, NULL) > 0 ? strtod(comma + 3, NULL) : rate;
    }
    must(pipe && !pclose(pipe), "redis-benchmark failed");
    return rate;
}
