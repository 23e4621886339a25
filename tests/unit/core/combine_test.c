/* SPDX-License-Identifier: MIT */
/*
 * core/combine.c: every request is carried out exactly once, by one leader at a
 * time, in batches within the limit; under load they do merge.
 */
#include "core/combine.h"

#include <sched.h>
#include <stdatomic.h>

#include "lib/unit.h"

#define THREADS 64
#define ROUNDS 200

struct request {
    struct tq__combine_item item;
    long value;
    long answer;
};

struct world {
    struct tq__combine combine;
    atomic_int at_work;
    size_t batch_max;
    /* Guarded by there being one leader: TSan sees it when that is not so. */
    long carried_out;
    size_t largest;
    size_t wrong;
};

static void carry_out(void *owner, struct tq__combine_item *first, size_t count)
{
    struct world *world = owner;
    size_t seen = 0;
    world->wrong += atomic_fetch_add(&world->at_work, 1) != 0;
    for (struct tq__combine_item *at = first; at; at = at->next) {
        struct request *request = (struct request *)at;
        request->answer = request->value * 2;
        world->carried_out++;
        seen++;
    }
    world->wrong += seen != count || count > world->batch_max;
    world->largest = count > world->largest ? count : world->largest;
    sched_yield(); /* lets others queue up meanwhile */
    atomic_fetch_sub(&world->at_work, 1);
}

static void *submit_many(void *arg)
{
    struct world *world = arg;
    long wrong = 0;
    for (long i = 0; i < ROUNDS; i++) {
        struct request request = {.value = i, .answer = -1};
        tq__combine_submit(&world->combine, &request.item);
        wrong += request.answer != i * 2;
    }
    return (void *)wrong;
}

static void run_threads(struct world *world, size_t batch_max)
{
    pthread_t threads[THREADS];
    world->batch_max = batch_max;
    tq__combine_init(&world->combine, batch_max, carry_out, world);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_many, world), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_int_eq((long)wrong, 0);
    }
    tq__combine_done(&world->combine);
    ck_assert_int_eq(world->carried_out, THREADS * ROUNDS);
    ck_assert_uint_eq(world->wrong, 0);
}

START_TEST(many_threads__are_merged_and_each_is_served_once)
{
    struct world world = {0};
    run_threads(&world, 1000);
    ck_assert_uint_gt(world.largest, 1);
    ck_assert_uint_le(world.largest, THREADS);
}
END_TEST

START_TEST(batches__hold_to_the_limit)
{
    struct world five = {0}, one = {0};
    run_threads(&five, 5);
    ck_assert_uint_gt(five.largest, 1);
    run_threads(&one, 1);
    ck_assert_uint_eq(one.largest, 1);
}
END_TEST

START_TEST(lone_caller__waits_for_nobody)
{
    struct world world = {.batch_max = 8};
    struct request request = {.value = 21};
    tq__combine_init(&world.combine, 8, carry_out, &world);
    tq__combine_submit(&world.combine, &request.item);
    tq__combine_submit(&world.combine, &request.item);
    ck_assert_int_eq(request.answer, 42);
    ck_assert_int_eq(world.carried_out, 2);
    tq__combine_done(&world.combine);
}
END_TEST

/* ---- before a batch is taken ---- */

struct early {
    struct tq__combine combine;
    struct request other;
    pthread_t thread;
    int is_started;
    size_t counts[2], batches;
};

static void *come(void *arg)
{
    struct early *early = arg;
    tq__combine_submit(&early->combine, &early->other.item);
    return NULL;
}

static size_t waiting(struct early *early)
{
    pthread_mutex_lock(&early->combine.lock);
    size_t count = early->combine.waiting;
    pthread_mutex_unlock(&early->combine.lock);
    return count;
}

/* Somebody comes while the leader gets ready. */
static void get_ready(void *owner)
{
    struct early *early = owner;
    if (!early->is_started) {
        early->is_started = 1;
        ck_assert_int_eq(pthread_create(&early->thread, NULL, come, early), 0);
        while (waiting(early) < 2) {
            sched_yield();
        }
    }
}

static void note_batch(void *owner, struct tq__combine_item *first, size_t count)
{
    struct early *early = owner;
    (void)first;
    early->counts[early->batches++] = count;
}

START_TEST(who_comes_while_the_leader_gets_ready__is_in_its_batch)
{
    struct early early = {0};
    struct request request = {0};
    tq__combine_init(&early.combine, 8, note_batch, &early);
    early.combine.ready = get_ready;
    tq__combine_submit(&early.combine, &request.item);
    pthread_join(early.thread, NULL);
    ck_assert_uint_eq(early.batches, 1);
    ck_assert_uint_eq(early.counts[0], 2);
    tq__combine_submit(&early.combine, &request.item);
    ck_assert_uint_eq(early.batches, 2);
    ck_assert_uint_eq(early.counts[1], 1);
    tq__combine_done(&early.combine);
}
END_TEST

#define BROUGHT 7

static void *bring_several(void *arg)
{
    struct world *world = arg;
    struct request requests[BROUGHT];
    long wrong = 0;
    for (long round = 0; round < ROUNDS; round++) {
        for (long i = 0; i < BROUGHT; i++) {
            requests[i] = (struct request){.value = round + i, .answer = -1};
        }
        tq__combine_submit_many(&world->combine, requests, sizeof *requests, BROUGHT);
        for (long i = 0; i < BROUGHT; i++) {
            wrong += requests[i].answer != (round + i) * 2;
        }
    }
    return (void *)wrong;
}

START_TEST(callers__may_bring_several_across_batches)
{
    struct world world = {.batch_max = 5};
    pthread_t threads[8];
    tq__combine_init(&world.combine, world.batch_max, carry_out, &world);
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, bring_several, &world), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_int_eq((long)wrong, 0);
    }
    tq__combine_done(&world.combine);
    ck_assert_int_eq(world.carried_out, 8 * ROUNDS * BROUGHT);
    ck_assert_uint_eq(world.wrong, 0);
}
END_TEST

UNIT_MAIN("core.combine", many_threads__are_merged_and_each_is_served_once,
          batches__hold_to_the_limit, lone_caller__waits_for_nobody,
          who_comes_while_the_leader_gets_ready__is_in_its_batch,
          callers__may_bring_several_across_batches)
