/* SPDX-License-Identifier: MIT */
/*
 * Pages that several processes share, and a lease for whoever loads one.
 *
 *     tq__cache_take()        TQ_OK      here is the page
 *                             TQ_EMPTY   yours to load: the lease is your ticket to put it
 *                             TQ_WAIT    somebody else is loading it
 *     ... load ...
 *     tq__cache_put()         TQ_OK      others have it now
 *                             TQ_STALE   it was dropped, or given to another, meanwhile
 *
 * Whoever changes what a page says calls tq__cache_drop() behind the change; that ends leases
 * too, so a page that was read before the change is never put after it. What comes out
 * may be anything that somebody wrote into the engine: the caller seals and checks its pages.
 */
#ifndef TQ_STORE_CACHE_H
#define TQ_STORE_CACHE_H

#include "core/bytes.h"
#include "core/url.h"

#define TQ__CACHE_KIND_MAX 16

/* A page is named by the id of what it is about and by its kind, an id too. */
struct tq__cache_name {
    const char *id;
    const char *kind; /* at most TQ__CACHE_KIND_MAX bytes */
};

/* A page as it is found, or a lease. */
struct tq__cache_found {
    struct tq__buf page;
    int64_t left_ms; /* with TQ_OK: how long the page is good */
    char lease[TQ_ID_SIZE];
};

struct tq__cache;

/*
 * Does not connect: a program starts without its cache. TQ_E_INVALID; TQ_E_UNSUPPORTED: the engine
 * of the URL keeps no pages, or is not in this build.
 */
int tq__cache_open(const struct tq_env *env, const char *url, struct tq__cache **out_cache,
                   struct tq_error *err);
/* NULL is allowed. */
void tq__cache_close(struct tq__cache *cache);

/*
 * `found->page` is an empty buffer. Failures: TQ_E_UNAVAILABLE and whatever an engine says; all
 * mean the same, that the caller is on its own. Each returns within about a second. [any]
 */
int tq__cache_take(struct tq__cache *cache, const struct tq__cache_name *name, uint32_t lease_ms,
                   struct tq__cache_found *found, struct tq_error *err);
/* `page` NULL: nothing came of it; the next who asks gets a lease. */
int tq__cache_put(struct tq__cache *cache, const struct tq__cache_name *name, const char *lease,
                  const struct tq__buf *page, uint32_t ttl_ms, struct tq_error *err);
int tq__cache_drop(struct tq__cache *cache, const struct tq__cache_name *name,
                   struct tq_error *err);

/* What an engine does for it; slots as above. */
struct tq__cache_driver {
    const char *scheme;
    int (*check)(const struct tq__url *url, struct tq_error *err);
    /* Connects. `env` outlives the state. */
    int (*open)(const struct tq_env *env, const struct tq__url *url, void **out_state,
                struct tq_error *err);
    void (*close)(void *state);
    int (*take)(void *state, const struct tq__cache_name *name, uint32_t lease_ms,
                struct tq__cache_found *found, struct tq_error *err);
    int (*put)(void *state, const struct tq__cache_name *name, const char *lease,
               const struct tq__buf *page, uint32_t ttl_ms, struct tq_error *err);
    int (*drop)(void *state, const struct tq__cache_name *name, struct tq_error *err);
};

#endif
