/* SPDX-License-Identifier: MIT */
/*
 * Workers, without a program around them: what ends a wait, and when all are dry.
 * Waits are so long that one which is not ended would be noticed.
 */
#include "app/internal.h"

#include <string.h>

#include "lib/unit.h"

#define WAIT_MS 60000
#define HOPS 200

static struct app app;
static struct tq_error err;

static void setup(void)
{
    memset(&app, 0, sizeof app);
    app.env = app_system_env();
    app_log_level(TQ_LOG_ERROR + 1);
    ck_assert_int_eq(app_metrics_new(&app.env, &app.metrics, &err), TQ_OK);
}

static void teardown(void)
{
    app__workers_stop(&app);
    app_metrics_free(app.metrics);
}

/* ---- a ball that two workers throw to each other ---- */

struct player {
    struct player *other;
    struct app_worker *worker;
    uint32_t word; /* has the ball: 1. Waking raises it beyond. */
    uint32_t has_ball;
    atomic_int steps;
};

static struct player players[2];
static atomic_int hops, catches;

static int play(void *arg, struct tq_error *error)
{
    struct player *player = arg;
    (void)error;
    atomic_fetch_add(&player->steps, 1);
    if (!__atomic_exchange_n(&player->has_ball, 0, __ATOMIC_ACQ_REL)) {
        return TQ_EMPTY;
    }
    atomic_fetch_add(&catches, 1);
    if (atomic_fetch_sub(&hops, 1) > 0) {
        __atomic_store_n(&player->other->has_ball, 1, __ATOMIC_RELEASE);
        app_worker_wake(player->other->worker);
    }
    return TQ_OK;
}

static void wake_player(void *arg)
{
    struct player *player = arg;
    __atomic_store_n(&player->word, 1, __ATOMIC_RELEASE);
    app.env.unpark(app.env.ctx, &player->word);
}

static int play_waiting(void *arg, uint32_t wait_ms, struct tq_error *error)
{
    struct player *player = arg;
    int rc = play(arg, error);
    if (rc == TQ_EMPTY && wait_ms) {
        app.env.park(app.env.ctx, &player->word, 0, wait_ms);
        __atomic_store_n(&player->word, 0, __ATOMIC_RELEASE);
        rc = play(arg, error);
    }
    return rc;
}

/* One that waits in its step and one that waits on its bell. */
static void add_players(void)
{
    const struct app_worker_options options[] = {
        {.name = "waits",
         .waiting_step = play_waiting,
         .wake = wake_player,
         .arg = &players[0],
         .idle_ms = WAIT_MS},
        {.name = "sleeps", .step = play, .arg = &players[1], .idle_ms = WAIT_MS}};
    memset(players, 0, sizeof players);
    for (size_t i = 0; i < 2; i++) {
        players[i].other = &players[1 - i];
        ck_assert_int_eq(app_worker_add(&app, &options[i], &players[i].worker, &err), TQ_OK);
    }
    atomic_store(&hops, 0);
    atomic_store(&catches, 0);
}

static void throw_first(int count)
{
    atomic_store(&hops, count);
    __atomic_store_n(&players[0].has_ball, 1, __ATOMIC_RELEASE);
    app_worker_wake(players[0].worker);
}

static void wait_for(atomic_int *what, int least)
{
    const struct timespec pause = {0, 1000000};
    while (atomic_load(what) < least) {
        nanosleep(&pause, NULL);
    }
}

START_TEST(a_wait__is_ended_by_waking)
{
    setup();
    add_players();
    ck_assert_int_eq(app__workers_start(&app, &err), TQ_OK);
    throw_first(HOPS);
    wait_for(&catches, HOPS + 1);
    teardown();
}
END_TEST

START_TEST(stopping__ends_every_wait_at_once)
{
    setup();
    add_players();
    ck_assert_int_eq(app__workers_start(&app, &err), TQ_OK);
    wait_for(&players[0].steps, 1);
    wait_for(&players[1].steps, 1);
    int64_t before_ms = tq__now_ms(&app.env);
    app__workers_stop(&app);
    ck_assert_int_lt(tq__now_ms(&app.env) - before_ms, WAIT_MS);
    teardown();
}
END_TEST

START_TEST(draining__goes_on_until_nobody_has_anything_at_the_same_time)
{
    setup();
    add_players();
    ck_assert_int_eq(app__workers_start(&app, &err), TQ_OK);
    throw_first(HOPS);
    ck_assert_int_eq(app__workers_drain(&app, WAIT_MS), TQ_OK);
    ck_assert_int_eq(atomic_load(&catches), HOPS + 1);
    teardown();
}
END_TEST

/* Waking costs one or two empty steps, and silence none. */
START_TEST(the_idle__do_not_step)
{
    setup();
    add_players();
    ck_assert_int_eq(app__workers_start(&app, &err), TQ_OK);
    throw_first(0);
    wait_for(&catches, 1);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_le(atomic_load(&players[i].steps), 8);
    }
    teardown();
}
END_TEST

/* ---- one that never succeeds ---- */

static int never(void *arg, struct tq_error *error)
{
    atomic_int *calls = arg;
    atomic_fetch_add(calls, 1);
    return tq__fail(error, TQ_E_UNAVAILABLE, "test", "on purpose");
}

START_TEST(one_that_fails__holds_a_drain_up_until_its_time_is_over)
{
    static atomic_int calls;
    setup();
    const struct app_worker_options options = {.name = "fails", .step = never, .arg = &calls};
    ck_assert_int_eq(app_worker_add(&app, &options, NULL, &err), TQ_OK);
    ck_assert_int_eq(app__workers_start(&app, &err), TQ_OK);
    wait_for(&calls, 1);
    int64_t before_ms = tq__now_ms(&app.env);
    ck_assert_int_eq(app__workers_drain(&app, 100), TQ_EXPIRED);
    ck_assert_int_ge(tq__now_ms(&app.env) - before_ms, 100);
    wait_for(&calls, 2); /* it is called again and again */
    teardown();
}
END_TEST

UNIT_MAIN("app.worker", a_wait__is_ended_by_waking, stopping__ends_every_wait_at_once,
          draining__goes_on_until_nobody_has_anything_at_the_same_time, the_idle__do_not_step,
          one_that_fails__holds_a_drain_up_until_its_time_is_over)
