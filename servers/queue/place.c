/* SPDX-License-Identifier: MIT */
/*
 * A place and a state document as JSON.
 *
 * The state document is the same for everybody, so it is written at most once per
 * QUEUE_STATE_AGE_MS and copied out otherwise. Threads: [any].
 */
#include "queue/queue.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

static void put_wait(struct tq__buf *json, const char *name, int64_t wait_ms)
{
    if (wait_ms < 0) {
        tq__put_null(json, name);
    } else {
        tq__put_int(json, name, wait_ms);
    }
}

void queue_put_place(struct tq__buf *json, const char *schedule, const struct tq_place *place)
{
    int is_admitted = place->visit == TQ_VISIT_ADMITTED;
    tq__put_object(json, NULL);
    tq__put_string(json, "scheduleId", schedule);
    tq__put_string(json, "status", is_admitted ? "ADMITTED" : "WAITING");
    tq__put_int(json, "sequence", place->sequence);
    tq__put_int(json, "ahead", (int64_t)place->ahead);
    put_wait(json, "waitLowMs", place->wait_low_ms);
    put_wait(json, "waitHighMs", place->wait_high_ms);
    tq__put_int(json, "pollAfterMs", place->poll_after_ms);
    tq__put_string(json, "placeToken", place->token);
    if (is_admitted) {
        tq__put_string(json, "queueToken", place->pass);
        app_put_time(json, "queueTokenExpiresAt", place->pass_expires_ms);
    }
    tq__put_object_end(json);
}

static void put_time_or_null(struct tq__buf *json, const char *name, int64_t time_ms)
{
    if (time_ms) {
        app_put_time(json, name, time_ms);
    } else {
        tq__put_null(json, name);
    }
}

static void put_state(struct tq__buf *json, const char *id, const struct tq_room_state *state)
{
    tq__put_object(json, NULL);
    tq__put_string(json, "scheduleId", id);
    app_put_time(json, "now", state->now_ms);
    put_time_or_null(json, "openAt", state->open_ms);
    put_time_or_null(json, "closeAt", state->close_ms);
    tq__put_int(json, "serving", state->serving);
    tq__put_int(json, "tail", state->tail);
    tq__put_int(json, "waiting", (int64_t)state->waiting);
    tq__put_int(json, "active", (int64_t)state->active);
    tq__put_int(json, "admitted", (int64_t)state->admitted);
    tq__put_int(json, "skipped", (int64_t)state->skipped);
    tq__put_int(json, "rate", state->rate);
    tq__put_int(json, "ratePerMs", state->rate_per_ms);
    tq__put_int(json, "maxActive", state->max_active);
    tq__put_bool(json, "paused", state->is_paused != 0);
    tq__put_bool(json, "draining", state->is_draining != 0);
    tq__put_int(json, "pollAfterMs", state->poll_after_ms);
    tq__put_object_end(json);
}

/* With the room's lock. */
static int write_state(struct queue *queue, struct queue_room *room, struct tq_error *err)
{
    struct tq__buf json = TQ__BUF(&queue->env);
    struct tq_room_state state = TQ_INIT(tq_room_state);
    TQ_TRY(tq_room_state(room->room, &state, err));
    put_state(&json, room->id, &state);
    int rc = tq__buf_check(&json, "queue", err);
    if (rc == TQ_OK && json.bytes >= sizeof room->state) {
        rc = tq__fail(err, TQ_E_INTERNAL, "queue", "a state document of %zu bytes", json.bytes);
    }
    if (rc == TQ_OK) {
        memcpy(room->state, json.data, json.bytes + 1);
        room->state_bytes = json.bytes;
        room->state_ms = tq__now_ms(&queue->env);
    }
    tq__buf_done(&json);
    return rc;
}

int queue_state(struct queue *queue, struct queue_room *room, char target[QUEUE_STATE_SIZE],
                size_t *out_bytes, struct tq_error *err)
{
    int rc = TQ_OK;
    pthread_mutex_lock(&room->lock);
    int64_t age_ms = tq__now_ms(&queue->env) - room->state_ms;
    if (room->state_bytes == 0 || age_ms < 0 || age_ms >= QUEUE_STATE_AGE_MS) {
        rc = write_state(queue, room, err);
    }
    if (rc == TQ_OK) {
        memcpy(target, room->state, room->state_bytes);
        *out_bytes = room->state_bytes;
    }
    pthread_mutex_unlock(&room->lock);
    return rc;
}

void queue_state_forget(struct queue_room *room)
{
    pthread_mutex_lock(&room->lock);
    room->state_bytes = 0;
    pthread_mutex_unlock(&room->lock);
}
