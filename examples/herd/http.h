/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 client for one thread: many calls over few kept connections.
 */
#ifndef HERD_HTTP_H
#define HERD_HTTP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_CONNECTIONS_MAX 1000
#define HTTP_ANSWER_MAX (8 << 20)

struct http_host;

/* What came back. The texts live until the call's function returns. */
struct http_answer {
    int status;       /* 0: the reply was lost, or never came in time */
    const char *body; /* ends in NUL */
    size_t bytes;
    const char *etag;       /* "" without one */
    int64_t retry_after_ms; /* -1 without one */
};

/* One request; embedded in whoever waits for the answer. */
struct http_call {
    struct http_call *next;
    void (*done)(struct http_call *call, const struct http_answer *answer);
    char *request; /* owned by the caller, unchanged until `done` */
    size_t bytes;
    int64_t sent_us; /* when it got its connection */
};

struct http_totals {
    uint64_t calls;
    uint64_t answers;
    uint64_t lost;     /* connections refused, reset or cut */
    uint64_t timeouts; /* answers that did not come in time */
    uint64_t breaks;   /* connections that ended from the other side, in use or not */
};

struct http_client {
    int epoll;
    int64_t timeout_us;
    struct http_totals totals;
};

int http_open(struct http_client *client, int64_t timeout_us);
void http_close(struct http_client *client);

/* `url` is http://host[:port]; NULL and a line on stderr when that is not so. */
struct http_host *http_host_open(struct http_client *client, const char *url, size_t connections);
void http_host_close(struct http_host *host);
const char *http_host_name(const struct http_host *host);

/* Sends as soon as a connection is free, in order; `done` is never called from here. */
void http_send(struct http_host *host, struct http_call *call);
/* Waits for at most `wait_ms` and calls `done` of what is complete. */
void http_step(struct http_client *client, int wait_ms);
/* Gives up calls that wait for too long. */
void http_expire(struct http_host *host);

int64_t clock_us(void); /* monotonic */

#endif
