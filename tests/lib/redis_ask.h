/* SPDX-License-Identifier: MIT */
/*
 * What a test says to a Redis server of its own, over a connection for each command.
 */
#ifndef TESTS_LIB_REDIS_ASK_H
#define TESTS_LIB_REDIS_ASK_H

/* A command that succeeds. */
void redis_ask(unsigned port, const char *command);
/* What a command gives: a number, or how many elements. */
long long redis_count(unsigned port, const char *command);
/* How often somebody got such an error. */
long redis_refusals(unsigned port, const char *error);

#endif
