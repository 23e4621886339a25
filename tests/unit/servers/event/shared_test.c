/* SPDX-License-Identifier: MIT */
/*
 * servers/event/shared.c: however many processes read at once, a page is loaded once; who
 * dies with the lease, a server that dies, and what somebody writes there, cost loads and nothing
 * else. Two readers with connections of their own stand for two processes.
 */
#include "event/shared.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "lib/redis_server.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define CROWD 16
#define TTL_MS 60000

static unsigned port;
static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct app_metrics *metrics;
static int number; /* each test has pages of its own, also in one process */

/* Where the truth is. */
static struct {
    atomic_int loads;
    atomic_int arrived;
    int wait_for; /* the load does not end before so many have arrived */
    int result;
    int64_t left_ms;
    void (*meanwhile)(void);
    char body[65536];
} source;

static struct process {
    struct tq__cache *cache;
    tq_keys *keys;
    struct event_shared *pages;
} one, two;

static int load(void *arg, const char *key, struct event_page *page, struct tq_error *why)
{
    (void)arg;
    atomic_fetch_add(&source.loads, 1);
    if (source.meanwhile) {
        source.meanwhile();
    }
    while (atomic_load(&source.arrived) < source.wait_for) {
        usleep(100);
    }
    if (source.result != TQ_OK) {
        return source.result < 0 ? tq__fail(why, source.result, "source", "away") : source.result;
    }
    snprintf(page->etag, sizeof page->etag, "tag-%d", source.loads);
    tq__buf_format(&page->body, "%s %s", key, source.body);
    page->left_ms = source.left_ms;
    return TQ_OK;
}

/* A busy machine is no broken server. */
static const char patient[] = "&connect_ms=30000&timeout_ms=30000";
static const char *patience = patient;

static void open_process(struct process *process, const char *kind, const char *secret)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?prefix=t%d-%d-%s", port, (int)getpid(), number,
             patience);
    assert_status(tq__cache_open(&env, url, &process->cache, &err), TQ_OK);
    assert_status(tq_keys_new(&env, &process->keys, &err), TQ_OK);
    if (secret) {
        assert_status(
            tq_keys_add(process->keys,
                        TQ_ARGS(tq_key, .id = "internal-1", .purpose = TQ_PURPOSE_INTERNAL,
                                .secret = secret, .secret_bytes = strlen(secret)),
                        &err),
            TQ_OK);
    }
    const struct event_shared_options options = {.kind = kind,
                                                 .ttl_ms = TTL_MS,
                                                 .load = load,
                                                 .cache = process->cache,
                                                 .keys = process->keys,
                                                 .metrics = metrics};
    assert_status(event_shared_new(&env, &options, &process->pages, &err), TQ_OK);
}

static void close_process(struct process *process)
{
    event_shared_free(process->pages);
    tq_keys_free(process->keys);
    tq__cache_close(process->cache);
}

#define SECRET "0123456789abcdef0123456789abcdef"

static void begin(void)
{
    number++;
    memset(&source, 0, sizeof source);
    snprintf(source.body, sizeof source.body, "first");
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(app_metrics_new(&env, &metrics, &err), TQ_OK);
    open_process(&one, "layout", SECRET);
    open_process(&two, "layout", SECRET);
}

static void end(void)
{
    close_process(&one);
    close_process(&two);
    app_metrics_free(metrics);
    ck_assert_int_eq(test.live, 0);
}

static struct event_page read_page(struct process *process, const char *id, int expected)
{
    struct event_page page = {.body = TQ__BUF(&env)};
    assert_status(event_shared_load(process->pages, id, &page, &err), expected);
    return page;
}

static void expect(struct process *process, const char *body)
{
    struct event_page page = read_page(process, "a", TQ_OK);
    ck_assert_str_eq(page.body.data, body);
    tq__buf_done(&page.body);
}

static int counted(const char *kind, const char *outcome)
{
    struct tq__buf text = TQ__BUF(&env);
    char line[128];
    int count = 0;
    app_metrics_write(metrics, &text);
    snprintf(line, sizeof line, "ticketq_event_pages_total{kind=\"%s\",outcome=\"%s\"} ", kind,
             outcome);
    const char *at = strstr(text.data, line);
    ck_assert_ptr_nonnull(at);
    sscanf(at + strlen(line), "%d", &count);
    tq__buf_done(&text);
    return count;
}

