/* SPDX-License-Identifier: MIT */
/*
 * store/cache.c and store/redis/cache.c on a server of our own: who gets a lease and what becomes
 * of it; what is in the way of a page; a server that is away, dies, or is somebody else's.
 */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "core/error.h"
#include "lib/fake_redis.h"
#include "lib/redis_server.h"
#include "lib/test_env.h"
#include "lib/unit.h"
#include "store/cache.h"

#define LEASE_MS 60000

static unsigned port;
static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct tq__cache *cache;
static int number; /* each test has pages of its own, also in one process */
static const struct tq__cache_name page = {"one", "seat-map"};

#define PATIENT "&connect_ms=30000&timeout_ms=30000" /* a busy machine is no broken server */

static void begin_at(unsigned at, const char *patience)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?prefix=t%d-%d-%s", at, (int)getpid(), ++number,
             patience);
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq__cache_open(&env, url, &cache, &err), TQ_OK);
}

static void begin(void)
{
    begin_at(port, PATIENT);
}

static void end(void)
{
    tq__cache_close(cache);
    ck_assert_int_eq(test.live, 0);
}

/* What taking comes to; `text`, where given, is the page. */
static int take(uint32_t lease_ms, char lease[TQ_ID_SIZE], const char *text)
{
    struct tq__cache_found found = {.page = TQ__BUF(&env)};
    int rc = tq__cache_take(cache, &page, lease_ms, &found, &err);
    if (rc == TQ_OK) {
        ck_assert_str_eq(found.page.data, text);
        ck_assert_int_ge(found.left_ms, 0);
        ck_assert_int_le(found.left_ms, LEASE_MS);
    }
    if (lease) {
        tq__id_copy(lease, found.lease);
    }
    tq__buf_done(&found.page);
    return rc;
}

static int put(const char *lease, const char *text)
{
    struct tq__buf body = TQ__BUF(&env);
    tq__buf_text(&body, text);
    int rc = tq__cache_put(cache, &page, lease, &body, LEASE_MS, &err);
    tq__buf_done(&body);
    return rc;
}

