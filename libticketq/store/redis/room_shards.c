/* SPDX-License-Identifier: MIT */
/*
 * What visitors ask of a room with shards. Each has one shard, which is a room like any
 * other, so a batch is one call for each shard that somebody in it has, all in one pipeline.
 *
 * Newcomers get a number above all that this process has seen, in whatever shard. So who
 * enters after another was answered here is behind; between processes the ticks see to it. A
 * shard knows only its own line: how many are ahead, and what was measured lately, is taken
 * times the number of shards.
 *
 * A shard that is gone is made again by a round of the desk, and asked once more. Threads: [any].
 */
#include "store/redis/room_shards.h"

#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/redis/client.h"
#include "store/redis/room_desk.h"
#include "store/redis/room_words.h"

#define BATCH_SMALL 16
#define LEAST_SIZE 24

/* What one shard is asked. */
struct part {
    unsigned shard;
    size_t first, count; /* of `order` */
    struct redis_places places;
    struct tq_room_view view;
    char least[LEAST_SIZE];
};

/* A batch, sorted by shard. */
struct batch {
    struct redis_state *state;
    struct redis_sharded *room;
    unsigned shards;
    size_t count, parts_count;
    struct part *parts;
    struct redis_call *calls;   /* one a part */
    struct tq_room_spot *spots; /* from here on in the order of `order` */
    struct redis_text *texts;   /* one for each visitor, and one more a part */
    size_t *order;              /* places in the caller's array */
    int32_t *statuses;
    char (*words)[REDIS_ARRIVAL_SIZE];
    void *heap;
    struct {
        struct part parts[BATCH_SMALL];
        struct redis_call calls[BATCH_SMALL];
        struct tq_room_spot spots[BATCH_SMALL];
        struct redis_text texts[2 * BATCH_SMALL];
        size_t order[BATCH_SMALL];
        int32_t statuses[BATCH_SMALL];
        char words[BATCH_SMALL][REDIS_ARRIVAL_SIZE];
    } small;
};

static int make_room(struct batch *batch, struct tq_error *err)
{
    size_t count = batch->count, parts = batch->shards < count ? batch->shards : count;
    if (count <= BATCH_SMALL) {
        batch->parts = batch->small.parts;
        batch->calls = batch->small.calls;
        batch->spots = batch->small.spots;
        batch->texts = batch->small.texts;
        batch->order = batch->small.order;
        batch->statuses = batch->small.statuses;
        batch->words = batch->small.words;
        return TQ_OK;
    }
    batch->heap = tq__alloc(tq__redis_env(batch->state->client), 1,
                            parts * (sizeof *batch->parts + sizeof *batch->calls) +
                                (count + parts) * sizeof *batch->texts +
                                count * (sizeof *batch->spots + sizeof *batch->order +
                                         sizeof *batch->statuses + sizeof *batch->words));
    if (!batch->heap) {
        return tq__nomem("store.redis", err);
    }
    batch->parts = batch->heap;
    batch->calls = (void *)(batch->parts + parts);
    batch->spots = (void *)(batch->calls + parts);
    batch->texts = (void *)(batch->spots + count);
    batch->order = (void *)(batch->texts + count + parts);
    batch->statuses = (void *)(batch->order + count);
    batch->words = (void *)(batch->statuses + count);
    return TQ_OK;
}

static int batch_begin(struct batch *batch, struct redis_state *state, struct redis_sharded *room,
                       size_t count, struct tq_error *err)
{
    batch->state = state;
    batch->room = room;
    batch->shards = atomic_load(&room->count);
    batch->count = count;
    batch->parts_count = 0;
    batch->heap = NULL;
    return batch->shards > 1 ? make_room(batch, err) : TQ_GONE;
}

static void batch_done(struct batch *batch)
{
    tq__release(tq__redis_env(batch->state->client), batch->heap);
}

typedef const char *id_fn(const void *visitors, size_t at);

static const char *id_of_arrival(const void *visitors, size_t at)
{
    return ((const struct tq_room_arrival *)visitors)[at].id;
}

