/* SPDX-License-Identifier: MIT */
/*
 * The cache that processes share: which engine, and what to do while it is away.
 *
 *     not connected --a call--> connected --a failure--> left alone for a second --a call--> ...
 *
 * A cache may only ever make things faster, so a broken one is asked once a second, by one
 * caller; everybody else is told at once that it is away. Only the first to come wait for each
 * other's connection. A lease is a name that nobody else has. Threads: [any]; `lock` is held
 * while the state is made.
 */
#include "store/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/builtin.h"

#define ORIGIN "store.cache"
#define ALONE_MS 1000
#define AWAY "the cache is away"

static const struct tq__cache_driver *const drivers[] = {
#ifdef TQ_WITH_REDIS
    &tq__redis_cache,
#endif
    NULL,
};

struct tq__cache {
    struct tq_env env;
    const struct tq__cache_driver *driver;
    struct tq__url url;
    pthread_mutex_t lock;
    _Atomic(void *) state;      /* NULL: not connected yet */
    atomic_llong not_before_ms; /* left alone until then; 0: it answered last */
};

int tq__cache_open(const struct tq_env *env, const char *url, struct tq__cache **out_cache,
                   struct tq_error *err)
{
    struct tq__cache *cache = tq__alloc(env, 1, sizeof *cache);
    if (!cache) {
        return tq__nomem(ORIGIN, err);
    }
    cache->env = *env;
    int rc = tq__url_parse(&cache->url, url, err);
    for (size_t i = 0; rc == TQ_OK && drivers[i]; i++) {
        if (strcmp(drivers[i]->scheme, cache->url.scheme) == 0) {
            cache->driver = drivers[i];
        }
    }
    if (rc == TQ_OK && !cache->driver) {
        rc = tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "%s: keeps no pages", cache->url.scheme);
    }
    if (rc == TQ_OK) {
        rc = cache->driver->check(&cache->url, err);
    }
    if (rc != TQ_OK) {
        tq__release(env, cache);
        return rc;
    }
    pthread_mutex_init(&cache->lock, NULL);
    *out_cache = cache;
    return TQ_OK;
}

void tq__cache_close(struct tq__cache *cache)
{
    if (!cache) {
        return;
    }
    if (cache->state) {
        cache->driver->close(cache->state);
    }
    pthread_mutex_destroy(&cache->lock);
    struct tq_env env = cache->env;
    tq__release(&env, cache);
}

/*
 * Whether to ask: everybody, as long as it answers; after a failure one a second, whose turn this
 * may be. `*out_until_ms` is what `not_before_ms` is from now on, unless a call fails.
 */
static int may_ask(struct tq__cache *cache, long long *out_until_ms)
{
    long long now_ms = tq__now_ms(&cache->env), until_ms = atomic_load(&cache->not_before_ms);
    *out_until_ms = until_ms ? now_ms + ALONE_MS : 0;
    return !until_ms ||
           (now_ms >= until_ms &&
            atomic_compare_exchange_strong(&cache->not_before_ms, &until_ms, *out_until_ms));
}

/* Every result of the engine passes here; what is about one page says nothing about the others. */
static int note(struct tq__cache *cache, int rc)
{
    if (rc < 0 && rc != TQ_E_CORRUPT && rc != TQ_E_INTERNAL) {
        atomic_store(&cache->not_before_ms, tq__now_ms(&cache->env) + ALONE_MS);
    } else if (atomic_load(&cache->not_before_ms)) {
        atomic_store(&cache->not_before_ms, 0);
    }
    return rc;
}

/* One caller connects, the others wait for it. */
static int join(struct tq__cache *cache, long long until_ms, struct tq_error *err)
{
    void *state = NULL;
    int rc = TQ_OK;
    pthread_mutex_lock(&cache->lock);
    if (!cache->state && atomic_load(&cache->not_before_ms) != until_ms) {
        rc = tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, AWAY);
    } else if (!cache->state) {
        rc = note(cache, cache->driver->open(&cache->env, &cache->url, &state, err));
        cache->state = rc == TQ_OK ? state : NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    return rc;
}

static int reach(struct tq__cache *cache, const struct tq__cache_name *name, struct tq_error *err)
{
    long long until_ms;
    TQ_TRY(tq__id_check(name->id, "id", ORIGIN, err));
    TQ_TRY(tq__id_check(name->kind, "kind", ORIGIN, err));
    if (strlen(name->kind) > TQ__CACHE_KIND_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "kind has more than %d bytes", TQ__CACHE_KIND_MAX);
    }
    if (!may_ask(cache, &until_ms)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, AWAY);
    }
    return cache->state ? TQ_OK : join(cache, until_ms, err);
}

int tq__cache_take(struct tq__cache *cache, const struct tq__cache_name *name, uint32_t lease_ms,
                   struct tq__cache_found *found, struct tq_error *err)
{
    TQ_TRY(reach(cache, name, err));
    TQ_TRY(tq__uuid7(&cache->env, tq__now_ms(&cache->env), found->lease, err));
    return note(cache, cache->driver->take(cache->state, name, lease_ms, found, err));
}

int tq__cache_put(struct tq__cache *cache, const struct tq__cache_name *name, const char *lease,
                  const struct tq__buf *page, uint32_t ttl_ms, struct tq_error *err)
{
    TQ_TRY(reach(cache, name, err));
    return note(cache, cache->driver->put(cache->state, name, lease, page, ttl_ms, err));
}

int tq__cache_drop(struct tq__cache *cache, const struct tq__cache_name *name, struct tq_error *err)
{
    TQ_TRY(reach(cache, name, err));
    return note(cache, cache->driver->drop(cache->state, name, err));
}
