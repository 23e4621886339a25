/* SPDX-License-Identifier: MIT */
/*
 * A server on a free port and a client that sends exact bytes.
 *
 * Everything waits at most WAIT_MS, so that a server that does not answer fails a
 * test instead of hanging it.
 */
#include "rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MS 60000

void rig_open(struct rig *rig, const struct http_route *routes, size_t routes_count, void *arg,
              const struct http_listener_options *options)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct http_listener_options own = options ? *options : (struct http_listener_options){0};
    test_env_init(&rig->test, 1);
    rig->env = test_env_of(&rig->test);
    own.name = "public";
    own.address = "127.0.0.1:0";
    ck_assert_int_eq(http_server_new(&rig->env, &rig->server, &err), TQ_OK);
    ck_assert_int_eq(http_listener_add(rig->server, &own, &err), TQ_OK);
    ck_assert_int_eq(http_pool_add(rig->server, "one", 1, 1, &err), TQ_OK);
    ck_assert_int_eq(http_mount(rig->server, "public", routes, routes_count, arg, &err), TQ_OK);
    ck_assert_int_eq(http_server_start(rig->server, &err), TQ_OK);
    rig->port = http_server_port(rig->server, "public");
    ck_assert_uint_gt(rig->port, 0);
}

void rig_close(struct rig *rig)
{
    http_server_drain(rig->server, NULL, WAIT_MS);
    http_server_free(rig->server);
    ck_assert_int_eq(rig->test.live, 0);
}

/* The connection, or -1. */
static int try_to_connect(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

int wire_connect(unsigned port)
{
    int fd = try_to_connect(port);
    ck_assert_int_ge(fd, 0);
    return fd;
}

void wire_send_bytes(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* the server has closed: the answer tells */
        }
        data += sent;
        bytes -= (size_t)sent;
    }
}

void wire_send(int fd, const char *text)
{
    wire_send_bytes(fd, text, strlen(text));
}

/* One byte at a time is slow but never takes what belongs to the next answer. */
static int read_byte(int fd, char *target)
{
    struct pollfd ready = {fd, POLLIN, 0};
    ck_assert_msg(poll(&ready, 1, WAIT_MS) > 0, "no answer in %d ms", WAIT_MS);
    return recv(fd, target, 1, 0) == 1;
}

static const char *field(const struct wire_answer *answer, const char *name)
{
    const char *at = strcasestr(answer->head, name);
    return at ? at + strlen(name) : NULL;
}

void wire_read(int fd, struct wire_answer *answer)
{
    size_t bytes = 0;
    memset(answer, 0, sizeof *answer);
    while (bytes < sizeof answer->head - 1 && read_byte(fd, answer->head + bytes)) {
        bytes++;
        if (bytes >= 4 && memcmp(answer->head + bytes - 4, "\r\n\r\n", 4) == 0) {
            break;
        }
    }
    if (strncmp(answer->head, "HTTP/1.", 7) != 0) {
        return;
    }
    answer->status = (unsigned)strtoul(answer->head + 9, NULL, 10);
    const char *length = field(answer, "\r\nContent-Length: ");
    size_t wanted = length && answer->status != 304 ? strtoul(length, NULL, 10) : 0;
    ck_assert_uint_lt(wanted, sizeof answer->body);
    while (answer->body_bytes < wanted && read_byte(fd, answer->body + answer->body_bytes)) {
        answer->body_bytes++;
    }
}

int wire_is_closed(int fd)
{
    char byte;
    return !read_byte(fd, &byte);
}

static int is_accepting(unsigned port)
{
    int fd = try_to_connect(port);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

void wire_until_refused(unsigned port)
{
    for (int i = 0; i < WAIT_MS && is_accepting(port); i++) {
        usleep(1000);
    }
    ck_assert(!is_accepting(port));
}

struct wire_answer wire_ask(unsigned port, const char *text)
{
    struct wire_answer answer;
    int fd = wire_connect(port);
    wire_send(fd, text);
    wire_read(fd, &answer);
    close(fd);
    return answer;
}

int wire_has(const struct wire_answer *answer, const char *line)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
    return strcasestr(answer->head, wanted) != NULL;
}
