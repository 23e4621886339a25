/* SPDX-License-Identifier: MIT */
/*
 * A binary heap of pointers to items that know their place in it, so that a
 * timer can be moved or cancelled wherever it stands: O(log n) each, the
 * earliest in O(1). No order among equals. Threads: whoever owns it locks it.
 */
#include "core/heap.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define ROOM_MIN 64

void tq__heap_init(struct tq__heap *heap, const struct tq_env *env)
{
    memset(heap, 0, sizeof *heap);
    heap->env = env;
}

void tq__heap_done(struct tq__heap *heap)
{
    tq__release(heap->env, heap->items);
    heap->items = NULL;
    heap->count = heap->room = 0;
}

int tq__heap_reserve(struct tq__heap *heap, size_t more, struct tq_error *err)
{
    size_t room = heap->room ? heap->room : ROOM_MIN;
    if (heap->count + more <= heap->room) {
        return TQ_OK;
    }
    while (room < heap->count + more) {
        room *= 2;
    }
    void *items = tq__resize(heap->env, heap->items, room, sizeof *heap->items);
    if (!items) {
        return tq__nomem("heap", err);
    }
    heap->items = items;
    heap->room = room;
    return TQ_OK;
}

static void set(struct tq__heap *heap, size_t index, struct tq__heap_item *item)
{
    heap->items[index] = item;
    item->at = index + 1;
}

/* Moves the item at `index` towards the root, then towards the leaves, to where it belongs. */
static void settle(struct tq__heap *heap, size_t index)
{
    struct tq__heap_item *item = heap->items[index];
    while (index > 0 && heap->items[(index - 1) / 2]->due_ms > item->due_ms) {
        set(heap, index, heap->items[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (size_t child = 2 * index + 1; child < heap->count; child = 2 * index + 1) {
        if (child + 1 < heap->count &&
            heap->items[child + 1]->due_ms < heap->items[child]->due_ms) {
            child++;
        }
        if (heap->items[child]->due_ms >= item->due_ms) {
            break;
        }
        set(heap, index, heap->items[child]);
        index = child;
    }
    set(heap, index, item);
}

void tq__heap_put(struct tq__heap *heap, struct tq__heap_item *item, int64_t due_ms)
{
    item->due_ms = due_ms;
    if (!item->at) {
        set(heap, heap->count++, item);
    }
    settle(heap, item->at - 1);
}

void tq__heap_remove(struct tq__heap *heap, struct tq__heap_item *item)
{
    if (!item->at) {
        return;
    }
    size_t index = item->at - 1;
    struct tq__heap_item *last = heap->items[--heap->count];
    item->at = 0;
    if (last != item) {
        set(heap, index, last);
        settle(heap, index);
    }
}

struct tq__heap_item *tq__heap_first(const struct tq__heap *heap)
{
    return heap->count ? heap->items[0] : NULL;
}
