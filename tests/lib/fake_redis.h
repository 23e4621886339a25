/* SPDX-License-Identifier: MIT */
/*
 * A server that speaks the protocol of Redis and does what the test says.
 *
 *     static const char *answer(void *arg, size_t count, char *const *words) {
 *         return strcmp(words[0], "EVALSHA") == 0 ? ":0\r\n" : FAKE_HANG_UP;
 *     }
 *     struct fake_redis *fake = fake_redis_start(answer, arg);
 *
 * It answers the first words of a connection by itself (AUTH, SELECT, INFO, SCRIPT LOAD).
 */
#ifndef TESTS_LIB_FAKE_REDIS_H
#define TESTS_LIB_FAKE_REDIS_H

#include <stddef.h>

#define FAKE_HANG_UP NULL /* close the connection */
#define FAKE_SILENCE ""   /* read it, and say nothing */

/* Called in the server's thread for each command; gives the reply as it goes over the wire. */
typedef const char *fake_answer_fn(void *arg, size_t count, char *const *words);

struct fake_redis;

/* `info`: the reply to INFO; NULL: a fitting one. */
struct fake_redis *fake_redis_start(fake_answer_fn *answer, void *arg, const char *info);
unsigned fake_redis_port(const struct fake_redis *fake);
/* Connections that were made. The right password is "right". */
unsigned fake_redis_connections(const struct fake_redis *fake);
/* Closes every connection that is open now. */
void fake_redis_hang_up(struct fake_redis *fake);
void fake_redis_stop(struct fake_redis *fake);

#endif
