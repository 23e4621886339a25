/* SPDX-License-Identifier: MIT */
/*
 * servers/queue/orders.c: verbs, their names and the values they take.
 */
#include "lib/unit.h"
#include "queue/queue.h"

START_TEST(verbs__names_go_both_ways)
{
    for (uint32_t verb = TQ_ROOM_PAUSE; verb <= TQ_ROOM_SET_CLOSE; verb++) {
        ck_assert_uint_eq(queue_verb_find(queue_verb_name(verb)), verb);
    }
    ck_assert_uint_eq(queue_verb_find("pause"), 0);
    ck_assert_uint_eq(queue_verb_find(""), 0);
    ck_assert_uint_eq(queue_verb_find("EXPLODE"), 0);
}
END_TEST

START_TEST(verbs__values_have_the_limits_of_the_room)
{
    int64_t min = -1;
    int64_t max = -1;
    queue_verb_limits(TQ_ROOM_PAUSE, &min, &max);
    ck_assert(min == 0 && max == 0);
    queue_verb_limits(TQ_ROOM_SET_RATE, &min, &max);
    ck_assert(min == 1 && max == TQ_ROOM_RATE_MAX);
    queue_verb_limits(TQ_ROOM_SET_CAP, &min, &max);
    ck_assert(min == 1 && max == TQ_ROOM_LINE_MAX);
    queue_verb_limits(TQ_ROOM_ADVANCE, &min, &max);
    ck_assert(min == 1 && max == TQ_BATCH_MAX);
    ck_assert(queue_verb_has_time(TQ_ROOM_SET_OPEN) && queue_verb_has_time(TQ_ROOM_SET_CLOSE));
    ck_assert(!queue_verb_has_time(TQ_ROOM_SET_CAP));
}
END_TEST

UNIT_MAIN("servers.queue.orders", verbs__names_go_both_ways,
          verbs__values_have_the_limits_of_the_room)
