/* SPDX-License-Identifier: MIT */
/*
 * A read cache with single flight: who finds no good page loads it, and everyone
 * who comes meanwhile waits for that one load and shares its result.
 *
 *     entry     get
 *     absent    make it, load, answer
 *     loading   wait, take what the load gave
 *     good      the page
 *     old       load, answer
 *
 * A page is counted by its readers and by its entry, so that a slow reader never
 * sees it change. A failed load is told to those who waited for it and to nobody
 * after them. An entry that somebody loads or waits for is never evicted; when all
 * are so, a newcomer is refused with TQ_E_BUSY, which cannot happen while there are
 * more entries than threads that call get.
 *
 * Invariants: at most one load per entry at a time; at most `entries_max` entries.
 * Cost: one hash lookup under the lock; eviction is linear in the entries.
 * Threads: [any]; the mutex protects everything here, and is not held in a load.
 */
#include "event/cache.h"

#include <pthread.h>

#include "core/env.h"
#include "core/error.h"
#include "core/map.h"

#define ORIGIN "event.cache"

struct page {
    struct event_page page; /* first: readers hold a pointer to it */
    uint32_t readers;       /* the entry is one of them */
};

struct entry {
    char key[TQ_ID_SIZE];
    struct page *page; /* NULL: never loaded */
    int64_t good_until_ms;
    int64_t used_ms;
    uint64_t turn; /* loads that have ended */
    int result;    /* of the last load */
    struct tq_error err;
    uint32_t waiting; /* threads that sleep on `wake` or have yet to look */
    int is_loading;
};

struct event_cache {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct tq_env env;
    struct event_cache_options options;
    struct tq__map entries;
    uint64_t loads;
};

int event_cache_new(const struct tq_env *env, const struct event_cache_options *options,
                    struct event_cache **out_cache, struct tq_error *err)
{
    struct event_cache *cache = tq__alloc(env, 1, sizeof *cache);
    if (!cache) {
        return tq__nomem(ORIGIN, err);
    }
    cache->env = *env;
    cache->options = *options;
    int rc = tq__map_init(&cache->entries, &cache->env, err);
    if (rc < 0) {
        tq__release(env, cache);
        return rc;
    }
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->wake, NULL);
    *out_cache = cache;
    return TQ_OK;
}

/* Under the lock. */
static void drop_page(struct event_cache *cache, struct page *page)
{
    if (page && --page->readers == 0) {
        tq__buf_done(&page->page.body);
        tq__release(&cache->env, page);
    }
}

static void drop_entry(struct event_cache *cache, struct entry *entry)
{
    tq__map_remove(&cache->entries, entry->key);
    drop_page(cache, entry->page);
    tq__release(&cache->env, entry);
}

void event_cache_free(struct event_cache *cache)
{
    size_t cursor = 0;
    struct entry *entry;
    if (!cache) {
        return;
    }
    while ((entry = tq__map_next(&cache->entries, &cursor))) {
        drop_entry(cache, entry);
    }
    tq__map_done(&cache->entries);
    pthread_cond_destroy(&cache->wake);
    pthread_mutex_destroy(&cache->lock);
    struct tq_env env = cache->env;
    tq__release(&env, cache);
}

void event_page_release(struct event_cache *cache, const struct event_page *page)
{
    pthread_mutex_lock(&cache->lock);
    drop_page(cache, (struct page *)(uintptr_t)page);
    pthread_mutex_unlock(&cache->lock);
}

static int make_room(struct event_cache *cache)
{
    size_t cursor = 0;
    struct entry *oldest = NULL;
    struct entry *at;
    if (cache->entries.count < cache->options.entries_max) {
        return 1;
    }
    while ((at = tq__map_next(&cache->entries, &cursor))) {
        int is_free = !at->is_loading && at->waiting == 0;
        if (is_free && (!oldest || at->used_ms < oldest->used_ms)) {
            oldest = at;
        }
    }
    if (oldest) {
        drop_entry(cache, oldest);
    }
    return oldest != NULL;
}

