/* SPDX-License-Identifier: MIT */
/*
 * One thread that serves a listener's port together with its siblings.
 *
 * A loop owns a libmicrohttpd daemon without a thread of its own and waits for it
 * on an epoll descriptor that holds the daemon's epoll descriptor and an eventfd.
 * The library's internal epoll thread is never used: it waits without end when
 * exactly 128 events are ready (its inner loop reuses the timeout of the outer).
 * Called as MHD_run() the same inner loop does not wait at all.
 *
 * A turn:
 *
 *     wait -> resume what was answered or stirred -> MHD_run: read, handle, write
 *          -> batch handlers -> MHD_run: queue what they answered
 *
 * so that a request which is answered by a batch costs no wait. Every call into
 * the daemon happens on this thread; others push on `done` or `stirred` and write
 * to the eventfd when they were the first.
 *
 * Several times a second the loop looks at the time: peers that owe us bytes for
 * too long are cut (an absolute deadline, so that a slow trickle does not help),
 * silent streams get a comment.
 *
 * Draining: streams end, the backlog is accepted, the socket is closed, every
 * answer says `Connection: close`. Who is still sending a request has RECEIVE_GRACE_MS
 * to finish it. It is over when nothing is in flight and no connection is left, or idle
 * ones have had IDLE_GRACE_MS to say something.
 */
#include "http/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MS 250
#define DRAIN_MS 10
#define IDLE_GRACE_MS 500
#define RECEIVE_GRACE_MS 1000
#define BACKLOG_TURNS 1024 /* at most, when the backlog is accepted */

void http__loop_ask(struct http_loop *loop, unsigned wants)
{
    atomic_fetch_or(&loop->wants, wants);
    http__loop_wake(loop);
}

/* ---- a turn ---- */

static int connections(struct http_loop *loop)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info ? (int)info->num_connections : 0;
}

static int has_work(struct http_loop *loop)
{
    return atomic_load(&loop->done) || atomic_load(&loop->stirred);
}

static void take_news(struct http_loop *loop)
{
    http__take_answers(loop);
    http__streams_turn(loop);
}

static void wait_for_events(struct http_loop *loop)
{
    struct epoll_event events[2];
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    uint64_t count;
    int wait_ms = loop->listen_fd < 0 ? DRAIN_MS : SWEEP_MS;
    if (has_work(loop)) {
        wait_ms = 0;
    } else if (MHD_get_timeout(loop->daemon, &timeout_ms) == MHD_YES &&
               timeout_ms < (unsigned)wait_ms) {
        wait_ms = (int)timeout_ms;
    }
    int ready = epoll_wait(loop->poll_fd, events, 2, wait_ms);
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == loop->wake_fd && read(loop->wake_fd, &count, sizeof count) < 0 &&
            errno != EAGAIN) {
            tq__log(&loop->listener->server->env, TQ_LOG_ERROR, "http", "eventfd: %s",
                    strerror(errno));
        }
    }
}

static void cut_late_peers(struct http_loop *loop, uint64_t now_ms)
{
    int is_late = loop->receive_until_ms && loop->receive_until_ms <= now_ms;
    for (struct http_peer *at = loop->peers.next; at != &loop->peers; at = at->next) {
        if (at->deadline_ms && (is_late || at->deadline_ms <= now_ms)) {
            shutdown(at->fd, SHUT_RDWR);
        }
    }
}

static void sweep(struct http_loop *loop)
{
    uint64_t now_ms = http__now_ms();
    if (now_ms - loop->swept_ms >= SWEEP_MS) {
        loop->swept_ms = now_ms;
        cut_late_peers(loop, now_ms);
        http__streams_sweep(loop, now_ms);
    }
}

static void turn(struct http_loop *loop)
{
    wait_for_events(loop);
    take_news(loop);
    MHD_run(loop->daemon);
    if (loop->gathered_count > 0) {
        http__run_gathered(loop);
        MHD_run(loop->daemon);
    }
    sweep(loop);
}

/* ---- the end ---- */

static int has_backlog(const struct http_loop *loop)
{
    struct pollfd ready = {loop->listen_fd, POLLIN, 0};
    return poll(&ready, 1, 0) > 0;
}

static void begin_drain(struct http_loop *loop)
{
    for (unsigned i = 0; i < BACKLOG_TURNS && has_backlog(loop); i++) {
        MHD_run(loop->daemon);
    }
    http__streams_end(loop);
    MHD_quiesce_daemon(loop->daemon);
    close(loop->listen_fd);
    loop->listen_fd = -1;
    loop->receive_until_ms = http__now_ms() + RECEIVE_GRACE_MS;
}

static void look_drained(struct http_loop *loop)
{
    uint64_t now_ms = http__now_ms();
    if (loop->exchanges_count > 0) {
        loop->idle_since_ms = 0;
        return;
    }
    loop->idle_since_ms = loop->idle_since_ms ? loop->idle_since_ms : now_ms;
    if (connections(loop) == 0 || now_ms - loop->idle_since_ms >= IDLE_GRACE_MS) {
        atomic_store(&loop->is_drained, 1);
    }
}

