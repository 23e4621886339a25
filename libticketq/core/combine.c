/* SPDX-License-Identifier: MIT */
/*
 * Leader and followers: the first caller becomes the leader and carries out
 * its own request together with all that have queued up; while it works, others
 * queue. So under load a batch is as large as what arrives during one round trip, and
 * a lone caller waits for nobody.
 *
 * Those who were just served come back while the next leader is at work, so two halves would
 * take turns. What a leader can do before it knows its batch (`ready`: ask for something that
 * takes a round trip) it does before it takes it, and both halves are in it.
 *
 * Batches are numbered. A request learns the number of its batch when it queues: batches
 * take up to batch_max off the front, so its place in the queue says which one. The first
 * of a batch leads it. `done` counts the batches that were carried out: batch n is led by
 * its leader when `done` is n, and its followers go on when `done` is n + 1. Those who wait for
 * the same count are woken by one system call, followers of a batch and leader of the next
 * together, and nobody else: a futex has 32 bits to tell apart who waits for what. Waking
 * one by one costs a call for each, and each call may cost the waker its processor.
 *
 * Invariants: at most one leader; requests run in order of arrival; a caller leads at most
 * one batch for each request it brought, so that no caller works for others without end.
 * Threads: `ready` and `run` are called without the lock. Counts wrap around, differences do not.
 */
#include "core/combine.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void tq__combine_init(struct tq__combine *combine, size_t batch_max, tq__combine_fn *run,
                      void *owner)
{
    pthread_mutex_init(&combine->lock, NULL);
    combine->first = NULL;
    combine->last = &combine->first;
    combine->waiting = 0;
    combine->taken = 0;
    atomic_init(&combine->done, 0);
    combine->batch_max = batch_max ? batch_max : 1;
    combine->ready = NULL;
    combine->run = run;
    combine->owner = owner;
}

void tq__combine_done(struct tq__combine *combine)
{
    pthread_mutex_destroy(&combine->lock);
}

static uint32_t bit_of(uint32_t count)
{
    return UINT32_C(1) << count % 32;
}

/* Sleeps until `count` batches were carried out. */
static void await(struct tq__combine *combine, uint32_t count)
{
    uint32_t seen;
    while ((int32_t)((seen = atomic_load(&combine->done)) - count) < 0) {
        syscall(SYS_futex, &combine->done, FUTEX_WAIT_BITSET_PRIVATE, seen, NULL, NULL,
                bit_of(count));
    }
}

/* Queues items behind all others. */
static void enqueue(struct tq__combine *combine, void *items, size_t stride, size_t count)
{
    pthread_mutex_lock(&combine->lock);
    for (size_t i = 0; i < count; i++) {
        struct tq__combine_item *item = (void *)((char *)items + i * stride);
        item->next = NULL;
        item->batch = combine->taken + (uint32_t)(combine->waiting / combine->batch_max);
        item->is_first = combine->waiting % combine->batch_max == 0;
        combine->waiting++;
        *combine->last = item;
        combine->last = &item->next;
    }
    pthread_mutex_unlock(&combine->lock);
}

/* Takes a batch off the queue. */
static struct tq__combine_item *take_batch(struct tq__combine *combine, size_t *out_count)
{
    pthread_mutex_lock(&combine->lock);
    struct tq__combine_item *first = combine->first, *at = first;
    size_t count = 1;
    while (at->next && count < combine->batch_max) {
        at = at->next;
        count++;
    }
    combine->first = at->next;
    if (!at->next) {
        combine->last = &combine->first;
    }
    at->next = NULL;
    combine->waiting -= count;
    combine->taken++;
    pthread_mutex_unlock(&combine->lock);
    *out_count = count;
    return first;
}

/* Carries out the batch whose turn it is, and wakes its followers and the next leader. */
static void lead(struct tq__combine *combine)
{
    size_t count;
    if (combine->ready) {
        combine->ready(combine->owner);
    }
    struct tq__combine_item *first = take_batch(combine, &count);
    combine->run(combine->owner, first, count);
    uint32_t done = atomic_fetch_add(&combine->done, 1) + 1;
    syscall(SYS_futex, &combine->done, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL,
            bit_of(done));
}

void tq__combine_submit_many(struct tq__combine *combine, void *items, size_t stride, size_t count)
{
    enqueue(combine, items, stride, count);
    for (size_t i = 0; i < count; i++) {
        struct tq__combine_item *item = (void *)((char *)items + i * stride);
        await(combine, item->batch + !item->is_first);
        if (item->is_first) {
            lead(combine);
        }
    }
}

void tq__combine_submit(struct tq__combine *combine, struct tq__combine_item *item)
{
    tq__combine_submit_many(combine, item, sizeof *item, 1);
}
