/* SPDX-License-Identifier: MIT */
/*
 * store/memory/visit.c and room.c below the public functions: a batch of arrivals
 * is all or nothing whichever allocation fails; rooms that are not there; a
 * clock that goes back. What visitors see is in conform/room and model/room.
 */
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "lib/test_env.h"
#include "lib/unit.h"
#include "store/memory/memory.h"

#define CROWD 100

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static struct memory_state state;
static struct tq_room_view view;
static struct tq_room_spot spots[CROWD];

static const struct tq_room_policy policy = {.size = sizeof policy,
                                             .rate = 10,
                                             .rate_per_ms = 1000,
                                             .max_active = 50,
                                             .capacity = 1000,
                                             .waiting_ms = 1000,
                                             .active_ms = 1000,
                                             .pass_ms = 1000,
                                             .poll_min_ms = 1,
                                             .poll_max_ms = 10,
                                             .first_sequence = 1,
                                             .first_epoch = 1};

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    memset(&state, 0, sizeof state);
    state.env = &env;
    assert_status(tq__memory_rooms_open(&state, &err), TQ_OK);
    assert_status(tq__memory_room.open(&state, "room", &policy, &err), TQ_OK);
}

static void teardown(void)
{
    tq__memory_rooms_close(&state);
    ck_assert_int_eq(test.live, 0);
}

/* New visitors, some with a place or a pass that are far apart. */
static void arrivals_init(struct tq_room_arrival arrivals[CROWD])
{
    static char ids[CROWD][8];
    for (unsigned i = 0; i < CROWD; i++) {
        snprintf(ids[i], sizeof ids[i], "v%u", i);
        arrivals[i] = (struct tq_room_arrival){.id = ids[i]};
        if (i % 4 == 0) {
            arrivals[i].visit = i % 8 ? TQ_VISIT_WAITING : TQ_VISIT_ADMITTED;
            arrivals[i].sequence = 1000 + (int64_t)i * 5000;
            arrivals[i].epoch = 1;
        }
    }
}

START_TEST(a_batch_is_all_or_nothing)
{
    struct tq_room_arrival arrivals[CROWD];
    int rc = TQ_E_NOMEM;
    long failed = 0;
    arrivals_init(arrivals);
    for (long n = 1; rc == TQ_E_NOMEM; n++) {
        setup();
        test.fail_at = test.allocations + n;
        rc = tq__memory_room.enter(&state, "room", arrivals, CROWD, spots, &view, &err);
        test.fail_at = 0;
        if (rc == TQ_E_NOMEM) {
            failed++;
            assert_status(tq__memory_room.view(&state, "room", &view, &err), TQ_OK);
            ck_assert_uint_eq(view.state.waiting + view.state.active, 0);
            ck_assert_int_eq(view.state.tail, 0);
            ck_assert_int_eq(view.state.serving, 0);
            assert_status(
                tq__memory_room.enter(&state, "room", arrivals, CROWD, spots, &view, &err), TQ_OK);
        }
        ck_assert_uint_eq(view.state.waiting + view.state.active, CROWD);
        ck_assert_uint_eq(view.state.active, CROWD / 8 + 1);
        ck_assert_int_eq(spots[4].sequence, 21000);
        teardown();
    }
    ck_assert_int_ge(failed, CROWD + CROWD / 2);
}
END_TEST

START_TEST(a_room_that_is_not_there_is_gone)
{
    struct tq_room_arrival arrival = {.id = "a"};
    const char *ids[] = {"a"};
    int32_t status;
    struct tq_room_tick tick;
    struct tq_room_action action = {.order = TQ_ROOM_PAUSE};
    size_t count;
    const struct tq_room_driver *driver = &tq__memory_room;
    setup();
    ck_assert_int_eq(driver->open(&state, "no", NULL, &err), TQ_GONE);
    ck_assert_int_eq(driver->enter(&state, "no", &arrival, 1, spots, &view, &err), TQ_GONE);
    ck_assert_int_eq(driver->place(&state, "no", ids, 1, spots, &view, &err), TQ_GONE);
    ck_assert_int_eq(driver->leave(&state, "no", ids, 1, &status, &err), TQ_GONE);
    ck_assert_int_eq(driver->tick(&state, "no", &tick, &err), TQ_GONE);
    ck_assert_int_eq(driver->view(&state, "no", &view, &err), TQ_GONE);
    ck_assert_int_eq(driver->operate(&state, "no", &action, &err), TQ_GONE);
    ck_assert_int_eq(driver->audit(&state, "no", 0, &action, 1, &count, &err), TQ_GONE);
    ck_assert_int_eq(driver->open(&state, "room", NULL, &err), TQ_OK);
    teardown();
}
END_TEST

START_TEST(time_never_goes_back)
{
    struct tq_room_arrival arrival = {.id = "a"};
    setup();
    assert_status(tq__memory_room.enter(&state, "room", &arrival, 1, spots, &view, &err), TQ_OK);
    int64_t now_ms = view.state.now_ms;
    test.now_ms -= 100000;
    assert_status(tq__memory_room.view(&state, "room", &view, &err), TQ_OK);
    ck_assert_int_eq(view.state.now_ms, now_ms);
    ck_assert_uint_eq(view.state.waiting, 1);
    test.now_ms += 100000 + policy.waiting_ms;
    assert_status(tq__memory_room.view(&state, "room", &view, &err), TQ_OK);
    ck_assert_uint_eq(view.state.waiting, 0);
    teardown();
}
END_TEST

/* Lets time pass in which the line is `is_busy`, and shows the room. */
static void pass_time(int is_busy)
{
    struct tq_room_arrival arrival = {.id = "a"};
    struct tq_room_tick tick;
    for (unsigned i = 0; i < 30; i++) {
        char id[8];
        snprintf(id, sizeof id, "v%u", i);
        arrival.id = id;
        if (is_busy) {
            assert_status(tq__memory_room.enter(&state, "room", &arrival, 1, spots, &view, &err),
                          TQ_OK);
        }
        test.now_ms += 500;
        ck_assert_int_ge(tq__memory_room.tick(&state, "room", &tick, &err), 0);
    }
    assert_status(tq__memory_room.view(&state, "room", &view, &err), TQ_OK);
}

START_TEST(the_flow_is_measured_while_there_is_a_line)
{
    struct tq_room_policy slow = policy;
    slow.rate = 1;
    slow.waiting_ms = 60000;
    setup();
    assert_status(tq__memory_room.open(&state, "room", &slow, &err), TQ_OK);
    pass_time(1);
    ck_assert_uint_ge(view.recent_ms, 10000);
    ck_assert_uint_ge(view.recent_admitted, 5);
    pass_time(0);
    pass_time(0);
    ck_assert_uint_eq(view.state.waiting, 0);
    ck_assert_uint_eq(view.recent_ms, 0);
    teardown();
}
END_TEST

START_TEST(many_rooms_do_not_mix)
{
    struct tq_room_arrival arrival = {.id = "a"};
    setup();
    for (unsigned i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "room-%u", i);
        assert_status(tq__memory_room.open(&state, id, &policy, &err), TQ_OK);
        assert_status(tq__memory_room.enter(&state, id, &arrival, 1, spots, &view, &err), TQ_OK);
        ck_assert_int_eq(spots[0].sequence, 1);
        ck_assert_uint_eq(view.state.waiting, 1);
    }
    teardown();
}
END_TEST

UNIT_MAIN("store.memory.visit", a_batch_is_all_or_nothing, a_room_that_is_not_there_is_gone,
          time_never_goes_back, the_flow_is_measured_while_there_is_a_line, many_rooms_do_not_mix)
