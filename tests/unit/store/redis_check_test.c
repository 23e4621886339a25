/* SPDX-License-Identifier: MIT */
/*
 * store/redis/check.c: which servers are refused, and which are warned of.
 */
#include "store/redis/check.h"

#include <stdio.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static unsigned warnings;
static int may_forget;

static void count_warning(void *ctx, int level, const char *origin, const char *message)
{
    (void)ctx;
    (void)origin;
    ck_assert_int_eq(level, TQ_LOG_WARN);
    ck_assert_int_ne(message[0], '\0');
    warnings++;
}

static int check(const char *version, int in_cluster, const char *limit, const char *policy,
                 int has_log, int wants_cluster)
{
    static struct test_env test;
    char info[512];
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    env.log = count_warning;
    warnings = 0;
    snprintf(info, sizeof info,
             "# Server\r\nredis_version:%s\r\n\r\n# Memory\r\nmaxmemory:%s\r\n"
             "maxmemory_policy:%s\r\naof_enabled:%d\r\n# Cluster\r\ncluster_enabled:%d\r\n",
             version, limit, policy, has_log, in_cluster);
    const struct redis_target target = {.is_cluster = (uint32_t)wants_cluster,
                                        .may_forget = (uint32_t)may_forget};
    return tq__redis_check(info, &target, &env, &err);
}

START_TEST(the_version__is_seven_or_newer)
{
    assert_status(check("6.2.99", 0, "0", "noeviction", 1, 0), TQ_E_UNSUPPORTED);
    assert_status(check("7.0.0", 0, "0", "noeviction", 1, 0), TQ_OK);
    assert_status(check("10.1.0", 0, "0", "noeviction", 1, 0), TQ_OK);
    assert_status(check("", 0, "0", "noeviction", 1, 0), TQ_E_UNSUPPORTED);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(where_all_may_be_forgotten__nothing_is_demanded_of_memory)
{
    may_forget = 1;
    assert_status(check("7.0.15", 0, "1000000", "allkeys-lru", 0, 0), TQ_OK);
    ck_assert_uint_eq(warnings, 0);
    assert_status(check("6.2.0", 0, "1000000", "allkeys-lru", 0, 0), TQ_E_UNSUPPORTED);
    may_forget = 0;
}
END_TEST

START_TEST(eviction__is_refused)
{
    assert_status(check("7.0.15", 0, "1000000", "allkeys-lru", 1, 0), TQ_E_UNSUPPORTED);
    assert_status(check("7.0.15", 0, "1000000", "volatile-ttl", 1, 0), TQ_E_UNSUPPORTED);
    assert_status(check("7.0.15", 0, "1000000", "noeviction", 1, 0), TQ_OK);
    ck_assert_uint_eq(warnings, 0);
    assert_status(check("7.0.15", 0, "0", "allkeys-lru", 1, 0), TQ_OK);
    ck_assert_uint_eq(warnings, 1);
}
END_TEST

START_TEST(a_server_without_a_log__is_warned_of)
{
    assert_status(check("7.0.15", 0, "0", "noeviction", 0, 0), TQ_OK);
    ck_assert_uint_eq(warnings, 1);
}
END_TEST

START_TEST(a_cluster__is_what_it_is_said_to_be)
{
    assert_status(check("7.0.15", 1, "0", "noeviction", 1, 0), TQ_E_INVALID);
    assert_status(check("7.0.15", 0, "0", "noeviction", 1, 1), TQ_E_INVALID);
    assert_status(check("7.0.15", 1, "0", "noeviction", 1, 1), TQ_OK);
}
END_TEST

UNIT_MAIN("store.redis.check", the_version__is_seven_or_newer, eviction__is_refused,
          where_all_may_be_forgotten__nothing_is_demanded_of_memory,
          a_server_without_a_log__is_warned_of, a_cluster__is_what_it_is_said_to_be)
