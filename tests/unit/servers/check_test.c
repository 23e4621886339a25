/* SPDX-License-Identifier: MIT */
/*
 * http/check.c: what two servers could read differently is refused.
 */
#include "http/internal.h"

#include <string.h>

#include "lib/unit.h"

START_TEST(targets__in_origin_form_pass)
{
    static const char *const good[] = {"/",       "/a/b",    "/a/b/",   "/a?b=c",   "/%41",
                                       "/a?x=//", "/a?x=..", "/...",    "/a.b/..c", "/a?",
                                       "/a%2Fb",  "/~a-b_c", "/a?b=%20"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(!http__check_target(good[i]), "%s: %s", good[i], http__check_target(good[i]));
    }
}
END_TEST

START_TEST(other_targets__are_refused)
{
    static const char *const bad[] = {
        "",     "*",      "a",       "http://a/b", "//a",   "/a//b",     "/a/../b", "/..",
        "/.",   "/a/./b", "/%2e%2E", "/a/.%2e/b",  "/a%00", "/a%0a",     "/a%7f",   "/a%",
        "/a%4", "/a%4g",  "/a\tb",   "/a#b",       "/a\\b", "/\xc3\xa4", "/a\x7f",  "/a/..?b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(http__check_target(bad[i]) != NULL, "%s", bad[i]);
    }
}
END_TEST

/* A head of fields "name: value", each ended by '\n'. */
static struct http_head head_of(const char *fields)
{
    struct http_head head = {0};
    while (*fields) {
        size_t bytes = strcspn(fields, "\n");
        size_t name_bytes = strcspn(fields, ":");
        http__head_field(&head, fields, name_bytes, fields + name_bytes + 2,
                         bytes - name_bytes - 2);
        fields += bytes + 1;
    }
    return head;
}

static const char *verdict(const char *method, const char *version, const char *fields)
{
    struct http_head head = head_of(fields);
    return http__head_check(&head, method, version);
}

START_TEST(plain_requests__pass)
{
    ck_assert_ptr_null(verdict("GET", "HTTP/1.1", "Host: a\n"));
    ck_assert_ptr_null(verdict("GET", "HTTP/1.1", "Host: a\nContent-Length: 0\n"));
    ck_assert_ptr_null(verdict("POST", "HTTP/1.1", "Host: a\nContent-Length: 5\n"));
    ck_assert_ptr_null(verdict("POST", "HTTP/1.1", "Host: a\nTransfer-Encoding: Chunked\n"));
    ck_assert_ptr_null(verdict("GET", "HTTP/1.0", "Accept: a\n"));
    ck_assert_ptr_null(verdict("POST", "HTTP/1.1", "Host: a\nContent-Length: 999999999999999\n"));
}
END_TEST

START_TEST(two_ends__are_refused)
{
    static const char *const bad[] = {
        "Host: a\nContent-Length: 5\nTransfer-Encoding: chunked\n",
        "Host: a\nContent-Length: 5\nContent-Length: 5\n",
        "Host: a\nContent-Length: 5\ncontent-length: 6\n",
        "Host: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
        "Host: a\nTransfer-Encoding: chunked, chunked\n",
        "Host: a\nTransfer-Encoding: gzip, chunked\n",
        "Host: a\nTransfer-Encoding: identity\n",
        "Host: a\nTransfer-Encoding: xchunked\n",
        "Host: a\nContent-Length: +5\n",
        "Host: a\nContent-Length: -5\n",
        "Host: a\nContent-Length: 5 5\n",
        "Host: a\nContent-Length: 5, 5\n",
        "Host: a\nContent-Length: 0x5\n",
        "Host: a\nContent-Length: \n",
        "Host: a\nContent-Length: 1000000000000000\n",
        "Host: a\nHost: b\n",
        "Accept: a\n",
        "Host: a\nContent-Length : 5\n",
        "Host: a\nX\x01: 5\n",
        "Host: a\nX: a\x0b\n",
        "Host: a\n: 5\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(verdict("POST", "HTTP/1.1", bad[i]) != NULL, "%s", bad[i]);
    }
    ck_assert_ptr_nonnull(verdict("POST", "HTTP/1.0", "Host: a\nTransfer-Encoding: chunked\n"));
    ck_assert_ptr_nonnull(verdict("GET", "HTTP/1.1", "Host: a\nContent-Length: 1\n"));
    ck_assert_ptr_nonnull(verdict("DELETE", "HTTP/1.1", "Host: a\nTransfer-Encoding: chunked\n"));
}
END_TEST

UNIT_MAIN("http.check", targets__in_origin_form_pass, other_targets__are_refused,
          plain_requests__pass, two_ends__are_refused)
