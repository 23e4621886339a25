/* SPDX-License-Identifier: MIT */
/*
 * servers/event/cache.c: however many come at once, a page is loaded once; a failed
 * load is not kept; a page that is in somebody's hands does not change.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "event/cache.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define CROWD 200
#define TTL_MS 250

/* What the cache loads from. */
struct source {
    atomic_int loads;
    atomic_int arrived; /* of the crowd */
    int wait_for;       /* the load does not end before so many have arrived */
    int fails;
    struct test_env test;
    struct tq_env env;
    struct event_cache *cache;
};

static int load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    struct source *source = arg;
    int number = atomic_fetch_add(&source->loads, 1) + 1;
    while (atomic_load(&source->arrived) < source->wait_for) {
        usleep(100);
    }
    usleep(source->wait_for ? 20000 : 0);
    if (source->fails) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "source", "away");
    }
    snprintf(page->etag, sizeof page->etag, "%d", number);
    tq__buf_format(&page->body, "%s %d", key, number);
    return TQ_OK;
}

static void begin(struct source *source, uint32_t entries_max)
{
    struct tq_error err = TQ_ERROR_INIT;
    memset(source, 0, sizeof *source);
    test_env_init(&source->test, 1);
    source->env = test_env_of(&source->test);
    const struct event_cache_options options = {TTL_MS, entries_max, load, source};
    assert_status(event_cache_new(&source->env, &options, &source->cache, &err), TQ_OK);
}

static void finish(struct source *source)
{
    event_cache_free(source->cache);
    ck_assert_int_eq(source->test.live, 0);
}

static void expect_page(struct source *source, const char *key, const char *body)
{
    struct tq_error err = TQ_ERROR_INIT;
    const struct event_page *page = NULL;
    assert_status(event_cache_get(source->cache, key, &page, &err), TQ_OK);
    ck_assert_str_eq(page->body.data, body);
    event_page_release(source->cache, page);
}

static void *come(void *arg)
{
    struct source *source = arg;
    const struct event_page *page = NULL;
    struct tq_error err = TQ_ERROR_INIT;
    atomic_fetch_add(&source->arrived, 1);
    int rc = event_cache_get(source->cache, "a", &page, &err);
    if (rc == TQ_OK) {
        rc = strcmp(page->body.data, "a 1") == 0 ? TQ_OK : TQ_STALE;
        event_page_release(source->cache, page);
    }
    return (void *)(intptr_t)rc;
}

static void send_crowd(struct source *source, int expected)
{
    pthread_t threads[CROWD];
    source->wait_for = CROWD;
    for (int i = 0; i < CROWD; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come, source), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        ck_assert_int_eq((int)(intptr_t)result, expected);
    }
    source->wait_for = 0;
}

START_TEST(cache__stampede_costs_one_load)
{
    struct source source;
    begin(&source, 4);
    send_crowd(&source, TQ_OK);
    ck_assert_int_eq(source.loads, 1);
    ck_assert_uint_eq(event_cache_loads(source.cache), 1);
    finish(&source);
}
END_TEST

START_TEST(cache__failure_reaches_all_who_waited_and_is_not_kept)
{
    struct source source;
    begin(&source, 4);
    source.fails = 1;
    send_crowd(&source, TQ_E_UNAVAILABLE);
    ck_assert_int_le(source.loads, CROWD / 2);
    source.fails = 0;
    int before = source.loads;
    struct tq_error err = TQ_ERROR_INIT;
    const struct event_page *page = NULL;
    assert_status(event_cache_get(source.cache, "a", &page, &err), TQ_OK);
    event_page_release(source.cache, page);
    ck_assert_int_eq(source.loads, before + 1);
    finish(&source);
}
END_TEST

START_TEST(cache__page_is_good_until_its_time)
{
    struct source source;
    begin(&source, 4);
    expect_page(&source, "a", "a 1");
    source.test.now_ms += TTL_MS - 1;
    expect_page(&source, "a", "a 1");
    source.test.now_ms += 1;
    expect_page(&source, "a", "a 2");
    finish(&source);
}
END_TEST

START_TEST(cache__peeking_never_loads)
{
    struct source source;
    struct tq_error err = TQ_ERROR_INIT;
    const struct event_page *page = NULL;
    begin(&source, 4);
    assert_status(event_cache_peek(source.cache, "a", &page), TQ_EMPTY);
    expect_page(&source, "a", "a 1");
    source.test.now_ms += TTL_MS - 1;
    assert_status(event_cache_peek(source.cache, "a", &page), TQ_OK);
    ck_assert_str_eq(page->body.data, "a 1");
    event_page_release(source.cache, page);
    source.test.now_ms += 1;
    assert_status(event_cache_peek(source.cache, "a", &page), TQ_EMPTY);
    ck_assert_int_eq(atomic_load(&source.loads), 1);
    finish(&source);
}
END_TEST

START_TEST(cache__page_in_hand_does_not_change)
{
    struct source source;
    struct tq_error err = TQ_ERROR_INIT;
    const struct event_page *page = NULL;
    begin(&source, 4);
    assert_status(event_cache_get(source.cache, "a", &page, &err), TQ_OK);
    source.test.now_ms += TTL_MS;
    expect_page(&source, "a", "a 2");
    ck_assert_str_eq(page->body.data, "a 1");
    event_page_release(source.cache, page);
    finish(&source);
}
END_TEST

START_TEST(cache__longest_unused_makes_room)
{
    struct source source;
    begin(&source, 2);
    expect_page(&source, "a", "a 1");
    source.test.now_ms += 1;
    expect_page(&source, "b", "b 2");
    source.test.now_ms += 1;
    expect_page(&source, "a", "a 1");
    source.test.now_ms += 1;
    expect_page(&source, "c", "c 3");
    expect_page(&source, "a", "a 1");
    expect_page(&source, "b", "b 4");
    finish(&source);
}
END_TEST

START_TEST(cache__key_must_be_an_id)
{
    struct source source;
    struct tq_error err = TQ_ERROR_INIT;
    const struct event_page *page = NULL;
    begin(&source, 2);
    assert_status(event_cache_get(source.cache, "a b", &page, &err), TQ_E_INVALID);
    ck_assert_int_eq(source.loads, 0);
    finish(&source);
}
END_TEST

START_TEST(cache__no_memory_leaves_it_whole)
{
    struct source source;
    struct tq_error err = TQ_ERROR_INIT;
    begin(&source, 4);
    int rc = TQ_E_NOMEM;
    for (long n = 1; rc != TQ_OK; n++) {
        const struct event_page *page = NULL;
        source.test.allocations = 0;
        source.test.fail_at = n;
        rc = event_cache_get(source.cache, "a", &page, &err);
        ck_assert(rc == TQ_OK || rc == TQ_E_NOMEM);
        if (rc == TQ_OK) {
            event_page_release(source.cache, page);
        }
    }
    finish(&source);
}
END_TEST

UNIT_MAIN("servers.event.cache", cache__stampede_costs_one_load,
          cache__failure_reaches_all_who_waited_and_is_not_kept, cache__page_is_good_until_its_time,
          cache__peeking_never_loads, cache__page_in_hand_does_not_change,
          cache__longest_unused_makes_room, cache__key_must_be_an_id,
          cache__no_memory_leaves_it_whole)
