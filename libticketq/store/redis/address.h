/* SPDX-License-Identifier: MIT */
/*
 * Where Redis is and how to speak to it: the URL of a store.
 */
#ifndef TQ_STORE_REDIS_ADDRESS_H
#define TQ_STORE_REDIS_ADDRESS_H

#include <ticketq/base.h>
#include <ticketq/status.h>

#define REDIS_HOST_SIZE 256
#define REDIS_SEEDS_MAX 8
#define REDIS_LANES_MAX 16
#define REDIS_PREFIX_MAX 32

struct redis_address {
    char host[REDIS_HOST_SIZE];
    uint16_t port;
};

struct redis_target {
    struct redis_address seeds[REDIS_SEEDS_MAX];
    size_t seeds_count;
    char user[256];
    char password[512];
    uint32_t db;
    uint32_t is_cluster;
    char prefix[REDIS_PREFIX_MAX + 1]; /* before every key and channel */
    uint32_t lanes;                    /* connections to each server */
    uint32_t connect_ms;
    uint32_t timeout_ms; /* for an answer */
    uint32_t wait_ms;    /* for a server to be there (again) */
    uint32_t may_forget; /* what is there can be had elsewhere; not an option of the URL */
};

/* TQ_OK, TQ_E_INVALID, TQ_E_LIMIT. `path` is percent-decoded. */
int tq__redis_target_read(struct redis_target *out_target, const char *path, const char *query,
                          struct tq_error *err);
/* `host:port` of `bytes` bytes; the port may be left out. 0, or -1 when it is malformed. */
int tq__redis_address_read(struct redis_address *out_address, const char *text, size_t bytes);
int tq__redis_address_is(const struct redis_address *a, const struct redis_address *b);

#endif
