/* SPDX-License-Identifier: MIT */
/*
 * http/stream.c: events in order, from other threads, comments in silence, a
 * bounded buffer, ends on both sides.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/unit.h"
#include "rig.h"

#define WAIT_MS 60000
#define GRACE_MS 500 /* which a server that drains gives to who is idle */
#define ASK "GET /events HTTP/1.1\r\nHost: a\r\n\r\n"

static struct rig rig;
static http_stream *_Atomic opened;
static char unread[262144]; /* came, and no test has asked for it yet */
static size_t unread_bytes;

static void open_stream(struct http_request *request)
{
    http_set_header(request, "X-Request-Id", "r-1");
    atomic_store(&opened, http_stream_open(request));
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/events", .handler = open_stream},
};

static http_stream *stream(void)
{
    for (int i = 0; i < 60000 && !atomic_load(&opened); i++) {
        usleep(1000);
    }
    ck_assert_ptr_nonnull(atomic_load(&opened));
    return atomic_load(&opened);
}

static int begin(const struct http_listener_options *options)
{
    atomic_store(&opened, NULL);
    unread[0] = '\0';
    unread_bytes = 0;
    rig_open(&rig, routes, 1, NULL, options);
    int fd = wire_connect(rig.port);
    wire_send(fd, ASK);
    stream();
    return fd;
}

/* Takes out where one chunk ends and the next begins: events may lie across. */
static void join_chunks(void)
{
    char *at = unread;
    while ((at = strstr(at, "\r\n")) != NULL) {
        size_t digits = strspn(at + 2, "0123456789abcdefABCDEF");
        char *end = at + 2 + digits;
        if (digits && at[2] != '0' && strncmp(end, "\r\n", 2) == 0) {
            memmove(at, end + 2, strlen(end + 2) + 1);
            unread_bytes = strlen(unread);
        } else {
            at += 2;
        }
    }
}

/* Reads until `part` has come; what comes behind it stays for the next call. 0: the end came. */
static int comes(int fd, const char *part)
{
    char *found;
    while (!(found = strstr(unread, part))) {
        struct pollfd ready = {fd, POLLIN, 0};
        ck_assert_msg(poll(&ready, 1, WAIT_MS) > 0, "%s did not come", part);
        ssize_t got = recv(fd, unread + unread_bytes, sizeof unread - 1 - unread_bytes, 0);
        if (got <= 0) {
            return 0;
        }
        unread_bytes += (size_t)got;
        unread[unread_bytes] = '\0';
        join_chunks();
    }
    found += strlen(part);
    unread_bytes -= (size_t)(found - unread);
    memmove(unread, found, unread_bytes + 1);
    return 1;
}

static void read_until(int fd, const char *part)
{
    ck_assert_msg(comes(fd, part), "the end came before %s", part);
}

START_TEST(events__arrive)
{
    int fd = begin(NULL);
    read_until(fd, "Content-Type: text/event-stream");
    read_until(fd, "X-Request-Id: r-1\r\n");
    read_until(fd, ": connected\n\n");
    ck_assert_int_eq(http_stream_send(stream(), "place", "7", "{\"a\":1}", 7), TQ_OK);
    read_until(fd, "event: place\nid: 7\ndata: {\"a\":1}\n\n");
    ck_assert_int_eq(http_stream_send(stream(), NULL, NULL, "one\ntwo", 7), TQ_OK);
    read_until(fd, "data: one\ndata: two\n\n");
    ck_assert_int_eq(http_stream_send(stream(), "a\nb", "c\rd", "", 0), TQ_OK);
    read_until(fd, "event: a\nid: c\ndata: \n\n");
    http_stream_close(stream());
    read_until(fd, "0\r\n\r\n");
    close(fd);
    rig_close(&rig);
}
END_TEST

#define EVENTS 2000

static void *send_many(void *arg)
{
    char data[16];
    (void)arg;
    for (int i = 0; i < EVENTS; i++) {
        int bytes = snprintf(data, sizeof data, "n%d;", i);
        while (http_stream_send(stream(), NULL, NULL, data, (size_t)bytes) == TQ_FULL) {
            usleep(100);
        }
    }
    return NULL;
}

