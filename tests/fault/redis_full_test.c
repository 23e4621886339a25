/* SPDX-License-Identifier: MIT */
/*
 * Rooms and holds on a Redis that has no room left again and again, on its disk or in memory, and
 * on one that is another's replica for a while. It refuses as a whole, and is there again by
 * itself.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "lib/hold_rush.h"
#include "lib/redis_server.h"
#include "lib/room_rush.h"
#include "lib/unit.h"

#define CAP 1000 /* of rush_begin() */

static struct rush line;
static struct hold_rush hall;
static struct tq_error err = TQ_ERROR_INIT;
static redisContext *server;
static char url[128];

static void ask(const char *command)
{
    redisReply *reply = redisCommand(server, command);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", command, reply->str);
    freeReplyObject(reply);
}

static int tells(const char *text)
{
    redisReply *reply = redisCommand(server, "INFO everything");
    ck_assert_ptr_nonnull(reply);
    int has = strstr(reply->str, text) != NULL;
    freeReplyObject(reply);
    return has;
}

/* Whether it has refused anything with such an error. */
static int has_refused(const char *code)
{
    char name[64];
    snprintf(name, sizeof name, "errorstat_%s:", code);
    return tells(name);
}

static void start(void)
{
    unsigned port = redis_server_start(NULL);
    ck_assert_uint_ne(port, 0);
    server = redisConnect("127.0.0.1", (int)port);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=10000&wait_ms=10", port);
}

static void stop(void)
{
    redisFree(server);
    redis_server_stop();
}

/* ---- what happens to the server ---- */

static void until_refused(const char *code)
{
    while (!has_refused(code)) {
        usleep(1000);
    }
}

static void fill_disk(void)
{
    redis_server_fill_disk(1);
    usleep(1500000); /* the log is written to once a second */
    until_refused("MISCONF");
    redis_server_fill_disk(0);
}

static void fill_memory(void)
{
    for (int i = 0; i < 100 || !has_refused("OOM"); i++) {
        ask("CONFIG SET maxmemory 1");
        usleep(3000);
        ask("CONFIG SET maxmemory 0");
        usleep(3000);
    }
}

static void be_a_replica(void)
{
    for (int i = 0; i < 3; i++) {
        ask("REPLICAOF 127.0.0.1 1"); /* of nobody */
        usleep(100000);
        until_refused("READONLY");
        ask("REPLICAOF NO ONE");
        usleep(100000);
    }
}

static const struct trouble {
    const char *code;
    void (*happen)(void);
    int has_log; /* the server */
} troubles[] = {{"MISCONF", fill_disk, 1}, {"OOM", fill_memory, 0}, {"READONLY", be_a_replica, 0}};

static void prepare(const struct trouble *trouble)
{
    if (trouble->has_log) {
        ask("CONFIG SET appendonly yes");
    }
    while (tells("aof_rewrite_in_progress:1") || tells("aof_rewrite_scheduled:1")) {
        usleep(10000); /* it would try again in a minute */
    }
}

/* ---- rooms ---- */

static atomic_int is_over;

static void *tick(void *arg)
{
    struct tq_error mine = TQ_ERROR_INIT;
    (void)arg;
    while (!is_over) {
        struct tq_room_tick tick = TQ_INIT(tq_room_tick);
        int rc = tq_room_tick(line.room, &tick, &mine);
        if (rc != TQ_OK && rc != TQ_EMPTY && rc != TQ_E_UNAVAILABLE) {
            line.other++;
        }
        usleep(1000);
    }
    return NULL;
}

static void order_rate(void)
{
    struct tq_room_action action = {.size = sizeof action,
                                    .order = TQ_ROOM_SET_RATE,
                                    .value = TQ_ROOM_RATE_MAX,
                                    .actor = "operator"};
    assert_status(tq_room_operate(line.room, &action, &err), TQ_OK);
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void check_line(void)
{
    static int64_t told[RUSH_VISITORS];
    size_t twice = 0;
    struct tq_room_state state = rush_state(&line);
    ck_assert_uint_eq(state.waiting + state.active, RUSH_VISITORS);
    ck_assert_uint_eq(state.active, CAP);
    ck_assert_uint_eq(line.moved, 0);
    for (size_t i = 0; i < RUSH_VISITORS; i++) {
        told[i] = line.places[i].sequence;
    }
    qsort(told, RUSH_VISITORS, sizeof *told, compare);
    for (size_t i = 1; i < RUSH_VISITORS; i++) {
        twice += told[i - 1] == told[i];
    }
    ck_assert_uint_eq(twice, 0);
}

START_TEST(a_line__has_everybody_once_and_no_more_inside_than_the_cap)
{
    const struct trouble *trouble = &troubles[_i / 2];
    pthread_t ticker;
    start();
    rush_begin_shards(&line, url, _i % 2 ? 3 : 1);
    prepare(trouble);
    order_rate();
    is_over = 0;
    ck_assert_int_eq(pthread_create(&ticker, NULL, tick, NULL), 0);
    rush_run(&line, trouble->happen);
    ck_assert(has_refused(trouble->code));
    struct tq_room_action action = {
        .size = sizeof action, .order = TQ_ROOM_SET_OPEN, .actor = "operator"};
    assert_status(tq_room_operate(line.room, &action, &err), TQ_OK); /* nobody recovers */
    for (int i = 0; i < 6000 && rush_state(&line).active < CAP; i++) {
        usleep(10000);
    }
    is_over = 1;
    pthread_join(ticker, NULL);
    ck_assert_uint_eq(line.unknown + line.other, 0);
    check_line();
    rush_run(&line, trouble->happen == fill_disk ? fill_memory : trouble->happen);
    check_line();
    rush_end(&line);
    stop();
}
END_TEST

START_TEST(a_hall__has_the_seats_that_its_ledger_has)
{
    const struct trouble *trouble = &troubles[_i];
    start();
    hold_rush_begin(&hall, url, "sqlite::memory:");
    prepare(trouble);
    hold_rush_run(&hall, trouble->happen);
    ck_assert(has_refused(trouble->code));
    ck_assert_uint_gt(hall.granted, 0);
    ck_assert_uint_eq(hall.unknown, 0);
    hold_rush_check(&hall);
    hold_rush_end(&hall);
    stop();
}
END_TEST

int main(void)
{
    if (system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    const int count = sizeof troubles / sizeof *troubles;
    TCase *tcase = tcase_create("fault.redis_full");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_line__has_everybody_once_and_no_more_inside_than_the_cap, 0,
                        2 * count);
    tcase_add_loop_test(tcase, a_hall__has_the_seats_that_its_ledger_has, 0, count);
    return unit_run("fault.redis_full", tcase);
}
