/* SPDX-License-Identifier: MIT */
/*
 * What may be committed when acknowledgements come in any order and partitions come and
 * go: never past a message that is not done.
 */
#include "transport/kafka/track.h"

#include "core/env.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define MANY 40

static struct test_env test;
static struct tq_env env;
static struct kafka_track track;

static void setup(void)
{
    test_env_init(&test, 7);
    env = test_env_of(&test);
    tq__track_open(&track, &env);
}

static void teardown(void)
{
    tq__track_done(&track);
    ck_assert_int_eq(test.live, 0);
}

static struct kafka_held *add(int64_t offset)
{
    struct kafka_held *held = tq__alloc(&env, 1, sizeof *held);
    held->offset = offset;
    tq__track_add(&track, held);
    return held;
}

START_TEST(nothing_done__is_nothing_to_commit)
{
    setup();
    ck_assert(!tq__track_is_dirty(&track));
    add(5);
    ck_assert(!tq__track_is_dirty(&track));
    teardown();
}
END_TEST

START_TEST(done_out_of_order__waits_for_the_ones_before)
{
    setup();
    struct kafka_held *a = add(5), *b = add(6), *c = add(9), *d = add(10);
    tq__track_ack(b);
    tq__track_ack(d);
    ck_assert(!tq__track_is_dirty(&track));
    tq__track_ack(a);
    ck_assert_int_eq(track.position, 7);
    ck_assert(tq__track_is_dirty(&track));
    track.committed = track.position;
    ck_assert(!tq__track_is_dirty(&track));
    tq__track_ack(c);
    ck_assert_int_eq(track.position, 11);
    ck_assert(tq__track_is_dirty(&track));
    ck_assert_int_eq(test.live, 0);
    teardown();
}
END_TEST

START_TEST(any_order__never_passes_one_that_is_not_done)
{
    struct kafka_held *held[MANY];
    for (int round = 0; round < 50; round++) {
        int left = MANY, lowest = 0;
        setup();
        test.seed = (unsigned long long)round + 1;
        for (int i = 0; i < MANY; i++) {
            held[i] = add(i);
        }
        while (left > 0) {
            int place = (int)test_random(&test, MANY);
            if (!held[place]) {
                continue;
            }
            tq__track_ack(held[place]);
            held[place] = NULL;
            left--;
            while (lowest < MANY && !held[lowest]) {
                lowest++;
            }
            ck_assert_int_eq(track.position, lowest ? lowest : -1);
        }
        teardown();
    }
}
END_TEST

START_TEST(given_up__moves_no_position_and_keeps_the_memory_until_it_is_done)
{
    setup();
    struct kafka_held *a = add(5), *b = add(6);
    tq__track_ack(b);
    tq__track_give_up(&track);
    ck_assert_int_eq(test.live, 1);
    ck_assert_int_eq(track.position, -1);
    tq__track_ack(a);
    ck_assert_int_eq(track.position, -1);
    ck_assert_int_eq(test.live, 0);
    teardown();
}
END_TEST

START_TEST(come_again__is_adopted_once_and_counts)
{
    setup();
    struct kafka_held *a = add(5);
    add(6);
    tq__track_give_up(&track);
    ck_assert(!tq__track_adopts(&track, 4));
    struct kafka_held *before = add(4);
    ck_assert(tq__track_adopts(&track, 5));
    ck_assert(!tq__track_adopts(&track, 5));
    tq__track_ack(a);
    ck_assert_int_eq(track.position, -1);
    tq__track_ack(before);
    ck_assert_int_eq(track.position, 6);
    ck_assert(tq__track_adopts(&track, 6));
    teardown();
}
END_TEST

UNIT_MAIN("transport.kafka_track", nothing_done__is_nothing_to_commit,
          done_out_of_order__waits_for_the_ones_before,
          any_order__never_passes_one_that_is_not_done,
          given_up__moves_no_position_and_keeps_the_memory_until_it_is_done,
          come_again__is_adopted_once_and_counts)
