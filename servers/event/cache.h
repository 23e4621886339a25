/* SPDX-License-Identifier: MIT */
/*
 * A read cache in which a stampede costs one load.
 */
#ifndef EVENT_CACHE_H
#define EVENT_CACHE_H

#include "core/bytes.h"

#define EVENT_ETAG_SIZE 48

struct event_cache;

/* What was read: immutable, shared by whoever got it. */
struct event_page {
    char etag[EVENT_ETAG_SIZE];
    int64_t left_ms; /* how long it is good when that is less than its kind is; 0: it is not */
    struct tq__buf body;
};

/*
 * Reads `key` into the page, whose body is an empty buffer. TQ_OK fills it; any other
 * result goes to everyone who waits for this load and is not kept.
 */
typedef int event_load_fn(void *arg, const char *key, struct event_page *page,
                          struct tq_error *err);

struct event_cache_options {
    uint32_t ttl_ms;      /* how long a page is good */
    uint32_t entries_max; /* most pages; the one that was used longest ago makes room */
    event_load_fn *load;
    void *arg;
};

int event_cache_new(const struct tq_env *env, const struct event_cache_options *options,
                    struct event_cache **out_cache, struct tq_error *err);
/* Nobody may be inside. NULL is allowed. */
void event_cache_free(struct event_cache *cache);

/*
 * The page of a key, loaded by this caller or by another who is at it already.
 * Blocks for as long as the load. Give the page back with event_page_release().
 */
int event_cache_get(struct event_cache *cache, const char *key, const struct event_page **out_page,
                    struct tq_error *err);
/*
 * The page of a key if there is a good one: TQ_OK, otherwise TQ_EMPTY. Never loads and never waits
 * for a load.
 */
int event_cache_peek(struct event_cache *cache, const char *key,
                     const struct event_page **out_page);
void event_page_release(struct event_cache *cache, const struct event_page *page);

/* Loads so far. */
uint64_t event_cache_loads(struct event_cache *cache);

#endif
