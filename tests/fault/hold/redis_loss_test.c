/* SPDX-License-Identifier: MIT */
/*
 * Holds on Redis before a ledger, under load, while the server is mistreated: it forgets its
 * scripts, all or its latest changes, stops, has no memory, becomes a replica, reads its file,
 * is busy. No seat has two owners meanwhile, and afterwards the front is what the ledger is.
 * The names begin with the row of tests/fault/README.md.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <ticketq/system.h>

#include "lib/hold_rush.h"
#include "lib/redis_server.h"
#include "lib/unit.h"

static struct hold_rush rush;
static unsigned port;

static void begin(void)
{
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=300&wait_ms=100", port);
    hold_rush_begin(&rush, url, "sqlite::memory:");
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
    redisContext *context = redisConnect("127.0.0.1", (int)port);
    redisReply *reply = redisCommand(context, command);
    redisFree(context);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", command, reply->str);
    freeReplyObject(reply);
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

static void kill_and_start(void)
{
    redis_server_kill();
    usleep(200000);
    redis_server_again();
}

START_TEST(f06_killed_and_back_empty__the_ledger_brings_all_back)
{
    rush_through(kill_and_start);
    ck_assert_uint_gt(rush.unavailable, 0);
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

static struct tq_hold take(tq_book *book, const char *holder, const char *seat)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold hold = TQ_INIT(tq_hold);
    assert_status(
        tq_hold_acquire(book,
                        TQ_ARGS(tq_hold_request, .schedule = HOLD_RUSH_SCHEDULE, .holder = holder,
                                .request_key = holder, .seats = &seat, .seats_count = 1),
                        1, &hold, &err),
        TQ_OK);
    return hold;
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

static void pause_and_resume(void)
{
    for (int i = 0; i < 3; i++) {
        redis_server_pause();
        usleep(400000);
        redis_server_resume();
        usleep(100000);
    }
}

START_TEST(f16_f17_f18_silent_server__answers_are_lost_and_nothing_else)
{
    rush_through(pause_and_resume);
    ck_assert_uint_gt(rush.unknown + rush.unavailable, 0);
    hold_rush_end(&rush);
}
END_TEST

static void fill_memory(void)
{
    ask("CONFIG SET maxmemory 1");
    usleep(200000);
    ask("CONFIG SET maxmemory 0");
}

START_TEST(f34_oom__is_refused_as_a_whole)
{
    rush_through(fill_memory);
    ck_assert_uint_gt(rush.unavailable, 0);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

static void be_a_replica(void)
{
    ask("REPLICAOF 127.0.0.1 1"); /* of nobody */
    usleep(200000);
    ask("REPLICAOF NO ONE");
}

START_TEST(f34_readonly__is_waited_for_and_had_no_effect)
{
    rush_through(be_a_replica);
    ck_assert_uint_gt(rush.unavailable, 0);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
}
END_TEST

/* Reads its file so slowly that everybody meets it there. */
static void load_file(void)
{
    ask("CONFIG SET key-load-delay 5000 loading-process-events-interval-bytes 1024");
    ask("DEBUG RELOAD");
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

static void be_busy(void)
{
    pthread_t thread;
    ask("CONFIG SET busy-reply-threshold 10");
    ck_assert_int_eq(pthread_create(&thread, NULL, loop_for_ever, NULL), 0);
    usleep(200000);
    ask("SCRIPT KILL");
    pthread_join(thread, NULL);
}

START_TEST(f34_busy__is_waited_for_and_had_no_effect)
{
    rush_through(be_busy);
    ck_assert_uint_eq(rush.unknown, 0);
    hold_rush_end(&rush);
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
        f30_scripts_flushed__nobody_notices,
        f06_flushed_again_and_again__the_ledger_brings_all_back,
        f06_killed_and_back_empty__the_ledger_brings_all_back,
        f04_back_with_an_old_state__the_ledger_decides_and_the_front_follows,
        f04_a_lost_release__is_found_without_anybody_telling,
        f05_back_with_an_old_state__fences_and_versions_go_on_above,
        f16_f17_f18_silent_server__answers_are_lost_and_nothing_else,
        f34_oom__is_refused_as_a_whole,
        f34_readonly__is_waited_for_and_had_no_effect,
        f34_loading__is_waited_for_and_had_no_effect,
        f34_busy__is_waited_for_and_had_no_effect,
    };
    if (system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    Suite *suite = suite_create("fault.hold.redis");
    TCase *tcase = tcase_create("fault.hold.redis");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, start_server, redis_server_stop);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
