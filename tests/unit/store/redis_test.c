/* SPDX-License-Identifier: MIT */
/*
 * store/redis/redis.c and client.c: opening, the clock, what is refused at the
 * start, and that all memory is given back wherever opening failed.
 */
#include <stdio.h>
#include <string.h>

#include <ticketq/store.h>

#include "lib/fake_redis.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static const char *answer(void *arg, size_t count, char *const *words)
{
    (void)arg;
    (void)count;
    return strcmp(words[0], "CLUSTER") == 0 ? "-ERR This instance has cluster support disabled\r\n"
                                            : ":1795370000123\r\n";
}

static int open_at(unsigned port, const char *options, tq_store **out_store)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?wait_ms=0%s", port, options);
    return tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), out_store, &err);
}

static void begin(void)
{
    test_env_init(&test, 5);
    env = test_env_of(&test);
}

START_TEST(the_clock__is_the_servers)
{
    struct fake_redis *fake = fake_redis_start(answer, NULL, NULL);
    tq_store *store = NULL;
    int64_t now_ms = 0;
    begin();
    assert_status(open_at(fake_redis_port(fake), "", &store), TQ_OK);
    assert_status(tq_store_now(store, &now_ms, &err), TQ_OK);
    ck_assert_int_eq(now_ms, 1795370000123);
    ck_assert_uint_eq(tq_store_caps(store) & TQ_STORE_ROOM, TQ_STORE_ROOM);
    ck_assert_uint_eq(tq_store_caps(store) & TQ_STORE_SHARED, TQ_STORE_SHARED);
    ck_assert_uint_eq(tq_store_caps(store) & TQ_STORE_DURABLE, 0);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
    fake_redis_stop(fake);
}
END_TEST

START_TEST(an_unfit_server__is_refused)
{
    static const struct {
        const char *info, *options;
        int status;
    } rows[] = {
        {"redis_version:6.2.1\r\n", "", TQ_E_UNSUPPORTED},
        {"redis_version:7.0.1\r\ncluster_enabled:1\r\n", "", TQ_E_INVALID},
        {"redis_version:7.0.1\r\ncluster_enabled:0\r\n", "&cluster=1", TQ_E_INVALID},
        {"redis_version:7.0.1\r\ncluster_enabled:1\r\nmaxmemory_policy:noeviction\r\n",
         "&cluster=1", TQ_E_UNAVAILABLE}, /* it does not tell its slots */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake_redis *fake = fake_redis_start(answer, NULL, rows[i].info);
        tq_store *store = NULL;
        begin();
        assert_status(open_at(fake_redis_port(fake), rows[i].options, &store), rows[i].status);
        ck_assert_int_eq(test.live, 0);
        fake_redis_stop(fake);
    }
}
END_TEST

START_TEST(no_server__is_unavailable)
{
    struct fake_redis *fake = fake_redis_start(answer, NULL, NULL);
    unsigned port = fake_redis_port(fake);
    tq_store *store = NULL;
    fake_redis_stop(fake);
    begin();
    assert_status(open_at(port, "", &store), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(tls__is_refused_with_a_reason)
{
    tq_store *store = NULL;
    begin();
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "rediss://h"), &store, &err),
                  TQ_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "TLS"));
}
END_TEST

START_TEST(a_failed_opening__leaves_nothing_behind)
{
    struct fake_redis *fake = fake_redis_start(answer, NULL, NULL);
    int rc = TQ_E_NOMEM;
    long n = 0;
    while (rc != TQ_OK) {
        tq_store *store = NULL;
        begin();
        test.fail_at = ++n;
        rc = open_at(fake_redis_port(fake), "", &store);
        ck_assert_int_eq(rc, store ? TQ_OK : TQ_E_NOMEM);
        tq_store_close(store);
        ck_assert_int_eq(test.live, 0);
    }
    ck_assert_int_gt(n, 3);
    fake_redis_stop(fake);
}
END_TEST

UNIT_MAIN("store.redis", the_clock__is_the_servers, an_unfit_server__is_refused,
          no_server__is_unavailable, tls__is_refused_with_a_reason,
          a_failed_opening__leaves_nothing_behind)