/* A command of somebody else's; what it answers is the caller's. */
static redisReply *meddle(const char *verb, const char *key, const redisReply *value)
{
    char name[64];
    redisContext *other = redisConnect("127.0.0.1", (int)port);
    snprintf(name, sizeof name, "t%d-%d-cache:{%s}:layout", (int)getpid(), number, key);
    redisReply *reply =
        value ? redisCommand(other, "%s %s %b PX 50000", verb, name, value->str, value->len)
              : redisCommand(other, "%s %s", verb, name);
    redisFree(other);
    ck_assert_ptr_nonnull(reply);
    return reply;
}

static void *come(void *arg)
{
    struct event_page page = {.body = TQ__BUF(&env)};
    struct tq_error why = TQ_ERROR_INIT;
    struct process *process = arg;
    atomic_fetch_add(&source.arrived, 1);
    int rc = event_shared_load(process->pages, "a", &page, &why);
    rc = rc == TQ_OK && strcmp(page.body.data, "a first") != 0 ? TQ_STALE : rc;
    tq__buf_done(&page.body);
    return (void *)(intptr_t)rc;
}

START_TEST(a_stampede_over_processes__costs_one_load)
{
    pthread_t threads[CROWD];
    begin();
    source.wait_for = CROWD;
    for (int i = 0; i < CROWD; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come, i % 2 ? &one : &two), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        ck_assert_int_eq((int)(intptr_t)result, TQ_OK);
    }
    ck_assert_int_eq(source.loads, 1);
    ck_assert_int_eq(counted("layout", "miss"), 1);
    ck_assert_int_eq(counted("layout", "hit"), CROWD - 1);
    end();
}
END_TEST

START_TEST(a_page__is_the_same_in_both_and_as_long_good)
{
    begin();
    source.left_ms = 5000;
    memset(source.body, 'x', sizeof source.body - 1);
    struct event_page first = read_page(&one, "a", TQ_OK), second = read_page(&two, "a", TQ_OK);
    ck_assert_uint_eq(second.body.bytes, first.body.bytes);
    ck_assert_mem_eq(second.body.data, first.body.data, first.body.bytes);
    ck_assert_str_eq(second.etag, "tag-1");
    ck_assert_int_ge(second.left_ms, 1);
    ck_assert_int_le(second.left_ms, 5000);
    tq__buf_done(&first.body);
    tq__buf_done(&second.body);
    end();
}
END_TEST

START_TEST(what_has_changed__is_loaded_again)
{
    begin();
    expect(&one, "a first");
    snprintf(source.body, sizeof source.body, "second");
    expect(&two, "a first");
    event_shared_drop(two.pages, "a");
    expect(&one, "a second");
    expect(&two, "a second");
    ck_assert_int_eq(source.loads, 2);
    end();
}
END_TEST

static void change(void)
{
    source.meanwhile = NULL;
    event_shared_drop(two.pages, "a");
}

START_TEST(what_changes_during_a_load__is_not_kept)
{
    begin();
    source.meanwhile = change;
    expect(&one, "a first");
    snprintf(source.body, sizeof source.body, "second");
    expect(&two, "a second");
    expect(&one, "a second");
    end();
}
END_TEST

START_TEST(a_load_that_fails__is_its_callers_alone)
{
    begin();
    source.result = TQ_GONE;
    struct event_page page = read_page(&one, "a", TQ_GONE);
    tq__buf_done(&page.body);
    source.result = TQ_E_UNAVAILABLE;
    page = read_page(&two, "a", TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.message, "away");
    tq__buf_done(&page.body);
    source.result = TQ_OK;
    expect(&one, "a first");
    ck_assert_int_eq(source.loads, 3);
    end();
}
END_TEST

START_TEST(who_dies_with_the_lease__holds_nobody_up_for_long)
{
    const struct tq__cache_name name = {"a", "layout"};
    begin();
    struct tq__cache_found found = {.page = TQ__BUF(&env)};
    assert_status(tq__cache_take(one.cache, &name, 2000, &found, &err), TQ_EMPTY);
    expect(&two, "a first");
    ck_assert_int_eq(counted("layout", "alone"), 1);
    end();
}
END_TEST

static void kill_server(void)
{
    source.meanwhile = NULL;
    redis_server_kill();
}

START_TEST(a_server_that_dies_in_the_middle__costs_loads_and_no_error)
{
    begin();
    source.meanwhile = kill_server;
    expect(&one, "a first");
    expect(&one, "a first");
    expect(&two, "a first");
    ck_assert_int_eq(source.loads, 3);
    redis_server_again();
    test.now_ms += 5000;
    expect(&one, "a first");
    expect(&two, "a first");
    ck_assert_int_eq(source.loads, 4);
    end();
}
END_TEST

