/* SPDX-License-Identifier: MIT */
/*
 * What operators and failures do to a Redis Cluster (TICKETQ_TEST_REDIS_CLUSTER), to the slot of
 * one tag: the id of a room or of a schedule. What cannot be done ends the test.
 */
#ifndef TESTS_LIB_REDIS_CLUSTER_H
#define TESTS_LIB_REDIS_CLUSTER_H

#include <stddef.h>

/* Whether there is one; prints the plan of a test program that is skipped. */
int redis_cluster_is_there(void);
/* A store on it with a prefix of its own. `options` is "" or begins with '&'. */
void redis_cluster_url(char *url, size_t room, const char *options);

/* The slot goes to another master, key by key. */
void redis_cluster_move(const char *tag);
/* The replica takes its master's place, and nothing is lost. */
void redis_cluster_hand_over(const char *tag);
/* The master stops until its replica has taken its place. */
void redis_cluster_replace(const char *tag);
/*
 * The replica hears nothing during `meanwhile` and then takes its master's place, which goes on
 * for a moment and then follows it: what it was told meanwhile is lost.
 */
void redis_cluster_promote_deaf(const char *tag, void (*meanwhile)(void));
/* The replica stands still during `meanwhile`. */
void redis_cluster_slow_replica(const char *tag, void (*meanwhile)(void));
/* Nobody has the slot during `meanwhile`. */
void redis_cluster_unassign(const char *tag, void (*meanwhile)(void));

#endif
