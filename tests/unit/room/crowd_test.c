/* SPDX-License-Identifier: MIT */
/*
 * Eight threads enter, ask, leave, tick and order at once, on handles of their
 * own and on one they share; then everybody is counted.
 */
#include <ticketq/room.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define THREADS 8
#define VISITORS 400 /* of each thread */
#define RATE 700

static struct test_env test;
static tq_store *store;
static tq_room *shared;
static atomic_ullong admitted, entered, left;
static atomic_int failures;

static void expect(int rc, int expected)
{
    failures += rc != expected;
}

static void visit(tq_room *room, const char *id, unsigned i)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_place place = TQ_INIT(tq_place);
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    int32_t status = TQ_OK;
    expect(tq_room_enter(room, TQ_ARGS(tq_visitor, .id = id), 1, &place, &err), TQ_OK);
    expect(place.status, TQ_OK);
    entered++;
    expect(tq_room_place(room, TQ_ARGS(tq_visitor, .id = id), 1, &place, &err), TQ_OK);
    failures += tq_room_tick(room, &tick, &err) < 0;
    admitted += tick.admitted;
    failures += place.visit == TQ_VISIT_WAITING && place.ahead > THREADS * VISITORS;
    if (i % 3 == 0) {
        expect(tq_room_leave(room, TQ_ARGS(tq_visitor, .id = id), 1, &status, &err), TQ_OK);
        left += status == TQ_OK;
    }
    if (i % 50 == 0) {
        test.now_ms += 10;
    }
}

static void *live(void *arg)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_action pause = {.size = sizeof pause, .order = TQ_ROOM_PAUSE, .actor = "op"};
    unsigned thread = *(unsigned *)arg;
    tq_room *own = NULL;
    expect(tq_room_open(store, NULL, "room", NULL, &own, &err), TQ_OK);
    for (unsigned i = 0; i < VISITORS; i++) {
        char id[32];
        struct tq_room_state state = TQ_INIT(tq_room_state);
        snprintf(id, sizeof id, "t%u-v%u", thread, i);
        visit(i % 2 ? own : shared, id, i);
        pause.order = i % 2 ? TQ_ROOM_RESUME : TQ_ROOM_PAUSE;
        if (i % 40 < 2) {
            expect(tq_room_operate(shared, &pause, &err), TQ_OK);
        }
        expect(tq_room_state(shared, &state, &err), TQ_OK);
        failures += state.active > RATE;
    }
    tq_room_close(own);
    return NULL;
}

START_TEST(everybody_is_counted_once)
{
    struct tq_error err = TQ_ERROR_INIT;
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err),
                  TQ_OK);
    struct tq_room_policy policy = {.size = sizeof policy, .rate = RATE, .max_active = RATE};
    assert_status(tq_room_open(store, NULL, "room", &policy, &shared, &err), TQ_OK);
    int64_t begin_ms = test.now_ms;
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, live, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    struct tq_room_state state = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(shared, &state, &err), TQ_OK);
    ck_assert_int_eq(failures, 0);
    ck_assert_uint_eq(entered, THREADS * VISITORS);
    ck_assert_int_eq(state.tail, THREADS * VISITORS);
    ck_assert_uint_eq(state.admitted, admitted);
    ck_assert_uint_eq(state.waiting + state.active + left, entered);
    ck_assert_uint_le(admitted, RATE + (uint64_t)(test.now_ms - begin_ms) * RATE / 1000);
    ck_assert_uint_ge(admitted, RATE / 2);
    tq_room_close(shared);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("room.crowd", everybody_is_counted_once)
