/* SPDX-License-Identifier: MIT */
/*
 * Takes pages out of the cache that processes share, and puts there what it had to load.
 *
 *     the cache says    this reader
 *     here it is        checks the seal, answers                                 hit
 *     load it           loads, seals, puts, answers                              miss
 *     wait              asks again, for a second at most, then loads for itself  alone
 *     nothing           loads for itself                                         alone
 *     what is not ours  drops it, loads for itself                               refused
 *
 * So a stampede over all processes costs one load; who dies with a lease costs the others
 * that second; and a cache that is away costs a load per process (cache.c, before this) and
 * never an error.
 *
 * A page lies in the cache as it would travel from service to service, behind a token of
 * TQ_PURPOSE_INTERNAL that says of what id and kind it is, its SHA-256, and until when:
 *
 *     token \n etag \n body
 *
 * Its audience is that of no listener. So who can write into the cache, but has no key, can
 * make pages go, or come back for half a minute past their time (clocks differ), and cannot
 * make one up. Threads: [any].
 */
#include "event/shared.h"

#include <stdio.h>
#include <string.h>

#include "app/digest.h"
#include "core/backoff.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "event.shared"
#define LEASE_MS 2000
#define PATIENCE_MS 1000
#define PAUSE_FIRST_MS 2
#define PAUSE_MAX_MS 25
#define AUDIENCE "cache-"

enum outcome { HIT, MISS, ALONE, REFUSED, OUTCOMES };

struct event_shared {
    struct tq_env env;
    struct event_shared_options options;
    char audience[TQ_ID_SIZE];
    struct app_series *outcomes[OUTCOMES];
};

int event_shared_new(const struct tq_env *env, const struct event_shared_options *options,
                     struct event_shared **out_shared, struct tq_error *err)
{
    static const char *const names[OUTCOMES] = {"hit", "miss", "alone", "refused"};
    char labels[128];
    struct event_shared *shared = tq__alloc(env, 1, sizeof *shared);
    if (!shared) {
        return tq__nomem(ORIGIN, err);
    }
    shared->env = *env;
    shared->options = *options;
    snprintf(shared->audience, sizeof shared->audience, AUDIENCE "%s", options->kind);
    for (size_t i = 0; i < OUTCOMES; i++) {
        snprintf(labels, sizeof labels, "kind=\"%s\",outcome=\"%s\"", options->kind, names[i]);
        shared->outcomes[i] =
            app_counter(options->metrics, "ticketq_event_pages_total",
                        "Pages that a process had to fetch, by where they came from.", labels);
    }
    *out_shared = shared;
    return TQ_OK;
}

void event_shared_free(struct event_shared *shared)
{
    if (shared) {
        struct tq_env env = shared->env;
        tq__release(&env, shared);
    }
}

/* ---- the seal ---- */

static int64_t life_ms(const struct event_shared *shared, const struct event_page *page)
{
    int64_t ttl_ms = shared->options.ttl_ms;
    return page->left_ms && page->left_ms < ttl_ms ? page->left_ms : ttl_ms;
}

static int seal(struct event_shared *shared, const char *id, const struct event_page *page,
                struct tq__buf *sealed, struct tq_error *err)
{
    struct tq__buf body = TQ__BUF(&shared->env);
    struct tq_claims claims = TQ_INIT(tq_claims);
    char token[TQ_TOKEN_SIZE];
    tq__buf_format(&body, "%s\n", page->etag);
    tq__buf_add(&body, page->body.data, page->body.bytes);
    tq__id_copy(claims.subject, id);
    tq__id_copy(claims.audience, shared->audience);
    claims.expires_ms = tq__now_ms(&shared->env) + life_ms(shared, page) + TQ_TOKEN_SKEW_MS;
    int rc = tq__buf_check(&body, ORIGIN, err);
    if (rc == TQ_OK) {
        rc = app_digest(body.data, body.bytes, APP_DIGEST_MAX, claims.id, err);
    }
    if (rc == TQ_OK) {
        rc = tq_token_sign(shared->options.keys, TQ_PURPOSE_INTERNAL, &claims, token, err);
    }
    if (rc == TQ_OK) {
        tq__buf_format(sealed, "%s\n", token);
        tq__buf_add(sealed, body.data, body.bytes);
        rc = tq__buf_check(sealed, ORIGIN, err);
    }
    tq__buf_done(&body);
    return rc;
}

