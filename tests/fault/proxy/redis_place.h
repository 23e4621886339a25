/* SPDX-License-Identifier: MIT */
/*
 * Where tests of Redis behind the proxy play: the server that TICKETQ_TEST_REDIS names, or a
 * Cluster of three nodes of the test's own, each of which announces its door instead of
 * itself.
 */
#ifndef TESTS_FAULT_PROXY_REDIS_PLACE_H
#define TESTS_FAULT_PROXY_REDIS_PLACE_H

#include "fault/proxy/proxy.h"

struct redis_place {
    struct proxy *proxy;
    char url[256];      /* of a store */
    char onlooker[256]; /* of the same store, for one with more patience */
};

/* "redis" or "cluster". Ends the program, with a plan that says so, when it cannot be had. */
void redis_place_choose(const char *name);
/* In a test. The servers of a cluster end with the process. */
void redis_place_open(struct redis_place *place);
void redis_place_close(struct redis_place *place);
/* The URLs become those of a store which nobody has used. */
void redis_place_new(struct redis_place *place);

#endif
