/* SPDX-License-Identifier: MIT */
/*
 * servers/queue/pace.c: far too early is before half of what was told, for that
 * visitor and that room only, in a table that does not grow.
 */
#include <stdio.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "queue/pace.h"

struct world {
    struct test_env test;
    struct tq_env env;
    struct queue_pace *pace;
};

static void begin(struct world *world, size_t visitors_max)
{
    struct tq_error err = TQ_ERROR_INIT;
    test_env_init(&world->test, 1);
    world->env = test_env_of(&world->test);
    assert_status(queue_pace_new(&world->env, visitors_max, &world->pace, &err), TQ_OK);
}

START_TEST(pace__half_of_what_was_told_is_early)
{
    struct world world;
    begin(&world, 64);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", "kim", 1000), 0);
    queue_pace_note(world.pace, "room", "kim", 1000, 600);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", "kim", 1000), 300);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", "kim", 1299), 1);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", "kim", 1300), 0);
    queue_pace_free(world.pace);
    ck_assert_int_eq(world.test.live, 0);
}
END_TEST

START_TEST(pace__others_are_not_meant)
{
    struct world world;
    begin(&world, 64);
    queue_pace_note(world.pace, "room", "kim", 1000, 600);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", "lee", 1000), 0);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "hall", "kim", 1000), 0);
    ck_assert_int_eq(queue_pace_wait_ms(world.pace, "roo", "mkim", 1000), 0);
    queue_pace_free(world.pace);
}
END_TEST

START_TEST(pace__a_full_table_refuses_nobody_for_another)
{
    struct world world;
    char visitor[TQ_ID_SIZE];
    begin(&world, 8);
    for (int i = 0; i < 1000; i++) {
        snprintf(visitor, sizeof visitor, "visitor-%d", i);
        ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", visitor, 1000), 0);
        queue_pace_note(world.pace, "room", visitor, 1000, 600);
        ck_assert_int_eq(queue_pace_wait_ms(world.pace, "room", visitor, 1000), 300);
    }
    ck_assert_int_eq(world.test.live, 1);
    queue_pace_free(world.pace);
}
END_TEST

START_TEST(pace__no_memory)
{
    struct world world;
    struct tq_error err = TQ_ERROR_INIT;
    test_env_init(&world.test, 1);
    world.env = test_env_of(&world.test);
    world.test.fail_at = 1;
    assert_status(queue_pace_new(&world.env, 8, &world.pace, &err), TQ_E_NOMEM);
}
END_TEST

UNIT_MAIN("servers.queue.pace", pace__half_of_what_was_told_is_early, pace__others_are_not_meant,
          pace__a_full_table_refuses_nobody_for_another, pace__no_memory)
