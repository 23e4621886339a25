/* SPDX-License-Identifier: MIT */
/*
 * One thread polls the doors and both ends of every link between a client and a server.
 *
 * What comes in stays with its flow until it is a whole frame (frames.c); then it is free to
 * go. So the proxy knows exactly where the n-th request begins, and which reply is its own:
 * a server answers the requests of a connection in their order. The fault is judged where
 * the request begins, and marks its link:
 *
 *                    requests from it on    replies before its own    its own
 *     CUT_BEFORE     stay here              go, then the reset
 *     CUT_AFTER      go                     go                        the end instead
 *     CUT_WITHIN     go                     go                        half, then the end
 *     BLACKHOLE      stay here              go                        stays, as all that follows
 *     MUTE           go                     go                        stays, as all that follows
 *     DELAY, LATE    go after a while       go                        goes
 *
 * A link whose client has left lives on until the server has left, too, which a server does when
 * it is done with all that it was sent; into a blackhole nobody's leaving is heard.
 *
 * `lock` guards the plan and the counters; links belong to the thread.
 */
#include "fault/proxy/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DOORS_MAX 8
#define LINKS_MAX 256
#define ROOM_FIRST 65536
#define STEP_MS 5 /* how exact delays are */

/* One direction: what came and has not gone. `free` bytes of it may go, the last of them later. */
struct flow {
    char *data;
    size_t bytes, room, free, waiting;
    int is_over; /* nothing more comes */
};

struct link {
    int client, server; /* -1: closed */
    struct flow up, down;
    struct frames frames;
    int is_inside;        /* a request has begun and not ended */
    long begun, answered; /* requests, replies */
    enum proxy_fault fault;
    long victim;         /* which request it has come to */
    long long resume_ms; /* until then the victim waits */
    int is_ending;       /* when what is free has gone down */
};

struct proxy {
    pthread_t thread;
    pthread_mutex_t lock;
    enum proxy_protocol protocol;
    int listeners[DOORS_MAX];
    struct proxy_door doors[DOORS_MAX];
    size_t doors_count;
    enum proxy_fault fault;
    long at, requests;
    int has_struck, is_away, must_stop;
    int clients, leaving; /* links with a client; links whose server is owed something */
    long turns;
    struct link links[LINKS_MAX];
};

static const char *const names[] = {
    [PROXY_NONE] = "none",           [PROXY_DELAY] = "delay",
    [PROXY_LATE] = "late",           [PROXY_CUT_BEFORE] = "cut before",
    [PROXY_CUT_AFTER] = "cut after", [PROXY_CUT_WITHIN] = "cut within",
    [PROXY_BLACKHOLE] = "blackhole", [PROXY_MUTE] = "mute",
};