/* The pools are closed: who has a request still has kept it for himself. */
static void answer_kept(struct http_loop *loop)
{
    for (struct http_exchange *at = loop->exchanges; at; at = at->older) {
        if (at->is_parked && at->phase == HTTP__HANDLED) {
            http_problem(&at->request, 503, "DRAINING", "The server is stopping.");
        }
    }
    http__streams_end(loop);
    for (uint64_t end_ms = http__now_ms() + IDLE_GRACE_MS;
         loop->exchanges_count > 0 && http__now_ms() < end_ms;) {
        turn(loop);
    }
}

static void *run(void *arg)
{
    struct http_loop *loop = arg;
    for (;;) {
        unsigned wants = atomic_load(&loop->wants);
        if (wants && loop->listen_fd >= 0) {
            begin_drain(loop);
        }
        if (wants & HTTP__STOP) {
            break;
        }
        turn(loop);
        if (loop->listen_fd < 0) {
            look_drained(loop);
        }
    }
    answer_kept(loop);
    MHD_stop_daemon(loop->daemon);
    loop->daemon = NULL;
    return NULL;
}

/* ---- the beginning ---- */

/*
 * The first socket of a listener is bound alone and shares its port only then: otherwise port 0
 * could be given a port that another listener shares, and two programs could take one port.
 */
static int bind_and_listen(int fd, const void *address, socklen_t bytes, int is_first)
{
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
           (!is_first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one)) ||
           bind(fd, address, bytes) ||
           (is_first && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one)) ||
           listen(fd, 4096);
}

static int socket_open(const struct http_listener *listener, int is_first)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    int is_six = inet_pton(AF_INET6, listener->host, &six.sin6_addr) == 1;
    if (!is_six && inet_pton(AF_INET, listener->host, &four.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    six.sin6_port = four.sin_port = htons((uint16_t)listener->port);
    const void *address = is_six ? (const void *)&six : (const void *)&four;
    socklen_t bytes = is_six ? sizeof six : sizeof four;
    int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_and_listen(fd, address, bytes, is_first)) {
        close(fd);
        return -1;
    }
    return fd;
}

static unsigned port_of(int fd)
{
    struct sockaddr_in6 address; /* the port stands at the same place for both families */
    socklen_t bytes = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &bytes) ? 0 : ntohs(address.sin6_port);
}

int http__loop_open(struct http_loop *loop, struct http_listener *listener, struct tq_error *err)
{
    loop->listener = listener;
    loop->peers.next = loop->peers.prev = &loop->peers;
    loop->poll_fd = loop->wake_fd = -1;
    loop->listen_fd = socket_open(listener, loop == listener->loops);
    if (loop->listen_fd < 0) {
        return tq__fail_native(err, TQ_E_UNAVAILABLE, errno, "http",
                               "cannot listen on %s port %u: %s", listener->host, listener->port,
                               strerror(errno));
    }
    listener->port = port_of(loop->listen_fd);
    loop->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->poll_fd < 0 || loop->wake_fd < 0) {
        return tq__fail_native(err, TQ_E_UNAVAILABLE, errno, "http", "no descriptors: %s",
                               strerror(errno));
    }
    return TQ_OK;
}

static struct MHD_Daemon *start_daemon(struct http_loop *loop)
{
    const struct http_listener *listener = loop->listener;
    unsigned connections_max = listener->options.connections_max / listener->loops_count;
    unsigned stall_s = (listener->options.idle_timeout_ms + 999) / 1000;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, http__on_request, loop,
        MHD_OPTION_LISTEN_SOCKET, loop->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        connections_max ? connections_max : 1u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP__POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, stall_s ? stall_s : 1u,
        MHD_OPTION_URI_LOG_CALLBACK, http__on_target, loop, MHD_OPTION_NOTIFY_COMPLETED,
        http__on_completed, loop, MHD_OPTION_NOTIFY_CONNECTION, http__on_connection, loop,
        MHD_OPTION_END);
}

static int add_to_poll(struct http_loop *loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(loop->poll_fd, EPOLL_CTL_ADD, fd, &event);
}

int http__loop_start(struct http_loop *loop, struct tq_error *err)
{
    loop->daemon = start_daemon(loop);
    const union MHD_DaemonInfo *info =
        loop->daemon ? MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || add_to_poll(loop, info->epoll_fd) || add_to_poll(loop, loop->wake_fd)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "http", "the HTTP library cannot be started");
    }
    loop->swept_ms = http__now_ms();
    if (pthread_create(&loop->thread, NULL, run, loop)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "http", "a thread cannot be started");
    }
    loop->is_running = 1;
    return TQ_OK;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void http__loop_close(struct http_loop *loop)
{
    if (loop->is_running) {
        http__loop_ask(loop, HTTP__STOP);
        pthread_join(loop->thread, NULL);
    } else if (loop->daemon) {
        MHD_quiesce_daemon(loop->daemon);
        MHD_stop_daemon(loop->daemon);
    }
    if (loop->listener) {
        close_fd(loop->listen_fd);
        close_fd(loop->wake_fd);
        close_fd(loop->poll_fd);
    }
}
