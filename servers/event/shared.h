/* SPDX-License-Identifier: MIT */
/*
 * One kind of page, loaded once for all processes that share a cache.
 */
#ifndef EVENT_SHARED_H
#define EVENT_SHARED_H

#include <ticketq/token.h>

#include "app/metrics.h"
#include "event/cache.h"
#include "store/cache.h"

struct event_shared;

struct event_shared_options {
    const char *kind; /* "seat-map" */
    uint32_t ttl_ms;
    event_load_fn *load; /* from where the truth is */
    void *arg;
    struct tq__cache *cache; /* NULL: every process for itself */
    tq_keys *keys;           /* what pages are sealed with: TQ_PURPOSE_INTERNAL */
    struct app_metrics *metrics;
};

/* What the options point to is borrowed and outlives it. */
int event_shared_new(const struct tq_env *env, const struct event_shared_options *options,
                     struct event_shared **out_shared, struct tq_error *err);
/* NULL is allowed. */
void event_shared_free(struct event_shared *shared);

/* Takes a page out of the cache or loads it; `arg` is a struct event_shared *. */
event_load_fn event_shared_load;
/* What the page of this id said is no longer so. */
void event_shared_drop(struct event_shared *shared, const char *id);

#endif
