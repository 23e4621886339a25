/* SPDX-License-Identifier: MIT */
/*
 * The frame of a promise: a test that runs on every driver in a fresh room.
 *
 *     PROMISE(in_words, .rate = 5, .max_active = 10) { ... uses `w` ... }
 *
 * Times of a policy are meant for a clock that may be real: a promise waits for
 * about a second at most, and asserts nothing that a slow machine breaks.
 */
#ifndef TESTS_CONFORM_ROOM_PROMISE_H
#define TESTS_CONFORM_ROOM_PROMISE_H

#include "lib/room_world.h"
#include "lib/unit.h"

#define FAR_FUTURE INT64_C(4000000000000)

static void on_every_driver(void (*promise)(struct room_world *w),
                            const struct tq_room_policy *policy)
{
    for (size_t i = 0; i < room_cases_count; i++) {
        struct room_world w;
        room_world_open(&w, room_cases[i], 7, policy);
        promise(&w);
        room_world_close(&w);
    }
}

#define PROMISE(name, ...)                                                                         \
    static void name##_on(struct room_world *w);                                                   \
    START_TEST(name)                                                                               \
    {                                                                                              \
        on_every_driver(name##_on, TQ_ARGS(tq_room_policy, __VA_ARGS__));                          \
    }                                                                                              \
    END_TEST                                                                                       \
    static void name##_on(struct room_world *w)

#endif