/* The entry of a key, made when it is not there. */
static int find_entry(struct event_cache *cache, const char *key, struct entry **out_entry,
                      struct tq_error *err)
{
    *out_entry = tq__map_get(&cache->entries, key);
    if (*out_entry) {
        return TQ_OK;
    }
    if (!make_room(cache)) {
        return tq__fail(err, TQ_E_BUSY, ORIGIN, "every entry is being loaded");
    }
    struct entry *entry = tq__alloc(&cache->env, 1, sizeof *entry);
    if (!entry) {
        return tq__nomem(ORIGIN, err);
    }
    tq__id_copy(entry->key, key);
    int rc = tq__map_put(&cache->entries, entry->key, entry, err);
    if (rc < 0) {
        tq__release(&cache->env, entry);
        return rc;
    }
    *out_entry = entry;
    return TQ_OK;
}

/* Load a page for one reader; without the lock. */
static int load_page(struct event_cache *cache, const char *key, struct page **out_page,
                     struct tq_error *err)
{
    struct page *page = tq__alloc(&cache->env, 1, sizeof *page);
    if (!page) {
        return tq__nomem(ORIGIN, err);
    }
    page->page.body = (struct tq__buf)TQ__BUF(&cache->env);
    page->readers = 1;
    int rc = cache->options.load(cache->options.arg, key, &page->page, err);
    if (rc == TQ_OK) {
        rc = tq__buf_check(&page->page.body, ORIGIN, err);
    }
    if (rc != TQ_OK) {
        tq__buf_done(&page->page.body);
        tq__release(&cache->env, page);
        return rc;
    }
    *out_page = page;
    return TQ_OK;
}

/* This caller loads for everybody. Enters and leaves with the lock. */
static int lead(struct event_cache *cache, struct entry *entry, struct tq_error *err)
{
    struct page *page = NULL;
    struct tq_error own = TQ_ERROR_INIT;
    entry->is_loading = 1;
    cache->loads++;
    pthread_mutex_unlock(&cache->lock);
    int rc = load_page(cache, entry->key, &page, &own);
    pthread_mutex_lock(&cache->lock);
    entry->is_loading = 0;
    entry->turn++;
    entry->result = rc;
    entry->err = own;
    if (rc == TQ_OK) {
        int64_t ttl_ms = cache->options.ttl_ms, left_ms = page->page.left_ms;
        drop_page(cache, entry->page);
        entry->page = page;
        entry->good_until_ms =
            tq__now_ms(&cache->env) + (left_ms && left_ms < ttl_ms ? left_ms : ttl_ms);
    }
    if (rc < 0 && err) {
        *err = own;
    }
    pthread_cond_broadcast(&cache->wake);
    return rc;
}

/* Another caller loads; take what comes of it. */
static int follow(struct event_cache *cache, struct entry *entry, struct tq_error *err)
{
    uint64_t turn = entry->turn;
    while (entry->turn == turn) {
        pthread_cond_wait(&cache->wake, &cache->lock);
    }
    if (entry->result < 0 && err) {
        *err = entry->err;
    }
    return entry->result;
}

static int is_good(struct event_cache *cache, struct entry *entry)
{
    entry->used_ms = tq__now_ms(&cache->env);
    return entry->page && entry->used_ms < entry->good_until_ms;
}

static int fetch(struct event_cache *cache, struct entry *entry, struct tq_error *err)
{
    if (is_good(cache, entry)) {
        return TQ_OK;
    }
    entry->waiting++;
    int rc = entry->is_loading ? follow(cache, entry, err) : lead(cache, entry, err);
    entry->waiting--;
    return rc;
}

static const struct event_page *share(struct entry *entry)
{
    entry->page->readers++;
    return &entry->page->page;
}

int event_cache_peek(struct event_cache *cache, const char *key, const struct event_page **out_page)
{
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = tq__map_get(&cache->entries, key);
    int rc = entry && is_good(cache, entry) ? TQ_OK : TQ_EMPTY;
    if (rc == TQ_OK) {
        *out_page = share(entry);
    }
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

int event_cache_get(struct event_cache *cache, const char *key, const struct event_page **out_page,
                    struct tq_error *err)
{
    struct entry *entry = NULL;
    TQ_TRY(tq__id_check(key, "key", ORIGIN, err));
    pthread_mutex_lock(&cache->lock);
    int rc = find_entry(cache, key, &entry, err);
    if (rc == TQ_OK) {
        rc = fetch(cache, entry, err);
        if (rc == TQ_OK) {
            *out_page = share(entry);
        } else if (!entry->page && entry->waiting == 0) {
            drop_entry(cache, entry);
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

uint64_t event_cache_loads(struct event_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    uint64_t loads = cache->loads;
    pthread_mutex_unlock(&cache->lock);
    return loads;
}
