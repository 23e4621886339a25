/* SPDX-License-Identifier: MIT */
/*
 * The server that TICKETQ_TEST_REDIS names, without the library between: what figures on Redis
 * are measured beside. Any failure ends the program.
 */
#ifndef TESTS_BENCH_BARE_REDIS_H
#define TESTS_BENCH_BARE_REDIS_H

#include <hiredis/hiredis.h>

/* 0: the variable is not set, and nothing else may be called. */
int bare_redis_is_there(void);

redisContext *bare_redis_connect(void);
/* One command with at most one argument, on a connection of its own. */
redisReply *bare_redis_ask(const char *command, const char *argument);
void bare_redis_forget_all(void);
/* Commands a second by redis-benchmark, from its 50 connections. */
double bare_redis_rate(int depth, size_t count, const char *keys, const char *command);

#endif