/* A command of somebody else's, about the key of the page. */
static void meddle(const char *format)
{
    char key[64];
    redisContext *other = redisConnect("127.0.0.1", (int)port);
    snprintf(key, sizeof key, "t%d-%d-cache:{one}:seat-map", (int)getpid(), number);
    redisReply *reply = redisCommand(other, format, key);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_ne(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    redisFree(other);
}

START_TEST(one__loads_and_the_others_wait)
{
    char lease[TQ_ID_SIZE];
    begin();
    assert_status(take(LEASE_MS, lease, NULL), TQ_EMPTY);
    assert_status(take(LEASE_MS, NULL, NULL), TQ_WAIT);
    assert_status(put(lease, "as it is"), TQ_OK);
    assert_status(take(LEASE_MS, NULL, "as it is"), TQ_OK);
    assert_status(put(lease, "once more"), TQ_STALE);
    assert_status(take(LEASE_MS, NULL, "as it is"), TQ_OK);
    end();
}
END_TEST

START_TEST(a_lease_that_is_given_back__is_anothers_at_once)
{
    char lease[TQ_ID_SIZE];
    begin();
    assert_status(take(LEASE_MS, lease, NULL), TQ_EMPTY);
    assert_status(tq__cache_put(cache, &page, lease, NULL, 0, &err), TQ_OK);
    assert_status(take(LEASE_MS, NULL, NULL), TQ_EMPTY);
    end();
}
END_TEST

START_TEST(who_loads_too_long__finds_a_newer_page_and_leaves_it)
{
    char slow[TQ_ID_SIZE], quick[TQ_ID_SIZE];
    begin();
    assert_status(take(1, slow, NULL), TQ_EMPTY);
    while (take(LEASE_MS, quick, NULL) == TQ_WAIT) {
        usleep(1000);
    }
    assert_status(put(slow, "old"), TQ_STALE);
    assert_status(put(quick, "new"), TQ_OK);
    assert_status(put(slow, "old"), TQ_STALE);
    assert_status(take(LEASE_MS, NULL, "new"), TQ_OK);
    end();
}
END_TEST

START_TEST(what_was_read_before_a_change__is_not_put_after_it)
{
    char before[TQ_ID_SIZE], after[TQ_ID_SIZE];
    begin();
    assert_status(take(LEASE_MS, before, NULL), TQ_EMPTY);
    assert_status(tq__cache_drop(cache, &page, &err), TQ_OK);
    assert_status(put(before, "old"), TQ_STALE);
    assert_status(take(LEASE_MS, after, NULL), TQ_EMPTY);
    assert_status(put(before, "old"), TQ_STALE);
    assert_status(put(after, "new"), TQ_OK);
    assert_status(tq__cache_drop(cache, &page, &err), TQ_OK);
    assert_status(take(LEASE_MS, NULL, NULL), TQ_EMPTY);
    assert_status(tq__cache_drop(cache, &page, &err), TQ_OK);
    end();
}
END_TEST

START_TEST(a_page__ends_with_its_time)
{
    char lease[TQ_ID_SIZE];
    struct tq__buf body = TQ__BUF(&env);
    begin();
    assert_status(take(LEASE_MS, lease, NULL), TQ_EMPTY);
    body.env = &env;
    tq__buf_text(&body, "short");
    assert_status(tq__cache_put(cache, &page, lease, &body, 1, &err), TQ_OK);
    tq__buf_done(&body);
    int rc = TQ_OK;
    while ((rc = take(LEASE_MS, NULL, "short")) == TQ_OK) {
        usleep(1000);
    }
    assert_status(rc, TQ_EMPTY);
    end();
}
END_TEST

START_TEST(what_is_not_ours__is_in_nobodys_way)
{
    static const char *const ways[] = {
        "HSET %s a b",       "SET %s x", "SET %s Pwithout-an-end", "SET %s Lsomebody EX 1000000",
        "SET %s x PX 50000",
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char lease[TQ_ID_SIZE];
        begin();
        meddle("DEL %s");
        meddle(ways[i]);
        int rc = take(LEASE_MS, lease, NULL);
        if (rc == TQ_WAIT) { /* whatever it is, it ends */
            meddle("DEL %s");
            rc = take(LEASE_MS, lease, NULL);
        }
        assert_status(rc, TQ_EMPTY);
        meddle("DEL %s");
        meddle("RPUSH %s a");
        assert_status(put(lease, "mine"), TQ_STALE);
        assert_status(tq__cache_drop(cache, &page, &err), TQ_OK);
        end();
    }
}
END_TEST

START_TEST(names__are_ids)
{
    static const struct {
        struct tq__cache_name name;
        int status;
    } rows[] = {
        {{"", "layout"}, TQ_E_INVALID},           {{"a}b", "layout"}, TQ_E_INVALID},
        {{"a", "lay out"}, TQ_E_INVALID},         {{"a", "sixteen-letters-"}, TQ_OK},
        {{"a", "seventeen-letters"}, TQ_E_LIMIT},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_status(tq__cache_drop(cache, &rows[i].name, &err), rows[i].status);
    }
    end();
}
END_TEST

START_TEST(urls__that_name_no_cache)
{
    static const struct {
        const char *url;
        int status;
    } rows[] = {
        {"sqlite:/x", TQ_E_UNSUPPORTED},
        {"redis", TQ_E_INVALID},
        {"redis:x", TQ_E_INVALID},
        {"redis://h?no=1", TQ_E_INVALID},
    };
    test_env_init(&test, 1);
    env = test_env_of(&test);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_status(tq__cache_open(&env, rows[i].url, &cache, &err), rows[i].status);
        ck_assert_int_eq(test.live, 0);
    }
}
END_TEST

START_TEST(a_server_that_is_away__is_asked_once_a_second)
{
    begin_at(1, "");
    assert_status(take(LEASE_MS, NULL, NULL), TQ_E_UNAVAILABLE);
    ck_assert_str_ne(err.message, "the cache is away");
    assert_status(take(LEASE_MS, NULL, NULL), TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.message, "the cache is away");
    test.now_ms += 999;
    assert_status(tq__cache_drop(cache, &page, &err), TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.message, "the cache is away");
    test.now_ms += 1;
    assert_status(put("x", "y"), TQ_E_UNAVAILABLE);
    ck_assert_str_ne(err.message, "the cache is away");
    end();
}
END_TEST

/* A server that answers, or has stopped to: then it says how many wait. */
struct mood {
    atomic_int is_silent, asked;
};

static const char *moody(void *arg, size_t count, char *const *words)
{
    struct mood *mood = arg;
    (void)count;
    (void)words;
    if (!mood->is_silent) {
        return "$-1\r\n";
    }
    mood->asked++;
    return FAKE_SILENCE;
}

