/* SPDX-License-Identifier: MIT */
/*
 * http/route.c: patterns, order of the table, methods.
 */
#include "http/internal.h"

#include <string.h>

#include "lib/unit.h"

static void handle(struct http_request *request)
{
    (void)request;
}

static const struct http_route routes[] = {
    {.method = "POST", .pattern = "/things/special", .handler = handle},
    {.method = "GET", .pattern = "/things/{thingId}", .handler = handle},
    {.method = "DELETE", .pattern = "/things/{thingId}", .handler = handle},
    {.method = "GET", .pattern = "/things/{thingId}/parts/{partId}", .handler = handle},
    {.method = "GET", .pattern = "/", .handler = handle},
};
#define COUNT (sizeof routes / sizeof *routes)

static struct http_entry entries[COUNT];
static struct http_capture captures[HTTP_PARAMS_MAX];
static int captured;
static char allow[64];

/* The index of the route that was found, or -1. */
static int find(const char *method, const char *path)
{
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] =
            (struct http_entry){&routes[i], NULL, NULL, http__pattern_literal(routes[i].pattern)};
    }
    const struct http_entry *entry =
        http__route_find(entries, COUNT, method, path, strlen(path), captures, &captured, allow);
    return entry ? (int)(entry - entries) : -1;
}

START_TEST(patterns__are_whole_segments)
{
    static const char *const good[] = {"/", "/a", "/{a}", "/a/{b}/c/{d}", "/{a}/{b}/{c}/{d}"};
    static const char *const bad[] = {"",      "a",     "/{",     "/{}",
                                      "/a{b}", "/{a}b", "/{a/b}", "/a}",
                                      "/a b",  "/a?b",  "/%20",   "/{a}/{b}/{c}/{d}/{e}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(http__pattern_check(good[i]) == 0, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(http__pattern_check(bad[i]) != 0, "%s", bad[i]);
    }
}
END_TEST

START_TEST(paths__find_their_route)
{
    ck_assert_int_eq(find("GET", "/"), 4);
    ck_assert_int_eq(find("POST", "/things/special"), 0);
    ck_assert_int_eq(find("GET", "/things/special"), 1);
    ck_assert_int_eq(find("DELETE", "/things/7"), 2);
    ck_assert_int_eq(find("HEAD", "/things/7"), 1);
    ck_assert_int_eq(find("GET", "/things/7/parts/8"), 3);
    ck_assert_int_eq(captured, 2);
    ck_assert_uint_eq(captures[1].value_bytes, 1);
    ck_assert_int_eq(captures[1].value[0], '8');
    ck_assert_uint_eq(captures[0].name_bytes, strlen("thingId"));
}
END_TEST

START_TEST(other_paths__find_none)
{
    static const char *const none[] = {
        "/thing",          "/things",          "/things/",           "/things/7/",
        "/things/7/parts", "/things//parts/8", "/things/7/parts/8/9"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_msg(find("GET", none[i]) == -1, "%s", none[i]);
        ck_assert_str_eq(allow, "");
    }
}
END_TEST

START_TEST(other_methods__tell_what_is_allowed)
{
    ck_assert_int_eq(find("PUT", "/things/7"), -1);
    ck_assert_str_eq(allow, "GET, DELETE");
    ck_assert_int_eq(find("get", "/things/7"), -1);
    ck_assert_int_eq(find("PUT", "/things/special"), -1);
    ck_assert_str_eq(allow, "POST, GET, DELETE");
}
END_TEST

UNIT_MAIN("http.route", patterns__are_whole_segments, paths__find_their_route,
          other_paths__find_none, other_methods__tell_what_is_allowed)
