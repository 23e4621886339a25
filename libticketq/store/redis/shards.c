/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of rooms with shards, and which rooms have them.
 *
 * A visitor's id decides the shard. The shards number by themselves, 1, 2, 3, and the
 * room's number of a shard's n-th is (n - 1) * shards + shard + 1: no number is another
 * shard's, and all are of about the same size. Shards are counted from 0.
 *
 * What this process knows of a room it was told when it opened it. A room that was made anew
 * with other shards answers TQ_GONE to who asks as before, and is opened again.
 *
 * Threads: [any]. `lock` guards the map; a room in it stays where it is.
 */
#include "store/redis/shards.h"

#include <pthread.h>
#include <stdio.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "core/map.h"
#include "store/redis/slots.h"

struct redis_shards {
    const struct tq_env *env;
    pthread_rwlock_t lock;
    struct tq__map by_id;
    atomic_uint rooms; /* most stores have none: then nobody looks */
};

int tq__redis_shards_open(const struct tq_env *env, struct redis_shards **out_shards,
                          struct tq_error *err)
{
    struct redis_shards *shards = tq__alloc(env, 1, sizeof *shards);
    if (!shards) {
        return tq__nomem("store.redis", err);
    }
    shards->env = env;
    int rc = tq__map_init(&shards->by_id, env, err);
    if (rc < 0) {
        tq__release(env, shards);
        return rc;
    }
    pthread_rwlock_init(&shards->lock, NULL);
    *out_shards = shards;
    return TQ_OK;
}

void tq__redis_shards_close(struct redis_shards *shards)
{
    size_t cursor = 0;
    if (!shards) {
        return;
    }
    for (struct redis_sharded *room; (room = tq__map_next(&shards->by_id, &cursor));) {
        tq__release(shards->env, room);
    }
    tq__map_done(&shards->by_id);
    pthread_rwlock_destroy(&shards->lock);
    tq__release(shards->env, shards);
}

static struct redis_sharded *find(struct redis_shards *shards, const char *id)
{
    pthread_rwlock_rdlock(&shards->lock);
    struct redis_sharded *room = tq__map_get(&shards->by_id, id);
    pthread_rwlock_unlock(&shards->lock);
    return room;
}

struct redis_sharded *tq__redis_sharded(struct redis_shards *shards, const char *id)
{
    struct redis_sharded *room = atomic_load(&shards->rooms) ? find(shards, id) : NULL;
    return room && atomic_load(&room->count) > 1 ? room : NULL;
}

static int add(struct redis_shards *shards, const char *id, struct redis_sharded **out_room,
               struct tq_error *err)
{
    struct redis_sharded *room = tq__alloc(shards->env, 1, sizeof *room);
    if (!room) {
        return tq__nomem("store.redis", err);
    }
    tq__id_copy(room->id, id);
    atomic_init(&room->count, 1);
    atomic_init(&room->seen, 0);
    for (unsigned i = 0; i < TQ_ROOM_SHARDS_MAX; i++) {
        snprintf(room->tags[i], sizeof room->tags[i], "%s:%u", id, i);
    }
    pthread_rwlock_wrlock(&shards->lock);
    struct redis_sharded *other = tq__map_get(&shards->by_id, id);
    int rc = other ? TQ_REPEAT : tq__map_put(&shards->by_id, room->id, room, err);
    pthread_rwlock_unlock(&shards->lock);
    if (rc != TQ_OK) {
        tq__release(shards->env, room);
    } else {
        atomic_fetch_add(&shards->rooms, 1);
    }
    *out_room = other ? other : room;
    return rc < 0 ? rc : TQ_OK;
}

int tq__redis_shards_note(struct redis_shards *shards, const char *id, unsigned count,
                          struct redis_sharded **out_room, struct tq_error *err)
{
    struct redis_sharded *room = atomic_load(&shards->rooms) ? find(shards, id) : NULL;
    if (!room && count > 1) {
        TQ_TRY(add(shards, id, &room, err));
    }
    if (room) {
        atomic_store(&room->count, count);
    }
    *out_room = count > 1 ? room : NULL;
    return TQ_OK;
}

void tq__redis_shards_see(struct redis_sharded *room, int64_t number)
{
    long long seen = atomic_load(&room->seen);
    while (seen < number && !atomic_compare_exchange_weak(&room->seen, &seen, number)) {
    }
}

unsigned tq__redis_shard_of(const char *visitor, unsigned count)
{
    return tq__redis_slot(visitor) % count;
}

int64_t tq__redis_shard_number(int64_t own, unsigned shard, unsigned count)
{
    return (own - 1) * count + shard + 1;
}

int64_t tq__redis_shard_own(int64_t number, unsigned shard, unsigned count)
{
    int is_own = number >= 1 && (number - 1) % count == shard;
    return is_own ? (number - 1) / count + 1 : 0;
}

int64_t tq__redis_shard_next(int64_t number, unsigned shard, unsigned count)
{
    return number <= 1 ? 1 : (number - 2 - (int64_t)shard + count) / count + 1;
}

size_t tq__redis_shard_turns(const struct redis_front *fronts, unsigned count, char *turns,
                             size_t room_for)
{
    size_t next[TQ_ROOM_SHARDS_MAX] = {0};
    size_t done = 0;
    int is_known = 1;
    while (done < room_for && is_known) {
        int64_t least = 0;
        unsigned first = count;
        for (unsigned i = 0; i < count; i++) {
            if (next[i] == fronts[i].count) {
                is_known &= next[i] == fronts[i].waiting;
                continue;
            }
            int64_t number = tq__redis_shard_number(fronts[i].numbers[next[i]], i, count);
            if (first == count || number < least) {
                first = i;
                least = number;
            }
        }
        if (!is_known || first == count) {
            break;
        }
        next[first]++;
        turns[done++] = (char)(first + 1);
    }
    return done;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void tq__redis_shard_add(struct tq_room_view *view, const struct tq_room_view *part, unsigned shard,
                         unsigned count)
{
    struct tq_room_state *state = &view->state;
    int64_t tail = tq__redis_shard_number(part->state.tail, shard, count);
    int64_t serving = tq__redis_shard_number(part->state.serving, shard, count);
    state->now_ms = larger(state->now_ms, part->state.now_ms);
    state->tail = larger(state->tail, tail);
    state->serving = larger(state->serving, part->state.serving ? serving : 0);
    state->epoch = larger(state->epoch, part->state.epoch);
    state->waiting += part->state.waiting;
    state->active += part->state.active;
    state->admitted += part->state.admitted;
    state->skipped += part->state.skipped;
    view->recent_admitted += part->recent_admitted;
    view->recent_gone += part->recent_gone;
    view->recent_ms = view->recent_ms > part->recent_ms ? view->recent_ms : part->recent_ms;
}