const char *proxy_fault_name(enum proxy_fault fault)
{
    return names[fault];
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void must(int is_so, const char *what)
{
    if (!is_so) {
        perror(what);
        abort();
    }
}

/* ---- flows ---- */

/* Reads what has come. */
static void take_in(struct flow *flow, int fd)
{
    if (flow->bytes == flow->room) {
        flow->room = flow->room ? flow->room * 2 : ROOM_FIRST;
        flow->data = realloc(flow->data, flow->room);
        must(flow->data != NULL, "proxy: memory");
    }
    ssize_t got = recv(fd, flow->data + flow->bytes, flow->room - flow->bytes, MSG_DONTWAIT);
    if (got > 0) {
        flow->bytes += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        flow->is_over = 1;
    }
}

/* Writes what may go and need not wait. What has no receiver any more is dropped. */
static void let_go(struct flow *flow, int fd)
{
    size_t ready = flow->free - flow->waiting;
    ssize_t gone = ready ? send(fd, flow->data, ready, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (gone < 0 && errno != EAGAIN && errno != EINTR) {
        gone = (ssize_t)ready;
    }
    if (gone > 0) {
        flow->bytes -= (size_t)gone;
        flow->free -= (size_t)gone;
        memmove(flow->data, flow->data + gone, flow->bytes);
    }
}

static void drop_rest(struct flow *flow)
{
    flow->bytes = flow->free;
}

/* ---- links ---- */

static void close_client(struct link *link, int is_reset)
{
    struct linger at_once = {1, 0};
    if (is_reset) {
        setsockopt(link->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    close(link->client);
    link->client = -1;
}

static void end_link(struct link *link)
{
    if (link->client >= 0) {
        close(link->client);
    }
    if (link->server >= 0) {
        close(link->server);
    }
    free(link->up.data);
    free(link->down.data);
    *link = (struct link){.client = -1, .server = -1};
}

static int is_used(const struct link *link)
{
    return link->client >= 0 || link->server >= 0;
}

static int dial(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void begin_link(struct proxy *proxy, size_t door)
{
    int at_once = 1, client = accept(proxy->listeners[door], NULL, NULL);
    int server = client >= 0 ? dial(proxy->doors[door].server_port) : -1;
    struct link *link = proxy->links;
    while (link < proxy->links + LINKS_MAX && is_used(link)) {
        link++;
    }
    if (server < 0 || link == proxy->links + LINKS_MAX) {
        close(client);
        close(server);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    *link = (struct link){.client = client, .server = server};
    link->frames.protocol = proxy->protocol;
}

/* ---- requests ---- */

/* A request begins: is it the one? */
static void judge(struct proxy *proxy, struct link *link)
{
    link->begun++;
    pthread_mutex_lock(&proxy->lock);
    if (!proxy->is_away && ++proxy->requests == proxy->at && proxy->fault != PROXY_NONE) {
        link->fault = proxy->fault;
        link->victim = link->begun;
        proxy->has_struck = 1;
    }
    pthread_mutex_unlock(&proxy->lock);
    if (link->victim == link->begun && link->fault == PROXY_DELAY) {
        link->resume_ms = now_ms() + PROXY_DELAY_MS;
    } else if (link->victim == link->begun && link->fault == PROXY_LATE) {
        link->resume_ms = now_ms() + PROXY_LATE_MS;
    }
}

static int stays_here(const struct link *link)
{
    return link->fault == PROXY_CUT_BEFORE || link->fault == PROXY_BLACKHOLE;
}

static void free_requests(struct proxy *proxy, struct link *link)
{
    struct flow *up = &link->up;
    size_t bytes;
    enum frame frame;
    while (!stays_here(link) && up->bytes > up->free &&
           (frame = frames_request(&link->frames, up->data + up->free, up->bytes - up->free,
                                   &bytes)) != FRAME_NONE) {
        if (!link->is_inside && frame != FRAME_ASIDE) {
            judge(proxy, link);
        }
        link->is_inside = frame == FRAME_PART;
        up->free += stays_here(link) ? 0 : bytes;
        up->waiting += link->resume_ms ? bytes : 0;
    }
    if (stays_here(link)) {
        drop_rest(up);
    }
}

/* ---- replies ---- */

/* Whether the victim's reply is next, or would be. */
static int is_silenced(const struct link *link)
{
    return link->fault >= PROXY_CUT_BEFORE && link->answered >= link->victim - 1;
}

static enum frame next_reply(struct link *link, size_t held, size_t *out_bytes)
{
    const struct flow *down = &link->down;
    size_t at = down->free + held;
    return down->bytes > at
               ? frames_reply(&link->frames, down->data + at, down->bytes - at, out_bytes)
               : FRAME_NONE;
}

/* The victim's reply, of which all has to be here before any goes: then the server has done it. */
static void cut_reply(struct link *link)
{
    size_t bytes, held = 0;
    enum frame frame;
    while ((frame = next_reply(link, held, &bytes)) != FRAME_NONE && !link->is_ending) {
        held += bytes;
        link->is_ending = frame == FRAME_LAST;
    }
    if (link->is_ending) {
        link->down.free += link->fault == PROXY_CUT_WITHIN ? held / 2 : 0;
    }
}

static void free_replies(struct link *link)
{
    size_t bytes;
    enum frame frame;
    while (!is_silenced(link) && (frame = next_reply(link, 0, &bytes)) != FRAME_NONE) {
        link->down.free += bytes;
        link->answered += frame == FRAME_LAST;
    }
    if (!is_silenced(link)) {
        return;
    }
    if (link->fault == PROXY_CUT_AFTER || link->fault == PROXY_CUT_WITHIN) {
        cut_reply(link);
    } else {
        link->is_ending = link->fault == PROXY_CUT_BEFORE;
        drop_rest(&link->down);
    }
}

/* ---- ends ---- */

static int is_unheard(const struct link *link)
{
    return link->fault == PROXY_BLACKHOLE || link->fault == PROXY_MUTE;
}

/* The server is told when it has been sent everything. */
static void lose_client(struct link *link)
{
    if (link->client >= 0) {
        close_client(link, link->is_ending && link->fault == PROXY_CUT_BEFORE);
        drop_rest(&link->up);
        link->up.is_over = 1;
    }
    if (link->up.free == 0 && link->fault != PROXY_BLACKHOLE) {
        shutdown(link->server, SHUT_WR);
    }
}

static void look_at_ends(struct link *link)
{
    int is_cut = link->is_ending && link->down.free == 0;
    if (link->server >= 0 && (link->up.is_over || is_cut)) {
        lose_client(link);
    }
    if (link->down.is_over && is_unheard(link) && link->client >= 0) {
        close(link->server);
        link->server = -1;
        link->down.is_over = 0;
    }
    int is_done = link->down.is_over && (link->down.free == 0 || link->client < 0);
    if (is_done || (link->server < 0 && link->up.is_over)) {
        end_link(link);
    }
}

/* ---- the thread ---- */

static void watch(const struct link *link, struct pollfd fds[2])
{
    short client = (short)((link->up.is_over ? 0 : POLLIN) | (link->down.free ? POLLOUT : 0));
    short server = (short)((link->down.is_over ? 0 : POLLIN) |
                           (link->up.free > link->up.waiting ? POLLOUT : 0));
    fds[0] = (struct pollfd){client ? link->client : -1, client, 0};
    fds[1] = (struct pollfd){server ? link->server : -1, server, 0};
}

static void serve(struct proxy *proxy, struct link *link, const struct pollfd fds[2])
{
    if (link->resume_ms && now_ms() >= link->resume_ms) {
        link->resume_ms = 0;
        link->up.waiting = 0;
    }
    if (fds[0].revents && !link->up.is_over) {
        take_in(&link->up, link->client);
        free_requests(proxy, link);
    }
    if (fds[1].revents && !link->down.is_over) {
        take_in(&link->down, link->server);
    }
    free_replies(link);
    if (link->server >= 0) {
        let_go(&link->up, link->server);
    }
    if (link->client >= 0) {
        let_go(&link->down, link->client);
    }
    look_at_ends(link);
}

static void count(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->clients = proxy->leaving = 0;
    for (const struct link *link = proxy->links; link < proxy->links + LINKS_MAX; link++) {
        int is_leaving = link->client < 0 && link->server >= 0 && link->fault != PROXY_BLACKHOLE;
        proxy->clients += link->client >= 0;
        proxy->leaving += is_leaving || link->resume_ms;
    }
    proxy->turns++;
    pthread_mutex_unlock(&proxy->lock);
}

static int must_stop(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    int is_so = proxy->must_stop;
    pthread_mutex_unlock(&proxy->lock);
    return is_so;
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    struct pollfd fds[DOORS_MAX + 2 * LINKS_MAX];
    const size_t doors = proxy->doors_count;
    while (!must_stop(proxy)) {
        for (size_t i = 0; i < doors; i++) {
            fds[i] = (struct pollfd){proxy->listeners[i], POLLIN, 0};
        }
        for (size_t i = 0; i < LINKS_MAX; i++) {
            watch(&proxy->links[i], &fds[doors + 2 * i]);
        }
        poll(fds, doors + 2 * LINKS_MAX, STEP_MS);
        for (size_t i = 0; i < LINKS_MAX; i++) {
            if (is_used(&proxy->links[i])) {
                serve(proxy, &proxy->links[i], &fds[doors + 2 * i]);
            }
        }
        for (size_t i = 0; i < doors; i++) {
            if (fds[i].revents) {
                begin_link(proxy, i);
            }
        }
        count(proxy);
    }
    return NULL;
}

/* ---- outside ---- */

static int listen_at(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)*port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    int again = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    must(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0 &&
             getsockname(fd, (struct sockaddr *)&address, &bytes) == 0,
         "proxy: door");
    *port = ntohs(address.sin_port);
    return fd;
}

struct proxy *proxy_start(enum proxy_protocol protocol, struct proxy_door *doors,
                          size_t doors_count)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    must(proxy && doors_count <= DOORS_MAX, "proxy");
    proxy->protocol = protocol;
    proxy->doors_count = doors_count;
    for (size_t i = 0; i < doors_count; i++) {
        proxy->listeners[i] = listen_at(&doors[i].port);
        proxy->doors[i] = doors[i];
    }
    for (size_t i = 0; i < LINKS_MAX; i++) {
        proxy->links[i] = (struct link){.client = -1, .server = -1};
    }
    pthread_mutex_init(&proxy->lock, NULL);
    must(pthread_create(&proxy->thread, NULL, run, proxy) == 0, "proxy: thread");
    return proxy;
}

void proxy_stop(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->must_stop = 1;
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        end_link(&proxy->links[i]);
    }
    for (size_t i = 0; i < proxy->doors_count; i++) {
        close(proxy->listeners[i]);
    }
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

void proxy_set(struct proxy *proxy, enum proxy_fault fault, long n)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->fault = fault;
    proxy->at = n;
    proxy->requests = 0;
    proxy->has_struck = 0;
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_look_away(struct proxy *proxy, int is_away)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_away = is_away;
    pthread_mutex_unlock(&proxy->lock);
}

/* One of the counters. */
#define READ(proxy, counter)                                                                       \
    __extension__({                                                                                \
        pthread_mutex_lock(&(proxy)->lock);                                                        \
        __typeof__((proxy)->counter) read_value = (proxy)->counter;                                \
        pthread_mutex_unlock(&(proxy)->lock);                                                      \
        read_value;                                                                                \
    })

long proxy_requests(struct proxy *proxy)
{
    return READ(proxy, requests);
}

int proxy_has_struck(struct proxy *proxy)
{
    return READ(proxy, has_struck);
}

int proxy_clients(struct proxy *proxy)
{
    return READ(proxy, clients);
}

void proxy_settle(struct proxy *proxy)
{
    /* What was done before this call has been seen after two turns. */
    for (long turns = READ(proxy, turns) + 2; READ(proxy, turns) < turns || READ(proxy, leaving);) {
        usleep(1000);
    }
}
