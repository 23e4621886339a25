/* SPDX-License-Identifier: MIT */
/*
 * The frame of a promise: a test in a fresh room of the fixture's store.
 *
 *     PROMISE(in_words, .rate = 5, .max_active = 10) { ... uses `w` ... }
 *
 * The store's clock may be real: a promise waits for about a second at most, and
 * asserts nothing that a slow machine breaks, unless the clock is the world's; where it had
 * to be quick, room_is_late() tells whether it was.
 */
#ifndef TESTS_CONFORM_ROOM_PROMISE_H
#define TESTS_CONFORM_ROOM_PROMISE_H

#include "conform/room_world.h"

#define FAR_FUTURE INT64_C(4000000000000)

static void keep_promise(void (*promise)(struct room_world *w), const struct tq_room_policy *policy)
{
    struct room_world w = {.driver = NULL};
    room_world_open(&w, 7, policy);
    promise(&w);
    room_world_close(&w);
}

#define PROMISE(name, ...)                                                                         \
    static void name##_kept(struct room_world *w);                                                 \
    START_TEST(name)                                                                               \
    {                                                                                              \
        keep_promise(name##_kept, TQ_ARGS(tq_room_policy, __VA_ARGS__));                           \
    }                                                                                              \
    END_TEST                                                                                       \
    static void name##_kept(struct room_world *w)

#endif
