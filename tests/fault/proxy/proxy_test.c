/* SPDX-License-Identifier: MIT */
/*
 * The proxy itself: it counts requests as the servers do, and each fault does to the one
 * request what its name says, and nothing to those before and after it.
 */
#include "fault/proxy/proxy.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fake_redis.h"
#include "lib/unit.h"

/* ---- frames ---- */

/* A byte string with its length. */
#define BYTES(text) (text), sizeof(text) - 1

typedef enum frame frame_fn(struct frames *frames, const char *data, size_t bytes, size_t *out);

/* Every beginning of it is none, and the whole, with more behind it, is one. */
static void check_frame(struct frames *frames, frame_fn *next, const char *data, size_t bytes,
                        enum frame expected)
{
    char more[256];
    size_t got = 0;
    for (size_t part = 1; part < bytes; part++) {
        ck_assert_int_eq(next(frames, data, part, &got), FRAME_NONE);
    }
    memcpy(more, data, bytes);
    memset(more + bytes, 'x', sizeof more - bytes);
    ck_assert_int_eq(next(frames, more, sizeof more, &got), expected);
    ck_assert_uint_eq(got, bytes);
}

START_TEST(redis__is_counted_in_values)
{
    struct frames frames = {.protocol = PROXY_REDIS};
    check_frame(&frames, frames_request, BYTES("*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("+OK\r\n"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("$-1\r\n"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("*-1\r\n"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("*0\r\n"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("*2\r\n*2\r\n:1\r\n$0\r\n\r\n*1\r\n-ERR no\r\n"),
                FRAME_LAST);
}
END_TEST

START_TEST(postgres__is_counted_in_syncs)
{
    struct frames frames = {.protocol = PROXY_POSTGRES};
    check_frame(&frames, frames_request, BYTES("\0\0\0\x08\x04\xd2\x16\x2f"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("N"), FRAME_LAST);
    check_frame(&frames, frames_request, BYTES("\0\0\0\x09\0\x03\0\0\0"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("R\0\0\0\x08\0\0\0\x0a"), FRAME_LAST);
    check_frame(&frames, frames_request, BYTES("p\0\0\0\x05?"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("R\0\0\0\x08\0\0\0\x0c"), FRAME_PART);
    check_frame(&frames, frames_reply, BYTES("R\0\0\0\x08\0\0\0\0"), FRAME_PART);
    check_frame(&frames, frames_reply, BYTES("Z\0\0\0\x05I"), FRAME_LAST);
    check_frame(&frames, frames_request, BYTES("P\0\0\0\x06??"), FRAME_PART);
    check_frame(&frames, frames_request, BYTES("S\0\0\0\x04"), FRAME_LAST);
    check_frame(&frames, frames_request, BYTES("Q\0\0\0\x05?"), FRAME_LAST);
    check_frame(&frames, frames_request, BYTES("X\0\0\0\x04"), FRAME_ASIDE);
}
END_TEST

START_TEST(kafka__is_counted_in_lengths)
{
    struct frames frames = {.protocol = PROXY_KAFKA};
    check_frame(&frames, frames_request, BYTES("\0\0\0\x03xyz"), FRAME_LAST);
    check_frame(&frames, frames_reply, BYTES("\0\0\0\x01x"), FRAME_LAST);
}
END_TEST

/* ---- faults ---- */

static struct fake_redis *server;
static struct proxy *proxy;
static unsigned port;
static atomic_int carried_out;

static const char *carry_out(void *arg, size_t count, char *const *words)
{
    (void)arg;
    (void)count;
    (void)words;
    carried_out++;
    return "$8\r\ndone. ok\r\n";
}

static void begin(void)
{
    carried_out = 0;
    server = fake_redis_start(carry_out, NULL, NULL);
    struct proxy_door door = {.server_port = fake_redis_port(server)};
    proxy = proxy_start(PROXY_REDIS, &door, 1);
    port = door.port;
}

static void end(void)
{
    proxy_stop(proxy);
    fake_redis_stop(server);
}

/* A client that waits at most a moment for each answer. */
static int connect_client(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_usec = 200000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

#define COMMAND "*1\r\n$2\r\nDO\r\n"
#define REPLY_BYTES 14

/* At once, as a pipeline is. */
static void say(int fd, int commands)
{
    static const char words[] = COMMAND COMMAND COMMAND;
    size_t bytes = (size_t)commands * (sizeof COMMAND - 1);
    ck_assert_int_eq(send(fd, words, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

/* Bytes that come until they are `wanted`, or until the end (`*out_end` 0), a reset or silence
   (-1). */
static size_t hear(int fd, size_t wanted, ssize_t *out_end)
{
    char buffer[256];
    size_t sum = 0;
    *out_end = 1;
    while (sum < wanted && (*out_end = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        sum += (size_t)*out_end;
    }
    return sum;
}

/* What three requests come to, of which the second is struck. */
static const struct outcome {
    enum proxy_fault fault;
    size_t bytes; /* that the client hears */
    int ended;    /* then the connection ends; -1: by a reset, or in silence */
    int in_time;  /* carried out, at most, before the client leaves */
} outcomes[] = {
    {PROXY_NONE, 3 * REPLY_BYTES, 1, 3},   {PROXY_DELAY, 3 * REPLY_BYTES, 1, 3},
    {PROXY_LATE, REPLY_BYTES, -1, 1},      {PROXY_CUT_BEFORE, REPLY_BYTES, -1, 1},
    {PROXY_CUT_AFTER, REPLY_BYTES, 0, 3},  {PROXY_CUT_WITHIN, REPLY_BYTES + REPLY_BYTES / 2, 0, 3},
    {PROXY_BLACKHOLE, REPLY_BYTES, -1, 1}, {PROXY_MUTE, REPLY_BYTES, -1, 3},
};

START_TEST(a_fault__strikes_one_request_of_a_pipeline)
{
    const struct outcome *outcome = &outcomes[_i];
    ssize_t ended;
    begin();
    proxy_set(proxy, outcome->fault, 2);
    int fd = connect_client();
    say(fd, 3);
    ck_assert_uint_eq(hear(fd, 3 * REPLY_BYTES, &ended), outcome->bytes);
    ck_assert_int_eq(ended > 0 ? 1 : (int)ended, outcome->ended);
    ck_assert_int_le(carried_out, outcome->in_time);
    ck_assert_int_eq(proxy_has_struck(proxy), outcome->fault != PROXY_NONE);
    close(fd);
    proxy_settle(proxy);
    ck_assert_int_eq(proxy_clients(proxy), 0);
    ck_assert_int_eq(carried_out, outcome->fault == PROXY_LATE ? 3 : outcome->in_time);
    end();
}
END_TEST

START_TEST(after_a_fault__others_go_through)
{
    ssize_t ended;
    begin();
    proxy_set(proxy, _i, 1);
    int fd = connect_client();
    say(fd, 1);
    hear(fd, REPLY_BYTES, &ended);
    for (int i = 0; i < 2; i++) {
        int other = connect_client();
        say(other, 2);
        ck_assert_uint_eq(hear(other, 2 * REPLY_BYTES, &ended), 2 * REPLY_BYTES);
        close(other);
    }
    ck_assert_int_ge(proxy_requests(proxy), 5);
    close(fd);
    end();
}
END_TEST

START_TEST(a_server_that_leaves__is_heard_of)
{
    ssize_t ended;
    begin();
    int fd = connect_client();
    say(fd, 1);
    ck_assert_uint_eq(hear(fd, REPLY_BYTES, &ended), REPLY_BYTES);
    fake_redis_hang_up(server);
    ck_assert_uint_eq(hear(fd, 1, &ended), 0);
    ck_assert_int_eq(ended, 0);
    close(fd);
    end();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("fault.proxy");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, redis__is_counted_in_values);
    tcase_add_test(tcase, postgres__is_counted_in_syncs);
    tcase_add_test(tcase, kafka__is_counted_in_lengths);
    tcase_add_loop_test(tcase, a_fault__strikes_one_request_of_a_pipeline, 0,
                        sizeof outcomes / sizeof *outcomes);
    tcase_add_loop_test(tcase, after_a_fault__others_go_through, PROXY_DELAY, PROXY_FAULTS_END);
    tcase_add_test(tcase, a_server_that_leaves__is_heard_of);
    return unit_run("fault.proxy", tcase);
}
