/* SPDX-License-Identifier: MIT */
/*
 * A schema of the test's own on the server that TICKETQ_TEST_POSTGRES names, and two ways to
 * it: through the proxy and past it.
 */
#ifndef TESTS_FAULT_PROXY_POSTGRES_GATE_H
#define TESTS_FAULT_PROXY_POSTGRES_GATE_H

#include <ticketq/store.h>

#include "fault/proxy/proxy.h"

struct postgres_gate {
    struct proxy *proxy;
    char plain[512]; /* URLs of stores */
    char proxied[512];
};

void postgres_gate_open(struct postgres_gate *gate);
void postgres_gate_close(struct postgres_gate *gate);
/* A store on one of the URLs. Tries more than once while a drill goes on. */
tq_store *postgres_gate_store(const char *url);
/* What libpq connects to, through the proxy, and sees the schema. */
void postgres_gate_conninfo(const struct postgres_gate *gate, char *text, size_t room);

#endif
