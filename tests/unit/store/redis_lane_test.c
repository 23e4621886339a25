/* SPDX-License-Identifier: MIT */
/*
 * store/redis/lane.c: what becomes of a call when the server answers with an error, sends it
 * elsewhere, hangs up before or after it, and which calls are joined.
 */
#include "store/redis/client.h"
#include "store/redis/lane.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/fake_redis.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define COMMANDS_MAX 64

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

/* A server's replies, one after the other, the last for ever; and what it was told. */
struct script {
    const char *replies[COMMANDS_MAX];
    atomic_uint next;
    char said[COMMANDS_MAX][16]; /* first words of the commands */
    unsigned args[COMMANDS_MAX];
};

static char info[256]; /* of both */
static struct script scripts[2];
static struct fake_redis *fakes[2];
static struct redis_client *client;

static const char *play(void *arg, size_t count, char *const *words)
{
    struct script *script = arg;
    unsigned at = script->next++;
    snprintf(script->said[at % COMMANDS_MAX], sizeof script->said[0], "%s", words[0]);
    script->args[at % COMMANDS_MAX] = (unsigned)count;
    const char *reply = FAKE_HANG_UP;
    for (unsigned i = 0; i <= at && i < COMMANDS_MAX && script->replies[i]; i++) {
        reply = script->replies[i];
    }
    return strcmp(reply, "hang up") == 0 ? FAKE_HANG_UP : reply;
}

static void have_history(const char *id)
{
    snprintf(info, sizeof info,
             "redis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"
             "aof_enabled:1\r\nmaster_replid:%s\r\n",
             id);
}

static void begin(uint32_t wait_ms)
{
    have_history("one");
    struct redis_target target = {
        .seeds_count = 1, .lanes = 1, .connect_ms = 1000, .timeout_ms = 200, .wait_ms = wait_ms};
    test_env_init(&test, 1);
    env = test_env_of(&test);
    memset(scripts, 0, sizeof scripts);
    for (size_t i = 0; i < 2; i++) {
        fakes[i] = fake_redis_start(play, &scripts[i], info);
    }
    target.seeds[0] = (struct redis_address){"127.0.0.1", (uint16_t)fake_redis_port(fakes[0])};
    assert_status(tq__redis_client_open(&env, &target, &client, &err), TQ_OK);
}

static void end(void)
{
    tq__redis_client_close(client);
    ck_assert_int_eq(test.live, 0);
    for (size_t i = 0; i < 2; i++) {
        fake_redis_stop(fakes[i]);
    }
}

static int read_integer(struct redis_call *call, struct redis_answer *answer)
{
    return answer->reply->type == REDIS_REPLY_INTEGER ? (int)answer->reply->integer
                                                      : tq__redis_nonsense(call);
}

static int call_once(void)
{
    struct redis_call call = {.script = REDIS_ROOM_VIEW, .tag = "room", .read = read_integer};
    return tq__redis_run(client, &call, 1, &err);
}

/* The address of the second server in a redirection, as the first one tells it. */
static const char *redirection(const char *word)
{
    static char text[64];
    snprintf(text, sizeof text, "-%s 1 127.0.0.1:%u\r\n", word, fake_redis_port(fakes[1]));
    return text;
}

START_TEST(an_answer__is_read)
{
    begin(0);
    scripts[0].replies[0] = ":3\r\n";
    scripts[0].replies[1] = "+no integer\r\n";
    assert_status(call_once(), TQ_GONE);
    assert_status(call_once(), TQ_E_INTERNAL);
    end();
}
END_TEST

START_TEST(a_forgotten_script__goes_with_its_text)
{
    begin(0);
    scripts[0].replies[0] = "-NOSCRIPT No matching script.\r\n";
    scripts[0].replies[1] = ":0\r\n";
    assert_status(call_once(), TQ_OK);
    ck_assert_str_eq(scripts[0].said[0], "EVALSHA");
    ck_assert_str_eq(scripts[0].said[1], "EVAL");
    end();
}
END_TEST

START_TEST(a_slot_that_has_moved__is_followed)
{
    begin(0);
    scripts[0].replies[0] = redirection("MOVED");
    scripts[1].replies[0] = ":0\r\n";
    assert_status(call_once(), TQ_OK);
    assert_status(call_once(), TQ_OK);
    ck_assert_uint_eq(scripts[0].next, 1);
    ck_assert_uint_eq(scripts[1].next, 2);
    end();
}
END_TEST