static const char *id_of_text(const void *visitors, size_t at)
{
    return ((const char *const *)visitors)[at];
}

/* Sorts the visitors by shard, and makes the parts. */
static void sort(struct batch *batch, const void *visitors, id_fn *id_of)
{
    size_t counts[TQ_ROOM_SHARDS_MAX] = {0}, next[TQ_ROOM_SHARDS_MAX], first = 0;
    for (size_t i = 0; i < batch->count; i++) {
        counts[tq__redis_shard_of(id_of(visitors, i), batch->shards)]++;
    }
    for (unsigned shard = 0; shard < batch->shards; shard++) {
        next[shard] = first;
        if (counts[shard]) {
            struct part *part = &batch->parts[batch->parts_count++];
            part->shard = shard;
            part->first = first;
            part->count = counts[shard];
            part->places = (struct redis_places){counts[shard], &batch->spots[first], &part->view};
        }
        first += counts[shard];
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->order[next[tq__redis_shard_of(id_of(visitors, i), batch->shards)]++] = i;
    }
}

static void put_call(struct batch *batch, size_t at, enum redis_script_id script,
                     const struct redis_text *args, size_t args_count, redis_read_fn *read,
                     void *out)
{
    batch->calls[at] = (struct redis_call){.script = script,
                                           .tag = batch->room->tags[batch->parts[at].shard],
                                           .args = args,
                                           .args_count = args_count,
                                           .is_joinable = 1,
                                           .read = read,
                                           .out = out};
}

/* What was carried out in one shard stays, whatever failed in another. */
static int result(const struct batch *batch, int rc, struct tq_error *err)
{
    int is_done = 0;
    for (size_t i = 0; i < batch->parts_count; i++) {
        is_done |= batch->calls[i].status == TQ_OK;
    }
    return rc < 0 && is_done ? tq__fail(err, TQ_E_UNKNOWN, "store.redis", "not in every shard")
                             : rc;
}

/* Asks those who are gone once more. */
static int run_again(struct batch *batch, struct tq_error *err)
{
    TQ_TRY(tq__redis_desk_mend(batch->state, batch->room, err));
    for (size_t i = 0; i < batch->parts_count; i++) {
        struct redis_call *call = &batch->calls[i];
        if (call->status == TQ_GONE) {
            int rc = tq__redis_run(batch->state->client, call, 1, err);
            if (rc != TQ_OK) {
                return rc;
            }
        }
    }
    return TQ_OK;
}

static int run(struct batch *batch, struct tq_error *err)
{
    int rc = tq__redis_run(batch->state->client, batch->calls, batch->parts_count, err);
    int is_gone = 0;
    for (size_t i = 0; i < batch->parts_count; i++) {
        is_gone |= batch->calls[i].status == TQ_GONE;
    }
    if (rc >= 0 && is_gone) {
        rc = run_again(batch, err);
    }
    return result(batch, rc, err);
}

/* ---- enter and place ---- */

/* From what some shards show, what the room is like. */
static void tell_view(const struct batch *batch, struct tq_room_view *out_view)
{
    uint64_t *const sums[] = {&out_view->state.waiting,   &out_view->state.active,
                              &out_view->state.admitted,  &out_view->state.skipped,
                              &out_view->recent_admitted, &out_view->recent_gone};
    *out_view = batch->parts[0].view;
    out_view->state.tail = out_view->state.serving = 0;
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        *sums[i] = 0;
    }
    for (size_t i = 0; i < batch->parts_count; i++) {
        tq__redis_shard_add(out_view, &batch->parts[i].view, batch->parts[i].shard, batch->shards);
    }
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        *sums[i] = *sums[i] * batch->shards / batch->parts_count;
    }
    tq__redis_shards_see(batch->room, out_view->state.tail);
}

static void tell_spots(const struct batch *batch, struct tq_room_spot *out_spots)
{
    for (size_t i = 0; i < batch->parts_count; i++) {
        const struct part *part = &batch->parts[i];
        for (size_t at = part->first; at < part->first + part->count; at++) {
            struct tq_room_spot *spot = &out_spots[batch->order[at]];
            *spot = batch->spots[at];
            if (spot->status == TQ_OK) {
                spot->sequence = tq__redis_shard_number(spot->sequence, part->shard, batch->shards);
                spot->ahead *= batch->shards;
            }
        }
    }
}

