/* SPDX-License-Identifier: MIT */
/*
 * GET of one path from a server that runs, beside a bare libmicrohttpd handler that
 * answers with the same bytes. over_http.py starts the server and calls this:
 *
 *     http_load NAME PORT PATH
 *
 * CLIENTS connections are kept open with one request under way on each; one thread
 * asks, one serves. The bare handler runs in a process of its own, on one daemon
 * that is driven by our own loop, as the servers do it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/frame.h"

#define CLIENTS 64
#define WARM_UP_S 0.2
#define MEASURED_S 1.0
#define ANSWER_MAX 16384

static const char *path;
static unsigned server_port;
static char request[512];
static size_t request_bytes;

/* ---- the asking side ---- */

struct client {
    int fd;
    size_t bytes; /* of the answer so far */
    char answer[ANSWER_MAX];
};

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fail("connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void ask(const struct client *client)
{
    if (send(client->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes) {
        fail("send");
    }
}

/* Length of the whole answer, or 0 when its head is not complete. */
static size_t answer_length(const struct client *client)
{
    const char *end = memmem(client->answer, client->bytes, "\r\n\r\n", 4);
    const char *length = memmem(client->answer, client->bytes, "Content-Length: ", 16);
    if (!end || !length) {
        return 0;
    }
    return (size_t)(end + 4 - client->answer) + strtoul(length + 16, NULL, 10);
}

/* Reads what is there; non-zero when the answer is whole. */
static int hear(struct client *client)
{
    ssize_t got = recv(client->fd, client->answer + client->bytes, ANSWER_MAX - client->bytes, 0);
    if (got <= 0) {
        fail("recv");
    }
    client->bytes += (size_t)got;
    size_t length = answer_length(client);
    if (!length || client->bytes < length) {
        return 0;
    }
    if (memcmp(client->answer, "HTTP/1.1 200", 12) != 0 || client->bytes > length) {
        fprintf(stderr, "answered: %.*s\n", 300, client->answer);
        exit(EXIT_FAILURE);
    }
    return 1;
}

/* Asks until `end_s`; gives the number of answers. */
static size_t ask_until(int epoll, double end_s)
{
    struct epoll_event events[CLIENTS];
    size_t answers = 0;
    while (bench_clock() < end_s) {
        int ready = epoll_wait(epoll, events, CLIENTS, 1000);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (hear(client)) {
                answers++;
                client->bytes = 0;
                ask(client);
            }
        }
    }
    return answers;
}

static double load(unsigned port)
{
    static struct client clients[CLIENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < CLIENTS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        clients[i].fd = connect_to(port);
        clients[i].bytes = 0;
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
        ask(&clients[i]);
    }
    ask_until(epoll, bench_clock() + WARM_UP_S);
    double begin = bench_clock();
    size_t answers = ask_until(epoll, begin + MEASURED_S);
    double seconds = bench_clock() - begin;
    for (size_t i = 0; i < CLIENTS; i++) {
        close(clients[i].fd);
    }
    close(epoll);
    return (double)answers / seconds;
}

/* ---- the bare handler ---- */

static struct MHD_Response *bare_answer;

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_bytes, void **state)
{
    static int seen;
    (void)arg, (void)url, (void)method, (void)version, (void)body, (void)body_bytes;
    if (!*state) {
        *state = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, bare_answer);
}

/* The headers that an application adds; the library adds the others itself. */
static void copy_headers(char *head)
{
    char *rest = head;
    strsep(&rest, "\n");
    for (char *line; (line = strsep(&rest, "\n")) && line[0] != '\r';) {
        char *value = strstr(line, ": ");
        line[strcspn(line, "\r")] = '\0';
        if (value && strncmp(line, "Date", 4) != 0 && strncmp(line, "Content-Length", 14) != 0 &&
            strncmp(line, "Connection", 10) != 0) {
            *value = '\0';
            MHD_add_response_header(bare_answer, line, value + 2);
        }
    }
}

/* Makes the response from one that the server gave. */
static void learn_answer(void)
{
    static struct client client;
    client.fd = connect_to(server_port);
    ask(&client);
    while (!hear(&client)) {
    }
    close(client.fd);
    char *body = (char *)memmem(client.answer, client.bytes, "\r\n\r\n", 4) + 4;
    bare_answer = MHD_create_response_from_buffer(client.bytes - (size_t)(body - client.answer),
                                                  body, MHD_RESPMEM_MUST_COPY);
    body[-2] = '\0';
    copy_headers(client.answer);
}

static void serve(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET,
                         listener, MHD_OPTION_CONNECTION_LIMIT, 1024u, MHD_OPTION_END);
    if (!daemon) {
        fail("MHD_start_daemon");
    }
    struct pollfd wait = {MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, POLLIN,
                          0};
    for (;;) {
        MHD_UNSIGNED_LONG_LONG timeout_ms = 250;
        MHD_get_timeout(daemon, &timeout_ms);
        poll(&wait, 1, timeout_ms < 250 ? (int)timeout_ms : 250);
        MHD_run(daemon);
    }
}

static double bare(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        fail("listen");
    }
    pid_t child = fork();
    if (child == 0) {
        learn_answer();
        serve(listener);
    }
    close(listener);
    double rate = load(ntohs(address.sin_port));
    kill(child, SIGKILL);
    return rate;
}

static double through_the_server(void)
{
    return load(server_port);
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fprintf(stderr, "usage: http_load NAME PORT PATH\n");
        return EXIT_FAILURE;
    }
    const struct bench_figure figures[] = {{
        .name = arguments[1],
        .unit = "requests/s",
        .against = "a bare libmicrohttpd handler, same bytes",
        .value = through_the_server,
        .reference = bare,
        .goal = 0.7,
    }};
    server_port = (unsigned)atol(arguments[2]);
    path = arguments[3];
    request_bytes = (size_t)snprintf(request, sizeof request,
                                     "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    return bench_main(1, arguments, figures, 1);
}
