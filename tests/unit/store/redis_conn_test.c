/* SPDX-License-Identifier: MIT */
/*
 * store/redis/conn.c: logging in, what is put on the wire, a server that is not there,
 * hangs up while idle or in the middle, or says nothing.
 */
#include "store/redis/conn.h"

#include <stdio.h>
#include <string.h>

#include "lib/fake_redis.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct redis_target target;
static struct redis_conn conn;
static _Atomic(const char *) what_to_say; /* also by the server's thread */

static const char *answer(void *arg, size_t count, char *const *words)
{
    (void)arg;
    (void)count;
    (void)words;
    return what_to_say;
}

static struct fake_redis *begin(const char *password)
{
    struct fake_redis *fake = fake_redis_start(answer, NULL, NULL);
    test_env_init(&test, 1);
    env = test_env_of(&test);
    target = (struct redis_target){.connect_ms = 1000, .timeout_ms = 100, .db = 2};
    snprintf(target.password, sizeof target.password, "%s", password);
    struct redis_address address = {"127.0.0.1", (uint16_t)fake_redis_port(fake)};
    tq__redis_conn_init(&conn, &env, &target, &address);
    what_to_say = "+PONG\r\n";
    return fake;
}

static void end(struct fake_redis *fake)
{
    tq__redis_conn_done(&conn);
    ck_assert_int_eq(test.live, 0);
    if (fake) {
        fake_redis_stop(fake);
    }
}

static int ping(void)
{
    static const char *const words[] = {"PING"};
    redisReply *reply = tq__redis_conn_ask(&conn, words, 1, &err);
    int is_there = reply != NULL;
    if (reply) {
        freeReplyObject(reply);
    }
    return is_there;
}

START_TEST(it_logs_in__and_keeps_the_connection)
{
    struct fake_redis *fake = begin("right");
    ck_assert(ping());
    ck_assert(ping());
    ck_assert_uint_eq(fake_redis_connections(fake), 1);
    ck_assert_uint_eq(strlen(conn.shas[REDIS_ROOM_ENTER]), REDIS_SHA_SIZE - 1);
    end(fake);
}
END_TEST

START_TEST(a_wrong_password__is_told_without_it)
{
    struct fake_redis *fake = begin("wrong-secret");
    assert_status(tq__redis_conn_ready(&conn, &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "WRONGPASS"));
    ck_assert_ptr_null(strstr(err.message, "wrong-secret"));
    err = (struct tq_error)TQ_ERROR_INIT;
    assert_status(tq__redis_conn_ready(&conn, &err), TQ_E_UNAVAILABLE); /* in the pause */
    ck_assert_ptr_nonnull(strstr(err.message, "a moment ago"));
    ck_assert_ptr_nonnull(strstr(err.message, "WRONGPASS"));
    end(fake);
}
END_TEST

START_TEST(an_idle_hang_up__costs_nothing)
{
    struct fake_redis *fake = begin("");
    ck_assert(ping());
    fake_redis_hang_up(fake);
    ck_assert(ping());
    ck_assert_uint_eq(fake_redis_connections(fake), 2);
    end(fake);
}
END_TEST

START_TEST(a_hang_up_in_the_middle__is_noticed)
{
    struct fake_redis *fake = begin("");
    ck_assert(ping());
    what_to_say = FAKE_HANG_UP;
    ck_assert(!ping());
    what_to_say = "+PONG\r\n";
    ck_assert(ping());
    end(fake);
}
END_TEST

START_TEST(silence__ends_after_the_timeout)
{
    struct fake_redis *fake = begin("");
    what_to_say = FAKE_SILENCE;
    ck_assert(!ping());
    what_to_say = "$3\r\nab";
    ck_assert(!ping());
    what_to_say = "?\r\n";
    ck_assert(!ping());
    end(fake);
}
END_TEST

START_TEST(after_a_refusal__there_is_a_pause)
{
    struct fake_redis *fake = begin("");
    fake_redis_stop(fake);
    assert_status(tq__redis_conn_ready(&conn, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_gt(conn.retry_ms, test.now_ms);
    ck_assert_int_le(conn.retry_ms, test.now_ms + 1000);
    assert_status(tq__redis_conn_ready(&conn, &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "a moment ago"));
    test.now_ms = conn.retry_ms;
    assert_status(tq__redis_conn_ready(&conn, &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_null(strstr(err.message, "a moment ago"));
    end(NULL);
}
END_TEST

START_TEST(words__are_put_as_the_protocol_wants)
{
    struct tq__buf out = TQ__BUF(&env);
    test_env_init(&test, 1);
    env = test_env_of(&test);
    tq__redis_put_array(&out, 12);
    tq__redis_put(&out, "a\r\nb", 4);
    tq__redis_put_text(&out, "");
    tq__redis_put_number(&out, 1234567890);
    ck_assert_str_eq(out.data, "*12\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$10\r\n1234567890\r\n");
    tq__buf_done(&out);
}
END_TEST

UNIT_MAIN("store.redis.conn", it_logs_in__and_keeps_the_connection,
          a_wrong_password__is_told_without_it, an_idle_hang_up__costs_nothing,
          a_hang_up_in_the_middle__is_noticed, silence__ends_after_the_timeout,
          after_a_refusal__there_is_a_pause, words__are_put_as_the_protocol_wants)
