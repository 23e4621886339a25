/* SPDX-License-Identifier: MIT */
/*
 * servers/queue/ticks.c: rooms whose server is away cost those that work one wait each, once;
 * from then on another worker asks them, less and less often, until they are back.
 */
#include "lines.h"

#define ROOMS 6

static struct tq_error err = TQ_ERROR_INIT;

static void setup(void)
{
    static const char *const ids[ROOMS] = {"works-1", "away-1", "away-2",
                                           "away-3",  "away-4", "works-2"};
    lines_open();
    for (size_t i = 0; i < ROOMS; i++) {
        lines_room(ids[i]);
    }
}

/* Steps until there is nothing to do now. */
static void run_dry(void)
{
    int steps = 0;
    while (queue_tick_step(&lines.queue, &err) == TQ_OK) {
        ck_assert_int_lt(++steps, 100);
    }
}

START_TEST(rooms_that_are_away__are_waited_for_once)
{
    setup();
    lines.is_away = 1;
    run_dry();
    ck_assert_int_eq(lines.waits, 4);
    for (int i = 0; i < 50; i++) {
        int before = lines.ticks;
        lines.test.now_ms += 2000;
        run_dry();
        ck_assert_int_eq(lines.ticks, before + 2);
    }
    ck_assert_int_eq(lines.waits, 4);
    lines_close();
}
END_TEST

/* The room that was met before is ticked between two waits for others. */
START_TEST(between_two_waits__those_that_work_are_ticked)
{
    setup();
    lines.is_away = 1;
    for (int i = 1; i <= 4; i++) {
        assert_status(queue_tick_step(&lines.queue, &err), TQ_OK);
        ck_assert_int_eq(lines.waits, i);
        ck_assert_int_eq(lines.ticks, i);
    }
    lines_close();
}
END_TEST

START_TEST(who_is_asked_in_vain__is_asked_less_and_less_and_comes_back)
{
    int64_t end_ms;
    setup();
    lines.is_away = 1;
    run_dry();
    end_ms = lines.test.now_ms + 600000;
    while (lines.test.now_ms < end_ms) {
        lines.test.now_ms += 100;
        queue_tick_away(&lines.queue);
    }
    ck_assert_int_gt(lines.waits, 4 * 2);
    ck_assert_int_lt(lines.waits, 600); /* every second would be four times as many */
    lines.is_away = 0;
    lines.test.now_ms += 10000;
    queue_tick_away(&lines.queue);
    for (struct queue_room *room = lines.queue.newest; room; room = room->next) {
        ck_assert_int_eq(room->is_away, 0);
    }
    lines.test.now_ms += 2000;
    int before = lines.ticks;
    run_dry();
    ck_assert_int_eq(lines.ticks, before + ROOMS);
    lines_close();
}
END_TEST

/* A program that is to end waits for nobody. */
START_TEST(while_it_drains__one_is_asked_at_most)
{
    setup();
    lines.is_away = 1;
    run_dry();
    lines.test.now_ms += 10000;
    lines.app.is_draining = 1;
    queue_tick_away(&lines.queue);
    ck_assert_int_le(lines.waits, 5);
    lines_close();
}
END_TEST

UNIT_MAIN("servers.queue.ticks", rooms_that_are_away__are_waited_for_once,
          between_two_waits__those_that_work_are_ticked,
          who_is_asked_in_vain__is_asked_less_and_less_and_comes_back,
          while_it_drains__one_is_asked_at_most)
