/* SPDX-License-Identifier: MIT */
/*
 * Holds of four neighbouring seats on the Redis server that TICKETQ_TEST_REDIS names, from 64
 * threads with a hold a call, or 16, beside a plain script at a pipeline depth of 16: a hash from
 * seat to hold, a sorted set of times, and no request keys, fences, states, limits or seat map. And
 * how long after the release of a seat one who waits for it has it, beside the round trip of a hold
 * of a free seat: from the release's answer, and from when it is asked for, which is two round
 * trips whatever anybody does. Without the variable: nothing.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/hold.h>

#include "bench/bare_redis.h"
#include "bench/frame.h"

#define THREADS 64
#define EACH 704
#define TURN 16 /* holds of one call, as many as a client of the plain script sends at once */
#define SEATS 4
#define TOTAL (THREADS * EACH * SEATS)
#define WAKES 101

static struct tq_error err = TQ_ERROR_INIT;
static struct tq_env env;
static char names[TOTAL][10];
static const char *seats[TOTAL];

struct sale {
    tq_store *store;
    tq_book *book;
    size_t batch;
};

static void open_sale(struct sale *sale)
{
    bare_redis_forget_all();
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = getenv("TICKETQ_TEST_REDIS")),
                              &sale->store, &err),
                TQ_OK, "open", &err);
    bench_check(
        tq_book_open(&env, TQ_ARGS(tq_book_options, .front = sale->store), &sale->book, &err),
        TQ_OK, "book", &err);
    bench_check(tq_book_define(sale->book, "show", seats, TOTAL, &err), TQ_OK, "define", &err);
}

static void close_sale(struct sale *sale)
{
    tq_book_close(sale->book);
    tq_store_close(sale->store);
}

static int hold(tq_book *book, const char *const *which, size_t count, const char *holder,
                const char *key, uint32_t wait_ms, struct tq_hold *out)
{
    struct tq_error mine = TQ_ERROR_INIT;
    const struct tq_hold_request request = {.size = sizeof request,
                                            .schedule = "show",
                                            .holder = holder,
                                            .request_key = key,
                                            .seats = which,
                                            .seats_count = count,
                                            .wait_ms = wait_ms};
    out->size = sizeof *out;
    bench_check(tq_hold_acquire(book, &request, 1, out, &mine), TQ_OK, "acquire", &mine);
    return out->status;
}

/* EACH holds of a thread, `batch` a call. */
static void hold_each(void *arg, size_t number)
{
    const struct sale *sale = arg;
    struct tq_error mine = TQ_ERROR_INIT;
    char holder[TQ_ID_SIZE], keys[TURN][16];
    struct tq_hold_request requests[TURN];
    struct tq_hold *outs = calloc(TURN, sizeof *outs);
    snprintf(holder, sizeof holder, "buyer-%zu", number);
    for (size_t first = 0; first < EACH; first += sale->batch) {
        for (size_t i = 0; i < sale->batch; i++) {
            snprintf(keys[i], sizeof keys[i], "k%zu", first + i);
            requests[i] =
                (struct tq_hold_request){.size = sizeof *requests,
                                         .schedule = "show",
                                         .holder = holder,
                                         .request_key = keys[i],
                                         .seats = seats + (number * EACH + first + i) * SEATS,
                                         .seats_count = SEATS};
            outs[i].size = sizeof *outs;
        }
        bench_check(tq_hold_acquire(sale->book, requests, sale->batch, outs, &mine), TQ_OK,
                    "acquire", &mine);
        bench_check(outs[sale->batch - 1].status, TQ_OK, "hold", &mine);
    }
    free(outs);
}

static double holds_by(size_t batch)
{
    struct sale sale = {.batch = batch};
    open_sale(&sale);
    double seconds = bench_threads(THREADS, hold_each, &sale);
    close_sale(&sale);
    return THREADS * EACH / seconds;
}

static double holds(void)
{
    return holds_by(1);
}

static double holds_in_turns(void)
{
    return holds_by(TURN);
}

