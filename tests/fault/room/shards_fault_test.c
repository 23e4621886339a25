/* SPDX-License-Identifier: MIT */
/*
 * A room of three shards on Redis under load, of which parts get lost: the whole server, one
 * shard, the desk, the last of what was written. In the end everybody is in line, once, under the
 * number of the signed place, and no more are inside than the cap.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/redis_ask.h"
#include "lib/redis_server.h"
#include "lib/room_rush.h"
#include "lib/unit.h"

#define SHARDS 3

static struct rush rush;
static struct tq_error err = TQ_ERROR_INIT;
static unsigned port;

static void begin(void)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=10000&wait_ms=100", port);
    rush_begin_shards(&rush, url, SHARDS);
}

static void ask(const char *command)
{
    redis_ask(port, command);
}

/* Everything that begins with `queue:{tag}`. */
static void lose(const char *tag)
{
    static const char *const endings[] = {"",        ":state", ":heard", ":oldest", ":spent",
                                          ":inside", ":seen",  ":since", ":trail",  ":books"};
    char command[1024] = "DEL";
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t at = strlen(command);
        snprintf(command + at, sizeof command - at, " queue:{%s}%s", tag, endings[i]);
    }
    ask(command);
}

static struct tq_room_tick tick(void)
{
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    int rc = tq_room_tick(rush.room, &tick, &err);
    ck_assert_msg(rc == TQ_OK || rc == TQ_EMPTY, "%s", err.message);
    return tick;
}

static void lose_everything(void)
{
    ask("FLUSHALL");
}

static void lose_a_shard(void)
{
    lose("show:1");
}

static void lose_the_desk(void)
{
    lose("show");
}

static void come_back_old(void)
{
    ask("SAVE");
    usleep(100000);
    redis_server_kill();
    redis_server_again();
}

static const struct loss {
    void (*happen)(void);
} losses[] = {{lose_a_shard}, {lose_the_desk}, {lose_everything}, {come_back_old}};

START_TEST(what_is_lost_comes_back_by_signed_places)
{
    begin();
    rush_run(&rush, losses[_i].happen);
    rush_check(&rush);
    rush_end(&rush);
}
END_TEST

#define CAP 1000 /* of rush_begin() */

static void fill_up(void)
{
    uint64_t active = 0;
    for (int i = 0; i < 6000 && active < CAP; i++) {
        tick();
        active = rush_state(&rush).active;
        ck_assert_uint_le(active, CAP);
        usleep(10000);
    }
}

START_TEST(the_cap_holds_whatever_is_lost)
{
    begin();
    rush_order(&rush, TQ_ROOM_SET_RATE, TQ_ROOM_RATE_MAX);
    rush_run(&rush, NULL);
    fill_up();
    ck_assert_uint_eq(rush_state(&rush).active, CAP);
    losses[_i].happen();
    rush_order(&rush, TQ_ROOM_SET_RATE, TQ_ROOM_RATE_MAX);
    rush_order(&rush, TQ_ROOM_SET_OPEN, 0); /* nobody recovers for so long */
    rush_again(&rush);
    fill_up();
    ck_assert_uint_eq(rush_state(&rush).active, CAP);
    rush_end(&rush);
}
END_TEST

START_TEST(a_lost_shard_obeys_the_orders_of_before)
{
    begin();
    rush_run(&rush, NULL);
    rush_order(&rush, TQ_ROOM_DRAIN, 0);
    lose_a_shard();
    unsigned closed = 0;
    for (unsigned i = 0; i < 30; i++) {
        struct tq_place place = TQ_INIT(tq_place);
        char id[24];
        snprintf(id, sizeof id, "late-%u", i);
        assert_status(tq_room_enter(rush.room, TQ_ARGS(tq_visitor, .id = id), 1, &place, &err),
                      TQ_OK);
        closed += place.status == TQ_CLOSED;
    }
    ck_assert_uint_eq(closed, 30);
    rush_check(&rush); /* places are good in a drain */
    rush_end(&rush);
}
END_TEST

START_TEST(an_order_that_one_shard_missed_is_made_up_for)
{
    begin();
    rush_run(&rush, NULL);
    rush_order(&rush, TQ_ROOM_PAUSE, 0);
    ask("SET queue:{show:1}:state broken"); /* its scripts fail */
    struct tq_room_action action = {
        .size = sizeof action, .order = TQ_ROOM_RESET, .actor = "operator", .request_key = "once"};
    ck_assert_int_lt(tq_room_operate(rush.room, &action, &err), 0);
    lose_a_shard();
    tick();
    struct tq_room_state state = rush_state(&rush);
    ck_assert_uint_eq(state.waiting, 0);
    ck_assert_int_eq(state.epoch, 2);
    assert_status(tq_room_operate(rush.room, &action, &err), TQ_REPEAT);
    ck_assert_int_eq(rush_state(&rush).epoch, 2);
    rush_end(&rush);
}
END_TEST

static void start_server(void)
{
    port = redis_server_start(NULL);
    ck_assert_uint_ne(port, 0);
}

int main(void)
{
    if (system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    const int count = sizeof losses / sizeof *losses;
    TCase *tcase = tcase_create("fault.room.shards");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, start_server, redis_server_stop);
    tcase_add_loop_test(tcase, what_is_lost_comes_back_by_signed_places, 0, count);
    tcase_add_loop_test(tcase, the_cap_holds_whatever_is_lost, 0, 2);
    tcase_add_test(tcase, a_lost_shard_obeys_the_orders_of_before);
    tcase_add_test(tcase, an_order_that_one_shard_missed_is_made_up_for);
    return unit_run("fault.room.shards", tcase);
}