START_TEST(a_server_that_is_silent__costs_loads_and_no_error)
{
    patience = "";
    begin();
    patience = patient;
    expect(&one, "a first");
    redis_server_pause();
    expect(&one, "a first");
    expect(&one, "a first");
    redis_server_resume();
    ck_assert_int_eq(source.loads, 3);
    end();
}
END_TEST

START_TEST(what_somebody_else_wrote__is_refused)
{
    begin();
    expect(&one, "a first");
    redisReply *good = meddle("GET", "a", NULL);
    ck_assert_int_eq(good->type, REDIS_REPLY_STRING);
    for (size_t at = 0; at < (size_t)good->len; at++) {
        good->str[at] ^= 1;
        freeReplyObject(meddle("SET", "a", good));
        good->str[at] ^= 1;
        int loads = source.loads;
        expect(&two, "a first");
        ck_assert_int_eq(source.loads, loads + 1);
    }
    size_t whole = good->len;
    for (good->len = 0; good->len < whole; good->len++) {
        int loads = source.loads;
        freeReplyObject(meddle("SET", "a", good));
        expect(&two, "a first");
        ck_assert_int_eq(source.loads, loads + 1);
    }
    freeReplyObject(meddle("SET", "a", good));
    int loads = source.loads;
    expect(&two, "a first");
    ck_assert_int_eq(source.loads, loads);     /* it was the page itself that was good */
    freeReplyObject(meddle("SET", "b", good)); /* but not everywhere */
    struct event_page page = read_page(&two, "b", TQ_OK);
    ck_assert_str_eq(page.body.data, "b first");
    tq__buf_done(&page.body);
    freeReplyObject(good);
    ck_assert_int_gt(counted("layout", "refused"), (int)whole);
    end();
}
END_TEST

START_TEST(a_page__is_good_for_its_kind_its_keys_and_its_time_only)
{
    struct process other;
    begin();
    expect(&one, "a first");
    redisReply *good = meddle("GET", "a", NULL);
    open_process(&other, "layout", "another secret, another secret, another");
    expect(&other, "a first");
    ck_assert_int_eq(counted("layout", "refused"), 1);
    close_process(&other);
    test.now_ms += TTL_MS + 2 * TQ_TOKEN_SKEW_MS;
    freeReplyObject(meddle("SET", "a", good));
    expect(&two, "a first");
    ck_assert_int_eq(counted("layout", "refused"), 2);
    freeReplyObject(good);
    end();
}
END_TEST

START_TEST(without_a_key__nothing_is_shared_and_nothing_fails)
{
    struct process other;
    begin();
    open_process(&other, "layout", NULL);
    expect(&other, "a first");
    expect(&other, "a first");
    ck_assert_int_eq(source.loads, 2);
    close_process(&other);
    end();
}
END_TEST

START_TEST(without_a_cache__every_process_is_for_itself)
{
    struct event_shared *pages = NULL;
    struct event_page page = {.body = TQ__BUF(&env)};
    begin();
    page.body.env = &env;
    const struct event_shared_options options = {
        .kind = "list", .ttl_ms = TTL_MS, .load = load, .keys = one.keys, .metrics = metrics};
    assert_status(event_shared_new(&env, &options, &pages, &err), TQ_OK);
    assert_status(event_shared_load(pages, "a", &page, &err), TQ_OK);
    ck_assert_int_eq(counted("list", "alone"), 1);
    event_shared_drop(pages, "a");
    event_shared_free(pages);
    tq__buf_done(&page.body);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_stampede_over_processes__costs_one_load,
                                  a_page__is_the_same_in_both_and_as_long_good,
                                  what_has_changed__is_loaded_again,
                                  what_changes_during_a_load__is_not_kept,
                                  a_load_that_fails__is_its_callers_alone,
                                  who_dies_with_the_lease__holds_nobody_up_for_long,
                                  a_server_that_is_silent__costs_loads_and_no_error,
                                  what_somebody_else_wrote__is_refused,
                                  a_page__is_good_for_its_kind_its_keys_and_its_time_only,
                                  without_a_key__nothing_is_shared_and_nothing_fails,
                                  without_a_cache__every_process_is_for_itself,
                                  a_server_that_dies_in_the_middle__costs_loads_and_no_error};
    port = redis_server_start(NULL);
    if (!port) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    return unit_main("event.shared", tests, sizeof tests / sizeof *tests);
}
