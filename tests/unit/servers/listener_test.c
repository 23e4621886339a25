/* SPDX-License-Identifier: MIT */
/*
 * http/loop.c: many connections at once, also in lockstep with 128 ready events,
 * where the HTTP library's own epoll thread would wait for ever.
 *
 * A client with its own epoll opens all connections, sends one request on each at
 * the same moment, and begins the next round only when every answer of the
 * round has come. A server that forgets one event leaves the client waiting, and
 * the test fails after PATIENCE_MS.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unit.h"
#include "rig.h"

#define CONNECTIONS_MAX 1024
#define ROUNDS 5
#define PATIENCE_MS 60000

static void handle(struct http_request *request)
{
    http_reply(request, 200, "text/plain", "ok", 2);
}

static void handle_batch(struct http_request *const *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        handle(requests[i]);
    }
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/direct", .handler = handle},
    {.method = "GET", .pattern = "/batch", .batch = handle_batch, .mode = HTTP_BATCH},
    {.method = "GET", .pattern = "/pool", .handler = handle, .mode = HTTP_POOL, .pool = "many"},
};

struct peer {
    int fd;
    char data[512];
    size_t bytes;
};

static struct peer peers[CONNECTIONS_MAX];

static void open_peers(int poll_fd, unsigned port, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        peers[i].fd = wire_connect(port);
        ck_assert_int_eq(epoll_ctl(poll_fd, EPOLL_CTL_ADD, peers[i].fd, &event), 0);
    }
}

/* Non-zero when the answer is whole. */
static int take(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->data + peer->bytes, sizeof peer->data - 1 - peer->bytes, 0);
    ck_assert_msg(got > 0, "closed: %s", strerror(errno));
    peer->bytes += (size_t)got;
    peer->data[peer->bytes] = '\0';
    ck_assert_int_eq(strncmp(peer->data, "HTTP/1.1 200", 12), 0);
    return peer->bytes > 6 && strcmp(peer->data + peer->bytes - 6, "\r\n\r\nok") == 0;
}

static void one_round(int poll_fd, const char *request, size_t count)
{
    struct epoll_event events[256];
    for (size_t i = 0; i < count; i++) {
        peers[i].bytes = 0;
        wire_send(peers[i].fd, request);
    }
    for (size_t answered = 0; answered < count;) {
        int ready = epoll_wait(poll_fd, events, 256, PATIENCE_MS);
        int is_stirred = ready < 0 && errno == EINTR; /* who was put to sleep wakes up so */
        ck_assert_msg(ready > 0 || is_stirred, "%zu of %zu were answered", answered, count);
        for (int i = 0; i < ready; i++) {
            answered += (size_t)take(&peers[events[i].data.u64]);
        }
    }
}

static void run(const char *request, size_t count)
{
    struct rig rig;
    struct tq_error err = TQ_ERROR_INIT;
    const struct http_listener_options options = {
        .name = "public", .address = "127.0.0.1:0", .threads = 1};
    test_env_init(&rig.test, 1);
    rig.env = test_env_of(&rig.test);
    assert_status(http_server_new(&rig.env, &rig.server, &err), TQ_OK);
    assert_status(http_listener_add(rig.server, &options, &err), TQ_OK);
    assert_status(http_pool_add(rig.server, "many", 2, CONNECTIONS_MAX, &err), TQ_OK);
    assert_status(http_mount(rig.server, "public", routes, 3, NULL, &err), TQ_OK);
    assert_status(http_server_start(rig.server, &err), TQ_OK);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_peers(poll_fd, http_server_port(rig.server, "public"), count);
    for (int i = 0; i < ROUNDS; i++) {
        one_round(poll_fd, request, count);
    }
    for (size_t i = 0; i < count; i++) {
        close(peers[i].fd);
    }
    close(poll_fd);
    rig_close(&rig);
}

static void run_all(const char *request)
{
    static const size_t counts[] = {1, 127, 128, 129, 256, 512, 1024};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        run(request, counts[i]);
    }
}

START_TEST(direct__answers_everybody)
{
    run_all("GET /direct HTTP/1.1\r\nHost: a\r\n\r\n");
}
END_TEST

START_TEST(batch__answers_everybody)
{
    run_all("GET /batch HTTP/1.1\r\nHost: a\r\n\r\n");
}
END_TEST

START_TEST(pool__answers_everybody)
{
    run_all("GET /pool HTTP/1.1\r\nHost: a\r\n\r\n");
}
END_TEST

UNIT_MAIN("http.listener", direct__answers_everybody, batch__answers_everybody,
          pool__answers_everybody)
