/* SPDX-License-Identifier: MIT */
/*
 * The cap of a room of three shards on Redis when a part of it goes back, as when a replica is
 * promoted that has not heard the last: the desk while an admission is under way, a shard whose
 * visitors come back with passes. Keys are kept and put back, under another replication id.
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <ticketq/system.h>

#include "lib/redis_server.h"
#include "lib/room_rush.h"
#include "lib/unit.h"
#include "store/redis/client.h"

#define SHARDS 3
#define CAP 1000 /* of rush_begin_shards() */
#define KEYS 10

/* Places in FIELDS of room.lua. */
enum {
    POLICY = 16,
    EPOCH = 19,
    PAUSED = 22,
    RECOVERED = 34,
    HISTORY = 36,
    SETTINGS,
    RESETS,
    TAKEN
};

static struct rush rush;
static int was_let_in[RUSH_VISITORS]; /* ever into the room that is open */
static struct tq_error err = TQ_ERROR_INIT;
static redisContext *server;

static redisReply *check(redisReply *reply)
{
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s", reply->str);
    return reply;
}

#define ASK(...) check(redisCommand(server, __VA_ARGS__))

static void open_room(void)
{
    char url[128];
    unsigned port = redis_server_start(NULL);
    ck_assert_uint_ne(port, 0);
    server = redisConnect("127.0.0.1", (int)port);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=10000", port);
    rush_begin_shards(&rush, url, SHARDS);
    memset(was_let_in, 0, sizeof was_let_in);
    rush_order(&rush, TQ_ROOM_SET_RATE, TQ_ROOM_RATE_MAX);
}

static void begin(void)
{
    open_room();
    rush_run(&rush, NULL);
}

static void end(void)
{
    rush_end(&rush);
    redisFree(server);
    redis_server_stop();
}

/* ---- going back ---- */

static const char *const endings[KEYS] = {"",        ":state", ":heard", ":oldest", ":spent",
                                          ":inside", ":seen",  ":since", ":trail",  ":books"};

struct kept {
    const char *tag;
    redisReply *dumps[KEYS];
};

static void keep(struct kept *kept, const char *tag)
{
    kept->tag = tag;
    for (size_t i = 0; i < KEYS; i++) {
        kept->dumps[i] = ASK("DUMP queue:{%s}%s", tag, endings[i]);
    }
}

/* As it was, on a server that was promoted. */
static void go_back(struct kept *kept)
{
    for (size_t i = 0; i < KEYS; i++) {
        redisReply *dump = kept->dumps[i];
        freeReplyObject(ASK("DEL queue:{%s}%s", kept->tag, endings[i]));
        if (dump->type == REDIS_REPLY_STRING) {
            freeReplyObject(ASK("RESTORE queue:{%s}%s 0 %b", kept->tag, endings[i], dump->str,
                                (size_t)dump->len));
        }
        freeReplyObject(dump);
    }
    freeReplyObject(ASK("SETRANGE queue:{%s}:state %d before", kept->tag, HISTORY * 8));
}

static void read_state(const char *tag, int64_t fields[TAKEN + 1])
{
    redisReply *state = ASK("GET queue:{%s}:state", tag);
    ck_assert_uint_ge(state->len, (TAKEN + 1) * sizeof *fields);
    for (size_t i = 0; i <= TAKEN; i++) {
        uint64_t field;
        memcpy(&field, state->str + i * sizeof field, sizeof field);
        fields[i] = (int64_t)le64toh(field);
    }
    freeReplyObject(state);
}

/* ---- what a tick tells a shard, held up on its way ---- */

struct news {
    uint64_t settings[POLICY + 6];
    char shard[2], given[REDIS_DIGITS_SIZE];
};

/* That it was given `more` than it has used up. */
static void write_news(struct news *news, const char *shard, int more)
{
    static const int rest[] = {PAUSED, PAUSED + 1, EPOCH, RESETS, SETTINGS, RECOVERED};
    char tag[TQ_ID_SIZE];
    int64_t fields[TAKEN + 1];
    read_state("show", fields);
    for (size_t i = 0; i < POLICY + 6; i++) {
        news->settings[i] = htole64((uint64_t)fields[i < POLICY ? i : (size_t)rest[i - POLICY]]);
    }
    snprintf(tag, sizeof tag, "show:%s", shard);
    read_state(tag, fields);
    snprintf(news->shard, sizeof news->shard, "%s", shard);
    snprintf(news->given, sizeof news->given, "%lld", (long long)fields[TAKEN] + more);
}

static int read_nothing(struct redis_call *call, struct redis_answer *answer)
{
    (void)call;
    return answer->reply->type == REDIS_REPLY_ARRAY ? TQ_OK : TQ_GONE;
}

