/* SPDX-License-Identifier: MIT */
/*
 * Leader and followers: the first caller becomes the leader and carries out
 * its own request together with all that have queued up; while it works, others
 * queue. When it is done it wakes its followers and hands leadership to the
 * first who came meanwhile, who takes everybody with it. So under load a batch
 * is as large as what arrives during one round trip, and a lone caller waits
 * for nobody.
 *
 * A caller may bring several at once. Invariants: at most one leader; requests run
 * in order of arrival; a caller leads at most one batch for each request it brought,
 * so that no caller works for others without end. Threads: `lock` guards the queue
 * and `is_busy`; `run` is called without it. Who waits sleeps on a semaphore of its
 * own, so that many who are woken at once do not queue up for one lock.
 */
#include "core/combine.h"

void tq__combine_init(struct tq__combine *combine, size_t batch_max, tq__combine_fn *run,
                      void *owner)
{
    pthread_mutex_init(&combine->lock, NULL);
    combine->first = NULL;
    combine->last = &combine->first;
    combine->is_busy = 0;
    combine->batch_max = batch_max ? batch_max : 1;
    combine->run = run;
    combine->owner = owner;
}

void tq__combine_done(struct tq__combine *combine)
{
    pthread_mutex_destroy(&combine->lock);
}

/* Takes up to batch_max items off the queue; `lock` is held. */
static struct tq__combine_item *take_batch(struct tq__combine *combine, size_t *out_count)
{
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
    *out_count = count;
    return first;
}

/* Wakes who waits for the item, which may be gone when this returns. */
static void wake(struct tq__combine_item *item, int is_done)
{
    item->is_done = is_done;
    sem_post(&item->wake);
}

/* Tells who was served, and hands leadership to the first who came meanwhile. */
static void finish_batch(struct tq__combine *combine, struct tq__combine_item *first,
                         const struct tq__combine_item *self)
{
    pthread_mutex_lock(&combine->lock);
    struct tq__combine_item *leader = combine->first;
    combine->is_busy = leader != NULL;
    pthread_mutex_unlock(&combine->lock);
    for (struct tq__combine_item *at = first, *next; at; at = next) {
        next = at->next;
        if (at != self) {
            wake(at, 1);
        }
    }
    if (leader) {
        wake(leader, 0);
    }
}

static void lead(struct tq__combine *combine, struct tq__combine_item *self)
{
    size_t count;
    pthread_mutex_lock(&combine->lock);
    struct tq__combine_item *first = take_batch(combine, &count);
    pthread_mutex_unlock(&combine->lock);
    combine->run(combine->owner, first, count);
    finish_batch(combine, first, self);
}

static struct tq__combine_item *item_at(void *items, size_t stride, size_t place)
{
    return (struct tq__combine_item *)((char *)items + place * stride);
}

/* Queues items behind all others; non-zero when the first of them leads. */
static int enqueue(struct tq__combine *combine, void *items, size_t stride, size_t count)
{
    pthread_mutex_lock(&combine->lock);
    for (size_t i = 0; i < count; i++) {
        struct tq__combine_item *item = item_at(items, stride, i);
        item->next = NULL;
        sem_init(&item->wake, 0, 0);
        *combine->last = item;
        combine->last = &item->next;
    }
    int leads = !combine->is_busy;
    combine->is_busy = 1;
    pthread_mutex_unlock(&combine->lock);
    return leads;
}

void tq__combine_submit_many(struct tq__combine *combine, void *items, size_t stride, size_t count)
{
    int leads = enqueue(combine, items, stride, count);
    for (size_t i = 0; i < count; i++) {
        struct tq__combine_item *item = item_at(items, stride, i);
        if (!leads) {
            while (sem_wait(&item->wake)) {
            }
            leads = !item->is_done;
        }
        if (leads) {
            lead(combine, item);
        }
        leads = 0;
        sem_destroy(&item->wake);
    }
}

void tq__combine_submit(struct tq__combine *combine, struct tq__combine_item *item)
{
    tq__combine_submit_many(combine, item, sizeof *item, 1);
}
