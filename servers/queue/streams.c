/* SPDX-License-Identifier: MIT */
/*
 * Places as event streams: who listens is told, instead of asking.
 *
 *     event      when                                              then
 *     place      at once, when it has changed, at most once a      -
 *                second, and when as long has passed as a poll
 *     admitted   the pass is there                                 the stream ends
 *     closed     the place is lost: left, silent, reset            the stream ends
 *
 * Each event is the whole place, so a client that comes back needs nothing of what
 * it missed: it gets the place as it is now. The id is "<number>-<ahead>", and
 * "<number>-admitted" at the end; who comes back with that one is told to stay away
 * (204, routes.c). Listening is a heartbeat like asking.
 *
 * There are at most `streams_max`, and one per visitor and room: the newest wins.
 * Routes only append to `incoming`; everything else is the worker's own, so that
 * nothing but that list and the counter needs a lock.
 */
#include "queue/queue.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/env.h"
#include "core/error.h"

#define LOOK_MS 1000 /* how often a place is looked at */
#define LOOKS_AT_ONCE 512

struct listener {
    struct listener *next;    /* in `incoming` */
    char key[2 * TQ_ID_SIZE]; /* room, then visitor */
    const char *visitor;      /* within `key` */
    struct queue_room *room;
    http_stream *stream;
    uint64_t ahead;  /* as it was told */
    int64_t told_ms; /* 0: never */
    int64_t look_ms; /* when to look next */
};

struct queue_streams {
    struct queue *queue;
    size_t streams_max;
    atomic_size_t count;
    pthread_mutex_t lock;
    struct listener *incoming;
    struct tq__map listeners; /* the worker's own */
};

int queue_streams_new(struct queue *queue, size_t streams_max, struct queue_streams **out_streams,
                      struct tq_error *err)
{
    struct queue_streams *streams = tq__alloc(&queue->env, 1, sizeof *streams);
    if (!streams) {
        return tq__nomem("queue.streams", err);
    }
    streams->queue = queue;
    streams->streams_max = streams_max;
    int rc = tq__map_init(&streams->listeners, &queue->env, err);
    if (rc < 0) {
        tq__release(&queue->env, streams);
        return rc;
    }
    pthread_mutex_init(&streams->lock, NULL);
    *out_streams = streams;
    return TQ_OK;
}

int queue_streams_reserve(struct queue_streams *streams)
{
    if (atomic_fetch_add(&streams->count, 1) >= streams->streams_max) {
        atomic_fetch_sub(&streams->count, 1);
        return TQ_FULL;
    }
    return TQ_OK;
}

void queue_streams_give_back(struct queue_streams *streams)
{
    atomic_fetch_sub(&streams->count, 1);
}

size_t queue_streams_count(struct queue_streams *streams)
{
    return atomic_load(&streams->count);
}

/* Ends a stream that is in no list. */
static void end(struct queue_streams *streams, struct listener *listener)
{
    http_stream_close(listener->stream);
    tq__release(&streams->queue->env, listener);
    queue_streams_give_back(streams);
}

void queue_streams_add(struct queue_streams *streams, http_stream *stream, struct queue_room *room,
                       const char *visitor)
{
    struct listener *listener = tq__alloc(&streams->queue->env, 1, sizeof *listener);
    if (!listener) {
        http_stream_close(stream);
        queue_streams_give_back(streams);
        return;
    }
    int bytes = snprintf(listener->key, sizeof listener->key, "%s/", room->id);
    snprintf(listener->key + bytes, sizeof listener->key - (size_t)bytes, "%s", visitor);
    listener->visitor = listener->key + bytes;
    listener->room = room;
    listener->stream = stream;
    pthread_mutex_lock(&streams->lock);
    listener->next = streams->incoming;
    streams->incoming = listener;
    pthread_mutex_unlock(&streams->lock);
}

static struct listener *take_incoming(struct queue_streams *streams)
{
    pthread_mutex_lock(&streams->lock);
    struct listener *first = streams->incoming;
    streams->incoming = NULL;
    pthread_mutex_unlock(&streams->lock);
    return first;
}

/* Newcomers join; of two with one key the one that came later stays. */
static void welcome(struct queue_streams *streams)
{
    struct listener *at = take_incoming(streams);
    struct listener *in_order = NULL;
    while (at) {
        struct listener *next = at->next;
        at->next = in_order;
        in_order = at;
        at = next;
    }
    while (in_order) {
        struct listener *newcomer = in_order;
        in_order = newcomer->next;
        struct listener *older = tq__map_remove(&streams->listeners, newcomer->key);
        if (older) {
            end(streams, older);
        }
        if (tq__map_put(&streams->listeners, newcomer->key, newcomer, NULL) < 0) {
            end(streams, newcomer);
        }
    }
}