/* The end of enter and place. */
static int tell(struct batch *batch, struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                struct tq_error *err)
{
    int rc = run(batch, err);
    if (rc == TQ_OK) {
        tell_view(batch, out_view);
        tell_spots(batch, out_spots);
    }
    return rc;
}

/* Its visitors, and the number that newcomers get at least. */
static void put_arrivals(struct batch *batch, size_t at, const struct tq_room_arrival *arrivals)
{
    struct part *part = &batch->parts[at];
    struct redis_text *args = &batch->texts[part->first + at];
    int64_t seen = atomic_load(&batch->room->seen);
    int64_t least = tq__redis_shard_next(seen + 1, part->shard, batch->shards);
    args[0].data = part->least;
    args[0].bytes = (size_t)snprintf(part->least, LEAST_SIZE, "^%lld", (long long)least);
    for (size_t i = 0; i < part->count; i++) {
        struct tq_room_arrival arrival = arrivals[batch->order[part->first + i]];
        arrival.sequence = tq__redis_shard_own(arrival.sequence, part->shard, batch->shards);
        args[1 + i] = tq__redis_arrival(&arrival, batch->words[part->first + i]);
    }
    put_call(batch, at, REDIS_ROOM_RETURN, args, 1 + part->count, tq__redis_read_places,
             &part->places);
}

int tq__redis_shards_enter(struct redis_state *state, struct redis_sharded *room,
                           const struct tq_room_arrival *arrivals, size_t count,
                           struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                           struct tq_error *err)
{
    struct batch batch;
    int rc = batch_begin(&batch, state, room, count, err);
    if (rc != TQ_OK) {
        return rc;
    }
    sort(&batch, arrivals, id_of_arrival);
    for (size_t i = 0; i < batch.parts_count; i++) {
        put_arrivals(&batch, i, arrivals);
    }
    rc = tell(&batch, out_spots, out_view, err);
    batch_done(&batch);
    return rc;
}

/* Sorts them, each of whom is an argument. */
static void put_ids(struct batch *batch, const char *const *visitors)
{
    sort(batch, visitors, id_of_text);
    for (size_t i = 0; i < batch->count; i++) {
        batch->texts[i] = tq__redis_text(visitors[batch->order[i]]);
    }
}

int tq__redis_shards_place(struct redis_state *state, struct redis_sharded *room,
                           const char *const *visitors, size_t count,
                           struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                           struct tq_error *err)
{
    struct batch batch;
    int rc = batch_begin(&batch, state, room, count, err);
    if (rc != TQ_OK) {
        return rc;
    }
    put_ids(&batch, visitors);
    for (size_t i = 0; i < batch.parts_count; i++) {
        struct part *part = &batch.parts[i];
        put_call(&batch, i, REDIS_ROOM_PLACE, &batch.texts[part->first], part->count,
                 tq__redis_read_places, &part->places);
    }
    rc = tell(&batch, out_spots, out_view, err);
    batch_done(&batch);
    return rc;
}

int tq__redis_shards_leave(struct redis_state *state, struct redis_sharded *room,
                           const char *const *visitors, size_t count, int32_t *out_statuses,
                           struct tq_error *err)
{
    struct batch batch;
    int rc = batch_begin(&batch, state, room, count, err);
    if (rc != TQ_OK) {
        return rc;
    }
    put_ids(&batch, visitors);
    for (size_t i = 0; i < batch.parts_count; i++) {
        struct part *part = &batch.parts[i];
        put_call(&batch, i, REDIS_ROOM_LEAVE, &batch.texts[part->first], part->count,
                 tq__redis_read_statuses, &batch.statuses[part->first]);
    }
    rc = run(&batch, err);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        out_statuses[batch.order[i]] = batch.statuses[i];
    }
    batch_done(&batch);
    return rc;
}
