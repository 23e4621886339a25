/* SPDX-License-Identifier: MIT */
/*
 * store/redis/shards.c: whose number is whose, whose turn it is, which rooms have shards.
 */
#include "store/redis/shards.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

START_TEST(every_number_is_of_one_shard)
{
    static const unsigned counts[] = {2, 3, TQ_ROOM_SHARDS_MAX - 1, TQ_ROOM_SHARDS_MAX};
    for (unsigned c = 0; c < 4; c++) {
        for (int64_t number = 1; number <= 300; number++) {
            unsigned owners = 0;
            for (unsigned shard = 0; shard < counts[c]; shard++) {
                int64_t own = tq__redis_shard_own(number, shard, counts[c]);
                int64_t next = tq__redis_shard_next(number, shard, counts[c]);
                owners += own != 0;
                ck_assert(!own || tq__redis_shard_number(own, shard, counts[c]) == number);
                ck_assert_int_ge(tq__redis_shard_number(next, shard, counts[c]), number);
                ck_assert(next == 1 || tq__redis_shard_number(next - 1, shard, counts[c]) < number);
            }
            ck_assert_uint_eq(owners, 1);
        }
    }
    ck_assert_int_eq(tq__redis_shard_own(0, 0, 3), 0);
    ck_assert_int_eq(tq__redis_shard_own(-2, 0, 3), 0);
    ck_assert_int_eq(tq__redis_shard_next(0, 2, 3), 1);
    ck_assert_int_eq(tq__redis_shard_number(0, 2, 3), 0); /* none was issued yet */
}
END_TEST

START_TEST(visitors_are_spread_evenly)
{
    unsigned counts[4] = {0};
    for (unsigned i = 0; i < 8000; i++) {
        char id[24];
        snprintf(id, sizeof id, "visitor-%u", i);
        unsigned shard = tq__redis_shard_of(id, 4);
        ck_assert_uint_eq(shard, tq__redis_shard_of(id, 4));
        counts[shard]++;
    }
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_ge(counts[i], 1800);
        ck_assert_uint_le(counts[i], 2200);
    }
}
END_TEST

static void check_turns(const struct redis_front *fronts, unsigned count, size_t room_for,
                        const char *expected)
{
    char turns[16];
    size_t turns_count = tq__redis_shard_turns(fronts, count, turns, room_for);
    ck_assert_uint_eq(turns_count, strlen(expected));
    for (size_t i = 0; i < turns_count; i++) {
        ck_assert_int_eq(turns[i], expected[i] - '0');
    }
}

START_TEST(turns_are_in_the_order_of_numbers)
{
    /* Numbers of the room: 1 7 13, 8 11, none. */
    static const int64_t first[] = {1, 3, 5}, second[] = {3, 4};
    struct redis_front fronts[] = {{first, 3, 3}, {second, 2, 2}, {NULL, 0, 0}};
    check_turns(fronts, 3, 16, "11221");
    check_turns(fronts, 3, 3, "112");
    check_turns(fronts, 3, 0, "");
    fronts[1].waiting = 3; /* the third is not known: it may be before 13 */
    check_turns(fronts, 3, 16, "1122");
    fronts[2].waiting = 1;
    check_turns(fronts, 3, 16, "");
}
END_TEST

START_TEST(a_view_is_the_sum_of_its_shards)
{
    struct tq_room_view view = {.state = {.tail = 2, .waiting = 1, .now_ms = 50, .epoch = 1}};
    struct tq_room_view part = {.state = {.tail = 4,
                                          .serving = 2,
                                          .waiting = 5,
                                          .active = 2,
                                          .admitted = 3,
                                          .skipped = 1,
                                          .now_ms = 40,
                                          .epoch = 2},
                                .recent_admitted = 3,
                                .recent_gone = 1,
                                .recent_ms = 10000};
    tq__redis_shard_add(&view, &part, 1, 3);
    ck_assert_int_eq(view.state.tail, 11);
    ck_assert_int_eq(view.state.serving, 5);
    ck_assert_uint_eq(view.state.waiting, 6);
    ck_assert_uint_eq(view.state.active, 2);
    ck_assert_int_eq(view.state.now_ms, 50);
    ck_assert_int_eq(view.state.epoch, 2);
    ck_assert_uint_eq(view.recent_admitted, 3);
    ck_assert_uint_eq(view.recent_ms, 10000);
    part.state.serving = 0;
    tq__redis_shard_add(&view, &part, 2, 3);
    ck_assert_int_eq(view.state.serving, 5); /* nobody of it was let in */
}
END_TEST

static int note(struct redis_shards *shards, const char *room, unsigned count)
{
    struct redis_sharded *sharded = NULL;
    int rc = tq__redis_shards_note(shards, room, count, &sharded, &err);
    ck_assert_ptr_eq(sharded, rc == TQ_OK ? tq__redis_sharded(shards, room) : NULL);
    return rc;
}

START_TEST(a_room_has_the_shards_that_were_told_last)
{
    struct test_env test;
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    struct redis_shards *shards = NULL;
    assert_status(tq__redis_shards_open(&env, &shards, &err), TQ_OK);
    ck_assert_ptr_null(tq__redis_sharded(shards, "a"));
    assert_status(note(shards, "a", 1), TQ_OK);
    assert_status(note(shards, "b", 4), TQ_OK);
    struct redis_sharded *b = tq__redis_sharded(shards, "b");
    ck_assert_uint_eq(b->count, 4);
    ck_assert_str_eq(b->tags[0], "b:0");
    ck_assert_str_eq(b->tags[TQ_ROOM_SHARDS_MAX - 1], "b:63");
    tq__redis_shards_see(b, 9);
    tq__redis_shards_see(b, 7);
    ck_assert_int_eq(b->seen, 9);
    ck_assert_ptr_null(tq__redis_sharded(shards, "a"));
    assert_status(note(shards, "b", 1), TQ_OK);
    assert_status(note(shards, "b", 2), TQ_OK);
    ck_assert_ptr_eq(tq__redis_sharded(shards, "b"), b);
    for (long n = 1; n <= 2; n++) { /* the room, the map */
        test.fail_at = test.allocations + n;
        int rc = note(shards, n == 1 ? "c" : "d", 2);
        ck_assert(rc == TQ_E_NOMEM || rc == TQ_OK);
        test.fail_at = 0;
    }
    tq__redis_shards_close(shards);
    tq__redis_shards_close(NULL);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("store.redis.shards", every_number_is_of_one_shard, visitors_are_spread_evenly,
          turns_are_in_the_order_of_numbers, a_view_is_the_sum_of_its_shards,
          a_room_has_the_shards_that_were_told_last)
