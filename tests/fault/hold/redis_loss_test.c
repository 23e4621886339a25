/* SPDX-License-Identifier: MIT */
/*
 * Holds on Redis before a ledger, under load, while the server is mistreated: it forgets its
 * scripts, all or its latest changes, stops, has no memory, becomes a replica, reads its file,
 * is busy. No seat has two owners meanwhile, and afterwards the front is what the ledger is.
 * The names begin with the row of tests/fault/README.md.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <ticketq/system.h>

#include "lib/hold_rush.h"
#include "lib/redis_ask.h"
#include "lib/redis_server.h"
#include "lib/unit.h"

static struct hold_rush rush;
static unsigned port;
static const char *ctl;

static void begin_with(unsigned timeout_ms)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=%u&wait_ms=10", port, timeout_ms);
    hold_rush_begin(&rush, url, "sqlite::memory:");
}

/* A machine that is slow is no server that is silent. */
static void begin(void)
{
    begin_with(10000);
}

/* Runs the rush, and looks at what it has left. */
static void rush_through(void (*disturb)(void))
{
    begin();
    hold_rush_run(&rush, disturb);
    hold_rush_check(&rush);
}

static void ask(const char *command)
{
    redis_ask(port, command);
}

static struct tq_hold take_of(tq_book *book, const char *schedule, const char *holder,
                              const char *seat)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold hold = TQ_INIT(tq_hold);
    assert_status(tq_hold_acquire(book,
                                  TQ_ARGS(tq_hold_request, .schedule = schedule, .holder = holder,
                                          .request_key = holder, .seats = &seat, .seats_count = 1),
                                  1, &hold, &err),
                  TQ_OK);
    return hold;
}

static struct tq_hold take(tq_book *book, const char *holder, const char *seat)
{
    return take_of(book, HOLD_RUSH_SCHEDULE, holder, seat);
}

/* ---- what the server forgets ---- */

static void flush_scripts(void)
{
    for (int i = 0; i < 20; i++) {
        ask("SCRIPT FLUSH");
        usleep(1000);
    }
}

START_TEST(f30_scripts_flushed__nobody_notices)
{
    rush_through(flush_scripts);
    ck_assert_uint_eq(rush.unavailable + rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void flush_all(void)
{
    for (int i = 0; i < 10; i++) {
        ask("FLUSHALL");
        usleep(20000);
    }
}

START_TEST(f06_flushed_again_and_again__the_ledger_brings_all_back)
{
    rush_through(flush_all);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void *flush_for_a_while(void *arg)
{
    atomic_int *is_over = arg;
    for (int i = 0; i < 5; i++) {
        ask("FLUSHALL");
        usleep(1000);
    }
    *is_over = 1;
    return NULL;
}

/* Where the seat is in the map, or -1. */
static long long place_of(redisContext *context, int seat)
{
    redisReply *reply =
        redisCommand(context, "HGET seat:hold:{big}/places seat:hold:{big}:s%d", seat);
    long long place = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : -1;
    freeReplyObject(reply);
    return place;
}

#define BIG 5000

/* Defines a hall while all is forgotten again and again, and once more after that. */
static void define_through_flushes(tq_book *book, const char *const *seats)
{
    atomic_int is_over = 0;
    struct tq_error err = TQ_ERROR_INIT;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, flush_for_a_while, &is_over), 0);
    while (!is_over) {
        int rc = tq_book_define(book, "big", seats, BIG, &err);
        ck_assert(rc >= 0 || rc == TQ_E_UNAVAILABLE);
    }
    pthread_join(thread, NULL);
    ck_assert_int_ge(tq_book_define(book, "big", seats, BIG, &err), 0);
}

/* A hall comes in slices; none of them is put where an earlier one has been. */
START_TEST(f06_forgotten_within_a_load__is_told_all_again)
{
    static char names[BIG][8];
    static const char *seats[BIG];
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_book *book = NULL;
    for (int i = 0; i < BIG; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        seats[i] = names[i];
    }
    begin();
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = rush.front), &book, &err),
                  TQ_OK);
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    for (int round = 0; round < 5; round++) {
        define_through_flushes(book, seats);
        for (int i = 0; i < BIG; i += 99) {
            ck_assert_int_eq(place_of(context, i), 2 * i);
        }
    }
    redisFree(context);
    tq_book_close(book);
    hold_rush_end(&rush);
}
END_TEST

/* Somebody more than had before, which a busy machine delays. */
static void until_somebody_gave_up(unsigned before)
{
    while (rush.unknown + rush.unavailable == before) {
        usleep(1000);
    }
}

