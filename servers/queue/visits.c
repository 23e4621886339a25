/* SPDX-License-Identifier: MIT */
/*
 * What visitors ask at the same time, as few library calls as there are rooms.
 *
 * A batch is a list of visits in order of arrival. It is walked once per room, so
 * that each room sees its visitors in that order, in one call. Cost: visits times
 * rooms of the batch, which is one or two. Threads: [any], a batch is [own].
 */
#include "queue/queue.h"

#include "core/env.h"
#include "core/error.h"

int queue_visits_init(struct queue_visits *visits, const struct tq_env *env, size_t room,
                      struct tq_error *err)
{
    *visits = (struct queue_visits){.env = env};
    visits->list = tq__alloc(env, room, sizeof *visits->list);
    visits->visitors = tq__alloc(env, room, sizeof *visits->visitors);
    visits->places = tq__alloc(env, room, sizeof *visits->places);
    if (!visits->list || !visits->visitors || !visits->places) {
        queue_visits_done(visits);
        return tq__nomem("queue", err);
    }
    return TQ_OK;
}

void queue_visits_done(struct queue_visits *visits)
{
    tq__release(visits->env, visits->list);
    tq__release(visits->env, visits->visitors);
    tq__release(visits->env, visits->places);
}

struct queue_visit *queue_visits_add(struct queue_visits *visits, struct queue_room *room,
                                     const char *visitor, const char *token)
{
    struct queue_visit *visit = &visits->list[visits->count++];
    *visit = (struct queue_visit){.room = room, .visitor = visitor, .token = token};
    return visit;
}

/* Line up the visits of the room that visit `first` is for; gives their number. */
static size_t gather(struct queue_visits *visits, size_t first, size_t used)
{
    size_t count = 0;
    struct queue_room *room = visits->list[first].room;
    for (size_t i = first; i < visits->count; i++) {
        struct queue_visit *visit = &visits->list[i];
        if (visit->room == room && !visit->place) {
            visit->place = &visits->places[used + count];
            visit->place->size = sizeof *visit->place;
            visits->visitors[used + count] = (struct tq_visitor){
                .size = sizeof(struct tq_visitor), .id = visit->visitor, .token = visit->token};
            count++;
        }
    }
    return count;
}

void queue_visits_run(struct queue *queue, struct queue_visits *visits, queue_call_fn *call)
{
    size_t used = 0;
    for (size_t first = 0; first < visits->count; first++) {
        if (visits->list[first].place) {
            continue;
        }
        struct tq_error err = TQ_ERROR_INIT;
        struct queue_room *room = visits->list[first].room;
        size_t count = gather(visits, first, used);
        int rc = call(queue, room, visits->visitors + used, count, visits->places + used, &err);
        for (size_t i = first; i < visits->count && rc < 0; i++) {
            if (visits->list[i].room == room) {
                visits->list[i].rc = rc;
                visits->list[i].err = err;
            }
        }
        used += count;
    }
}

int queue_call_enter(struct queue *queue, struct queue_room *room,
                     const struct tq_visitor *visitors, size_t count, struct tq_place *places,
                     struct tq_error *err)
{
    int64_t highest = 0;
    TQ_TRY(queue_numbers_begin(queue, room, (int64_t)count, err));
    int rc = tq_room_enter(room->room, visitors, count, places, err);
    for (size_t i = 0; i < count && rc == TQ_OK; i++) {
        int64_t sequence = places[i].status == TQ_OK ? places[i].sequence : 0;
        highest = sequence > highest ? sequence : highest;
    }
    queue_numbers_end(room, (int64_t)count, highest);
    return rc;
}

int queue_call_place(struct queue *queue, struct queue_room *room,
                     const struct tq_visitor *visitors, size_t count, struct tq_place *places,
                     struct tq_error *err)
{
    (void)queue;
    return tq_room_place(room->room, visitors, count, places, err);
}

int queue_call_leave(struct queue *queue, struct queue_room *room,
                     const struct tq_visitor *visitors, size_t count, struct tq_place *places,
                     struct tq_error *err)
{
    int32_t *statuses = tq__alloc(&queue->env, count, sizeof *statuses);
    if (!statuses) {
        return tq__nomem("queue", err);
    }
    int rc = tq_room_leave(room->room, visitors, count, statuses, err);
    for (size_t i = 0; i < count && rc == TQ_OK; i++) {
        places[i].status = statuses[i];
    }
    tq__release(&queue->env, statuses);
    return rc;
}
