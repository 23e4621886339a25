/* SPDX-License-Identifier: MIT */
/*
 * A server on a free port and a client that sends exact bytes.
 */
#ifndef TESTS_UNIT_SERVERS_RIG_H
#define TESTS_UNIT_SERVERS_RIG_H

#include "http/http.h"
#include "lib/test_env.h"

struct rig {
    struct test_env test;
    struct tq_env env;
    http_server *server;
    unsigned port;
};

/* `options` may be NULL; name and address are filled in. Pool "one": one thread, queue of one. */
void rig_open(struct rig *rig, const struct http_route *routes, size_t routes_count, void *arg,
              const struct http_listener_options *options);
/* Drains, frees, and asserts that no memory is left. */
void rig_close(struct rig *rig);

struct wire_answer {
    unsigned status; /* 0: the connection was closed without an answer */
    char head[8192];
    char body[65536];
    size_t body_bytes;
};

int wire_connect(unsigned port);
void wire_send(int fd, const char *text);
void wire_send_bytes(int fd, const char *data, size_t bytes);
/* One answer; waits at most a minute, as all that follows. */
void wire_read(int fd, struct wire_answer *answer);
/* Waits for something to come; non-zero: it was the end. */
int wire_is_closed(int fd);
/* Until nobody listens there any more, as when a server drains. */
void wire_until_refused(unsigned port);
/* A new connection, one request, one answer. */
struct wire_answer wire_ask(unsigned port, const char *text);
/* Non-zero when the head has this line. */
int wire_has(const struct wire_answer *answer, const char *line);

#endif
