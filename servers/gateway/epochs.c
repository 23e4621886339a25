/* SPDX-License-Identifier: MIT */
/*
 * Which passes were revoked.
 *
 * A reset of a room begins a new epoch, and passes of an older one are no good. The
 * gateway keeps the epochs of rooms that were ever reset in memory, takes them over
 * from the queue service every second (at once when that runs in this process), and
 * checks passes against them without asking anybody. Epochs only grow. While the queue
 * service is away the last answer stands: a revocation is late by as much, at most by
 * the life of a pass.
 *
 * Threads: [any]; readers share the lock.
 */
#include "gateway/gateway.h"

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "gateway.epochs"
#define ROOMS_MAX 100000

struct epoch {
    char room[TQ_ID_SIZE];
    int64_t first;
};

int gateway_epochs_init(struct gateway_epochs *epochs, const struct tq_env *env,
                        struct tq_error *err)
{
    epochs->env = *env;
    TQ_TRY(tq__map_init(&epochs->rooms, &epochs->env, err));
    pthread_rwlock_init(&epochs->lock, NULL);
    return TQ_OK;
}

void gateway_epochs_done(struct gateway_epochs *epochs)
{
    size_t cursor = 0;
    struct epoch *epoch;
    while ((epoch = tq__map_next(&epochs->rooms, &cursor))) {
        tq__map_remove(&epochs->rooms, epoch->room);
        tq__release(&epochs->env, epoch);
    }
    tq__map_done(&epochs->rooms);
    pthread_rwlock_destroy(&epochs->lock);
}

int64_t gateway_epoch_of(struct gateway_epochs *epochs, const char *room)
{
    pthread_rwlock_rdlock(&epochs->lock);
    const struct epoch *epoch = tq__map_get(&epochs->rooms, room);
    int64_t first = epoch ? epoch->first : 0;
    pthread_rwlock_unlock(&epochs->lock);
    return first;
}

/* With the lock. */
static int raise_epoch(struct gateway_epochs *epochs, const char *room, int64_t first,
                       struct tq_error *err)
{
    struct epoch *epoch = tq__map_get(&epochs->rooms, room);
    if (epoch) {
        epoch->first = first > epoch->first ? first : epoch->first;
        return TQ_OK;
    }
    if (epochs->rooms.count == ROOMS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "more than %d rooms", ROOMS_MAX);
    }
    epoch = tq__alloc(&epochs->env, 1, sizeof *epoch);
    if (!epoch) {
        return tq__nomem(ORIGIN, err);
    }
    tq__id_copy(epoch->room, room);
    epoch->first = first;
    int rc = tq__map_put(&epochs->rooms, epoch->room, epoch, err);
    if (rc < 0) {
        tq__release(&epochs->env, epoch);
    }
    return rc;
}

int gateway_epochs_read(struct gateway_epochs *epochs, const tq__json *document,
                        struct tq_error *err)
{
    const tq__json *rooms = tq__json_member(document, "rooms");
    int rc = tq__json_is_array(rooms)
                 ? TQ_OK
                 : tq__fail(err, TQ_E_CORRUPT, ORIGIN, "the answer has no rooms");
    pthread_rwlock_wrlock(&epochs->lock);
    for (const tq__json *at = tq__json_first(rooms); at && rc == TQ_OK; at = tq__json_next(at)) {
        const char *room = tq__json_string(tq__json_member(at, "scheduleId"));
        int64_t first = 0;
        if (!tq__id_is_valid(room) || !tq__json_int64(tq__json_member(at, "epoch"), &first)) {
            rc = tq__fail(err, TQ_E_CORRUPT, ORIGIN, "a room is malformed");
        } else {
            rc = raise_epoch(epochs, room, first, err);
        }
    }
    pthread_rwlock_unlock(&epochs->lock);
    return rc;
}

int gateway_epochs_step(void *arg, struct tq_error *err)
{
    struct gateway *gateway = arg;
    struct http_answer answer = HTTP_ANSWER(&gateway->env);
    int rc = app_internal_get(gateway->app, "queue", "/internal/rooms", &answer, err);
    if (rc == TQ_OK && answer.status != 200) {
        rc =
            tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, "the queue service answered %u", answer.status);
    }
    if (rc == TQ_OK) {
        rc = gateway_epochs_read(&gateway->epochs, http_answer_json(&answer), err);
    }
    http_answer_done(&answer);
    return rc < 0 ? rc : TQ_EMPTY;
}
