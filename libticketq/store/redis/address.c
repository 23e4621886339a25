/* SPDX-License-Identifier: MIT */
/*
 * The URL of a Redis store.
 *
 *     redis://[[user]:password@]host[:port][,host[:port]...][/db][?option=value&...]
 *
 * What each option means stands in ticketq/store.h.
 *
 * The store has decoded the part before the `?` as a whole; so a password may
 * contain anything (the last `@` ends it), a user everything but a colon. An
 * IPv6 address stands in brackets. What a user of an ACL must be allowed, with this prefix:
 *
 *     ~shop-queue:* ~shop-seat:* ~shop-cache:* &shop-* +@read +@write +@scripting +info +time
 * +cluster|slots +asking
 *
 * Threads: [pure].
 */
#include "store/redis/address.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/url.h"

#define PORT_DEFAULT 6379
#define DB_MAX 1000000

static const struct tq__url_option options[] = {
    TQ__URL_NUMBER("cluster", struct redis_target, is_cluster, 0, 1, 0),
    TQ__URL_NUMBER("connections", struct redis_target, lanes, 1, REDIS_LANES_MAX, 2),
    TQ__URL_NUMBER("connect_ms", struct redis_target, connect_ms, 1, 60000, 1000),
    TQ__URL_NUMBER("timeout_ms", struct redis_target, timeout_ms, 1, 60000, 5000),
    TQ__URL_NUMBER("wait_ms", struct redis_target, wait_ms, 0, 60000, 1000),
    TQ__URL_TEXT("prefix", struct redis_target, prefix),
    {.name = NULL},
};

static int malformed(struct tq_error *err)
{
    return tq__fail(err, TQ_E_INVALID, "store.redis",
                    "the URL is redis://[[user]:password@]host[:port][/db]");
}

int tq__redis_address_read(struct redis_address *out_address, const char *text, size_t bytes)
{
    const char *host = text, *end = text + bytes, *colon = NULL;
    size_t host_bytes;
    int64_t port = PORT_DEFAULT;
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
    if (colon) {
        port = tq__text_number(colon + 1, (size_t)(end - colon - 1), 65535);
    }
    if (port < 1 || !host_bytes) {
        return -1;
    }
    out_address->port = (uint16_t)port;
    return tq__text_copy(out_address->host, sizeof out_address->host, host, host_bytes);
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
    return tq__text_copy(target->user, sizeof target->user, text, user_bytes) ||
           tq__text_copy(target->password, sizeof target->password, colon + 1,
                         bytes - user_bytes - 1);
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
    int64_t db = 0;
    if (strncmp(path, "//", 2) != 0) {
        return -1;
    }
    const char *at = strrchr(path, '@');
    const char *hosts = at ? at + 1 : path + 2;
    const char *slash = strchrnul(hosts, '/');
    if (at && read_login(target, path + 2, (size_t)(at - path - 2))) {
        return -1;
    }
    if (slash[0] && slash[1]) {
        db = tq__text_number(slash + 1, strlen(slash + 1), DB_MAX);
    }
    if (db < 0) {
        return -1;
    }
    target->db = (uint32_t)db;
    return read_seeds(target, hosts, (size_t)(slash - hosts));
}

static int read_options(struct redis_target *target, const char *query, struct tq_error *err)
{
    TQ_TRY(tq__url_names_check(query, options, NULL, "store.redis", err));
    TQ_TRY(tq__url_options_read(query, options, target, err));
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
