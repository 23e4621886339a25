/* SPDX-License-Identifier: MIT */
/*
 * store/redis/ears.c on a server of the test's own: what is heard, what is lost and
 * found again, and who is told.
 */
#include "store/redis/ears.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include <ticketq/system.h>

#include "lib/redis_server.h"
#include "lib/unit.h"
#include "store/store.h"

static unsigned port;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;
static void *state;
static redisContext *other;

/* What came, as text: `show-1: s1 s2;` */
struct heard {
    char text[4096];
    int count;
};

static void hear(void *arg, const char *schedule, const char *const *seats, size_t seats_count)
{
    struct heard *heard = arg;
    size_t used = strlen(heard->text);
    heard->count++;
    used += (size_t)snprintf(heard->text + used, sizeof heard->text - used, "%s:", schedule);
    for (size_t i = 0; seats && i < seats_count; i++) {
        used += (size_t)snprintf(heard->text + used, sizeof heard->text - used, " %s", seats[i]);
    }
    snprintf(heard->text + used, sizeof heard->text - used, seats ? ";" : " any;");
}

static void begin(void)
{
    char url[64];
    env = tq_system_env();
    env.log = NULL;
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?prefix=t:", port);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK);
    state = tq__store_state(store);
    other = redisConnect("127.0.0.1", (int)port);
    ck_assert(other && !other->err);
}

static void end(void)
{
    redisFree(other);
    tq_store_close(store);
}

static void tell(const char *schedule, const char *seats)
{
    redisReply *reply = redisCommand(other, "SPUBLISH t:seat:hold:{%s} %s", schedule, seats);
    ck_assert(reply && reply->type == REDIS_REPLY_INTEGER);
    freeReplyObject(reply);
}

static void until(const struct heard *heard, int count)
{
    for (int i = 0; i < 200 && heard->count < count; i++) {
        ck_assert_int_ge(tq__redis_ears_listen(state, 100, &err), 0);
    }
    ck_assert_int_eq(heard->count, count);
}

START_TEST(each_subscriber__hears_its_schedule_and_no_other)
{
    struct heard one = {0}, two = {0}, both = {0};
    begin();
    assert_status(tq__redis_ears_subscribe(state, "one", hear, &one, &err), TQ_OK);
    assert_status(tq__redis_ears_subscribe(state, "two", hear, &two, &err), TQ_OK);
    assert_status(tq__redis_ears_subscribe(state, "one", hear, &both, &err), TQ_OK);
    assert_status(tq__redis_ears_subscribe(state, "two", hear, &both, &err), TQ_OK);
    tell("one", "s1 s2");
    tell("two", "s3");
    tell("three", "s4");
    until(&both, 2);
    ck_assert_str_eq(one.text, "one: s1 s2;");
    ck_assert_str_eq(two.text, "two: s3;");
    tq__redis_ears_unsubscribe(state, "one", hear, &one);
    tq__redis_ears_unsubscribe(state, "one", hear, &both);
    tell("one", "s5");
    tell("two", "s6");
    until(&both, 3);
    ck_assert_str_eq(one.text, "one: s1 s2;");
    assert_status(tq__redis_ears_subscribe(state, "one", hear, &one, &err), TQ_OK);
    tell("one", "s7");
    until(&one, 2);
    tq__redis_ears_unsubscribe(state, "one", hear, &one);
    tq__redis_ears_unsubscribe(state, "two", hear, &two);
    tq__redis_ears_unsubscribe(state, "two", hear, &both);
    end();
}
END_TEST

START_TEST(many_seats__come_in_pieces)
{
    struct heard heard = {0};
    char seats[1024] = "";
    begin();
    assert_status(tq__redis_ears_subscribe(state, "one", hear, &heard, &err), TQ_OK);
    for (int i = 0; i < TQ_HOLD_SEATS_MAX * 2 + 1; i++) {
        snprintf(seats + strlen(seats), 8, "s%d ", i);
    }
    tell("one", seats);
    until(&heard, 3);
    ck_assert_ptr_nonnull(strstr(heard.text, "one: s64;"));
    tq__redis_ears_unsubscribe(state, "one", hear, &heard);
    end();
}
END_TEST

START_TEST(a_lost_connection__is_made_again_and_anything_may_be_free)
{
    struct heard heard = {0};
    begin();
    assert_status(tq__redis_ears_subscribe(state, "one", hear, &heard, &err), TQ_OK);
    freeReplyObject(redisCommand(other, "CLIENT KILL TYPE pubsub"));
    until(&heard, 1);
    ck_assert_str_eq(heard.text, "one: any;");
    tell("one", "s1");
    until(&heard, 2);
    ck_assert_str_eq(heard.text, "one: any;one: s1;");
    tq__redis_ears_unsubscribe(state, "one", hear, &heard);
    end();
}
END_TEST

START_TEST(who_is_roused__returns_before_the_time)
{
    begin();
    assert_status(tq__redis_ears_listen(state, 10, &err), TQ_EMPTY);
    int64_t begun_ms = tq_system_now_ms(NULL);
    tq__redis_ears_rouse(state);
    assert_status(tq__redis_ears_listen(state, 60000, &err), TQ_OK);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 30000);
    assert_status(tq__redis_ears_listen(state, 10, &err), TQ_EMPTY);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_subscriber__hears_its_schedule_and_no_other,
                                  many_seats__come_in_pieces,
                                  a_lost_connection__is_made_again_and_anything_may_be_free,
                                  who_is_roused__returns_before_the_time};
    port = redis_server_start(NULL);
    if (!port) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    return unit_main("store.redis.ears", tests, sizeof tests / sizeof *tests);
}