void queue_streams_free(struct queue_streams *streams)
{
    size_t cursor = 0;
    struct listener *listener;
    if (!streams) {
        return;
    }
    welcome(streams);
    while ((listener = tq__map_next(&streams->listeners, &cursor))) {
        tq__map_remove(&streams->listeners, listener->key);
        end(streams, listener);
    }
    tq__map_done(&streams->listeners);
    pthread_mutex_destroy(&streams->lock);
    struct tq_env env = streams->queue->env;
    tq__release(&env, streams);
}

static int send_place(struct queue_streams *streams, struct listener *listener, const char *event,
                      const char *id, const struct tq_place *place)
{
    struct tq__buf json = TQ__BUF(&streams->queue->env);
    queue_put_place(&json, listener->room->id, place);
    int rc = json.is_failed ? TQ_E_NOMEM
                            : http_stream_send(listener->stream, event, id, json.data, json.bytes);
    tq__buf_done(&json);
    return rc;
}

static int send_closed(struct queue_streams *streams, struct listener *listener)
{
    struct tq__buf json = TQ__BUF(&streams->queue->env);
    tq__put_object(&json, NULL);
    tq__put_string(&json, "scheduleId", listener->room->id);
    tq__put_object_end(&json);
    if (!json.is_failed) {
        http_stream_send(listener->stream, "closed", NULL, json.data, json.bytes);
    }
    tq__buf_done(&json);
    return TQ_GONE;
}

/* Tell a listener what it should know; TQ_GONE: the stream ends here. */
static int tell(struct queue_streams *streams, struct listener *listener,
                const struct tq_place *place, int64_t now_ms)
{
    char id[64];
    if (place->status != TQ_OK) {
        return send_closed(streams, listener);
    }
    if (place->visit == TQ_VISIT_ADMITTED) {
        snprintf(id, sizeof id, "%" PRId64 "-admitted", place->sequence);
        send_place(streams, listener, "admitted", id, place);
        return TQ_GONE;
    }
    int is_news = !listener->told_ms || place->ahead != listener->ahead ||
                  now_ms - listener->told_ms >= place->poll_after_ms;
    listener->look_ms = now_ms + LOOK_MS;
    if (!is_news) {
        return http_stream_is_gone(listener->stream) ? TQ_GONE : TQ_OK;
    }
    snprintf(id, sizeof id, "%" PRId64 "-%" PRIu64, place->sequence, place->ahead);
    listener->told_ms = now_ms;
    listener->ahead = place->ahead;
    return send_place(streams, listener, "place", id, place) == TQ_GONE ? TQ_GONE : TQ_OK;
}

/* Everybody who is to be looked at now, up to the batch's room. */
static void gather(struct queue_streams *streams, struct queue_visits *visits, int64_t now_ms)
{
    size_t cursor = 0;
    struct listener *listener;
    while (visits->count < LOOKS_AT_ONCE &&
           (listener = tq__map_next(&streams->listeners, &cursor))) {
        if (listener->look_ms <= now_ms) {
            queue_visits_add(visits, listener->room, listener->visitor, NULL)->arg = listener;
        }
    }
}

int queue_streams_step(void *arg, struct tq_error *err)
{
    struct queue_streams *streams = arg;
    struct queue_visits visits;
    int64_t now_ms = tq__now_ms(&streams->queue->env);
    welcome(streams);
    if (streams->listeners.count == 0) {
        return TQ_EMPTY;
    }
    TQ_TRY(queue_visits_init(&visits, &streams->queue->env, LOOKS_AT_ONCE, err));
    gather(streams, &visits, now_ms);
    queue_visits_run(streams->queue, &visits, queue_call_place);
    for (size_t i = 0; i < visits.count; i++) {
        struct listener *listener = visits.list[i].arg;
        listener->look_ms = now_ms + LOOK_MS;
        if (visits.list[i].rc == TQ_OK &&
            tell(streams, listener, visits.list[i].place, now_ms) == TQ_GONE) {
            tq__map_remove(&streams->listeners, listener->key);
            end(streams, listener);
        }
    }
    int rc = visits.count == LOOKS_AT_ONCE ? TQ_OK : TQ_EMPTY;
    queue_visits_done(&visits);
    return rc;
}
