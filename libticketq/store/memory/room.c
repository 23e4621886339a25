/* SPDX-License-Identifier: MIT */
/*
 * The room table of the memory driver: finds a room, locks it, sweeps it by the
 * clock, and does one step. visit.c and orders.c have the steps.
 *
 * Rooms are kept until the store closes. Threads: `lock` guards the map of rooms;
 * a room, once found, stays where it is and has a lock of its own, so that
 * rooms do not wait for each other. No lock is held while another is taken.
 */
#include "store/memory/room.h"

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "store/memory/memory.h"

struct memory_rooms {
    pthread_rwlock_t lock;
    struct tq__map by_id;
};

int tq__memory_rooms_open(struct memory_state *state, struct tq_error *err)
{
    struct memory_rooms *rooms = tq__alloc(state->env, 1, sizeof *rooms);
    if (!rooms) {
        return tq__nomem("store.memory", err);
    }
    pthread_rwlock_init(&rooms->lock, NULL);
    state->rooms = rooms;
    return tq__map_init(&rooms->by_id, state->env, err);
}

static void free_room(struct tq__room *room)
{
    tq__room_empty(room);
    tq__map_done(&room->visitors);
    tq__release(room->env, room->trail);
    pthread_mutex_destroy(&room->lock);
    tq__release(room->env, room);
}

void tq__memory_rooms_close(struct memory_state *state)
{
    struct memory_rooms *rooms = state->rooms;
    size_t cursor = 0;
    if (!rooms) {
        return;
    }
    for (struct tq__room *room; (room = tq__map_next(&rooms->by_id, &cursor));) {
        free_room(room);
    }
    tq__map_done(&rooms->by_id);
    pthread_rwlock_destroy(&rooms->lock);
    tq__release(state->env, rooms);
}

static int new_room(const struct tq_env *env, const char *id, const struct tq_room_policy *policy,
                    struct tq__room **out_room, struct tq_error *err)
{
    struct tq__room *room = tq__alloc(env, 1, sizeof *room);
    if (!room) {
        return tq__nomem("store.memory", err);
    }
    int rc = tq__map_init(&room->visitors, env, err);
    if (rc < 0) {
        tq__release(env, room);
        return rc;
    }
    pthread_mutex_init(&room->lock, NULL);
    tq__id_copy(room->id, id);
    room->env = env;
    room->policy = *policy;
    room->now_ms = tq__now_ms(env);
    room->next_sequence = policy->first_sequence;
    room->recovered_ms = policy->first_sequence > 1 ? room->now_ms + policy->recovery_ms : 0;
    room->epoch = policy->first_epoch;
    room->waiting = (struct tq__link){&room->waiting, &room->waiting};
    room->active = (struct tq__link){&room->active, &room->active};
    room->inside = (struct tq__link){&room->inside, &room->inside};
    tq__bucket_init(&room->bucket, policy, room->now_ms);
    tq__flow_init(&room->flow, room->now_ms);
    tq__line_init(&room->line, env);
    *out_room = room;
    return TQ_OK;
}

static struct tq__room *find(const struct memory_state *state, const char *id)
{
    struct memory_rooms *rooms = state->rooms;
    pthread_rwlock_rdlock(&rooms->lock);
    struct tq__room *room = tq__map_get(&rooms->by_id, id);
    pthread_rwlock_unlock(&rooms->lock);
    return room;
}

/* The room, locked and swept; NULL when there is none. */
static struct tq__room *begin(const struct memory_state *state, const char *id,
                              struct tq__swept *out_swept)
{
    struct tq__room *room = find(state, id);
    if (room) {
        pthread_mutex_lock(&room->lock);
        *out_swept = tq__room_sweep(room, tq__now_ms(state->env));
    }
    return room;
}

static void end(struct tq__room *room)
{
    pthread_mutex_unlock(&room->lock);
}

static int add_room(struct memory_state *state, const char *id, const struct tq_room_policy *policy,
                    struct tq_error *err)
{
    struct tq__room *room = NULL;
    TQ_TRY(new_room(state->env, id, policy, &room, err));
    pthread_rwlock_wrlock(&state->rooms->lock);
    int is_there = tq__map_get(&state->rooms->by_id, id) != NULL;
    int rc = is_there ? TQ_REPEAT : tq__map_put(&state->rooms->by_id, room->id, room, err);
    pthread_rwlock_unlock(&state->rooms->lock);
    if (rc != TQ_OK) {
        free_room(room);
    }
    return rc;
}