START_TEST(a_slot_that_is_moving__is_followed_once)
{
    begin(0);
    scripts[0].replies[0] = redirection("ASK");
    scripts[0].replies[1] = ":0\r\n";
    scripts[1].replies[0] = "+OK\r\n";
    scripts[1].replies[1] = ":0\r\n";
    assert_status(call_once(), TQ_OK);
    ck_assert_str_eq(scripts[1].said[0], "ASKING");
    ck_assert_str_eq(scripts[1].said[1], "EVALSHA");
    assert_status(call_once(), TQ_OK);
    ck_assert_uint_eq(scripts[0].next, 2);
    end();
}
END_TEST

START_TEST(a_circle_of_redirections__ends)
{
    begin(0);
    char back[64];
    snprintf(back, sizeof back, "-MOVED 1 127.0.0.1:%u\r\n", fake_redis_port(fakes[0]));
    scripts[0].replies[0] = redirection("MOVED");
    scripts[1].replies[0] = back;
    assert_status(call_once(), TQ_E_UNAVAILABLE);
    end();
}
END_TEST

START_TEST(what_passes__is_waited_for)
{
    static const char *const passing[] = {
        "-TRYAGAIN x\r\n", "-LOADING x\r\n", "-CLUSTERDOWN x\r\n", "-READONLY x\r\n", "-BUSY x\r\n",
    };
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        begin(2000);
        scripts[0].replies[0] = passing[i];
        scripts[0].replies[1] = passing[i];
        scripts[0].replies[2] = ":0\r\n";
        assert_status(call_once(), TQ_OK);
        ck_assert_uint_eq(scripts[0].next, 3);
        end();
    }
    begin(20);
    scripts[0].replies[0] = passing[0];
    assert_status(call_once(), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "TRYAGAIN"));
    end();
}
END_TEST

START_TEST(a_server_that_became_a_replica__is_looked_up_again)
{
    begin(2000);
    scripts[0].replies[0] = "-READONLY You can't write against a read only replica.\r\n";
    scripts[0].replies[1] = ":0\r\n";
    assert_status(call_once(), TQ_OK);
    ck_assert_uint_eq(fake_redis_connections(fakes[0]), 2);
    end();
}
END_TEST

START_TEST(what_lasts__is_told_at_once)
{
    begin(2000);
    scripts[0].replies[0] = "-OOM command not allowed\r\n";
    scripts[0].replies[1] = "-ERR a fault of ours\r\n";
    scripts[0].replies[2] = "-WRONGTYPE x\r\n";
    assert_status(call_once(), TQ_E_UNAVAILABLE);
    assert_status(call_once(), TQ_E_INTERNAL);
    assert_status(call_once(), TQ_E_CORRUPT);
    ck_assert_uint_eq(scripts[0].next, 3);
    end();
}
END_TEST

START_TEST(a_lost_answer__is_unknown_and_not_repeated)
{
    begin(2000);
    scripts[0].replies[0] = "hang up";
    scripts[0].replies[1] = FAKE_SILENCE;
    scripts[0].replies[2] = ":0\r\n";
    assert_status(call_once(), TQ_E_UNKNOWN);
    assert_status(call_once(), TQ_E_UNKNOWN);
    ck_assert_uint_eq(scripts[0].next, 2);
    assert_status(call_once(), TQ_OK);
    end();
}
END_TEST

START_TEST(an_idle_hang_up__is_not_noticed_by_callers)
{
    begin(0);
    scripts[0].replies[0] = ":0\r\n";
    for (int i = 0; i < 3; i++) {
        assert_status(call_once(), TQ_OK);
        fake_redis_hang_up(fakes[0]);
    }
    end();
}
END_TEST

/* Integers of an array, as many as the caller's arguments. */
static int read_share(struct redis_call *call, struct redis_answer *answer)
{
    int64_t *out = call->out;
    for (size_t i = 0; i < call->args_count; i++) {
        out[i] = answer->reply->element[answer->cursor++]->integer;
    }
    return TQ_OK;
}

