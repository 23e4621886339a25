/* SPDX-License-Identifier: MIT */
/*
 * What holds for a room over several shards, and of course for a room of one: the order
 * that is promised, rate and cap with any number of tickers, and the capacity. Where stores may
 * be shared, each ticker and each door has one of its own, as processes would.
 */
#include "conform/room/promise.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* A door of its own to the same room. */
struct door {
    tq_store *store; /* NULL: the world's */
    tq_room *room;
};

static void door_open(struct door *door, struct room_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    door->store = NULL;
    if (tq_store_caps(w->store) & TQ_STORE_SHARED) {
        assert_status(tq_store_open(&w->world.env, TQ_ARGS(tq_store_options, .url = w->world.url),
                                    &door->store, &err),
                      TQ_OK);
    }
    assert_status(tq_room_open(door->store ? door->store : w->store, w->keys, ROOM_ID, NULL,
                               &door->room, &err),
                  TQ_OK);
}

static void door_close(struct door *door)
{
    tq_room_close(door->room);
    tq_store_close(door->store);
}

static int64_t enter_at(const struct door *door, const char *prefix, unsigned number)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_place place = TQ_INIT(tq_place);
    char id[24];
    snprintf(id, sizeof id, "%s%u", prefix, number);
    assert_status(tq_room_enter(door->room, TQ_ARGS(tq_visitor, .id = id), 1, &place, &err), TQ_OK);
    ck_assert_int_eq(place.status, TQ_OK);
    return place.sequence;
}

/* ---- order ---- */

#define CROWD 60

PROMISE(who_comes_after_a_tick_is_behind__at_whatever_door, .open_ms = FAR_FUTURE)
{
    struct door a, b;
    int64_t last = 0;
    door_open(&a, w);
    door_open(&b, w);
    for (unsigned round = 0; round < 4; round++) {
        int64_t highest = last;
        for (unsigned i = 0; i < CROWD; i++) {
            char prefix[16];
            snprintf(prefix, sizeof prefix, "r%u-", round);
            int64_t number = enter_at((round + i) % 3 ? &a : &b, prefix, i);
            ck_assert_int_gt(number, last);
            highest = number > highest ? number : highest;
        }
        room_tick(w);
        last = highest;
    }
    door_close(&a);
    door_close(&b);
}

PROMISE(who_comes_after_another_at_one_door_is_behind, .open_ms = FAR_FUTURE)
{
    struct door door;
    int64_t last = 0;
    door_open(&door, w);
    for (unsigned i = 0; i < CROWD; i++) {
        int64_t number = enter_at(&door, "v", i);
        assert_next(number, last);
        last = number;
    }
    door_close(&door);
}

/* One batch is many at once; still it is the numbers that decide. */
PROMISE(a_tick_lets_in_by_number, .rate = 7, .rate_per_ms = 1000, .burst = 7)
{
    static struct tq_place places[CROWD];
    struct tq_visitor visitors[CROWD];
    char ids[CROWD][16];
    struct tq_error err = TQ_ERROR_INIT;
    for (unsigned i = 0; i < CROWD; i++) {
        snprintf(ids[i], sizeof ids[i], "v%u", i);
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = ids[i]};
        places[i].size = sizeof *places;
    }
    assert_status(tq_room_enter(w->room, visitors, CROWD, places, &err), TQ_OK);
    for (uint64_t admitted = 0; admitted < CROWD;) {
        int64_t inside_max = 0, waiting_min = TQ_ROOM_SEQUENCE_MAX;
        admitted += room_tick(w).admitted;
        assert_status(tq_room_place(w->room, visitors, CROWD, places, &err), TQ_OK);
        for (unsigned i = 0; i < CROWD; i++) {
            int64_t number = places[i].sequence;
            if (places[i].visit == TQ_VISIT_ADMITTED) {
                inside_max = number > inside_max ? number : inside_max;
            } else {
                waiting_min = number < waiting_min ? number : waiting_min;
            }
        }
        ck_assert_int_lt(inside_max, waiting_min);
        room_advance(w, 250);
    }
    ck_assert_uint_eq(room_state(w).waiting, 0);
}

/* ---- rate and cap ---- */

#define TICKERS 4
#define CAP 12u
#define PEOPLE 60

struct ticker {
    struct door door;
    pthread_t thread;
    atomic_int *is_over;
};

static void *tick_on(void *arg)
{
    struct ticker *ticker = arg;
    while (!atomic_load(ticker->is_over)) {
        struct tq_error err = TQ_ERROR_INIT;
        struct tq_room_tick tick = TQ_INIT(tq_room_tick);
        int rc = tq_room_tick(ticker->door.room, &tick, &err);
        ck_assert_msg(rc == TQ_OK || rc == TQ_EMPTY, "%s", err.message);
        usleep(500);
    }
    return NULL;
}

static void start_tickers(struct ticker *tickers, struct room_world *w, atomic_int *is_over)
{
    for (unsigned i = 0; i < TICKERS; i++) {
        tickers[i].is_over = is_over;
        door_open(&tickers[i].door, w);
        ck_assert_int_eq(pthread_create(&tickers[i].thread, NULL, tick_on, &tickers[i]), 0);
    }
}

