/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 client for one thread: many calls over few kept connections.
 *
 * A host has a fixed number of connections and a queue of calls. A call takes
 * the connection that was used last (so that few are in use when few are
 * needed), sends its bytes and waits; the connection then takes the next call.
 * There is no pipelining. A reply that is lost or late ends the connection and
 * is told as status 0; whether to ask again is for the caller to decide.
 *
 * Read: status line, Content-Length, chunked bodies, Connection: close, ETag,
 * Retry-After. Not read: HTTP/2, TLS, redirects, trailers.
 * Cost: O(1) per event. Threads: one.
 */
#include "http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256

struct connection {
    struct http_host *host;
    struct connection *next; /* on the list of the idle */
    struct http_call *call;
    int fd; /* -1: not connected */
    size_t sent;
    char *data;
    size_t bytes;
    size_t room;
    size_t body;      /* where it begins; 0: the head is not complete */
    size_t chunk;     /* how far chunks are decoded */
    size_t chunk_end; /* decoded bytes end here */
    int64_t length;   /* of the body; -1: chunked */
    int must_close;
    int is_writing; /* waits to be able to send */
    struct http_answer answer;
    char etag[72];
};

struct http_host {
    struct http_client *client;
    char name[128];
    struct sockaddr_storage address;
    socklen_t address_bytes;
    struct http_call *first;
    struct http_call **last;
    struct connection *idle;
    size_t count;
    struct connection connections[];
};

int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int http_open(struct http_client *client, int64_t timeout_us)
{
    *client = (struct http_client){.timeout_us = timeout_us};
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    return client->epoll < 0 ? -1 : 0;
}

void http_close(struct http_client *client)
{
    close(client->epoll);
}

