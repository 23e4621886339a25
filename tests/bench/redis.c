/* SPDX-License-Identifier: MIT */
/*
 * Rooms on the Redis server that TICKETQ_TEST_REDIS names, from 64 threads with
 * a visitor a call, or as many as a turn of a server's loop gathers, beside redis-benchmark at a
 * pipeline depth of 64 with a plain command on a sorted set of the same size. Memory: what a
 * waiting visitor takes, beside an entry of a bare sorted set. Without the variable: nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ticketq/room.h>

#include "bench/bare_redis.h"
#include "bench/frame.h"

#define THREADS 64
#define EACH 2000
#define BEFORE 500000 /* who waits already */
#define STEP 1000
#define TURN 16 /* visitors of one call, as a server's loop gathers them */
#define VISITORS (THREADS * EACH)
#define MEMBER "v0123456789abcdef012345678"

static struct tq_error err = TQ_ERROR_INIT;
static struct tq_env env;

struct line {
    tq_store *store;
    tq_keys *keys;
    tq_room *room;
    size_t batch;
    int (*ask)(tq_room *room, const struct tq_visitor *visitors, size_t count,
               struct tq_place *out_places, struct tq_error *failure);
};

static double used_memory(void)
{
    redisReply *reply = bare_redis_ask("INFO memory", NULL);
    const char *line = strstr(reply->str, "used_memory:");
    double bytes = line ? strtod(line + strlen("used_memory:"), NULL) : 0;
    freeReplyObject(reply);
    return bytes;
}

static void add_key(tq_keys *keys, uint32_t purpose, const char *id)
{
    bench_check(
        tq_keys_add(keys,
                    TQ_ARGS(tq_key, .id = id, .purpose = purpose,
                            .secret = "0123456789abcdef0123456789abcdef", .secret_bytes = 32),
                    &err),
        TQ_OK, "key", &err);
}

static void open_line(struct line *line)
{
    bare_redis_forget_all();
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = getenv("TICKETQ_TEST_REDIS")),
                              &line->store, &err),
                TQ_OK, "open", &err);
    bench_check(tq_keys_new(&env, &line->keys, &err), TQ_OK, "keys", &err);
    add_key(line->keys, TQ_PURPOSE_PLACE, "place-1");
    add_key(line->keys, TQ_PURPOSE_PASS, "pass-1");
    bench_check(tq_room_open(line->store, line->keys, "show", TQ_ARGS(tq_room_policy, .rate = 1),
                             &line->room, &err),
                TQ_OK, "room", &err);
}

static void close_line(struct line *line)
{
    tq_room_close(line->room);
    tq_keys_free(line->keys);
    tq_store_close(line->store);
}

static void visitor_name(char name[TQ_ID_SIZE], size_t thread, size_t number)
{
    snprintf(name, TQ_ID_SIZE, "%.18s-%02zu-%04zu", MEMBER, thread, number);
}

/* Those who are in line before the clock starts. */
static void fill(const struct line *line)
{
    static char names[STEP][TQ_ID_SIZE];
    static struct tq_visitor visitors[STEP];
    static struct tq_place places[STEP];
    for (size_t first = 0; first < BEFORE; first += STEP) {
        for (size_t i = 0; i < STEP; i++) {
            snprintf(names[i], TQ_ID_SIZE, "%.16s-%08zu", MEMBER, first + i);
            visitors[i] = (struct tq_visitor){sizeof *visitors, names[i], NULL};
            places[i].size = sizeof *places;
        }
        bench_check(tq_room_enter(line->room, visitors, STEP, places, &err), TQ_OK, "fill", &err);
    }
}

/* EACH visitors of a thread, `batch` a call. */
static void ask_each(void *arg, size_t number)
{
    const struct line *line = arg;
    struct tq_error mine = TQ_ERROR_INIT;
    char names[TURN][TQ_ID_SIZE];
    struct tq_visitor visitors[TURN];
    struct tq_place *places = calloc(TURN, sizeof *places);
    for (size_t first = 0; first < EACH; first += line->batch) {
        for (size_t i = 0; i < line->batch; i++) {
            visitor_name(names[i], number, first + i);
            visitors[i] = (struct tq_visitor){sizeof *visitors, names[i], NULL};
            places[i].size = sizeof *places;
        }
        bench_check(line->ask(line->room, visitors, line->batch, places, &mine), TQ_OK, "ask",
                    &mine);
        bench_check(places[0].status, TQ_OK, "place", &mine);
    }
    free(places);
}