static void tell(const struct news *news)
{
    struct tq_env env = tq_system_env();
    struct redis_target target;
    struct redis_client *client = NULL;
    char path[64], tag[TQ_ID_SIZE];
    const struct redis_text args[] = {{(const char *)news->settings, sizeof news->settings},
                                      tq__redis_text(news->shard),
                                      tq__redis_text(news->given),
                                      tq__redis_text("1"),
                                      tq__redis_text("0")};
    snprintf(tag, sizeof tag, "show:%s", news->shard);
    struct redis_call call = {.script = REDIS_SHARD_SETTLE,
                              .tag = tag,
                              .args = args,
                              .args_count = sizeof args / sizeof *args,
                              .read = read_nothing};
    env.log = NULL;
    snprintf(path, sizeof path, "//127.0.0.1:%d", server->tcp.port);
    assert_status(tq__redis_target_read(&target, path, "", &err), TQ_OK);
    assert_status(tq__redis_client_open(&env, &target, &client, &err), TQ_OK);
    assert_status(tq__redis_run(client, &call, 1, &err), TQ_OK);
    tq__redis_client_close(client);
}

/* ---- the cap ---- */

static uint64_t tick(void)
{
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    int rc = tq_room_tick(rush.room, &tick, &err);
    ck_assert_msg(rc == TQ_OK || rc == TQ_EMPTY, "%s", err.message);
    uint64_t active = rush_state(&rush).active;
    ck_assert_uint_le(active, CAP);
    usleep(2000);
    return active;
}

static void fill_up(void)
{
    for (int i = 0; i < 6000 && tick() < CAP; i++) {
    }
    ck_assert_uint_eq(rush_state(&rush).active, CAP);
}

/* How many were ever let in: passes last longer than the test. */
static size_t count_passes(void)
{
    size_t count = 0;
    rush_run(&rush, NULL);
    for (size_t i = 0; i < RUSH_VISITORS; i++) {
        was_let_in[i] |= rush.places[i].pass[0] != '\0';
        count += (size_t)was_let_in[i];
    }
    return count;
}

START_TEST(an_admission_that_the_desk_forgot__comes_too_late)
{
    struct kept desk;
    struct news late;
    begin();
    keep(&desk, "show");
    write_news(&late, "0", CAP); /* by a tick that the desk forgets */
    go_back(&desk);
    fill_up();
    tell(&late);
    ck_assert_uint_eq(tick(), CAP);
    end();
}
END_TEST

static const struct forgotten {
    int all;   /* who are in line, not only who are inside */
    int order; /* also an order */
    int news;  /* a tick for which the shard was there as it had been is not over */
} forgotten[] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {1, 0, 1}};

START_TEST(whom_a_shard_forgot__is_counted_until_it_has_recovered)
{
    const struct forgotten *what = &forgotten[_i];
    struct kept shard;
    struct news news;
    open_room();
    if (what->all) {
        keep(&shard, "show:1");
    }
    rush_run(&rush, NULL);
    if (!what->all) {
        keep(&shard, "show:1");
    }
    if (what->order) {
        rush_order(&rush, TQ_ROOM_SET_RATE, TQ_ROOM_RATE_MAX);
    }
    fill_up();
    ck_assert_uint_eq(count_passes(), CAP);
    write_news(&news, "1", 0);
    go_back(&shard);
    if (what->news) {
        tell(&news);
    }
    for (int i = 0; i < 20; i++) {
        tick();
    }
    ck_assert_uint_eq(count_passes(), CAP);
    rush_order(&rush, TQ_ROOM_SET_OPEN, 0);
    fill_up();
    ck_assert_uint_eq(count_passes(), CAP);
    ck_assert_uint_eq(rush.moved, 0);
    end();
}
END_TEST

START_TEST(a_shard_that_is_gone__keeps_the_places_of_those_inside)
{
    begin();
    fill_up();
    rush_run(&rush, NULL);
    for (size_t i = 0; i < KEYS; i++) {
        freeReplyObject(ASK("DEL queue:{show:1}%s", endings[i]));
    }
    for (int i = 0; i < 20; i++) {
        tick();
    }
    rush_run(&rush, NULL);
    ck_assert_uint_eq(rush_state(&rush).active, CAP);
    end();
}
END_TEST

int main(void)
{
    if (system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    TCase *tcase = tcase_create("fault.room.desk_loss");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, an_admission_that_the_desk_forgot__comes_too_late);
    tcase_add_loop_test(tcase, whom_a_shard_forgot__is_counted_until_it_has_recovered, 0,
                        sizeof forgotten / sizeof *forgotten);
    tcase_add_test(tcase, a_shard_that_is_gone__keeps_the_places_of_those_inside);
    return unit_run("fault.room.desk_loss", tcase);
}
