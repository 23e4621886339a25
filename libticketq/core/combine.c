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
 * and the flags; `run` is called without it.
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

/* Marks a finished batch and names the next leader; `lock` is held. */
static void finish_batch(struct tq__combine *combine, struct tq__combine_item *first,
                         const struct tq__combine_item *self)
{
    for (struct tq__combine_item *at = first, *next; at; at = next) {
        next = at->next;
        at->is_done = 1;
        if (at != self) {
            pthread_cond_signal(&at->wake);
        }
    }
    combine->is_busy = combine->first != NULL;
    if (combine->first) {
        combine->first->is_leader = 1;
        pthread_cond_signal(&combine->first->wake);
    }
}

static struct tq__combine_item *item_at(void *items, size_t stride, size_t place)
{
    return (struct tq__combine_item *)((char *)items + place * stride);
}

/* Queues an item behind all others; `lock` is held. */
static void enqueue(struct tq__combine *combine, struct tq__combine_item *item)
{
    item->next = NULL;
    item->is_done = 0;
    pthread_cond_init(&item->wake, NULL);
    *combine->last = item;
    combine->last = &item->next;
    item->is_leader = !combine->is_busy;
    combine->is_busy = 1;
}

/* Waits until the item was carried out, or leads; `lock` is held. */
static void await(struct tq__combine *combine, struct tq__combine_item *item)
{
    while (!item->is_done && !item->is_leader) {
        pthread_cond_wait(&item->wake, &combine->lock);
    }
    if (!item->is_done) {
        size_t count;
        struct tq__combine_item *first = take_batch(combine, &count);
        pthread_mutex_unlock(&combine->lock);
        combine->run(combine->owner, first, count);
        pthread_mutex_lock(&combine->lock);
        finish_batch(combine, first, item);
    }
}

void tq__combine_submit_many(struct tq__combine *combine, void *items, size_t stride, size_t count)
{
    pthread_mutex_lock(&combine->lock);
    for (size_t i = 0; i < count; i++) {
        enqueue(combine, item_at(items, stride, i));
    }
    for (size_t i = 0; i < count; i++) {
        await(combine, item_at(items, stride, i));
    }
    pthread_mutex_unlock(&combine->lock);
    for (size_t i = 0; i < count; i++) {
        pthread_cond_destroy(&item_at(items, stride, i)->wake);
    }
}

void tq__combine_submit(struct tq__combine *combine, struct tq__combine_item *item)
{
    tq__combine_submit_many(combine, item, sizeof *item, 1);
}
