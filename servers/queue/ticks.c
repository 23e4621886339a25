/* SPDX-License-Identifier: MIT */
/*
 * Letting visitors in: each room is ticked when it says that this is of use.
 *
 *     at its pace --a tick fails--> away --one succeeds--> at its pace
 *
 * A room whose server is away makes its caller wait, and rooms may be on servers of their own.
 * So one worker ticks those that can be asked; who fails is left to another worker, which asks
 * again after pauses that grow. A round ends with a failure and begins anew, so that an outage
 * that takes many rooms costs the others one wait at a time, and each such room only once.
 *
 * Numbers are reserved ahead here, too: a ledger that is away is asked again after a pause, so
 * that rooms do not wait for it one by one.
 *
 * Invariants: what a room has of the worker that ticks it changes hands with `is_away`.
 * Threads: a worker for each of the two.
 */
#include "core/env.h"
#include "core/error.h"
#include "queue/queue.h"

#define AGAIN_FIRST_MS 1000
#define AGAIN_MAX_MS 10000

/* A round of ticks over all rooms, and what was seen on it. */
struct round {
    struct queue *queue;
    int64_t now_ms;
    int is_busy;
};

/*
 * Rooms keep their rate by themselves. When only a share of it is wanted, those who were let in
 * last count for as long as they would take at that share, and no tick is made before.
 */
static int is_held_back(const struct queue *queue, const struct queue_room *room, int64_t now_ms)
{
    int64_t share = app_share(queue->app);
    return share < APP_SHARE_ALL &&
           (now_ms - room->let_in.at_ms) * room->let_in.rate * share <
               room->let_in.count * room->let_in.rate_per_ms * APP_SHARE_ALL;
}

static int is_due(const struct round *round, const struct queue_room *room)
{
    return round->now_ms >= room->tick_ms && !is_held_back(round->queue, room, round->now_ms);
}

static void note_let_in(const struct queue *queue, struct queue_room *room, uint32_t count,
                        int64_t now_ms)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    room->let_in.count = 0;
    if (app_share(queue->app) < APP_SHARE_ALL && tq_room_state(room->room, &state, NULL) == TQ_OK) {
        room->let_in.at_ms = now_ms;
        room->let_in.count = count;
        room->let_in.rate = state.rate;
        room->let_in.rate_per_ms = state.rate_per_ms;
    }
}

static int64_t pause_end(const struct queue *queue, struct tq__backoff *patience)
{
    patience->first_ms = AGAIN_FIRST_MS;
    patience->max_ms = AGAIN_MAX_MS;
    return tq__now_ms(&queue->env) + tq__backoff_next(patience, &queue->env);
}

/* TQ_OK, or a failure, after which it is not due for a while. */
static int tick(struct round *round, struct queue_room *room)
{
    struct queue *queue = round->queue;
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    int rc = tq_room_tick(room->room, &tick, &err);
    if (rc < 0) {
        app_log(TQ_LOG_WARN, "queue", "nobody is let in to room %s: %s: %s", room->id,
                tq_status_name(rc), err.message);
        room->tick_ms = pause_end(queue, &room->patience);
        return rc;
    }
    room->tick_ms = round->now_ms + tick.next_ms;
    if (tick.admitted > 0) {
        note_let_in(queue, room, tick.admitted, round->now_ms);
    }
    app_series_add(queue->admitted, tick.admitted);
    app_series_add(queue->skipped, tick.skipped);
    round->is_busy |= rc == TQ_OK;
    return TQ_OK;
}

/* Who enters reserves, too, so nothing is lost by waiting. */
static void refill(const struct round *round, struct queue_room *room)
{
    struct queue *queue = round->queue;
    struct tq_error err = TQ_ERROR_INIT;
    if (round->now_ms < queue->refill_ms) {
        return;
    }
    int rc = queue_numbers_refill(queue, room, &err);
    if (rc < 0) {
        app_log(TQ_LOG_WARN, "queue", "no numbers are reserved for room %s: %s: %s", room->id,
                tq_status_name(rc), err.message);
        queue->refill_ms = pause_end(queue, &queue->patience);
    } else {
        tq__backoff_reset(&queue->patience);
    }
}

static int tick_room(void *arg, struct queue_room *room)
{
    struct round *round = arg;
    if (atomic_load(&room->is_away) || !is_due(round, room)) {
        return 0;
    }
    if (tick(round, room) < 0) {
        atomic_store(&room->is_away, 1);
        round->is_busy = 1;
        return 1;
    }
    refill(round, room);
    return 0;
}

int queue_tick_step(void *arg, struct tq_error *err)
{
    struct queue *queue = arg;
    struct round round = {queue, tq__now_ms(&queue->env), 0};
    (void)err;
    queue_rooms_each(queue, tick_room, &round);
    return round.is_busy ? TQ_OK : TQ_EMPTY;
}

static int ask_again(void *arg, struct queue_room *room)
{
    struct round *round = arg;
    round->now_ms = tq__now_ms(&round->queue->env);
    if (atomic_load(&room->is_away) && is_due(round, room) && tick(round, room) == TQ_OK) {
        app_log(TQ_LOG_INFO, "queue", "room %s can be asked again", room->id);
        tq__backoff_reset(&room->patience);
        atomic_store(&room->is_away, 0);
    }
    return app_is_draining(round->queue->app);
}

void queue_tick_away(struct queue *queue)
{
    struct round round = {queue, 0, 0};
    queue_rooms_each(queue, ask_again, &round);
}
