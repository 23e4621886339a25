/* SPDX-License-Identifier: MIT */
/*
 * The limits of the proxied URL are short, but longer than a busy machine needs. A session that a
 * blackhole has swallowed keeps its locks until the server gives it up after `idle_ms`.
 */
#include "fault/proxy/postgres_gate.h"

#include <stdio.h>
#include <string.h>

#include <ticketq/system.h>

#include "fault/proxy/drill.h"
#include "lib/postgres_schema.h"

#define OPTIONS "connect_ms=400&timeout_ms=400&idle_ms=500&wait_ms=800&"
#define BUSY_MS 1500
#define HOST_OPTIONS "-cidle_in_transaction_session_timeout%%3D500%%20-csearch_path%%3D"

void postgres_gate_open(struct postgres_gate *gate)
{
    const char *server = getenv("TICKETQ_TEST_POSTGRES");
    const char *colon = strrchr(server, ':'), *schema;
    char *end;
    struct proxy_door door = {.server_port = (unsigned)strtoul(colon + 1, &end, 10)};
    gate->proxy = proxy_start(PROXY_POSTGRES, &door, 1);
    postgres_schema_url(gate->plain, sizeof gate->plain, server, "");
    schema = strrchr(gate->plain, '=') + 1;
    snprintf(gate->proxied, sizeof gate->proxied, "%.*s:%u%s?" OPTIONS "schema=%s",
             (int)(colon - server), server, door.port, end, schema);
}

void postgres_gate_close(struct postgres_gate *gate)
{
    proxy_stop(gate->proxy);
    postgres_schema_drop(getenv("TICKETQ_TEST_POSTGRES"), gate->plain);
}

tq_store *postgres_gate_store(const char *url)
{
    struct tq_env env = tq_system_env();
    struct tq_error err = TQ_ERROR_INIT;
    tq_store *store = NULL;
    int status;
    env.log = NULL;
    do {
        status = tq_store_open(
            &env, TQ_ARGS(tq_store_options, .url = url, .busy_timeout_ms = BUSY_MS), &store, &err);
    } while (drill_again(status, &err));
    return store;
}

void postgres_gate_conninfo(const struct postgres_gate *gate, char *text, size_t room)
{
    int server_bytes = (int)strcspn(gate->proxied, "?");
    snprintf(text, room, "%.*s?options=" HOST_OPTIONS "%s", server_bytes, gate->proxied,
             strrchr(gate->proxied, '=') + 1);
}