START_TEST(another_thread__sends_in_order)
{
    pthread_t thread;
    int fd = begin(NULL);
    pthread_create(&thread, NULL, send_many, NULL);
    read_until(fd, "data: n1998;\n\ndata: n1999;\n\n");
    pthread_join(thread, NULL);
    http_stream_close(stream());
    close(fd);
    rig_close(&rig);
}
END_TEST

START_TEST(silence__is_broken_by_comments)
{
    const struct http_listener_options options = {.keepalive_ms = 300};
    int fd = begin(&options);
    read_until(fd, ": connected\n\n");
    read_until(fd, ":\n\n");
    read_until(fd, ":\n\n");
    http_stream_close(stream());
    close(fd);
    rig_close(&rig);
}
END_TEST

START_TEST(who_does_not_read__is_told_full)
{
    static char data[1000];
    const struct http_listener_options options = {.stream_bytes_max = 4096};
    int fd = begin(&options);
    int rc = TQ_OK;
    size_t sent = 0;
    memset(data, 'x', sizeof data);
    for (; rc == TQ_OK && sent < 100000; sent++) {
        rc = http_stream_send(stream(), NULL, NULL, data, sizeof data);
    }
    ck_assert_int_eq(rc, TQ_FULL);
    http_stream_close(stream());
    close(fd);
    rig_close(&rig);
}
END_TEST

START_TEST(a_client_that_left__is_noticed)
{
    const struct http_listener_options options = {.keepalive_ms = 250};
    int fd = begin(&options);
    read_until(fd, ": connected\n\n");
    close(fd);
    for (int i = 0; i < 60000 && !http_stream_is_gone(stream()); i++) {
        usleep(1000);
    }
    ck_assert_int_eq(http_stream_send(stream(), NULL, NULL, "x", 1), TQ_GONE);
    http_stream_close(stream());
    rig_close(&rig);
}
END_TEST

START_TEST(draining__ends_streams)
{
    int fd = begin(NULL);
    read_until(fd, ": connected\n\n");
    ck_assert_int_eq(http_stream_send(stream(), NULL, NULL, "last", 4), TQ_OK);
    ck_assert_int_eq(http_server_drain(rig.server, NULL, WAIT_MS), TQ_OK);
    read_until(fd, "data: last\n\n");
    ck_assert_int_eq(http_stream_send(stream(), NULL, NULL, "x", 1), TQ_GONE);
    http_server_free(rig.server);
    http_stream_close(stream()); /* a stream may outlive its server */
    ck_assert_int_eq(rig.test.live, 0);
    close(fd);
}
END_TEST

static void *drain(void *arg)
{
    http_server_drain(arg, NULL, WAIT_MS);
    return NULL;
}

START_TEST(a_stream_opened_while_draining__ends_at_once)
{
    pthread_t thread;
    int idle = begin(NULL);
    http_stream_close(stream());
    read_until(idle, "0\r\n\r\n");
    atomic_store(&opened, NULL);
    int64_t begun_ms = tq_system_now_ms(NULL);
    pthread_create(&thread, NULL, drain, rig.server);
    wire_until_refused(rig.port);
    wire_send(idle, ASK);
    if (comes(idle, "retry: ")) {
        read_until(idle, "0\r\n\r\n");
        http_stream_close(stream());
    } else { /* we came so late that nobody waited for us */
        ck_assert_int_ge(tq_system_now_ms(NULL) - begun_ms, GRACE_MS);
    }
    pthread_join(thread, NULL);
    rig_close(&rig);
    close(idle);
}
END_TEST

UNIT_MAIN("http.stream", events__arrive, another_thread__sends_in_order,
          silence__is_broken_by_comments, who_does_not_read__is_told_full,
          a_client_that_left__is_noticed, draining__ends_streams,
          a_stream_opened_while_draining__ends_at_once)