static void kill_and_start(void)
{
    redis_server_kill();
    while (rush.unavailable == 0) {
        usleep(1000);
    }
    redis_server_again();
}

START_TEST(f06_killed_and_back_empty__the_ledger_brings_all_back)
{
    rush_through(kill_and_start);
    hold_rush_end(&rush);
}
END_TEST

static void control(const char *action)
{
    char command[512];
    snprintf(command, sizeof command, "'%s' %s redis >/dev/null 2>&1", ctl, action);
    ck_assert_int_eq(system(command), 0);
}

static void kill_and_start_with_log(void)
{
    control("kill");
    until_somebody_gave_up(0);
    control("start");
}

/* On the server of tests/services, which writes a log. */
START_TEST(f06_killed_with_its_log__nothing_is_lost)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_book *alone = NULL;
    char url[256];
    const char *server = getenv("TICKETQ_TEST_REDIS");
    if (!server || !getenv("TICKETQ_TEST_SERVICES") || access(ctl, X_OK) != 0) {
        return;
    }
    snprintf(url, sizeof url, "%s?prefix=loss-%llx:&wait_ms=10", server,
             (unsigned long long)tq_system_now_ms(NULL));
    hold_rush_begin(&rush, url, "sqlite::memory:");
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = rush.front), &alone, &err),
                  TQ_OK);
    static const char *const seat[] = {"s1"};
    assert_status(tq_book_define(alone, "alone", seat, 1, &err), TQ_OK);
    struct tq_hold before = take_of(alone, "alone", "ann", "s1");
    hold_rush_run(&rush, kill_and_start_with_log);
    ck_assert_uint_gt(rush.unavailable + rush.unknown, 0);
    hold_rush_check(&rush);
    struct tq_hold after = take_of(alone, "alone", "ann", "s1");
    ck_assert_int_eq(after.status, TQ_REPEAT);
    ck_assert_uint_eq(after.fence, before.fence);
    tq_book_close(alone);
    hold_rush_end(&rush);
}
END_TEST

/* What a replica that was promoted has, or a server whose log ended too early. */
static void go_back(void)
{
    ask("SAVE");
    usleep(100000);
    redis_server_kill();
    redis_server_again();
}

START_TEST(f04_back_with_an_old_state__the_ledger_decides_and_the_front_follows)
{
    rush_through(go_back);
    hold_rush_end(&rush);
}
END_TEST

static int verb(tq_book *book, uint32_t verb, const struct tq_hold *hold)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = hold->schedule,
                                    .id = hold->id,
                                    .holder = hold->holder,
                                    .fence = hold->fence};
    int rc = verb == TQ_HOLD_PIN      ? tq_hold_pin(book, &ref, 1, &result, &err)
             : verb == TQ_HOLD_SETTLE ? tq_hold_settle(book, &ref, 1, &result, &err)
                                      : tq_hold_release(book, &ref, 1, &result, &err);
    return rc < 0 ? rc : result.status;
}

/* The seat of a payment that was given up is for sale, although the front has lost that. */
START_TEST(f04_a_lost_release__is_found_without_anybody_telling)
{
    begin();
    struct tq_hold hold = take(rush.book, "ann", "s1");
    ck_assert_int_eq(verb(rush.book, TQ_HOLD_PIN, &hold), TQ_OK);
    ask("SAVE");
    ck_assert_int_eq(verb(rush.book, TQ_HOLD_RELEASE, &hold), TQ_OK);
    redis_server_kill();
    redis_server_again();
    hold_rush_check(&rush);
    hold_rush_end(&rush);
}
END_TEST

/* The map has a number for every state of it: what was handed out before is not used again. */
START_TEST(f05_back_with_an_old_state__fences_and_versions_go_on_above)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_seat_map before = TQ_INIT(tq_seat_map), after = TQ_INIT(tq_seat_map);
    char url[64];
    tq_book *book = NULL;
    struct tq_env env = tq_system_env();
    env.log = NULL;
    begin();
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?prefix=alone:", port);
    tq_store *alone = NULL;
    static const char *const seats[] = {"s1", "s2"};
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &alone, &err), TQ_OK);
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = alone), &book, &err), TQ_OK);
    assert_status(tq_book_define(book, HOLD_RUSH_SCHEDULE, seats, 2, &err), TQ_OK);
    ask("SAVE");
    struct tq_hold old = take(book, "ann", "s1");
    assert_status(tq_book_map(book, HOLD_RUSH_SCHEDULE, &before, &err), TQ_OK);
    redis_server_kill();
    redis_server_again();
    struct tq_hold young = take(book, "bob", "s2");
    assert_status(tq_book_map(book, HOLD_RUSH_SCHEDULE, &after, &err), TQ_OK);
    ck_assert_int_eq(young.status, TQ_OK);
    ck_assert_uint_gt(young.fence, old.fence);
    ck_assert_uint_gt(after.version, before.version);
    tq_book_close(book);
    tq_store_close(alone);
    hold_rush_end(&rush);
}
END_TEST

