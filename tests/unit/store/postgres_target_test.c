/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/target.c: what a URL says, and what is refused.
 */
#include "store/postgres/postgres.h"

#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

static int read(struct postgres_target *target, const char *path, const char *query)
{
    return tq__postgres_target_read(target, path, query, &err);
}

START_TEST(a_whole_url__is_read)
{
    struct postgres_target target;
    assert_status(
        read(&target, "//shop:p@ss:/w@db.example:6432/tickets",
             "schema=pay&prepared=0&create=0&connect_ms=1&timeout_ms=600000&idle_ms=7&wait_ms=0"
             "&sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"),
        TQ_OK);
    ck_assert_str_eq(target.user, "shop");
    ck_assert_str_eq(target.password, "p@ss:/w");
    ck_assert_str_eq(target.host, "db.example");
    ck_assert_str_eq(target.port, "6432");
    ck_assert_str_eq(target.database, "tickets");
    ck_assert_str_eq(target.schema, "pay");
    ck_assert_str_eq(target.sslmode, "verify-full");
    ck_assert_str_eq(target.sslrootcert, "/etc/ca.pem");
    ck_assert_uint_eq(target.is_prepared, 0);
    ck_assert_uint_eq(target.is_creating, 0);
    ck_assert_uint_eq(target.connect_ms, 1);
    ck_assert_uint_eq(target.timeout_ms, 600000);
    ck_assert_uint_eq(target.idle_ms, 7);
    ck_assert_uint_eq(target.wait_ms, 0);
}
END_TEST

START_TEST(what_is_left_out__has_a_default)
{
    struct postgres_target target;
    assert_status(read(&target, "///tickets", "host=/run/postgresql"), TQ_OK);
    ck_assert_str_eq(target.user, "");
    ck_assert_str_eq(target.host, "/run/postgresql");
    ck_assert_str_eq(target.port, "5432");
    ck_assert_str_eq(target.schema, "public");
    ck_assert_str_eq(target.sslmode, "prefer");
    ck_assert_uint_eq(target.is_prepared, 1);
    ck_assert_uint_eq(target.is_creating, 1);
    ck_assert_uint_eq(target.connect_ms, 3000);
    assert_status(read(&target, "//shop@[::1]:1/t", ""), TQ_OK);
    ck_assert_str_eq(target.user, "shop");
    ck_assert_str_eq(target.password, "");
    ck_assert_str_eq(target.host, "::1");
    ck_assert_str_eq(target.port, "1");
    assert_status(read(&target, "//[::1]/t", ""), TQ_OK);
    ck_assert_str_eq(target.port, "5432");
}
END_TEST

START_TEST(malformed_urls__are_refused)
{
    static const char *const paths[] = {
        "",         "//",         "//host",          "//host/",     "/host/t",   "host/t",
        "//h/t/u",  "//h:/t",     "//h:0/t",         "//h:65536/t", "//h:12x/t", "//h:123456/t",
        "//[::1/t", "//[::1]5/t", "//u:p@h:70000/t", "//a,b/t",     "//a,b:1/t", "//a:1,b:1/t",
    };
    static const char *const queries[] = {
        "schema=",        "schema=a.b",     "schema=a%22b",   "prepared=2",
        "timeout_ms=0",   "wait_ms=600001", "connect_ms=abc", "options=-c",
        "schem=x",        "schema",         "idle_ms=0",      "sslmode=0123456789abcdef",
        "sslmode=requir", "sslmode=",       "host=a,b",
    };
    struct postgres_target target;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_msg(read(&target, paths[i], "") == TQ_E_INVALID, "%s", paths[i]);
    }
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        ck_assert_msg(read(&target, "//h/t", queries[i]) == TQ_E_INVALID, "%s", queries[i]);
    }
}
END_TEST

START_TEST(names__are_limited)
{
    struct postgres_target target;
    char path[400], name[300];
    memset(name, 'n', sizeof name);
    for (int bytes = 62; bytes <= 64; bytes++) {
        snprintf(path, sizeof path, "//%.*s@h/t", bytes, name);
        ck_assert_int_eq(read(&target, path, ""), bytes < 64 ? TQ_OK : TQ_E_INVALID);
        snprintf(path, sizeof path, "//h/%.*s", bytes, name);
        ck_assert_int_eq(read(&target, path, ""), bytes < 64 ? TQ_OK : TQ_E_INVALID);
        snprintf(path, sizeof path, "schema=%.*s", bytes, name);
        ck_assert_int_eq(read(&target, "//h/t", path), bytes < 64 ? TQ_OK : TQ_E_INVALID);
    }
    for (int bytes = 254; bytes <= 256; bytes++) {
        snprintf(path, sizeof path, "//u:%.*s@h/t", bytes, name);
        ck_assert_int_eq(read(&target, path, ""), bytes < 256 ? TQ_OK : TQ_E_INVALID);
    }
}
END_TEST

UNIT_MAIN("store.postgres.target", a_whole_url__is_read, what_is_left_out__has_a_default,
          malformed_urls__are_refused, names__are_limited)
