/* SPDX-License-Identifier: MIT */
/*
 * A place and a state document as JSON.
 *
 * The state document is the same for everybody, so it is read at most once per
 * QUEUE_STATE_AGE_MS and copied out otherwise. Who finds it older reads it anew, alone and
 * without the lock; meanwhile, and while it cannot be read, the others get the one that is
 * there, up to QUEUE_STATE_STALE_MS. Where there is none they wait for the one who reads, and
 * hear why he failed. What was read before an order is not kept behind it.
 *
 * Threads: [any]; blocks for one round trip of the room at most.
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

static int read_state(struct queue_room *room, struct tq__buf *json, struct tq_error *err)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    TQ_TRY(tq_room_state(room->room, &state, err));
    put_state(json, room->id, &state);
    TQ_TRY(tq__buf_check(json, "queue", err));
    if (json->bytes >= QUEUE_STATE_SIZE) {
        return tq__fail(err, TQ_E_INTERNAL, "queue", "a state document of %zu bytes", json->bytes);
    }
    return TQ_OK;
}

/* With the document's lock, which is let go while the room is asked. */
static void refresh(struct queue *queue, struct queue_room *room)
{
    struct queue_document *document = &room->document;
    struct tq__buf json = TQ__BUF(&queue->env);
    struct tq_error err = TQ_ERROR_INIT;
    unsigned orders = document->orders;
    document->is_being_read = 1;
    pthread_mutex_unlock(&document->lock);
    int rc = read_state(room, &json, &err);
    pthread_mutex_lock(&document->lock);
    document->is_being_read = 0;
    if (orders == document->orders) {
        document->tried_ms = tq__now_ms(&queue->env);
        document->trouble = err;
        if (rc == TQ_OK) {
            memcpy(document->text, json.data, json.bytes + 1);
            document->bytes = json.bytes;
            document->read_ms = document->tried_ms;
        }
    }
    pthread_cond_broadcast(&document->was_read);
    tq__buf_done(&json);
}

static int is_within(int64_t since_ms, int64_t now_ms, int64_t span_ms)
{
    return now_ms >= since_ms && now_ms - since_ms < span_ms;
}

/* A newer one is wanted, and nobody reads it. */
static int is_due(const struct queue_document *document, int64_t now_ms)
{
    return !document->is_being_read && !is_within(document->tried_ms, now_ms, QUEUE_STATE_AGE_MS);
}

static int is_there(const struct queue_document *document, int64_t now_ms)
{
    return document->bytes > 0 && is_within(document->read_ms, now_ms, QUEUE_STATE_STALE_MS);
}

/* With the document's lock: TQ_OK, and there is one; or why the last attempt failed. */
static int get_document(struct queue *queue, struct queue_room *room, struct tq_error *err)
{
    struct queue_document *document = &room->document;
    for (;;) {
        int64_t now_ms = tq__now_ms(&queue->env);
        if (is_due(document, now_ms)) {
            refresh(queue, room);
        } else if (is_there(document, now_ms)) {
            return TQ_OK;
        } else if (document->is_being_read) {
            pthread_cond_wait(&document->was_read, &document->lock);
        } else {
            const struct tq_error *why = &document->trouble;
            return tq__fail_native(err, why->status, why->native, why->origin, "%s", why->message);
        }
    }
}

int queue_state(struct queue *queue, struct queue_room *room, char target[QUEUE_STATE_SIZE],
                size_t *out_bytes, struct tq_error *err)
{
    struct queue_document *document = &room->document;
    pthread_mutex_lock(&document->lock);
    int rc = get_document(queue, room, err);
    if (rc == TQ_OK) {
        memcpy(target, document->text, document->bytes);
        *out_bytes = document->bytes;
    }
    pthread_mutex_unlock(&document->lock);
    return rc;
}

void queue_state_forget(struct queue_room *room)
{
    struct queue_document *document = &room->document;
    pthread_mutex_lock(&document->lock);
    document->orders++;
    document->bytes = 0;
    document->tried_ms = 0;
    pthread_mutex_unlock(&document->lock);
}

void queue_state_init(struct queue_room *room)
{
    pthread_mutex_init(&room->document.lock, NULL);
    pthread_cond_init(&room->document.was_read, NULL);
}

void queue_state_done(struct queue_room *room)
{
    pthread_cond_destroy(&room->document.was_read);
    pthread_mutex_destroy(&room->document.lock);
}
