/* SPDX-License-Identifier: MIT */
/*
 * Rooms on Redis under load while the server is mistreated: its scripts are
 * flushed, it is killed and comes back empty or with an older file, it stops for longer than the
 * timeout, it has no memory left. In the end everybody is in line, once.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/redis_ask.h"
#include "lib/redis_server.h"
#include "lib/room_rush.h"
#include "lib/unit.h"

static struct rush rush;
static unsigned port;

static void begin_with(unsigned timeout_ms)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=%u&wait_ms=100", port, timeout_ms);
    rush_begin(&rush, url);
}

/* A machine that is slow is no server that is silent. */
static void begin(void)
{
    begin_with(10000);
}

static void until_met(const atomic_uint *result)
{
    while (*result == 0) {
        usleep(1000);
    }
}

static void ask(const char *command)
{
    redis_ask(port, command);
}

static void do_nothing(void)
{
}

static void flush_scripts(void)
{
    for (int i = 0; i < 20; i++) {
        ask("SCRIPT FLUSH");
        usleep(1000);
    }
}

START_TEST(flushed_scripts__are_not_noticed)
{
    begin();
    rush_run(&rush, flush_scripts);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    rush_check(&rush);
    ck_assert_int_eq(rush_state(&rush).tail, RUSH_VISITORS);
    rush_end(&rush);
}
END_TEST

static void kill_and_start(void)
{
    redis_server_kill();
    until_met(&rush.unavailable);
    redis_server_again();
}

/* Who was in line before comes back by the place; so everybody rushes once more. */
START_TEST(a_server_that_comes_back_empty__is_filled_by_tokens)
{
    begin();
    rush_run(&rush, kill_and_start);
    rush_again(&rush);
    rush_check(&rush);
    rush_end(&rush);
}
END_TEST

static void save(void)
{
    ask("SAVE");
}

/* As when a replica is promoted that has not heard the last: those who entered behind the saved
 * file are forgotten, and newcomers come before they do. */
START_TEST(a_server_that_forgets_the_last__issues_no_number_twice)
{
    static struct rush late;
    begin();
    rush_run(&rush, save);
    redis_server_kill();
    redis_server_again();
    struct tq_room_state state = rush_state(&rush);
    ck_assert_int_ge(state.tail, 1);
    ck_assert_int_lt(state.tail, RUSH_VISITORS);
    late = rush; /* the same store and room */
    memset(late.places, 0, sizeof late.places);
    late.prefix = "late";
    rush_run(&late, do_nothing);
    for (size_t i = 0; i < RUSH_VISITORS; i++) {
        ck_assert_int_gt(late.places[i].sequence, RUSH_VISITORS);
    }
    rush_again(&rush);
    ck_assert_uint_eq(rush.moved, 0);
    state = rush_state(&rush);
    ck_assert_uint_eq(state.waiting, 2 * RUSH_VISITORS);
    ck_assert_int_gt(state.open_ms, state.now_ms); /* it recovers */
    rush_end(&rush);
}
END_TEST

static void pause_and_resume(void)
{
    redis_server_pause();
    until_met(&rush.unknown);
    redis_server_resume();
}

START_TEST(a_server_that_stops__is_unknown_and_nobody_enters_twice)
{
    begin_with(300);
    rush_run(&rush, pause_and_resume);
    rush_check(&rush);
    rush_end(&rush);
}
END_TEST

static void fill_memory(void)
{
    ask("CONFIG SET maxmemory 1");
    until_met(&rush.unavailable);
    ask("CONFIG SET maxmemory 0");
}

START_TEST(a_full_server__refuses_as_a_whole)
{
    begin();
    rush_run(&rush, fill_memory);
    ck_assert_uint_eq(rush.unknown, 0);
    rush_check(&rush);
    ck_assert_int_eq(rush_state(&rush).tail, RUSH_VISITORS); /* no number was spent on a refusal */
    rush_end(&rush);
}
END_TEST

START_TEST(a_server_that_is_not_there__is_told_soon)
{
    begin();
    rush_run(&rush, do_nothing);
    redis_server_kill();
    int64_t begin_ms = tq_system_now_ms(NULL);
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_state state = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(rush.room, &state, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begin_ms, 30000);
    rush_end(&rush);
}
END_TEST

static void start_server(void)
{
    port = redis_server_start(NULL);
    ck_assert_uint_ne(port, 0);
}

/* A server for each test, since some end it. */
int main(void)
{
    const TTest *const tests[] = {
        flushed_scripts__are_not_noticed,
        a_server_that_comes_back_empty__is_filled_by_tokens,
        a_server_that_forgets_the_last__issues_no_number_twice,
        a_server_that_stops__is_unknown_and_nobody_enters_twice,
        a_full_server__refuses_as_a_whole,
        a_server_that_is_not_there__is_told_soon,
    };
    if (system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    TCase *tcase = tcase_create("fault.room.redis");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, start_server, redis_server_stop);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    return unit_run("fault.room.redis", tcase);
}
