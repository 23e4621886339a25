/* SPDX-License-Identifier: MIT */
/*
 * The URL of a Redis store.
 *
 *     redis://[[user]:password@]host[:port][,host[:port]...][/db][?option=value&...]
 *
 *     cluster=1       a Redis Cluster; the hosts are the first to ask, one is enough
 *     prefix=shop-    before every key: several shops in one Redis
 *     connections=2   to each server
 *     connect_ms=1000, timeout_ms=5000   for a connection, for an answer
 *     wait_ms=1000    how long a call waits for a server that is not there, is
 *                     loading, or is being replaced, before it is TQ_E_UNAVAILABLE
 *
 * The store has decoded the part before the `?` as a whole; so a password may
 * contain anything (the last `@` ends it), a user everything but a colon. An
 * IPv6 address stands in brackets. What a user of an ACL must be allowed, with this prefix:
 *
 *     ~shop-queue:* &shop-* +@read +@write +@scripting +info +time +cluster|slots +asking
 *
 * Threads: [pure].
 */
#include "store/redis/address.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/url.h"

#define PORT_DEFAULT 6379
#define DB_MAX 1000000

static const struct option {
    const char *name;
    size_t offset;
    uint32_t min, max, fallback;
} options[] = {
    {"cluster", offsetof(struct redis_target, is_cluster), 0, 1, 0},
    {"connections", offsetof(struct redis_target, lanes), 1, REDIS_LANES_MAX, 2},
    {"connect_ms", offsetof(struct redis_target, connect_ms), 1, 60000, 1000},
    {"timeout_ms", offsetof(struct redis_target, timeout_ms), 1, 60000, 5000},
    {"wait_ms", offsetof(struct redis_target, wait_ms), 0, 60000, 1000},
};

static int malformed(struct tq_error *err)
{
    return tq__fail(err, TQ_E_INVALID, "store.redis",
                    "the URL is redis://[[user]:password@]host[:port][/db]");
}

static int copy(char *target, size_t room, const char *text, size_t bytes)
{
    if (bytes >= room) {
        return -1;
    }
    memcpy(target, text, bytes);
    target[bytes] = '\0';
    return 0;
}

static int read_number(const char *text, size_t bytes, unsigned long max, unsigned long *out)
{
    *out = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        *out = *out * 10 + (unsigned long)(text[i] - '0');
        if (*out > max) {
            return -1;
        }
    }
    return bytes ? 0 : -1;
}

int tq__redis_address_read(struct redis_address *out_address, const char *text, size_t bytes)
{
    const char *host = text, *end = text + bytes, *colon = NULL;
    size_t host_bytes;
    unsigned long port = PORT_DEFAULT;
    if (bytes && *text == '[') {
        const char *close = memchr(text, ']', bytes);
        if (!close || (close + 1 < end && close[1] != ':')) {
            return -1;
        }
        host = text + 1;
        host_bytes = (size_t)(close - host);
        colon = close + 1 < end ? close + 1 : NULL;
    } else {
        colon = memrchr(text, ':', bytes);
        host_bytes = colon ? (size_t)(colon - text) : bytes;
    }
    if (colon && (read_number(colon + 1, (size_t)(end - colon - 1), 65535, &port) || !port)) {
        return -1;
    }
    out_address->port = (uint16_t)port;
    return host_bytes ? copy(out_address->host, sizeof out_address->host, host, host_bytes) : -1;
}

int tq__redis_address_is(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static int read_login(struct redis_target *target, const char *text, size_t bytes)
{
    const char *colon = memchr(text, ':', bytes);
    if (!colon) {
        return -1;
    }
    size_t user_bytes = (size_t)(colon - text);
    return copy(target->user, sizeof target->user, text, user_bytes) ||
           copy(target->password, sizeof target->password, colon + 1, bytes - user_bytes - 1);
}

static int read_seeds(struct redis_target *target, const char *text, size_t bytes)
{
    for (const char *end = text + bytes; text <= end;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        if (target->seeds_count == REDIS_SEEDS_MAX ||
            tq__redis_address_read(&target->seeds[target->seeds_count++], text,
                                   (size_t)(stop - text))) {
            return -1;
        }
        text = stop + 1;
    }
    return 0;
}

static int read_path(struct redis_target *target, const char *path)
{
    unsigned long db = 0;
    if (strncmp(path, "//", 2) != 0) {
        return -1;
    }
    const char *at = strrchr(path, '@');
    const char *hosts = at ? at + 1 : path + 2;
    const char *slash = strchrnul(hosts, '/');
    if (at && read_login(target, path + 2, (size_t)(at - path - 2))) {
        return -1;
    }
    if (slash[0] && slash[1] && read_number(slash + 1, strlen(slash + 1), DB_MAX, &db)) {
        return -1;
    }
    target->db = (uint32_t)db;
    return read_seeds(target, hosts, (size_t)(slash - hosts));
}

static int is_known(const char *name, size_t bytes)
{
    int found = bytes == 6 && memcmp(name, "prefix", 6) == 0;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        found |= strlen(options[i].name) == bytes && memcmp(options[i].name, name, bytes) == 0;
    }
    return found;
}

static int check_names(const char *query, struct tq_error *err)
{
    while (*query) {
        size_t bytes = strcspn(query, "&"), name = strcspn(query, "=&");
        if (query[name] != '=' || !is_known(query, name)) {
            return tq__fail(err, TQ_E_INVALID, "store.redis", "'%.*s' is no option",
                            (int)(name < 32 ? name : 32), query);
        }
        query += bytes + (query[bytes] == '&');
    }
    return TQ_OK;
}

static int read_options(struct redis_target *target, const char *query, struct tq_error *err)
{
    TQ_TRY(check_names(query, err));
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        uint32_t value = options[i].fallback;
        TQ_TRY(tq__url_number(query, options[i].name, options[i].min, options[i].max, &value, err));
        memcpy((char *)target + options[i].offset, &value, sizeof value);
    }
    TQ_TRY(tq__url_query(query, "prefix", target->prefix, sizeof target->prefix, err));
    for (const char *c = target->prefix; *c; c++) {
        if (!tq__is_id_byte(*c) && *c != ':') {
            return tq__fail(err, TQ_E_INVALID, "store.redis", "a prefix is [A-Za-z0-9_:-]{0,%d}",
                            REDIS_PREFIX_MAX);
        }
    }
    return TQ_OK;
}

int tq__redis_target_read(struct redis_target *out_target, const char *path, const char *query,
                          struct tq_error *err)
{
    memset(out_target, 0, sizeof *out_target);
    if (read_path(out_target, path)) {
        return malformed(err);
    }
    TQ_TRY(read_options(out_target, query, err));
    if (out_target->is_cluster && out_target->db) {
        return tq__fail(err, TQ_E_INVALID, "store.redis", "a cluster has only database 0");
    }
    if (!out_target->is_cluster && out_target->seeds_count > 1) {
        return tq__fail(err, TQ_E_INVALID, "store.redis", "several hosts need cluster=1");
    }
    return TQ_OK;
}
