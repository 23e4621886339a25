/* SPDX-License-Identifier: MIT */
/*
 * The queue service without HTTP and ledger: rooms in memory, of which those whose id begins
 * with "away" are on a server that is away while the test says so. To find that out takes
 * LINES_WAIT_MS of the test's clock.
 */
#ifndef TESTS_UNIT_SERVERS_QUEUE_LINES_H
#define TESTS_UNIT_SERVERS_QUEUE_LINES_H

#include <string.h>

#include "app/internal.h"
#include "lib/test_env.h"
#include "lib/unit.h"
#include "queue/queue.h"
#include "store/builtin.h"

#define LINES_WAIT_MS 1000

static struct lines {
    struct test_env test;
    struct app app;
    struct queue queue;
    struct tq_room_driver rooms;
    struct tq_store_driver driver;
    atomic_int is_away;
    atomic_int ticks; /* of rooms that are there */
    atomic_int waits; /* for those that are not */
    atomic_int views;
    void (*on_view)(void); /* NULL: nothing */
} lines;

static inline int lines_reach(const char *room, struct tq_error *err)
{
    if (!atomic_load(&lines.is_away) || strncmp(room, "away", 4) != 0) {
        return TQ_OK;
    }
    atomic_fetch_add(&lines.waits, 1);
    atomic_fetch_add(&lines.test.now_ms, LINES_WAIT_MS);
    return tq__fail(err, TQ_E_UNAVAILABLE, "lines", "the server is away");
}

static inline int lines_tick(void *state, const char *room, struct tq_room_tick *tick,
                             struct tq_error *err)
{
    TQ_TRY(lines_reach(room, err));
    atomic_fetch_add(&lines.ticks, 1);
    return tq__memory_driver.room->tick(state, room, tick, err);
}

static inline int lines_view(void *state, const char *room, struct tq_room_view *view,
                             struct tq_error *err)
{
    atomic_fetch_add(&lines.views, 1);
    if (lines.on_view) {
        lines.on_view();
    }
    TQ_TRY(lines_reach(room, err));
    return tq__memory_driver.room->view(state, room, view, err);
}

static inline void lines_open(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct queue *queue = &lines.queue;
    memset(&lines, 0, sizeof lines);
    test_env_init(&lines.test, 1);
    queue->env = test_env_of(&lines.test);
    queue->app = &lines.app;
    lines.app.backlog.share = APP_SHARE_ALL;
    app_log_level(TQ_LOG_ERROR);
    assert_status(app_metrics_new(&queue->env, &lines.app.metrics, &err), TQ_OK);
    queue->admitted = app_counter(lines.app.metrics, "admitted", "Let in.", NULL);
    queue->skipped = app_counter(lines.app.metrics, "skipped", "Skipped.", NULL);
    lines.rooms = *tq__memory_driver.room;
    lines.rooms.tick = lines_tick;
    lines.rooms.view = lines_view;
    lines.driver = tq__memory_driver;
    lines.driver.room = &lines.rooms;
    assert_status(
        tq_store_open(&queue->env,
                      TQ_ARGS(tq_store_options, .url = "memory:", .driver = &lines.driver),
                      &queue->lines, &err),
        TQ_OK);
}

/* A room that needs no ledger: it has more numbers than a test takes. */
static inline struct queue_room *lines_room(const char *id)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct queue_room *room = calloc(1, sizeof *room);
    ck_assert_ptr_nonnull(room);
    tq__id_copy(room->id, id);
    room->reserved = INT64_MAX / 2;
    queue_state_init(room);
    pthread_mutex_init(&room->lock, NULL);
    assert_status(tq_room_open(lines.queue.lines, NULL, id, TQ_ARGS(tq_room_policy, .rate = 1000),
                               &room->room, &err),
                  TQ_OK);
    room->next = lines.queue.newest;
    lines.queue.newest = room;
    return room;
}

static inline void lines_close(void)
{
    for (struct queue_room *room = lines.queue.newest, *next; room; room = next) {
        next = room->next;
        tq_room_close(room->room);
        queue_state_done(room);
        pthread_mutex_destroy(&room->lock);
        free(room);
    }
    tq_store_close(lines.queue.lines);
    app_metrics_free(lines.app.metrics);
    ck_assert_int_eq(atomic_load(&lines.test.live), 0);
}

#endif