static double plain_script(void)
{
    static const char script[] =
        "local taken = redis.call('HMGET', KEYS[1], unpack(ARGV, 2)) "
        "for i = 1, #taken do if taken[i] then return 0 end end "
        "local at = redis.call('TIME') "
        "redis.call('HSET', KEYS[1], ARGV[2], ARGV[1], ARGV[3], ARGV[1], ARGV[4], ARGV[1], "
        "ARGV[5], ARGV[1]) redis.call('ZADD', KEYS[2], at[1] + 300, ARGV[1]) return 1";
    char command[160];
    bare_redis_forget_all();
    redisReply *sha = bare_redis_ask("SCRIPT LOAD %s", script);
    snprintf(command, sizeof command,
             "evalsha %s 2 {s}h {s}t hold-__rand_int__ s__rand_int__ s__rand_int__ s__rand_int__ "
             "s__rand_int__",
             sha->str);
    freeReplyObject(sha);
    return bare_redis_rate(16, THREADS * EACH, "1000000000", command);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct waiting {
    tq_book *book;
    struct tq_hold hold;
    char key[16];
    double granted;
};

static void *wait_for_seat(void *arg)
{
    struct waiting *waiting = arg;
    bench_check(hold(waiting->book, seats, 1, "late", waiting->key, 10000, &waiting->hold), TQ_OK,
                "wait", &err);
    waiting->granted = bench_clock();
    return NULL;
}

static void release(tq_book *book, const struct tq_hold *which)
{
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = "show",
                                    .id = which->id,
                                    .holder = which->holder,
                                    .fence = which->fence};
    bench_check(tq_hold_release(book, &ref, 1, &result, &err), TQ_OK, "release", &err);
}

/* From a seat's release by another book, as it is asked for or as it is answered, to the hold of
   who waited. */
static double wake_up(int is_from_answer)
{
    struct sale sale;
    tq_book *other = NULL;
    tq_store *store = NULL;
    double took[WAKES];
    open_sale(&sale);
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = getenv("TICKETQ_TEST_REDIS")),
                              &store, &err),
                TQ_OK, "open", &err);
    bench_check(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = store), &other, &err), TQ_OK,
                "book", &err);
    for (int i = 0; i < WAKES; i++) {
        struct waiting waiting = {.book = other};
        struct tq_hold first;
        pthread_t thread;
        snprintf(waiting.key, sizeof waiting.key, "k%d", i);
        bench_check(hold(sale.book, seats, 1, "early", waiting.key, 0, &first), TQ_OK, "hold",
                    &err);
        pthread_create(&thread, NULL, wait_for_seat, &waiting);
        usleep(5000);
        double begun = bench_clock();
        release(sale.book, &first);
        begun = is_from_answer ? bench_clock() : begun;
        pthread_join(thread, NULL);
        took[i] = (waiting.granted - begun) * 1e6;
        release(sale.book, &waiting.hold);
    }
    tq_book_close(other);
    tq_store_close(store);
    close_sale(&sale);
    qsort(took, WAKES, sizeof *took, compare);
    return took[WAKES / 2];
}

static double woken_after_answer(void)
{
    return wake_up(1);
}

static double woken_after_asking(void)
{
    return wake_up(0);
}

/* A hold of a free seat, which nobody waits for. */
static double round_trip(void)
{
    struct sale sale;
    double took[WAKES];
    open_sale(&sale);
    for (int i = 0; i < WAKES; i++) {
        struct tq_hold out;
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        usleep(5000);
        double begun = bench_clock();
        bench_check(hold(sale.book, seats, 1, "early", key, 0, &out), TQ_OK, "hold", &err);
        took[i] = (bench_clock() - begun) * 1e6;
        release(sale.book, &out);
    }
    close_sale(&sale);
    qsort(took, WAKES, sizeof *took, compare);
    return took[WAKES / 2];
}

static const struct bench_figure figures[] = {
    {.name = "hold.redis",
     .unit = "holds of 4 seats/s",
     .against = "redis-benchmark -P 16, a plain script with a hash and a sorted set",
     .value = holds,
     .reference = plain_script,
     .goal = 0.8},
    {.name = "hold.turns.redis",
     .unit = "holds of 4 seats/s",
     .against = "redis-benchmark -P 16, a plain script with a hash and a sorted set",
     .value = holds_in_turns,
     .reference = plain_script,
     .goal = 0.8},
    {.name = "hold.wake.redis",
     .unit = "us, p50",
     .against = "the round trip of a hold; from the release's answer on",
     .value = woken_after_answer,
     .reference = round_trip,
     .goal = 2.0,
     .is_a_cost = 1},
    {.name = "hold.wake.asked.redis",
     .unit = "us, p50",
     .against = "the round trip of a hold; from when the release is asked for",
     .value = woken_after_asking,
     .reference = round_trip,
     .goal = 2.0,
     .is_a_cost = 1},
};

int main(int count, char **arguments)
{
    if (!bare_redis_is_there()) {
        return EXIT_SUCCESS;
    }
    env = tq_system_env();
    env.log = NULL;
    for (size_t i = 0; i < TOTAL; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        seats[i] = names[i];
    }
    return BENCH_MAIN(count, arguments, figures);
}