/* ---- what the server refuses or keeps for itself ---- */

static void until_refused(const char *error)
{
    while (redis_refusals(port, error) == 0) {
        usleep(1000);
    }
}

/* For longer than anybody waits, and until somebody has given up. */
static void pause_and_resume(void)
{
    for (int i = 0; i < 2; i++) {
        unsigned before = rush.unknown + rush.unavailable;
        redis_server_pause();
        usleep(800000);
        until_somebody_gave_up(before);
        redis_server_resume();
        usleep(100000);
    }
}

START_TEST(f16_f17_f18_silent_server__answers_are_lost_and_nothing_else)
{
    begin_with(300);
    hold_rush_run(&rush, pause_and_resume);
    hold_rush_check(&rush);
    ck_assert_uint_gt(rush.unknown + rush.unavailable, 0);
    hold_rush_end(&rush);
}
END_TEST

static void fill_memory(void)
{
    ask("CONFIG SET maxmemory 1");
    usleep(500000);
    until_refused("OOM");
    ask("CONFIG SET maxmemory 0");
}

START_TEST(f34_oom__is_refused_as_a_whole)
{
    rush_through(fill_memory);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void be_a_replica(void)
{
    ask("REPLICAOF 127.0.0.1 1"); /* of nobody */
    usleep(500000);
    until_refused("READONLY");
    ask("REPLICAOF NO ONE");
}

START_TEST(f34_readonly__is_waited_for_and_had_no_effect)
{
    rush_through(be_a_replica);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

/* Reads its file so slowly that everybody meets it there, if he has a chance to run. */
static void load_file(void)
{
    ask("DEBUG POPULATE 200 junk 100");
    ask("CONFIG SET key-load-delay 4000 loading-process-events-interval-bytes 1024");
    while (redis_refusals(port, "LOADING") == 0) {
        ask("DEBUG RELOAD");
    }
    ask("CONFIG SET key-load-delay 0");
}

START_TEST(f34_loading__is_waited_for_and_had_no_effect)
{
    rush_through(load_file);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void *loop_for_ever(void *arg)
{
    (void)arg;
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    freeReplyObject(redisCommand(context, "EVAL %s 0", "while true do end"));
    redisFree(context);
    return NULL;
}

static int is_busy(void)
{
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    redisReply *reply = redisCommand(context, "PING");
    ck_assert_ptr_nonnull(reply);
    int is = reply->type == REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    redisFree(context);
    return is;
}

/* Until others than we have met it. */
static void be_busy(void)
{
    pthread_t thread;
    ask("CONFIG SET busy-reply-threshold 10");
    for (long ours = 1; redis_refusals(port, "BUSY") < ours; ours++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, loop_for_ever, NULL), 0);
        while (!is_busy()) {
            usleep(1000);
        }
        usleep(500000);
        ask("SCRIPT KILL");
        pthread_join(thread, NULL);
    }
}

START_TEST(f34_busy__is_waited_for_and_had_no_effect)
{
    rush_through(be_busy);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

/* ---- who waits, and what is not there by itself ---- */

struct waiter {
    pthread_t thread;
    struct tq_hold hold;
    int rc;
};

static void *wait_for_seat(void *arg)
{
    struct waiter *waiter = arg;
    struct tq_error err = TQ_ERROR_INIT;
    const char *seat = "s1";
    waiter->hold = (struct tq_hold){.size = sizeof waiter->hold};
    waiter->rc = tq_hold_acquire(rush.book,
                                 TQ_ARGS(tq_hold_request, .schedule = HOLD_RUSH_SCHEDULE,
                                         .holder = "bob", .request_key = "b", .seats = &seat,
                                         .seats_count = 1, .wait_ms = 60000),
                                 1, &waiter->hold, &err);
    return NULL;
}

/* One waits for the seat of another; the subscription is `hit`, and then the seat is free. */
static void wait_through(void (*hit)(void))
{
    struct waiter waiter;
    begin();
    struct tq_hold hold = take(rush.book, "ann", "s1");
    ck_assert_int_eq(pthread_create(&waiter.thread, NULL, wait_for_seat, &waiter), 0);
    while (!redis_count(port, "PUBSUB SHARDCHANNELS")) {
        usleep(1000);
    }
    hit();
    ck_assert_int_eq(verb(rush.book, TQ_HOLD_RELEASE, &hold), TQ_OK);
    pthread_join(waiter.thread, NULL);
    ck_assert_int_eq(waiter.rc, TQ_OK);
    ck_assert_int_eq(waiter.hold.status, TQ_OK);
    hold_rush_end(&rush);
}

static void kill_subscriptions(void)
{
    ask("CLIENT KILL TYPE pubsub");
}

START_TEST(f10_subscription_killed__the_seat_is_found)
{
    wait_through(kill_subscriptions);
}
END_TEST

/* More than the server keeps for a subscriber: it is cut off, and the seats mean nothing. */
static void say_too_much(void)
{
    static char text[1 << 20];
    memset(text, 'x', sizeof text - 1);
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    freeReplyObject(
        redisCommand(context, "CONFIG SET client-output-buffer-limit %s", "pubsub 1024 1024 1"));
    freeReplyObject(redisCommand(context, "SPUBLISH seat:hold:{%s} %s", HOLD_RUSH_SCHEDULE, text));
    redisFree(context);
}

START_TEST(f35_slow_subscriber__is_cut_off_and_finds_the_seat)
{
    wait_through(say_too_much);
}
END_TEST

START_TEST(f13_no_key_runs_out_by_itself)
{
    begin();
    struct tq_hold hold = take(rush.book, "ann", "s1");
    ck_assert_int_eq(verb(rush.book, TQ_HOLD_RELEASE, &hold), TQ_OK);
    take(rush.book, "bob", "s2");
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    redisReply *reply = redisCommand(context, "INFO keyspace");
    ck_assert_msg(strstr(reply->str, ",expires=0,") != NULL, "%s", reply->str);
    freeReplyObject(reply);
    redisFree(context);
    hold_rush_end(&rush);
}
END_TEST

/* The seat is free for the front, which has to learn that it is not. */
START_TEST(f23_f33_evicted_key__the_ledger_refuses_and_the_front_learns)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    begin();
    struct tq_hold hold = take(rush.book, "ann", "s1");
    ask("DEL seat:hold:{" HOLD_RUSH_SCHEDULE "}:s1");
    struct tq_hold refused = take(rush.book, "bob", "s1");
    ck_assert_int_eq(refused.status, TQ_TAKEN);
    ck_assert_int_eq(redis_count(port, "EXISTS seat:hold:{" HOLD_RUSH_SCHEDULE "}:s1"), 1);
    assert_status(tq_book_map(rush.book, HOLD_RUSH_SCHEDULE, &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_HOLD], 1);
    ck_assert_int_eq(verb(rush.book, TQ_HOLD_SETTLE, &hold), TQ_OK);
    rush.owner[1] = 1;
    hold_rush_check(&rush);
    hold_rush_end(&rush);
}
END_TEST

static void start_server(void)
{
    port = redis_server_start(NULL);
    ck_assert_uint_ne(port, 0);
}

/* A server for each test, since some end it. */
int main(int count, char **arguments)
{
    const TTest *const tests[] = {
        f30_scripts_flushed__nobody_notices,
        f06_flushed_again_and_again__the_ledger_brings_all_back,
        f06_forgotten_within_a_load__is_told_all_again,
        f06_killed_and_back_empty__the_ledger_brings_all_back,
        f06_killed_with_its_log__nothing_is_lost,
        f04_back_with_an_old_state__the_ledger_decides_and_the_front_follows,
        f04_a_lost_release__is_found_without_anybody_telling,
        f05_back_with_an_old_state__fences_and_versions_go_on_above,
        f16_f17_f18_silent_server__answers_are_lost_and_nothing_else,
        f34_oom__is_refused_as_a_whole,
        f34_readonly__is_waited_for_and_had_no_effect,
        f34_loading__is_waited_for_and_had_no_effect,
        f34_busy__is_waited_for_and_had_no_effect,
        f10_subscription_killed__the_seat_is_found,
        f35_slow_subscriber__is_cut_off_and_finds_the_seat,
        f13_no_key_runs_out_by_itself,
        f23_f33_evicted_key__the_ledger_refuses_and_the_front_learns,
    };
    ctl = count > 1 ? arguments[1] : "";
    if (system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    TCase *tcase = tcase_create("fault.hold.redis");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, start_server, redis_server_stop);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    return unit_run("fault.hold.redis", tcase);
}
