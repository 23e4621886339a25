/* SPDX-License-Identifier: MIT */
/*
 * A heap of timers: the earliest first.
 */
#ifndef TQ_CORE_HEAP_H
#define TQ_CORE_HEAP_H

#include <ticketq/env.h>
#include <ticketq/status.h>

/* Embedded in what has a timer; zeroed when it is in no heap. */
struct tq__heap_item {
    int64_t due_ms;
    size_t at; /* index + 1; 0: in no heap */
};

struct tq__heap {
    const struct tq_env *env;
    struct tq__heap_item **items;
    size_t count;
    size_t room;
};

void tq__heap_init(struct tq__heap *heap, const struct tq_env *env);
void tq__heap_done(struct tq__heap *heap);
/* Room for `more` further items: that many puts cannot fail. */
int tq__heap_reserve(struct tq__heap *heap, size_t more, struct tq_error *err);
/* Add the item, or move it to its new time. A new one needs room. */
void tq__heap_put(struct tq__heap *heap, struct tq__heap_item *item, int64_t due_ms);
/* Take the item out, if it is in. */
void tq__heap_remove(struct tq__heap *heap, struct tq__heap_item *item);
/* The earliest, or NULL. */
struct tq__heap_item *tq__heap_first(const struct tq__heap *heap);

#endif