/* As soon as the machine lets it answer in time. */
static void take_at_last(void)
{
    int rc;
    do {
        test.now_ms += 1000;
        rc = take(LEASE_MS, NULL, NULL);
    } while (rc == TQ_E_UNKNOWN || rc == TQ_E_UNAVAILABLE);
    assert_status(rc, TQ_EMPTY);
}

START_TEST(patience__is_what_the_url_says)
{
    struct mood mood = {1, 0};
    struct fake_redis *fake = fake_redis_start(moody, &mood, NULL);
    begin_at(fake_redis_port(fake), "&connect_ms=30000&timeout_ms=1500");
    int64_t begun_ms = tq_system_now_ms(NULL);
    assert_status(take(LEASE_MS, NULL, NULL), TQ_E_UNKNOWN);
    ck_assert_int_ge(tq_system_now_ms(NULL) - begun_ms, 1400);
    end();
    fake_redis_stop(fake);
}
END_TEST

static void *take_in_vain(void *arg)
{
    struct tq__cache_found found = {.page = TQ__BUF(&env)};
    *(int *)arg = tq__cache_take(cache, &page, LEASE_MS, &found, NULL);
    return NULL;
}

START_TEST(a_server_that_hangs__holds_up_one_a_second)
{
    struct mood mood = {0, 0};
    struct fake_redis *fake = fake_redis_start(moody, &mood, NULL);
    pthread_t other;
    int found_out = TQ_OK;
    begin_at(fake_redis_port(fake), "");
    take_at_last();
    mood.is_silent = 1;
    assert_status(take(LEASE_MS, NULL, NULL), TQ_E_UNKNOWN);
    test.now_ms += 1000;
    ck_assert_int_eq(pthread_create(&other, NULL, take_in_vain, &found_out), 0);
    while (mood.asked < 2) {
        usleep(1000);
    }
    assert_status(take(LEASE_MS, NULL, NULL), TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.message, "the cache is away");
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    assert_status(found_out, TQ_E_UNKNOWN);
    ck_assert_int_eq(mood.asked, 2);
    mood.is_silent = 0;
    take_at_last();
    take_at_last();
    end();
    fake_redis_stop(fake);
}
END_TEST

static const char *nonsense(void *arg, size_t count, char *const *words)
{
    (void)count;
    (void)words;
    return arg;
}

START_TEST(answers_of_no_sense__are_failures)
{
    static const char *const answers[] = {"+what\r\n", "*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n",
                                          "*2\r\n$1\r\nx\r\n$1\r\nx\r\n"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fake_redis *fake = fake_redis_start(nonsense, (void *)(uintptr_t)answers[i], NULL);
        begin_at(fake_redis_port(fake), PATIENT);
        assert_status(take(LEASE_MS, NULL, NULL), TQ_E_INTERNAL);
        assert_status(put("x", "y"), TQ_E_INTERNAL);
        assert_status(tq__cache_drop(cache, &page, &err), TQ_E_INTERNAL);
        end();
        fake_redis_stop(fake);
    }
}
END_TEST

START_TEST(without_memory__nothing_is_kept)
{
    int rc = TQ_E_NOMEM;
    for (long fail_at = 1; rc != TQ_EMPTY; fail_at++) {
        begin();
        meddle("DEL %s");
        test.fail_at = test.allocations + fail_at;
        rc = take(LEASE_MS, NULL, NULL);
        ck_assert(rc == TQ_EMPTY || rc == TQ_E_NOMEM || rc == TQ_E_UNAVAILABLE);
        test.fail_at = 0;
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {one__loads_and_the_others_wait,
                                  a_lease_that_is_given_back__is_anothers_at_once,
                                  who_loads_too_long__finds_a_newer_page_and_leaves_it,
                                  what_was_read_before_a_change__is_not_put_after_it,
                                  a_page__ends_with_its_time,
                                  what_is_not_ours__is_in_nobodys_way,
                                  names__are_ids,
                                  urls__that_name_no_cache,
                                  a_server_that_is_away__is_asked_once_a_second,
                                  patience__is_what_the_url_says,
                                  a_server_that_hangs__holds_up_one_a_second,
                                  answers_of_no_sense__are_failures,
                                  without_memory__nothing_is_kept};
    port = redis_server_start(NULL);
    if (!port) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    return unit_main("store.redis.cache", tests, sizeof tests / sizeof *tests);
}
