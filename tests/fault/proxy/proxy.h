/* SPDX-License-Identifier: MIT */
/*
 * A TCP proxy between a driver and its servers that does harm to one request.
 *
 *     struct proxy_door door = {.server_port = 6379};
 *     struct proxy *proxy = proxy_start(PROXY_REDIS, &door, 1);
 *     ... connect to 127.0.0.1:door.port ...
 *     proxy_set(proxy, PROXY_CUT_AFTER, 3);      the third request from now on
 *
 * Everything before and after goes through as it is. A server of several nodes has a door
 * for each; requests are counted over all doors.
 */
#ifndef TESTS_FAULT_PROXY_PROXY_H
#define TESTS_FAULT_PROXY_PROXY_H

#include "fault/proxy/frames.h"

enum proxy_fault {
    PROXY_NONE,
    PROXY_DELAY,      /* it comes later, in time */
    PROXY_LATE,       /* it comes when nobody waits for it any more; see proxy_settle() */
    PROXY_CUT_BEFORE, /* reset: it does not reach the server */
    PROXY_CUT_AFTER,  /* the server carries it out, and the connection ends instead of a reply */
    PROXY_CUT_WITHIN, /* ... after half of the reply */
    PROXY_BLACKHOLE,  /* from here on nothing comes or goes, not even the end of the connection */
    PROXY_MUTE,       /* from here on nothing comes from the server, whatever it does */
    PROXY_FAULTS_END
};

#define PROXY_DELAY_MS 20
#define PROXY_LATE_MS 1000 /* more than the patience of drivers in these tests */

struct proxy_door {
    unsigned server_port; /* at 127.0.0.1 */
    unsigned port;        /* where to listen; 0: any, which is written */
};

struct proxy;

struct proxy *proxy_start(enum proxy_protocol protocol, struct proxy_door *doors,
                          size_t doors_count);
/* Requests are counted from here, from 1; the fault comes to the n-th. */
void proxy_set(struct proxy *proxy, enum proxy_fault fault, long n);
/* Requests that begin from now on are counted, or not: those of an onlooker. */
void proxy_look_away(struct proxy *proxy, int is_away);
/* Requests since proxy_set(). */
long proxy_requests(struct proxy *proxy);
/* Whether the fault has come. */
int proxy_has_struck(struct proxy *proxy);
/* Connections that are open on the side of the clients. */
int proxy_clients(struct proxy *proxy);
/* Until what was late has come to the server, and the server is done with those who left. */
void proxy_settle(struct proxy *proxy);
void proxy_stop(struct proxy *proxy);

const char *proxy_fault_name(enum proxy_fault fault);

#endif