/* Whether somebody with our keys wrote it, as this page of this id; then it is in `page`. */
static int unseal(struct event_shared *shared, const char *id, const struct tq__cache_found *found,
                  struct event_page *page)
{
    const char *text = found->page.data, *end = text + found->page.bytes;
    const char *rest = text ? memchr(text, '\n', found->page.bytes) : NULL;
    const char *body = rest ? memchr(rest + 1, '\n', (size_t)(end - rest - 1)) : NULL;
    struct tq_claims claims = TQ_INIT(tq_claims);
    char hash[APP_DIGEST_SIZE(APP_DIGEST_MAX)];
    if (!body || (size_t)(body - rest) > sizeof page->etag ||
        tq_token_verify(shared->options.keys, TQ_PURPOSE_INTERNAL, shared->audience, text,
                        (size_t)(rest - text), &claims, NULL) != TQ_OK ||
        strcmp(claims.subject, id) != 0 ||
        app_digest(rest + 1, (size_t)(end - rest - 1), APP_DIGEST_MAX, hash, NULL) != TQ_OK ||
        strcmp(claims.id, hash) != 0) {
        return 0;
    }
    memcpy(page->etag, rest + 1, (size_t)(body - rest - 1));
    page->etag[body - rest - 1] = '\0';
    page->left_ms = found->left_ms < 1 ? 1 : found->left_ms;
    page->left_ms = life_ms(shared, page);
    tq__buf_add(&page->body, body + 1, (size_t)(end - body - 1));
    return 1;
}

/* ---- reading ---- */

/* As the cache answers, once nobody else is loading it or patience has ended (TQ_WAIT). */
static int await(struct event_shared *shared, const struct tq__cache_name *name,
                 struct tq__cache_found *found)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    uint32_t left_ms = PATIENCE_MS;
    int rc;
    do {
        rc = tq__cache_take(shared->options.cache, name, LEASE_MS, found, NULL);
    } while (rc == TQ_WAIT && tq__backoff_wait(&backoff, &shared->env, &left_ms));
    return rc;
}

static int load(struct event_shared *shared, const char *id, struct event_page *page,
                enum outcome outcome, struct tq_error *err)
{
    app_series_add(shared->outcomes[outcome], 1);
    return shared->options.load(shared->options.arg, id, page, err);
}

/* With a lease, which is given back when nothing comes of it. */
static int load_for_all(struct event_shared *shared, const struct tq__cache_name *name,
                        const char *lease, struct event_page *page, struct tq_error *err)
{
    struct tq__buf sealed = TQ__BUF(&shared->env);
    struct tq_error why = TQ_ERROR_INIT;
    int rc = load(shared, name->id, page, MISS, err);
    int is_good = rc == TQ_OK && seal(shared, name->id, page, &sealed, &why) == TQ_OK;
    if (tq__cache_put(shared->options.cache, name, lease, is_good ? &sealed : NULL,
                      (uint32_t)life_ms(shared, page), &why) < 0 ||
        (rc == TQ_OK && !is_good)) {
        tq__log(&shared->env, TQ_LOG_WARN, ORIGIN, "%s", why.message);
    }
    tq__buf_done(&sealed);
    return rc;
}

int event_shared_load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    struct event_shared *shared = arg;
    const struct tq__cache_name name = {key, shared->options.kind};
    if (!shared->options.cache) {
        return load(shared, key, page, ALONE, err);
    }
    struct tq__cache_found found = {.page = TQ__BUF(&shared->env)};
    int rc = await(shared, &name, &found);
    if (rc == TQ_EMPTY) {
        rc = load_for_all(shared, &name, found.lease, page, err);
    } else if (rc != TQ_OK) {
        rc = load(shared, key, page, ALONE, err);
    } else if (unseal(shared, key, &found, page)) {
        app_series_add(shared->outcomes[HIT], 1);
    } else {
        event_shared_drop(shared, key);
        rc = load(shared, key, page, REFUSED, err);
    }
    tq__buf_done(&found.page);
    return rc;
}

void event_shared_drop(struct event_shared *shared, const char *id)
{
    const struct tq__cache_name name = {id, shared->options.kind};
    if (shared->options.cache) {
        tq__cache_drop(shared->options.cache, &name, NULL);
    }
}
