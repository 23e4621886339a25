/* SPDX-License-Identifier: MIT */
/*
 * http/loop.c and server.c: late peers are cut, draining finishes what is in
 * flight, several threads share a port.
 */
#include "http/internal.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/unit.h"
#include "rig.h"

#define HOST "Host: a\r\n"
#define GRACE_MS 1000 /* which a server that drains gives to who is silent */

static struct rig rig;
static struct wire_answer answer;
static atomic_int gate, handled;
static struct http_request *_Atomic kept;

static void reply_ok(struct http_request *request)
{
    http_reply(request, 200, "text/plain", "ok", 2);
}

static void wait_for_gate(struct http_request *request)
{
    atomic_store(&handled, 1);
    while (!atomic_load(&gate)) {
        usleep(1000);
    }
    reply_ok(request);
}

static void keep(struct http_request *request)
{
    atomic_store(&kept, request);
}

static void keep_batch(struct http_request *const *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        keep(requests[i]);
    }
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/", .handler = reply_ok},
    {.method = "POST", .pattern = "/", .handler = reply_ok},
    {.method = "GET",
     .pattern = "/gate",
     .handler = wait_for_gate,
     .mode = HTTP_POOL,
     .pool = "one"},
    {.method = "GET", .pattern = "/kept", .handler = keep, .mode = HTTP_POOL, .pool = "one"},
    {.method = "GET", .pattern = "/kept-batch", .batch = keep_batch, .mode = HTTP_BATCH},
};
#define COUNT (sizeof routes / sizeof *routes)

static void wait_for(atomic_int *flag)
{
    for (int i = 0; i < 60000 && !atomic_load(flag); i++) {
        usleep(1000);
    }
    ck_assert_int_eq(atomic_load(flag), 1);
}

