/* SPDX-License-Identifier: MIT */
/*
 * What a relay has handed over and what an inbox has taken, until it is dealt
 * with: slots in ascending order of a number (the row's, or that of arrival), and
 * for each key a lane, which is where the order of a key is kept. Slots and lanes
 * are made once; only the table of keys may ask for memory later.
 *
 * Adding costs one step per slot with a higher number, which are few: rows
 * become visible nearly in order. Invariants: a lane is there exactly while it
 * has slots; count <= room. Threads: its owner's.
 */
#include "outbox/window.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

int tq__window_open(struct tq__window *window, const struct tq_env *env, size_t room,
                    struct tq_error *err)
{
    memset(window, 0, sizeof *window);
    window->env = env;
    window->room = room;
    TQ_TRY(tq__map_init(&window->by_key, env, err));
    window->slots = tq__alloc(env, room, sizeof *window->slots);
    window->lanes = tq__alloc(env, room, sizeof *window->lanes);
    if (!window->slots || !window->lanes) {
        return tq__nomem("outbox", err);
    }
    for (size_t i = room; i-- > 0;) {
        window->slots[i].next = window->free_slots;
        window->free_slots = &window->slots[i];
        window->lanes[i].next_free = window->free_lanes;
        window->free_lanes = &window->lanes[i];
    }
    return TQ_OK;
}

void tq__window_done(struct tq__window *window)
{
    if (window->env) {
        tq__map_done(&window->by_key);
        tq__release(window->env, window->slots);
        tq__release(window->env, window->lanes);
    }
}

struct tq__lane *tq__window_lane(const struct tq__window *window, const char *key)
{
    return tq__map_get(&window->by_key, key);
}

static struct tq__lane *enter_lane(struct tq__window *window, const char *key, struct tq_error *err)
{
    struct tq__lane *lane = tq__window_lane(window, key);
    if (!lane) {
        lane = window->free_lanes;
        struct tq__lane *next_free = lane->next_free;
        memset(lane, 0, sizeof *lane);
        lane->next_free = next_free;
        tq__id_copy(lane->key, key);
        if (tq__map_put(&window->by_key, lane->key, lane, err) < 0) {
            return NULL;
        }
        window->free_lanes = next_free;
    }
    lane->count++;
    return lane;
}

static void insert(struct tq__window *window, struct tq__slot *slot)
{
    struct tq__slot *before = window->last;
    while (before && before->number > slot->number) {
        before = before->previous;
    }
    slot->previous = before;
    slot->next = before ? before->next : window->first;
    *(slot->previous ? &slot->previous->next : &window->first) = slot;
    *(slot->next ? &slot->next->previous : &window->last) = slot;
}

struct tq__slot *tq__window_add(struct tq__window *window, int64_t number, const char *key,
                                struct tq_error *err)
{
    struct tq__lane *lane = enter_lane(window, key, err);
    if (!lane) {
        return NULL;
    }
    struct tq__slot *slot = window->free_slots;
    window->free_slots = slot->next;
    window->count++;
    slot->lane = lane;
    slot->number = number;
    insert(window, slot);
    return slot;
}

void tq__window_drop(struct tq__window *window, struct tq__slot *slot)
{
    struct tq__lane *lane = slot->lane;
    *(slot->previous ? &slot->previous->next : &window->first) = slot->next;
    *(slot->next ? &slot->next->previous : &window->last) = slot->previous;
    slot->lane = NULL;
    slot->generation++;
    slot->next = window->free_slots;
    window->free_slots = slot;
    window->count--;
    if (--lane->count == 0) {
        tq__map_remove(&window->by_key, lane->key);
        lane->next_free = window->free_lanes;
        window->free_lanes = lane;
    }
}

uint64_t tq__window_cookie(const struct tq__window *window, const struct tq__slot *slot)
{
    return (uint64_t)slot->generation << 32 | (uint64_t)(slot - window->slots);
}

struct tq__slot *tq__window_slot(struct tq__window *window, uint64_t cookie)
{
    size_t place = (size_t)(cookie & UINT32_MAX);
    if (place >= window->room) {
        return NULL;
    }
    struct tq__slot *slot = &window->slots[place];
    return slot->lane && slot->generation == (uint32_t)(cookie >> 32) ? slot : NULL;
}
