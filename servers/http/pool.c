/* SPDX-License-Identifier: MIT */
/*
 * A bounded pool of threads for handlers that block.
 *
 * Requests wait in a list of at most `queue_max`; what comes beyond is refused
 * at once, because a queue that only grows helps nobody. A pool that stops lets
 * running handlers end and answers 503 to those that still wait.
 *
 * Invariants: count is the length of the list and never exceeds queue_max.
 * Threads: one mutex for all of it; it is not held while a handler runs.
 */
#include "http/internal.h"

#include <stdio.h>

static struct http_exchange *pop(struct http_pool *pool)
{
    struct http_exchange *exchange = pool->first;
    if (exchange) {
        pool->first = exchange->next;
        pool->last = pool->first ? pool->last : &pool->first;
        pool->count--;
    }
    return exchange;
}

static void *work(void *arg)
{
    struct http_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_stopping) {
        struct http_exchange *exchange = pop(pool);
        if (!exchange) {
            pthread_cond_wait(&pool->wake, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        exchange->entry->route->handler(&exchange->request);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int http__pool_open(struct http_pool *pool, const struct tq_env *env, const char *name,
                    unsigned threads, unsigned queue_max, struct tq_error *err)
{
    snprintf(pool->name, sizeof pool->name, "%s", name);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->last = &pool->first;
    pool->queue_max = queue_max;
    pool->threads = tq__alloc(env, threads, sizeof *pool->threads);
    if (!pool->threads) {
        return tq__nomem("http", err);
    }
    for (; pool->threads_count < threads; pool->threads_count++) {
        if (pthread_create(&pool->threads[pool->threads_count], NULL, work, pool)) {
            return tq__fail(err, TQ_E_UNAVAILABLE, "http", "a thread cannot be started");
        }
    }
    return TQ_OK;
}

int http__pool_submit(struct http_pool *pool, struct http_exchange *exchange)
{
    pthread_mutex_lock(&pool->lock);
    int is_full = pool->is_stopping || pool->count >= pool->queue_max;
    if (!is_full) {
        exchange->next = NULL;
        *pool->last = exchange;
        pool->last = &exchange->next;
        pool->count++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return is_full;
}

void http__pool_close(struct http_pool *pool, const struct tq_env *env)
{
    struct http_exchange *waiting;
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = 1;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->threads_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    while ((waiting = pop(pool))) {
        http_set_retry_after(&waiting->request, 1000);
        http_problem(&waiting->request, 503, "DRAINING", "The server is stopping.");
    }
    tq__release(env, pool->threads);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
}
