/* SPDX-License-Identifier: MIT */
/*
 * Merging of concurrent callers into one batch, with no thread of its own.
 */
#ifndef TQ_CORE_COMBINE_H
#define TQ_CORE_COMBINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* One caller's request; lives on its stack, embedded in what `run` needs. */
struct tq__combine_item {
    struct tq__combine_item *next;
    uint32_t batch; /* the number of the batch that it is carried out in */
    int is_first;   /* of that batch: its caller leads */
};

/*
 * Carries out a batch: a list of `count` items in order of arrival. Called by
 * one thread at a time, with no lock held.
 */
typedef void tq__combine_fn(void *owner, struct tq__combine_item *first, size_t count);

/* What a leader does before it takes its batch: who comes meanwhile is part of it. */
typedef void tq__combine_ready_fn(void *owner);

struct tq__combine {
    pthread_mutex_t lock;           /* guards what follows, but for `done` */
    struct tq__combine_item *first; /* who waits for a leader */
    struct tq__combine_item **last;
    size_t waiting;   /* how many they are */
    uint32_t taken;   /* batches that were begun */
    atomic_uint done; /* batches that were carried out; who waits sleeps on it */
    size_t batch_max;
    tq__combine_ready_fn *ready; /* NULL: nothing; for the owner to set */
    tq__combine_fn *run;
    void *owner;
};

void tq__combine_init(struct tq__combine *combine, size_t batch_max, tq__combine_fn *run,
                      void *owner);
void tq__combine_done(struct tq__combine *combine);
/* Returns when the item was carried out, by this thread or another. */
void tq__combine_submit(struct tq__combine *combine, struct tq__combine_item *item);
/* The same for `count` >= 1 requests of one caller, `stride` bytes apart, in this order. */
void tq__combine_submit_many(struct tq__combine *combine, void *items, size_t stride, size_t count);

#endif