static double enter_by(size_t batch)
{
    struct line line = {.ask = tq_room_enter, .batch = batch};
    open_line(&line);
    fill(&line);
    double seconds = bench_threads(THREADS, ask_each, &line);
    close_line(&line);
    return VISITORS / seconds;
}

static double enter(void)
{
    return enter_by(1);
}

static double enter_in_turns(void)
{
    return enter_by(TURN);
}

static double place(void)
{
    struct line line = {.ask = tq_room_enter, .batch = 1};
    open_line(&line);
    bench_threads(THREADS, ask_each, &line);
    line.ask = tq_room_place;
    double seconds = bench_threads(THREADS, ask_each, &line);
    close_line(&line);
    return VISITORS / seconds;
}

static double bytes_each(void)
{
    struct line line = {.ask = tq_room_enter, .batch = 1};
    open_line(&line);
    double before = used_memory();
    bench_threads(THREADS, ask_each, &line);
    double bytes = (used_memory() - before) / VISITORS;
    close_line(&line);
    return bytes;
}

static double plain_zadd(void)
{
    static const char command[] = "zadd bare __rand_int__ " MEMBER ":__rand_int__";
    bare_redis_forget_all();
    bare_redis_rate(64, BEFORE, "1000000000", command);
    return bare_redis_rate(64, VISITORS, "1000000000", command);
}

static double plain_zrank(void)
{
    bare_redis_forget_all();
    bare_redis_rate(64, VISITORS, "128000", "zadd bare __rand_int__ " MEMBER ":__rand_int__");
    return bare_redis_rate(64, VISITORS, "128000", "zrank bare " MEMBER ":__rand_int__");
}

static double bare_bytes(void)
{
    bare_redis_forget_all();
    redisContext *context = bare_redis_connect();
    double before = used_memory();
    for (size_t i = 0; i < VISITORS; i++) {
        char name[TQ_ID_SIZE];
        visitor_name(name, i / EACH, i % EACH);
        redisAppendCommand(context, "ZADD bare %lu %s", (unsigned long)i + 1, name);
    }
    for (size_t i = 0; i < VISITORS; i++) {
        void *reply = NULL;
        redisGetReply(context, &reply);
        bench_check(reply ? ((redisReply *)reply)->type : 0, REDIS_REPLY_INTEGER, "zadd", &err);
        freeReplyObject(reply);
    }
    redisFree(context);
    return (used_memory() - before) / VISITORS;
}

static const struct bench_figure figures[] = {
    {.name = "room.enter.redis",
     .unit = "visitors/s",
     .against = "redis-benchmark -P 64, ZADD into a set of half a million as well",
     .value = enter,
     .reference = plain_zadd,
     .goal = 1.0},
    {.name = "room.enter.turns.redis",
     .unit = "visitors/s",
     .against = "redis-benchmark -P 64, ZADD into a set of half a million as well",
     .value = enter_in_turns,
     .reference = plain_zadd,
     .goal = 1.0},
    {.name = "room.place.redis",
     .unit = "visitors/s",
     .against = "redis-benchmark -P 64, ZRANK in a set of the same size",
     .value = place,
     .reference = plain_zrank},
    {.name = "room.bytes.redis",
     .unit = "bytes/visitor",
     .against = "a bare sorted set",
     .value = bytes_each,
     .reference = bare_bytes,
     .goal = 1.5,
     .is_a_cost = 1},
};

int main(int count, char **names)
{
    if (!bare_redis_is_there()) {
        return EXIT_SUCCESS;
    }
    env = tq_system_env();
    env.log = NULL;
    return BENCH_MAIN(count, names, figures);
}