static void stop_tickers(struct ticker *tickers, atomic_int *is_over)
{
    atomic_store(is_over, 1);
    for (unsigned i = 0; i < TICKERS; i++) {
        pthread_join(tickers[i].thread, NULL);
        door_close(&tickers[i].door);
    }
}

/* Since `begin_ms` the rate has let in what it gives, and never more than the cap and who left. */
static uint64_t check_pace(struct room_world *w, uint64_t burst, int64_t begin_ms, uint64_t left)
{
    struct tq_room_state state = room_state(w);
    uint64_t passed_ms = (uint64_t)(state.now_ms - begin_ms);
    ck_assert_uint_le(state.admitted, burst + passed_ms * state.rate / 1000);
    ck_assert_uint_le(state.admitted, CAP + left);
    return state.admitted;
}

/* Whoever is inside leaves; in the end everybody was. */
static void serve_all(struct room_world *w, uint64_t burst)
{
    struct ticker tickers[TICKERS];
    atomic_int is_over = 0;
    uint64_t left = 0;
    int is_gone[PEOPLE] = {0};
    int64_t begin_ms = room_state(w).now_ms;
    for (unsigned i = 0; i < PEOPLE; i++) {
        room_enter(w, room_name(i), NULL);
    }
    start_tickers(tickers, w, &is_over);
    for (unsigned turns = 0; left < PEOPLE && turns < 4000; turns++) {
        room_advance(w, 5);
        usleep(500);
        for (unsigned i = 0; i < PEOPLE; i++) {
            if (!is_gone[i] && room_place(w, room_name(i)).visit == TQ_VISIT_ADMITTED) {
                left++; /* before the slot is free */
                is_gone[i] = 1;
                ck_assert_int_eq(room_leave(w, room_name(i)), TQ_OK);
                usleep(2000); /* several ticks, of several tickers */
                check_pace(w, burst, begin_ms, left);
            }
        }
    }
    stop_tickers(tickers, &is_over);
    ck_assert_uint_eq(left, PEOPLE);
    ck_assert_uint_eq(check_pace(w, burst, begin_ms, left), PEOPLE);
}

PROMISE(many_tickers_keep_the_rate, .rate = 100, .burst = 3, .max_active = CAP)
{
    serve_all(w, 3);
}

PROMISE(many_tickers_keep_the_cap, .rate = 100000, .max_active = CAP)
{
    serve_all(w, 100000);
}

/* ---- capacity and number of shards ---- */

PROMISE(each_shard_takes_its_part_of_the_capacity, .capacity = 13)
{
    unsigned shards = fixture_shards(), part = (13 + shards - 1) / shards, in = 0;
    for (unsigned i = 0; i < 300; i++) {
        int32_t status = room_enter(w, room_name(i), NULL).status;
        ck_assert(status == TQ_OK || status == TQ_FULL);
        in += status == TQ_OK;
    }
    ck_assert_uint_eq(in, part * shards);
    ck_assert_uint_eq(room_state(w).waiting, in);
}

PROMISE(a_room_keeps_its_shards, .rate = 10)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_room *other = NULL;
    struct tq_place before = room_enter(w, "a", NULL);
    assert_status(tq_room_open(w->store, w->keys, ROOM_ID,
                               TQ_ARGS(tq_room_policy, .shards = fixture_shards() + 1), &other,
                               &err),
                  TQ_OK);
    ck_assert_int_eq(room_place(w, "a").sequence, before.sequence);
    ck_assert_uint_eq(room_state(w).waiting, 1);
    tq_room_close(other);
}

PROMISE(as_many_shards_as_may_be, .rate = 100, .rate_per_ms = 600000)
{
    static const uint32_t counts[] = {TQ_ROOM_SHARDS_MAX - 1, TQ_ROOM_SHARDS_MAX,
                                      TQ_ROOM_SHARDS_MAX + 1};
    static const char *const ids[] = {"below", "at", "above"};
    for (unsigned i = 0; i < 3; i++) {
        struct tq_error err = TQ_ERROR_INIT;
        struct tq_room_tick tick = TQ_INIT(tq_room_tick);
        struct door door = {NULL, NULL};
        int is_good = counts[i] <= TQ_ROOM_SHARDS_MAX;
        assert_status(tq_room_open(w->store, w->keys, ids[i],
                                   TQ_ARGS(tq_room_policy, .shards = counts[i]), &door.room, &err),
                      is_good ? TQ_OK : TQ_E_LIMIT);
        for (unsigned v = 0; is_good && v < 10; v++) {
            enter_at(&door, "v", v);
        }
        if (is_good) {
            assert_status(tq_room_tick(door.room, &tick, &err), TQ_OK);
            ck_assert_uint_eq(tick.admitted, 10);
        }
        tq_room_close(door.room);
    }
}

CONFORM_MAIN("conform.room.shards", who_comes_after_a_tick_is_behind__at_whatever_door,
             who_comes_after_another_at_one_door_is_behind, a_tick_lets_in_by_number,
             many_tickers_keep_the_rate, many_tickers_keep_the_cap,
             each_shard_takes_its_part_of_the_capacity, a_room_keeps_its_shards,
             as_many_shards_as_may_be)
