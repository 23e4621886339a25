/* SPDX-License-Identifier: MIT */
/*
 * Listeners, pools and mounts; their start and their end.
 *
 * A server is put together by one thread and then started; after that only its
 * loops and pools work on it. It ends in two steps: http_server_drain() finishes
 * what is in flight, http_server_free() stops the pools (running handlers end,
 * waiting requests are answered 503), then the loops.
 *
 * Threads: new, add, mount, start and free: one thread. The others: [any].
 */
#include "http/internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DRAIN_POLL_MS 5

int http_server_new(const struct tq_env *env, http_server **out_server, struct tq_error *err)
{
    struct tq_env own;
    TQ_TRY(tq__env_read(&own, env, err));
    http_server *server = tq__alloc(&own, 1, sizeof *server);
    if (!server) {
        return tq__nomem("http", err);
    }
    server->env = own;
    *out_server = server;
    return TQ_OK;
}

static struct http_listener *listener_of(const http_server *server, const char *name)
{
    for (size_t i = 0; i < server->listeners_count; i++) {
        if (strcmp(server->listeners[i].name, name) == 0) {
            return (struct http_listener *)&server->listeners[i];
        }
    }
    return NULL;
}

static struct http_pool *pool_of(const http_server *server, const char *name)
{
    for (size_t i = 0; name && i < server->pools_count; i++) {
        if (strcmp(server->pools[i].name, name) == 0) {
            return (struct http_pool *)&server->pools[i];
        }
    }
    return NULL;
}

/* ---- listeners ---- */

/* "127.0.0.1:8080" or "[::1]:8080". */
static int read_address(struct http_listener *listener, const char *address)
{
    const char *colon = strrchr(address, ':');
    unsigned char address_bytes[sizeof(struct in6_addr)];
    int64_t port = colon ? tq__text_number(colon + 1, strlen(colon + 1), 65535) : -1;
    if (port < 0) {
        return -1;
    }
    int is_six = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    const char *host = address + is_six;
    size_t bytes = (size_t)(colon - host) - (size_t)is_six;
    if (bytes == 0 || tq__text_copy(listener->host, sizeof listener->host, host, bytes)) {
        return -1;
    }
    listener->port = (unsigned)port;
    return inet_pton(is_six ? AF_INET6 : AF_INET, listener->host, address_bytes) == 1 ? 0 : -1;
}

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

static void fill_defaults(struct http_listener_options *options)
{
    options->threads = or_default(options->threads, 1);
    options->connections_max = or_default(options->connections_max, 16384);
    options->head_timeout_ms = or_default(options->head_timeout_ms, 10000);
    options->idle_timeout_ms = or_default(options->idle_timeout_ms, 75000);
    options->body_timeout_ms = or_default(options->body_timeout_ms, 20000);
    options->keepalive_ms = or_default(options->keepalive_ms, 15000);
    options->stream_bytes_max = options->stream_bytes_max ? options->stream_bytes_max : 65536;
}

int http_listener_add(http_server *server, const struct http_listener_options *options,
                      struct tq_error *err)
{
    struct http_listener *listener = &server->listeners[server->listeners_count];
    if (server->listeners_count == HTTP__LISTENERS_MAX || options->threads > HTTP__LOOPS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "http", "too many listeners or threads");
    }
    if (strlen(options->name) > HTTP__NAME_MAX || listener_of(server, options->name)) {
        return tq__fail(err, TQ_E_INVALID, "http", "a listener cannot be called %s", options->name);
    }
    if (read_address(listener, options->address)) {
        return tq__fail(err, TQ_E_INVALID, "http",
                        "listener %s: '%s' is not ADDRESS:PORT with an address in numbers",
                        options->name, options->address);
    }
    listener->server = server;
    listener->options = *options;
    fill_defaults(&listener->options);
    snprintf(listener->name, sizeof listener->name, "%s", options->name);
    listener->loops = tq__alloc(&server->env, listener->options.threads, sizeof *listener->loops);
    if (!listener->loops) {
        return tq__nomem("http", err);
    }
    int rc = http__addresses_open(&listener->addresses, &server->env,
                                  options->connections_per_address, err);
    if (rc < 0) {
        tq__release(&server->env, listener->loops);
        return rc;
    }
    server->listeners_count++;
    for (unsigned i = 0; i < listener->options.threads; i++) {
        listener->loops_count++;
        TQ_TRY(http__loop_open(&listener->loops[i], listener, err));
    }
    return TQ_OK;
}

unsigned http_server_port(const http_server *server, const char *listener)
{
    const struct http_listener *found = listener_of(server, listener);
    return found ? found->port : 0;
}

/* ---- routes and pools ---- */

static int check_route(const struct http_listener *listener, const struct http_route *route,
                       struct tq_error *err)
{
    int has_handler = route->mode == HTTP_BATCH ? route->batch != NULL : route->handler != NULL;
    if (http__pattern_check(route->pattern) || route->mode > HTTP_POOL || !has_handler ||
        (route->mode == HTTP_POOL && !route->pool)) {
        return tq__fail(err, TQ_E_INVALID, "http", "route %s is malformed", route->pattern);
    }
    for (size_t i = 0; i < listener->entries_count; i++) {
        const struct http_route *other = listener->entries[i].route;
        if (strcmp(other->method, route->method) == 0 &&
            strcmp(other->pattern, route->pattern) == 0) {
            return tq__fail(err, TQ_E_INVALID, "http", "route %s stands twice", route->pattern);
        }
    }
    return TQ_OK;
}