static int resolve(struct http_host *host, const char *url)
{
    char name[128];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (strncmp(url, "http://", 7) != 0 || strlen(url + 7) >= sizeof name) {
        return -1;
    }
    snprintf(name, sizeof name, "%s", url + 7);
    name[strcspn(name, "/")] = '\0';
    snprintf(host->name, sizeof host->name, "%s", name);
    char *colon = strrchr(name, ':');
    if (colon) {
        *colon = '\0';
    }
    if (getaddrinfo(name, colon ? colon + 1 : "80", &hints, &found)) {
        return -1;
    }
    memcpy(&host->address, found->ai_addr, found->ai_addrlen);
    host->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

struct http_host *http_host_open(struct http_client *client, const char *url, size_t connections)
{
    struct http_host *host = calloc(1, sizeof *host + connections * sizeof *host->connections);
    if (!host || resolve(host, url)) {
        fprintf(stderr, "herd: %s is not http://host:port\n", url);
        free(host);
        return NULL;
    }
    host->client = client;
    host->last = &host->first;
    host->count = connections;
    for (size_t i = connections; i-- > 0;) {
        struct connection *connection = &host->connections[i];
        connection->host = host;
        connection->fd = -1;
        connection->next = host->idle;
        host->idle = connection;
    }
    return host;
}

void http_host_close(struct http_host *host)
{
    for (size_t i = 0; host && i < host->count; i++) {
        if (host->connections[i].fd >= 0) {
            close(host->connections[i].fd);
        }
        free(host->connections[i].data);
    }
    free(host);
}

const char *http_host_name(const struct http_host *host)
{
    return host->name;
}

static void watch(struct connection *connection, int operation, uint32_t events)
{
    connection->is_writing = (events & EPOLLOUT) != 0;
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(connection->host->client->epoll, operation, connection->fd, &event);
}

/* Begins to connect; the result comes as an event. */
static int dial(struct connection *connection)
{
    struct http_host *host = connection->host;
    int yes = 1;
    connection->fd = socket(host->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        return -1;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(connection->fd, (struct sockaddr *)&host->address, host->address_bytes) < 0 &&
        errno != EINPROGRESS) {
        close(connection->fd);
        connection->fd = -1;
        return -1;
    }
    watch(connection, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    return 0;
}

static void begin_call(struct connection *connection, struct http_call *call);

/* Gives the connection to the next call, or rests it. */
static void set_free(struct connection *connection)
{
    struct http_host *host = connection->host;
    struct http_call *call = host->first;
    connection->call = NULL;
    if (!call) {
        connection->next = host->idle;
        host->idle = connection;
        return;
    }
    host->first = call->next;
    if (!host->first) {
        host->last = &host->first;
    }
    begin_call(connection, call);
}

static void hang_up(struct connection *connection)
{
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
}

/* The caller's function may send again, which takes another connection or queues. */
static void finish(struct connection *connection, const struct http_answer *answer)
{
    struct http_call *call = connection->call;
    if (answer->status) {
        connection->host->client->totals.answers++;
    }
    connection->call = NULL;
    call->done(call, answer);
    set_free(connection);
}

static void lose(struct connection *connection)
{
    static const struct http_answer lost = {0, "", 0, "", -1};
    hang_up(connection);
    connection->host->client->totals.breaks++;
    if (connection->call) {
        connection->host->client->totals.lost++;
        finish(connection, &lost);
    }
}

static int send_rest(struct connection *connection)
{
    struct http_call *call = connection->call;
    while (connection->sent < call->bytes) {
        ssize_t sent = send(connection->fd, call->request + connection->sent,
                            call->bytes - connection->sent, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN ? 0 : -1;
        }
        connection->sent += (size_t)sent;
    }
    if (connection->is_writing) {
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    }
    return 0;
}

static void begin_call(struct connection *connection, struct http_call *call)
{
    int is_new = connection->fd < 0;
    connection->call = call;
    connection->sent = connection->bytes = connection->body = 0;
    connection->must_close = 0;
    call->sent_us = clock_us();
    if (is_new ? dial(connection) : send_rest(connection)) {
        hang_up(connection);
        /* An event that never comes would hold the call: the next expiry tells. */
        call->sent_us = 0;
    } else if (!is_new && connection->sent < call->bytes) {
        watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
}

void http_send(struct http_host *host, struct http_call *call)
{
    struct connection *connection = host->idle;
    host->client->totals.calls++;
    if (connection) {
        host->idle = connection->next;
        begin_call(connection, call);
        return;
    }
    call->next = NULL;
    *host->last = call;
    host->last = &call->next;
}

static int is_header(const char *line, const char *name, const char **out_value)
{
    size_t bytes = strlen(name);
    if (strncasecmp(line, name, bytes) != 0 || line[bytes] != ':') {
        return 0;
    }
    *out_value = line + bytes + 1 + strspn(line + bytes + 1, " \t");
    return 1;
}

static void read_header(struct connection *connection, const char *line)
{
    const char *value;
    if (is_header(line, "content-length", &value)) {
        connection->length = strtoll(value, NULL, 10);
    } else if (is_header(line, "transfer-encoding", &value)) {
        connection->length = strncasecmp(value, "chunked", 7) == 0 ? -1 : connection->length;
    } else if (is_header(line, "connection", &value)) {
        connection->must_close = strncasecmp(value, "close", 5) == 0;
    } else if (is_header(line, "retry-after", &value)) {
        connection->answer.retry_after_ms = strtoll(value, NULL, 10) * 1000;
    } else if (is_header(line, "etag", &value)) {
        snprintf(connection->etag, sizeof connection->etag, "%.*s", (int)strcspn(value, "\r"),
                 value);
    }
}

/* 1 when the head is complete, 0 when not yet, -1 when it is none. */
static int read_head(struct connection *connection)
{
    char *end = strstr(connection->data, "\r\n\r\n");
    if (!end) {
        return 0;
    }
    connection->answer = (struct http_answer){.etag = connection->etag, .retry_after_ms = -1};
    connection->etag[0] = '\0';
    connection->length = 0;
    if (strncmp(connection->data, "HTTP/1.", 7) != 0) {
        return -1;
    }
    connection->answer.status = atoi(connection->data + 9);
    for (char *line = connection->data; line < end;) {
        line = strstr(line, "\r\n") + 2;
        read_header(connection, line);
    }
    if (connection->answer.status == 204 || connection->answer.status == 304) {
        connection->length = 0;
    }
    connection->body = connection->chunk = connection->chunk_end =
        (size_t)(end + 4 - connection->data);
    return connection->answer.status >= 100 && connection->length <= HTTP_ANSWER_MAX ? 1 : -1;
}

/* Moves complete chunks together: 1 when the last was seen, 0 not yet, -1 malformed. */
static int read_chunks(struct connection *connection)
{
    for (;;) {
        char *size_text = connection->data + connection->chunk, *after;
        char *line_end = memmem(size_text, connection->bytes - connection->chunk, "\r\n", 2);
        if (!line_end) {
            return 0;
        }
        unsigned long size = strtoul(size_text, &after, 16);
        if (after == size_text || size > HTTP_ANSWER_MAX) {
            return -1;
        }
        char *data = line_end + 2;
        if ((size_t)(connection->data + connection->bytes - data) < size + 2) {
            return 0;
        }
        memmove(connection->data + connection->chunk_end, data, size);
        connection->chunk_end += size;
        connection->chunk = (size_t)(data + size + 2 - connection->data);
        if (size == 0) {
            return 1;
        }
    }
}

/* 1 when the answer is complete, 0 when not yet, -1 when it makes no sense. */
static int read_answer(struct connection *connection)
{
    int rc = connection->body ? 1 : read_head(connection);
    if (rc <= 0) {
        return rc;
    }
    size_t end = connection->body + (size_t)(connection->length > 0 ? connection->length : 0);
    if (connection->length < 0) {
        rc = read_chunks(connection);
        end = connection->chunk_end;
    } else {
        rc = connection->bytes >= end;
    }
    if (rc > 0) {
        connection->answer.body = connection->data + connection->body;
        connection->answer.bytes = end - connection->body;
        connection->data[end] = '\0';
    }
    return rc;
}

static int make_room(struct connection *connection)
{
    if (connection->room - connection->bytes > 4096) {
        return 0;
    }
    size_t room = connection->room ? connection->room * 2 : 8192;
    char *data = room > HTTP_ANSWER_MAX * 2 ? NULL : realloc(connection->data, room);
    if (!data) {
        return -1;
    }
    connection->data = data;
    connection->room = room;
    return 0;
}

static void receive(struct connection *connection)
{
    for (;;) {
        if (make_room(connection)) {
            lose(connection);
            return;
        }
        ssize_t got = recv(connection->fd, connection->data + connection->bytes,
                           connection->room - connection->bytes - 1, 0);
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0 || !connection->call) {
            lose(connection);
            return;
        }
        connection->bytes += (size_t)got;
        connection->data[connection->bytes] = '\0';
        int rc = read_answer(connection);
        if (rc < 0) {
            lose(connection);
            return;
        }
        if (rc > 0) {
            if (connection->must_close) {
                hang_up(connection);
            }
            finish(connection, &connection->answer);
            return;
        }
    }
}

static void handle(struct connection *connection, uint32_t events)
{
    if (connection->fd < 0) {
        return; /* closed by an earlier event of this round */
    }
    if (events & (EPOLLERR | EPOLLHUP)) {
        lose(connection);
        return;
    }
    if (events & EPOLLOUT) {
        if (connection->call && send_rest(connection)) {
            lose(connection);
            return;
        }
    }
    if (events & EPOLLIN) {
        receive(connection);
    }
}

void http_step(struct http_client *client, int wait_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(client->epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
        handle(events[i].data.ptr, events[i].events);
    }
}

void http_expire(struct http_host *host)
{
    int64_t oldest_us = clock_us() - host->client->timeout_us;
    for (size_t i = 0; i < host->count; i++) {
        struct connection *connection = &host->connections[i];
        if (connection->call && connection->call->sent_us < oldest_us) {
            host->client->totals.timeouts += connection->call->sent_us != 0;
            lose(connection);
        }
    }
}