static int is_served(int fd)
{
    wire_send(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    wire_read(fd, &answer);
    return answer.status == 200;
}

/* A connection that has been served; on a slow machine we may be late ourselves. */
static int connect_and_ask(void)
{
    int fd = wire_connect(rig.port);
    while (!is_served(fd)) {
        close(fd);
        fd = wire_connect(rig.port);
    }
    return fd;
}

START_TEST(late_peers__are_cut)
{
    const struct http_listener_options options = {
        .head_timeout_ms = 400, .idle_timeout_ms = 400, .body_timeout_ms = 400};
    rig_open(&rig, routes, COUNT, NULL, &options);
    int silent = wire_connect(rig.port);
    int slow_head = wire_connect(rig.port);
    int slow_body = wire_connect(rig.port);
    int idle = connect_and_ask();
    wire_send(slow_head, "GET / HTTP/1.1\r\n" HOST);
    wire_send(slow_body, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
    for (int i = 0; i < 8; i++) { /* a trickle does not help */
        usleep(50000);
        wire_send(slow_head, "X-A: b\r\n");
        wire_send(slow_body, "x");
    }
    ck_assert(wire_is_closed(silent));
    ck_assert(wire_is_closed(slow_head));
    ck_assert(wire_is_closed(slow_body));
    ck_assert(wire_is_closed(idle));
    close(silent);
    close(slow_head);
    close(slow_body);
    close(idle);
    rig_close(&rig);
}
END_TEST

static void *drain(void *arg)
{
    static int result;
    (void)arg;
    result = http_server_drain(rig.server, NULL, 60000);
    return &result;
}

START_TEST(draining__finishes_what_is_in_flight)
{
    pthread_t thread;
    void *result;
    rig_open(&rig, routes, COUNT, NULL, NULL);
    gate = handled = 0;
    int busy = wire_connect(rig.port);
    int idle = wire_connect(rig.port);
    wire_send(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    wire_read(idle, &answer);
    wire_send(busy, "GET /gate HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&handled);
    int64_t begun_ms = tq_system_now_ms(NULL);
    pthread_create(&thread, NULL, drain, NULL);
    wire_until_refused(rig.port);
    int is_in_time = is_served(idle); /* an open connection is still served, for a moment */
    ck_assert(is_in_time || tq_system_now_ms(NULL) - begun_ms >= GRACE_MS);
    ck_assert(!is_in_time || wire_has(&answer, "Connection: close"));
    gate = 1;
    wire_read(busy, &answer);
    ck_assert_uint_eq(answer.status, 200);
    ck_assert(wire_has(&answer, "Connection: close"));
    pthread_join(thread, &result);
    ck_assert_int_eq(*(int *)result, TQ_OK);
    close(busy);
    close(idle);
    rig_close(&rig);
}
END_TEST

static int ask_and_keep(const char *request)
{
    kept = NULL;
    int fd = wire_connect(rig.port);
    wire_send(fd, request);
    for (int i = 0; i < 60000 && !atomic_load(&kept); i++) {
        usleep(1000);
    }
    ck_assert_ptr_nonnull(atomic_load(&kept));
    return fd;
}

/* Long before the time that a body may take otherwise. */
START_TEST(draining__does_not_wait_for_those_who_send_slowly)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    int head = wire_connect(rig.port);
    int body = wire_connect(rig.port);
    wire_send(head, "GET / HTTP/1.1\r\nHos");
    wire_send(body, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    ck_assert_uint_eq(wire_ask(rig.port, "GET / HTTP/1.1\r\n" HOST "\r\n").status, 200);
    ck_assert_int_eq(http_server_drain(rig.server, NULL, 25000), TQ_OK);
    ck_assert(wire_is_closed(head));
    ck_assert(wire_is_closed(body));
    close(head);
    close(body);
    rig_close(&rig);
}
END_TEST

START_TEST(draining__gives_up_in_time_and_answers_what_was_kept)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    int fd = ask_and_keep("GET /kept HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(http_server_drain(rig.server, "public", 100), TQ_EXPIRED);
    http_server_free(rig.server);
    wire_read(fd, &answer);
    ck_assert_uint_eq(answer.status, 503);
    ck_assert(wire_has(&answer, "Retry-After: 1"));
    close(fd);
    ck_assert_int_eq(rig.test.live, 0);
}
END_TEST

START_TEST(kept_requests__are_answered_from_any_thread)
{
    static const char *const requests[] = {"GET /kept HTTP/1.1\r\n" HOST "\r\n",
                                           "GET /kept-batch HTTP/1.1\r\n" HOST "\r\n"};
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (size_t i = 0; i < 20; i++) {
        int fd = ask_and_keep(requests[i % 2]);
        usleep(i % 4 < 2 ? 2000 : 0);
        reply_ok(atomic_load(&kept));
        wire_read(fd, &answer);
        ck_assert_uint_eq(answer.status, 200);
        wire_send(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        wire_read(fd, &answer);
        ck_assert_uint_eq(answer.status, 200);
        close(fd);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(a_client_that_left__leaves_its_request_to_the_handler)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    close(ask_and_keep("GET /kept-batch HTTP/1.1\r\n" HOST "\r\n"));
    usleep(50000);
    ck_assert_str_eq(atomic_load(&kept)->path, "/kept-batch");
    reply_ok(atomic_load(&kept));
    rig_close(&rig);
}
END_TEST

START_TEST(threads__share_a_port)
{
    const struct http_listener_options options = {.threads = 4};
    rig_open(&rig, routes, COUNT, NULL, &options);
    for (int i = 0; i < 64; i++) {
        answer = wire_ask(rig.port, "GET / HTTP/1.1\r\n" HOST "\r\n");
        ck_assert_uint_eq(answer.status, 200);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(connections__are_limited)
{
    const struct http_listener_options options = {.connections_max = 3};
    int fds[4];
    char byte;
    rig_open(&rig, routes, COUNT, NULL, &options);
    for (int i = 0; i < 4; i++) {
        fds[i] = wire_connect(rig.port);
        wire_send(fds[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
    }
    for (int i = 0; i < 3; i++) {
        wire_read(fds[i], &answer);
        ck_assert_uint_eq(answer.status, 200);
    }
    usleep(100000);
    ck_assert_int_lt(recv(fds[3], &byte, 1, MSG_DONTWAIT), 0);
    close(fds[0]); /* makes room for the one that waits */
    wire_read(fds[3], &answer);
    ck_assert_uint_eq(answer.status, 200);
    for (int i = 1; i < 4; i++) {
        close(fds[i]);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(connections_of_an_address__are_limited_over_all_threads)
{
    const struct http_listener_options options = {.threads = 3, .connections_per_address = 4};
    int fds[5];
    rig_open(&rig, routes, COUNT, NULL, &options);
    for (int i = 0; i < 4; i++) {
        fds[i] = wire_connect(rig.port);
        ck_assert(is_served(fds[i]));
    }
    fds[4] = wire_connect(rig.port);
    ck_assert(wire_is_closed(fds[4]));
    for (int i = 0; i < 4; i++) {
        ck_assert(is_served(fds[i]));
    }
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    close(connect_and_ask()); /* when the server has noticed */
    rig_close(&rig);
}
END_TEST

START_TEST(clients__are_told_apart_by_what_they_cannot_choose)
{
    static const struct {
        const char *text, *key;
    } rows[] = {{"::1", "0000000000000000"},
                {"2001:db8:1:2:3:4:5:6", "20010db800010002"},
                {"2001:db8:1:2:ffff::1", "20010db800010002"},
                {"2001:db8:1:3::1", "20010db800010003"},
                {"::ffff:10.1.2.3", "0a010203"}};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010203)};
    char key[HTTP__ADDRESS_SIZE];
    http__address_key((const struct sockaddr *)&four, key);
    ck_assert_str_eq(key, "0a010203");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sockaddr_in6 six = {.sin6_family = AF_INET6};
        ck_assert_int_eq(inet_pton(AF_INET6, rows[i].text, &six.sin6_addr), 1);
        http__address_key((const struct sockaddr *)&six, key);
        ck_assert_str_eq(key, rows[i].key);
    }
}
END_TEST

START_TEST(addresses__are_checked)
{
    static const char *const bad[] = {"",    "127.0.0.1",       "127.0.0.1:",   "127.0.0.1:x",
                                      ":80", "127.0.0.1:65536", "127.0.0.1:1x", "[::1:80"};
    struct tq_error err = TQ_ERROR_INIT;
    test_env_init(&rig.test, 1);
    rig.env = test_env_of(&rig.test);
    assert_status(http_server_new(&rig.env, &rig.server, &err), TQ_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct http_listener_options options = {.name = "a", .address = bad[i]};
        ck_assert_msg(http_listener_add(rig.server, &options, &err) == TQ_E_INVALID, "%s", bad[i]);
    }
    const struct http_listener_options nowhere = {.name = "b", .address = "192.0.2.1:80"};
    assert_status(http_listener_add(rig.server, &nowhere, &err), TQ_E_UNAVAILABLE);
    http_server_free(rig.server);
    ck_assert_int_eq(rig.test.live, 0);
}
END_TEST

UNIT_MAIN("http.loop", late_peers__are_cut, draining__finishes_what_is_in_flight,
          draining__does_not_wait_for_those_who_send_slowly,
          draining__gives_up_in_time_and_answers_what_was_kept,
          kept_requests__are_answered_from_any_thread,
          a_client_that_left__leaves_its_request_to_the_handler, threads__share_a_port,
          connections__are_limited, connections_of_an_address__are_limited_over_all_threads,
          clients__are_told_apart_by_what_they_cannot_choose, addresses__are_checked)