START_TEST(joinable_calls__are_one_execution)
{
    static const struct redis_text args[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    int64_t out[4][3] = {{0}};
    struct redis_call calls[4];
    for (size_t i = 0; i < 4; i++) {
        calls[i] = (struct redis_call){.script = REDIS_ROOM_PLACE,
                                       .tag = i == 2 ? "other" : "room",
                                       .args = args,
                                       .args_count = i == 3 ? 3 : 1,
                                       .is_joinable = 1,
                                       .read = read_share,
                                       .out = out[i]};
    }
    begin(0);
    scripts[0].replies[0] = "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n";
    scripts[0].replies[1] = "*1\r\n:6\r\n";
    assert_status(tq__redis_run(client, calls, 4, &err), TQ_OK);
    ck_assert_uint_eq(scripts[0].next, 2);
    ck_assert_uint_eq(scripts[0].args[0], 3 + 9 + 5);
    ck_assert_uint_eq(scripts[0].args[1], 3 + 9 + 1);
    ck_assert_int_eq(out[0][0], 1);
    ck_assert_int_eq(out[1][0], 2);
    ck_assert_int_eq(out[3][2], 5);
    ck_assert_int_eq(out[2][0], 6);
    end();
}
END_TEST

START_TEST(a_joined_call__has_a_limit)
{
    static struct redis_text args[REDIS_JOINED_MAX + 1];
    static const size_t counts[][2] = {{REDIS_JOINED_MAX - 1, 1}, {REDIS_JOINED_MAX, 1}};
    for (size_t i = 0; i <= REDIS_JOINED_MAX; i++) {
        args[i] = (struct redis_text){"a", 1};
    }
    for (size_t i = 0; i < 2; i++) {
        struct redis_call calls[2];
        for (size_t k = 0; k < 2; k++) {
            calls[k] = (struct redis_call){.script = REDIS_ROOM_PLACE,
                                           .tag = "room",
                                           .args = args,
                                           .args_count = counts[i][k],
                                           .is_joinable = 1,
                                           .read = read_integer};
        }
        begin(0);
        scripts[0].replies[0] = ":0\r\n";
        assert_status(tq__redis_run(client, calls, 2, &err), TQ_OK);
        ck_assert_uint_eq(scripts[0].next, 1 + i);
        end();
    }
}
END_TEST

static uint64_t life_after(const char *reply)
{
    for (unsigned i = 0; i <= scripts[0].next; i++) {
        scripts[0].replies[i] = i < scripts[0].next ? ":0\r\n" : reply;
    }
    assert_status(call_once(), TQ_OK);
    return tq__redis_life(client, "room");
}

START_TEST(another_history_or_server__is_another_life)
{
    begin(0);
    scripts[1].replies[0] = ":0\r\n";
    ck_assert_uint_eq(life_after(":0\r\n"), 0);
    fake_redis_hang_up(fakes[0]);
    ck_assert_uint_eq(life_after(":0\r\n"), 0); /* the same server again */
    have_history("two");
    fake_redis_hang_up(fakes[0]);
    uint64_t second = life_after(":0\r\n");
    ck_assert_uint_ne(second, 0);
    ck_assert_uint_eq(life_after(":0\r\n"), second);
    ck_assert_uint_ne(life_after(redirection("MOVED")), second);
    end();
}
END_TEST

START_TEST(a_connection__keeps_its_server_until_all_is_answered)
{
    begin(0);
    struct redis_lane *lane = &client->lanes[0];
    struct redis_conn *conn = tq__redis_lane_conn(lane, 0, &err);
    const uint16_t before = conn->address.port, after = (uint16_t)fake_redis_port(fakes[1]);
    tq__redis_put_array(&conn->out, 1);
    client->slots.nodes[0].port = after; /* by another lane, when the map was full */
    ck_assert_ptr_eq(tq__redis_lane_conn(lane, 0, &err), conn);
    ck_assert_uint_eq(conn->address.port, before);
    ck_assert_uint_ne(conn->out.bytes, 0);
    tq__redis_conn_rest(conn);
    ck_assert_ptr_eq(tq__redis_lane_conn(lane, 0, &err), conn);
    ck_assert_uint_eq(conn->address.port, after);
    end();
}
END_TEST

START_TEST(without_memory__nothing_is_sent)
{
    begin(0);
    scripts[0].replies[0] = ":0\r\n";
    static char big[1000000];
    const struct redis_text arg = {big, sizeof big};
    memset(big, 'x', sizeof big);
    struct redis_call call = {.script = REDIS_ROOM_PLACE,
                              .tag = "room",
                              .args = &arg,
                              .args_count = 1,
                              .read = read_integer};
    test.fail_at = test.allocations + 1;
    assert_status(tq__redis_run(client, &call, 1, &err), TQ_E_NOMEM);
    ck_assert_uint_eq(scripts[0].next, 0);
    assert_status(tq__redis_run(client, &call, 1, &err), TQ_OK);
    end();
}
END_TEST

UNIT_MAIN("store.redis.lane", an_answer__is_read, a_forgotten_script__goes_with_its_text,
          a_slot_that_has_moved__is_followed, a_slot_that_is_moving__is_followed_once,
          a_circle_of_redirections__ends, what_passes__is_waited_for,
          a_server_that_became_a_replica__is_looked_up_again, what_lasts__is_told_at_once,
          a_lost_answer__is_unknown_and_not_repeated, an_idle_hang_up__is_not_noticed_by_callers,
          joinable_calls__are_one_execution, a_joined_call__has_a_limit,
          another_history_or_server__is_another_life,
          a_connection__keeps_its_server_until_all_is_answered, without_memory__nothing_is_sent)