int http_mount(http_server *server, const char *listener, const struct http_route *routes,
               size_t routes_count, void *arg, struct tq_error *err)
{
    struct http_listener *target = listener_of(server, listener);
    if (!target || server->is_started) {
        return tq__fail(err, TQ_E_INVALID, "http", "there is no listener %s to mount on", listener);
    }
    if (routes_count > HTTP_ROUTES_MAX - target->entries_count) {
        return tq__fail(err, TQ_E_LIMIT, "http", "more than %d routes", HTTP_ROUTES_MAX);
    }
    for (size_t i = 0; i < routes_count; i++) {
        TQ_TRY(check_route(target, &routes[i], err));
        target->entries[target->entries_count++] =
            (struct http_entry){&routes[i], arg, NULL, http__pattern_literal(routes[i].pattern)};
    }
    return TQ_OK;
}

int http_pool_add(http_server *server, const char *name, unsigned threads, unsigned queue_max,
                  struct tq_error *err)
{
    if (server->pools_count == HTTP__POOLS_MAX || strlen(name) > HTTP__NAME_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "http", "too many pools or too long a name");
    }
    if (pool_of(server, name) || threads == 0) {
        return tq__fail(err, TQ_E_INVALID, "http", "pool %s stands twice or has no thread", name);
    }
    return http__pool_open(&server->pools[server->pools_count++], &server->env, name, threads,
                           queue_max, err);
}

size_t http_pool_depth(const http_server *server, const char *name)
{
    struct http_pool *pool = pool_of(server, name);
    size_t count = 0;
    if (pool) {
        pthread_mutex_lock(&pool->lock);
        count = pool->count;
        pthread_mutex_unlock(&pool->lock);
    }
    return count;
}

/* ---- start and end ---- */

static int bind_pools(const http_server *server, struct http_listener *listener,
                      struct tq_error *err)
{
    for (size_t i = 0; i < listener->entries_count; i++) {
        struct http_entry *entry = &listener->entries[i];
        entry->pool = entry->route->mode == HTTP_POOL ? pool_of(server, entry->route->pool) : NULL;
        if (entry->route->mode == HTTP_POOL && !entry->pool) {
            return tq__fail(err, TQ_E_INVALID, "http", "route %s names pool %s, which is not there",
                            entry->route->pattern, entry->route->pool);
        }
    }
    return TQ_OK;
}

int http_server_start(http_server *server, struct tq_error *err)
{
    server->is_started = 1;
    for (size_t i = 0; i < server->listeners_count; i++) {
        TQ_TRY(bind_pools(server, &server->listeners[i], err));
    }
    for (size_t i = 0; i < server->listeners_count; i++) {
        struct http_listener *listener = &server->listeners[i];
        for (unsigned k = 0; k < listener->loops_count; k++) {
            TQ_TRY(http__loop_start(&listener->loops[k], err));
        }
    }
    return TQ_OK;
}

static int is_drained(const struct http_listener *listener)
{
    for (unsigned i = 0; i < listener->loops_count; i++) {
        if (listener->loops[i].is_running && !atomic_load(&listener->loops[i].is_drained)) {
            return 0;
        }
    }
    return 1;
}

static void ask_all(struct http_listener *listener, unsigned wants)
{
    for (unsigned i = 0; i < listener->loops_count; i++) {
        if (listener->loops[i].is_running) {
            http__loop_ask(&listener->loops[i], wants);
        }
    }
}

int http_server_drain(http_server *server, const char *listener, unsigned timeout_ms)
{
    const struct timespec pause = {0, DRAIN_POLL_MS * 1000000L};
    uint64_t end_ms = http__now_ms() + timeout_ms;
    for (size_t i = 0; i < server->listeners_count; i++) {
        if (!listener || strcmp(server->listeners[i].name, listener) == 0) {
            ask_all(&server->listeners[i], HTTP__DRAIN);
        }
    }
    for (size_t i = 0; i < server->listeners_count; i++) {
        while (!listener || strcmp(server->listeners[i].name, listener) == 0) {
            if (is_drained(&server->listeners[i])) {
                break;
            }
            if (http__now_ms() >= end_ms) {
                return TQ_EXPIRED;
            }
            nanosleep(&pause, NULL);
        }
    }
    return TQ_OK;
}

void http_server_free(http_server *server)
{
    if (!server) {
        return;
    }
    struct tq_env env = server->env;
    for (size_t i = 0; i < server->listeners_count; i++) {
        ask_all(&server->listeners[i], HTTP__DRAIN);
    }
    for (size_t i = 0; i < server->pools_count; i++) {
        http__pool_close(&server->pools[i], &env);
    }
    for (size_t i = 0; i < server->listeners_count; i++) {
        for (unsigned k = 0; k < server->listeners[i].loops_count; k++) {
            http__loop_close(&server->listeners[i].loops[k]);
        }
        http__addresses_close(&server->listeners[i].addresses);
        tq__release(&env, server->listeners[i].loops);
    }
    tq__release(&env, server);
}
