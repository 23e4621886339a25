/* SPDX-License-Identifier: MIT */
/*
 * One thread polls the listening socket, a pipe that wakes it, and the connections. Commands come
 * as arrays of strings, of which one that has come in part waits for the rest.
 */
#include "lib/fake_redis.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX 32
#define INPUT_MAX (1 << 20)
#define WORDS_MAX 8192

struct peer {
    int fd;
    size_t bytes;
    char *input;
};

struct fake_redis {
    pthread_t thread;
    fake_answer_fn *answer;
    void *arg;
    const char *info;
    int listener;
    int wake[2];
    atomic_int must_stop, must_hang_up;
    atomic_uint connections;
    struct peer peers[PEERS_MAX];
};

static const char fitting_info[] = "redis_version:7.0.15\r\nmaxmemory:0\r\n"
                                   "maxmemory_policy:noeviction\r\naof_enabled:1\r\n";

static void drop(struct peer *peer)
{
    close(peer->fd);
    free(peer->input);
    *peer = (struct peer){.fd = -1};
}

static void say(const struct peer *peer, const char *text)
{
    ssize_t sent = send(peer->fd, text, strlen(text), MSG_NOSIGNAL);
    (void)sent;
}

static void say_text(const struct peer *peer, const char *text)
{
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", strlen(text));
    say(peer, head);
    say(peer, text);
    say(peer, "\r\n");
}

/* Returns 0 when the connection is to be closed. */
static int reply(struct fake_redis *fake, const struct peer *peer, size_t count, char *const *words)
{
    if (strcmp(words[0], "SCRIPT") == 0) {
        say_text(peer, "0123456789012345678901234567890123456789");
    } else if (strcmp(words[0], "INFO") == 0) {
        say_text(peer, fake->info ? fake->info : fitting_info);
    } else if (strcmp(words[0], "AUTH") == 0) {
        say(peer,
            strcmp(words[count - 1], "right") == 0 ? "+OK\r\n" : "-WRONGPASS invalid password\r\n");
    } else if (strcmp(words[0], "SELECT") == 0) {
        say(peer, "+OK\r\n");
    } else {
        const char *text = fake->answer(fake->arg, count, words);
        if (!text) {
            return 0;
        }
        say(peer, text);
    }
    return 1;
}

/* Takes one command off the input: its bytes; 0: it has not come to its end. */
static size_t take(char *input, size_t bytes, size_t *out_count, char **words)
{
    char *at = input, *end = input + bytes;
    char *line = memchr(at, '\n', bytes);
    if (!line || *at != '*') {
        return 0;
    }
    size_t count = strtoul(at + 1, NULL, 10);
    at = line + 1;
    for (size_t i = 0; i < count && i < WORDS_MAX; i++) {
        line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!line) {
            return 0;
        }
        size_t length = strtoul(at + 1, NULL, 10);
        if ((size_t)(end - line) < length + 3) {
            return 0;
        }
        words[i] = line + 1;
        at = line + 1 + length + 2;
    }
    *out_count = count;
    return (size_t)(at - input);
}

/* Ends every word where its line ends, which is known only when the command is whole. */
static void cut(size_t count, char **words)
{
    for (size_t i = 0; i < count; i++) {
        char *head = words[i] - 2;
        while (*head != '$') {
            head--;
        }
        words[i][strtoul(head + 1, NULL, 10)] = '\0';
    }
}

static void serve(struct fake_redis *fake, struct peer *peer)
{
    static char *words[WORDS_MAX];
    ssize_t got = recv(peer->fd, peer->input + peer->bytes, INPUT_MAX - peer->bytes, 0);
    if (got <= 0) {
        drop(peer);
        return;
    }
    peer->bytes += (size_t)got;
    for (size_t count, bytes; (bytes = take(peer->input, peer->bytes, &count, words)) > 0;) {
        cut(count, words);
        if (!reply(fake, peer, count, words)) {
            drop(peer);
            return;
        }
        memmove(peer->input, peer->input + bytes, peer->bytes - bytes);
        peer->bytes -= bytes;
    }
}

static void greet(struct fake_redis *fake)
{
    int fd = accept(fake->listener, NULL, NULL);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (fake->peers[i].fd < 0) {
            fake->peers[i] = (struct peer){fd, 0, malloc(INPUT_MAX)};
            fake->connections++;
            return;
        }
    }
    close(fd);
}

static void drop_all(struct fake_redis *fake)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (fake->peers[i].fd >= 0) {
            drop(&fake->peers[i]);
        }
    }
}

static void *run(void *arg)
{
    struct fake_redis *fake = arg;
    while (!fake->must_stop) {
        struct pollfd fds[PEERS_MAX + 2] = {{fake->listener, POLLIN, 0},
                                            {fake->wake[0], POLLIN, 0}};
        for (size_t i = 0; i < PEERS_MAX; i++) {
            fds[i + 2] = (struct pollfd){fake->peers[i].fd, POLLIN, 0};
        }
        poll(fds, PEERS_MAX + 2, -1);
        if (atomic_exchange(&fake->must_hang_up, 0)) {
            char byte;
            drop_all(fake);
            ssize_t got = read(fake->wake[0], &byte, 1);
            (void)got;
            continue;
        }
        for (size_t i = 0; i < PEERS_MAX; i++) {
            if (fds[i + 2].revents && fake->peers[i].fd >= 0) {
                serve(fake, &fake->peers[i]);
            }
        }
        if (fds[0].revents) {
            greet(fake);
        }
    }
    return NULL;
}

struct fake_redis *fake_redis_start(fake_answer_fn *answer, void *arg, const char *info)
{
    struct fake_redis *fake = calloc(1, sizeof *fake);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    fake->answer = answer;
    fake->arg = arg;
    fake->info = info;
    for (size_t i = 0; i < PEERS_MAX; i++) {
        fake->peers[i].fd = -1;
    }
    fake->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fake->listener, (struct sockaddr *)&address, sizeof address) ||
        listen(fake->listener, PEERS_MAX) || pipe(fake->wake) ||
        pthread_create(&fake->thread, NULL, run, fake)) {
        abort();
    }
    return fake;
}

unsigned fake_redis_port(const struct fake_redis *fake)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    getsockname(fake->listener, (struct sockaddr *)&address, &bytes);
    return ntohs(address.sin_port);
}

unsigned fake_redis_connections(const struct fake_redis *fake)
{
    return fake->connections;
}

static void wake(struct fake_redis *fake)
{
    ssize_t sent = write(fake->wake[1], "", 1);
    (void)sent;
}

void fake_redis_hang_up(struct fake_redis *fake)
{
    fake->must_hang_up = 1;
    wake(fake);
    while (fake->must_hang_up) {
        usleep(100);
    }
    usleep(1000);
}

void fake_redis_stop(struct fake_redis *fake)
{
    fake->must_stop = 1;
    wake(fake);
    pthread_join(fake->thread, NULL);
    drop_all(fake);
    close(fake->listener);
    close(fake->wake[0]);
    close(fake->wake[1]);
    free(fake);
}
