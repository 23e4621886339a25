/* SPDX-License-Identifier: MIT */
/*
 * A scenario, played once for each fault at each of its requests.
 *
 *     static void play(void)
 *     {
 *         ... a clean world, through the proxy ...
 *         drill_begin();
 *         do {
 *             status = tq_room_enter(...);
 *         } while (drill_again(status, &err));
 *         ...
 *         drill_end();
 *         ... what must be true, whatever happened ...
 *     }
 *     drill(proxy, play, 1);
 *
 * Where that would take long, faults come to a sample of the requests, another one each time;
 * with TICKETQ_ALL_POINTS in the environment they come to every one.
 */
#ifndef TESTS_FAULT_PROXY_DRILL_H
#define TESTS_FAULT_PROXY_DRILL_H

#include <ticketq/status.h>

#include "fault/proxy/proxy.h"
#include "lib/unit.h"

/* A scenario of at least so many requests. */
void drill(struct proxy *proxy, void (*play)(void), long least);

/* The fault of this play is about to come, to the n-th request from here. */
void drill_begin(void);
/* It has come or will not any more; what was late has arrived. */
void drill_end(void);

/* Between the two nobody is struck: the test looks at what is there. */
void drill_look(void);
void drill_go_on(void);

/* Whether to call again: it failed as it may. A driver has few tries to find its server again. */
int drill_again(int status, const struct tq_error *err);
/* Calls of this play that failed, and of those the ones whose outcome was not known. */
int drill_failures(void);
int drill_unknowns(void);
/* For messages: "cut after at request 3". */
const char *drill_name(void);

#endif