static int room_open(void *state, const char *id, const struct tq_room_policy *policy,
                     struct tq_error *err)
{
    struct tq__swept swept;
    int rc = TQ_REPEAT;
    if (!find(state, id)) {
        rc = policy ? add_room(state, id, policy, err) : TQ_GONE;
    }
    if (rc != TQ_REPEAT) {
        return rc;
    }
    if (policy) {
        struct tq__room *room = begin(state, id, &swept);
        tq__room_set_policy(room, policy);
        end(room);
    }
    return TQ_OK;
}

static int room_enter(void *state, const char *id, const struct tq_room_arrival *arrivals,
                      size_t count, struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                      struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__visitor *newest = NULL;
    struct tq__room *room = begin(state, id, &swept);
    int rc = TQ_OK;
    if (!room) {
        return TQ_GONE;
    }
    int64_t next_sequence = room->next_sequence, serving = room->serving;
    for (size_t i = 0; i < count && rc == TQ_OK; i++) {
        rc = tq__room_arrive(room, &arrivals[i], &newest, &out_spots[i], err);
    }
    if (rc < 0) {
        tq__room_take_back(room, newest);
        room->next_sequence = next_sequence;
        room->serving = serving;
    } else {
        tq__room_show(room, out_view);
    }
    end(room);
    return rc;
}

static int room_place(void *state, const char *id, const char *const *visitors, size_t count,
                      struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                      struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__room *room = begin(state, id, &swept);
    (void)err;
    if (!room) {
        return TQ_GONE;
    }
    for (size_t i = 0; i < count; i++) {
        tq__room_hear(room, visitors[i], &out_spots[i]);
    }
    tq__room_show(room, out_view);
    end(room);
    return TQ_OK;
}

static int room_leave(void *state, const char *id, const char *const *visitors, size_t count,
                      int32_t *out_statuses, struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__room *room = begin(state, id, &swept);
    (void)err;
    if (!room) {
        return TQ_GONE;
    }
    for (size_t i = 0; i < count; i++) {
        out_statuses[i] = tq__room_depart(room, visitors[i]);
    }
    end(room);
    return TQ_OK;
}

static int room_tick(void *state, const char *id, struct tq_room_tick *out_tick,
                     struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__room *room = begin(state, id, &swept);
    (void)err;
    if (!room) {
        return TQ_GONE;
    }
    tq__room_tick(room, out_tick);
    end(room);
    out_tick->skipped = swept.skipped;
    out_tick->freed = swept.freed;
    return out_tick->admitted || swept.skipped || swept.freed ? TQ_OK : TQ_EMPTY;
}

static int room_view(void *state, const char *id, struct tq_room_view *out_view,
                     struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__room *room = begin(state, id, &swept);
    (void)err;
    if (!room) {
        return TQ_GONE;
    }
    tq__room_show(room, out_view);
    end(room);
    return TQ_OK;
}

static int room_operate(void *state, const char *id, const struct tq_room_action *action,
                        struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__room *room = begin(state, id, &swept);
    if (!room) {
        return TQ_GONE;
    }
    int rc = tq__room_order(room, action, err);
    end(room);
    return rc;
}

static int room_audit(void *state, const char *id, uint64_t after,
                      struct tq_room_action *out_actions, size_t room_for, size_t *out_count,
                      struct tq_error *err)
{
    struct tq__swept swept;
    struct tq__room *room = begin(state, id, &swept);
    (void)err;
    if (!room) {
        return TQ_GONE;
    }
    *out_count = tq__room_trail(room, after, out_actions, room_for);
    end(room);
    return TQ_OK;
}

const struct tq_room_driver tq__memory_room = {
    .size = sizeof(struct tq_room_driver),
    .open = room_open,
    .enter = room_enter,
    .place = room_place,
    .leave = room_leave,
    .tick = room_tick,
    .view = room_view,
    .operate = room_operate,
    .audit = room_audit,
};
