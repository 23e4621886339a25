/* SPDX-License-Identifier: MIT */
/*
 * store/redis/address.c: what a URL may say, its defaults, limits on both sides, what is refused.
 */
#include "store/redis/address.h"

#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct redis_target target;

static int read_target(const char *path, const char *query)
{
    return tq__redis_target_read(&target, path, query, &err);
}

START_TEST(defaults__are_those_of_redis)
{
    assert_status(read_target("//cache.example", ""), TQ_OK);
    ck_assert_uint_eq(target.seeds_count, 1);
    ck_assert_str_eq(target.seeds[0].host, "cache.example");
    ck_assert_uint_eq(target.seeds[0].port, 6379);
    ck_assert_str_eq(target.user, "");
    ck_assert_str_eq(target.password, "");
    ck_assert_str_eq(target.prefix, "");
    ck_assert_uint_eq(target.db, 0);
    ck_assert_uint_eq(target.is_cluster, 0);
    ck_assert_uint_eq(target.lanes, 2);
    ck_assert_uint_eq(target.connect_ms, 1000);
    ck_assert_uint_eq(target.timeout_ms, 5000);
    ck_assert_uint_eq(target.wait_ms, 1000);
}
END_TEST

START_TEST(a_password__may_contain_anything)
{
    assert_status(read_target("//shop:p@ss:w/rd@10.0.0.1:7000/3", ""), TQ_OK);
    ck_assert_str_eq(target.user, "shop");
    ck_assert_str_eq(target.password, "p@ss:w/rd");
    ck_assert_str_eq(target.seeds[0].host, "10.0.0.1");
    ck_assert_uint_eq(target.seeds[0].port, 7000);
    ck_assert_uint_eq(target.db, 3);
    assert_status(read_target("//:secret@h", ""), TQ_OK);
    ck_assert_str_eq(target.user, "");
    ck_assert_str_eq(target.password, "secret");
}
END_TEST

START_TEST(hosts__are_names_and_addresses_of_both_kinds)
{
    assert_status(read_target("//a:1,[2001:db8::1]:2,[::1]", "cluster=1"), TQ_OK);
    ck_assert_uint_eq(target.seeds_count, 3);
    ck_assert_str_eq(target.seeds[0].host, "a");
    ck_assert_uint_eq(target.seeds[0].port, 1);
    ck_assert_str_eq(target.seeds[1].host, "2001:db8::1");
    ck_assert_uint_eq(target.seeds[1].port, 2);
    ck_assert_str_eq(target.seeds[2].host, "::1");
    ck_assert_uint_eq(target.seeds[2].port, 6379);
    assert_status(read_target("//1,2,3,4,5,6,7,8", "cluster=1"), TQ_OK);
    ck_assert_uint_eq(target.seeds_count, REDIS_SEEDS_MAX);
    assert_status(read_target("//1,2,3,4,5,6,7,8,9", "cluster=1"), TQ_E_INVALID);
}
END_TEST

START_TEST(options__have_limits)
{
    assert_status(read_target("//h", "connections=16&timeout_ms=60000&wait_ms=0&prefix=a-b:c_1:"),
                  TQ_OK);
    ck_assert_uint_eq(target.lanes, 16);
    ck_assert_uint_eq(target.timeout_ms, 60000);
    ck_assert_uint_eq(target.wait_ms, 0);
    ck_assert_str_eq(target.prefix, "a-b:c_1:");
    static const char *const bad[] = {
        "connections=17", "connections=0",
        "timeout_ms=0",   "timeout_ms=60001",
        "prefix={x}",     "prefix=a b",
        "unknown=1",      "cluster",
        "cluster=2",      "prefix=123456789012345678901234567890123",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(read_target("//h", bad[i]), TQ_E_INVALID);
    }
    assert_status(read_target("//h", "prefix=12345678901234567890123456789012"), TQ_OK);
}
END_TEST

START_TEST(malformed_urls__are_refused)
{
    static const char *const bad[] = {
        "",          "h",        "//",    "//:6379", "//h:",    "//h:0",
        "//h:65536", "//h:x",    "//h/x", "//h/-1",  "//h/1/2", "//user@h",
        "//[::1",    "//[::1]x", "//h,",  "//h,,i",  "//a,b",   "//h/1000001",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(read_target(bad[i], "") == TQ_E_INVALID, "%s", bad[i]);
    }
    assert_status(read_target("//h:65535/1000000", ""), TQ_OK);
    assert_status(read_target("//h/", ""), TQ_OK);
    assert_status(read_target("//h/1", "cluster=1"), TQ_E_INVALID);
}
END_TEST

UNIT_MAIN("store.redis.address", defaults__are_those_of_redis, a_password__may_contain_anything,
          hosts__are_names_and_addresses_of_both_kinds, options__have_limits,
          malformed_urls__are_refused)
