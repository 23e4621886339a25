/* SPDX-License-Identifier: MIT */
/*
 * The public functions as a careless or a hostile caller meets them: each refuses what
 * it cannot use with a record that names it, and what was there before is there after.
 *
 *     REFUSED(tq_room_enter(NULL, visitors, 1, places, &err), TQ_E_INVALID, "room");
 *     ACCEPTED(tq_room_open(store, NULL, "r", NULL, &room, &err), TQ_OK);
 *     GIVES(tq_store_caps(NULL), 0);
 *     IGNORED(tq_room_close(NULL));
 *
 * Each is a row for tests/house/api.py, which wants one of every exported function, and
 * one with NULL for every pointer that it takes.
 */
#ifndef TESTS_UNIT_API_H
#define TESTS_UNIT_API_H

#include <stdint.h>
#include <string.h>

#include <ticketq/status.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of the file that includes this. */
static struct tq_error err = TQ_ERROR_INIT;

#define REFUSED(call, expected, named)                                                             \
    do {                                                                                           \
        err = (struct tq_error)TQ_ERROR_INIT;                                                      \
        int refused_rc = (call);                                                                   \
        ck_assert_msg(                                                                             \
            refused_rc == (expected) && err.status == (expected) && strstr(err.message, (named)),  \
            "%s: %s, expected %s that names %s (%s: %s)", #call, tq_status_name(refused_rc),       \
            tq_status_name(expected), (named), err.origin, err.message);                           \
    } while (0)
#define ACCEPTED(call, expected) assert_status(call, expected)
#define GIVES(call, value) ck_assert((call) == (value))
#define IGNORED(call) call

/* Calls with one argument in place, and returns what the function under test did. */
typedef int api_call(const void *argument);

/* ids: 64 bytes of [A-Za-z0-9_-]; `call` with anything else is refused and names `what`. */
static inline void check_ids(api_call *call, const char *what)
{
    static const char *const bad[] = {NULL,  "",    "a{b", "a}b",      "{a}",   "a:b",  "a/b",
                                      "a.b", "a b", "a\n", "\xc3\xa4", "a\x80", "a%00", "a'b"};
    char longest[TQ_ID_SIZE + 1];
    for (size_t i = 0; i < COUNT(bad); i++) {
        REFUSED(call(bad[i]), TQ_E_INVALID, what);
    }
    memset(longest, 'x', sizeof longest);
    longest[TQ_ID_MAX + 1] = '\0';
    REFUSED(call(longest), TQ_E_INVALID, what);
    longest[TQ_ID_MAX] = '\0';
    ck_assert_msg(call(longest) != TQ_E_INVALID, "%s: 64 bytes: %s", what, err.message);
    ck_assert_msg(call("x") != TQ_E_INVALID, "%s: one byte: %s", what, err.message);
}

enum sized_kind {
    SIZED_IN,   /* longer is understood while its tail is zero */
    SIZED_OUT,  /* longer is understood, its tail comes back zero */
    SIZED_EXACT /* only this release's size */
};

/* A sized struct among the arguments of a function. */
struct sized {
    const char *what; /* as the record names it */
    enum sized_kind kind;
    size_t bytes;     /* of this release */
    const void *good; /* an example; NULL: zeros */
    api_call *call;
};

/* Memory of exactly `bytes`, so that a sanitizer sees what is read behind it. */
static inline unsigned char *sized_make(const struct sized *sized, size_t bytes)
{
    unsigned char *made = calloc(1, bytes);
    if (sized->good) {
        memcpy(made, sized->good, bytes < sized->bytes ? bytes : sized->bytes);
    }
    memcpy(made, &bytes, sizeof bytes);
    return made;
}

static inline void check_longer(const struct sized *sized, size_t more)
{
    unsigned char *longer = sized_make(sized, sized->bytes + more);
    if (sized->kind == SIZED_EXACT) {
        REFUSED(sized->call(longer), TQ_E_ABI, sized->what);
    } else {
        ck_assert_msg(sized->call(longer) >= 0, "%s + %zu: %s", sized->what, more, err.message);
    }
    longer[sized->bytes + more - 1] = 1;
    if (sized->kind == SIZED_OUT) {
        ck_assert_msg(sized->call(longer) >= 0, "%s + %zu: %s", sized->what, more, err.message);
        ck_assert_uint_eq(longer[sized->bytes + more - 1], 0);
    } else {
        REFUSED(sized->call(longer), TQ_E_ABI, sized->what);
    }
    free(longer);
}

static inline void check_sized(const struct sized *sized)
{
    const size_t wrong[] = {0, 1, sizeof(size_t), sized->bytes - 1, 8193, SIZE_MAX};
    unsigned char *exact = sized_make(sized, sized->bytes);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        memcpy(exact, &wrong[i], sizeof wrong[i]);
        REFUSED(sized->call(exact), TQ_E_ABI, sized->what);
    }
    memcpy(exact, &sized->bytes, sizeof sized->bytes);
    ck_assert_msg(sized->call(exact) >= 0, "%s: %s", sized->what, err.message);
    free(exact);
    check_longer(sized, 8);
    check_longer(sized, 64);
    REFUSED(sized->call(NULL), TQ_E_INVALID, sized->what);
}

#define CHECK_SIZED(table)                                                                         \
    for (size_t sized_at = 0; sized_at < COUNT(table); sized_at++) {                               \
        check_sized(&(table)[sized_at]);                                                           \
    }

#endif
