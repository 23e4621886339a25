/* SPDX-License-Identifier: MIT */
/*
 * How many connections each client address has open, over all loops of a listener.
 *
 * An address is counted as a client can be told apart by it: IPv4 whole, IPv6 by its
 * first 64 bits, since who has one address of a network has all of them. When there
 * is no memory to count a connection, it is let in.
 *
 * Invariants: an entry exists while its count is above 0; nothing is counted without a
 * limit. Cost: a lookup per connection. Threads: [any]; one mutex.
 */
#include "http/internal.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct http_address {
    char key[HTTP__ADDRESS_SIZE];
    unsigned count;
};

int http__addresses_open(struct http_addresses *addresses, const struct tq_env *env, unsigned limit,
                         struct tq_error *err)
{
    addresses->env = env;
    addresses->limit = limit;
    pthread_mutex_init(&addresses->lock, NULL);
    return tq__map_init(&addresses->by_key, env, err);
}

void http__addresses_close(struct http_addresses *addresses)
{
    tq__map_done(&addresses->by_key);
    pthread_mutex_destroy(&addresses->lock);
}

void http__address_key(const struct sockaddr *address, char key[HTTP__ADDRESS_SIZE])
{
    unsigned char bytes[16];
    size_t from = 0, upto = 4;
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *six =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        memcpy(bytes, six, sizeof bytes);
        from = IN6_IS_ADDR_V4MAPPED(six) ? 12 : 0;
        upto = from ? 16 : 8;
    } else {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    }
    for (size_t i = from; i < upto; i++) {
        snprintf(key + 2 * (i - from), 3, "%02x", bytes[i]);
    }
}

/* With the lock; NULL: no memory. */
static struct http_address *entry_of(struct http_addresses *addresses, const char *key)
{
    struct http_address *entry = tq__map_get(&addresses->by_key, key);
    if (entry) {
        return entry;
    }
    entry = tq__alloc(addresses->env, 1, sizeof *entry);
    if (!entry) {
        return NULL;
    }
    memcpy(entry->key, key, HTTP__ADDRESS_SIZE);
    if (tq__map_put(&addresses->by_key, entry->key, entry, NULL) != TQ_OK) {
        tq__release(addresses->env, entry);
        return NULL;
    }
    return entry;
}

int http__address_take(struct http_addresses *addresses, const struct sockaddr *address,
                       struct http_address **out_entry)
{
    char key[HTTP__ADDRESS_SIZE] = "";
    *out_entry = NULL;
    if (!addresses->limit || !address) {
        return 0;
    }
    http__address_key(address, key);
    pthread_mutex_lock(&addresses->lock);
    struct http_address *entry = entry_of(addresses, key);
    int is_over = entry && entry->count >= addresses->limit;
    if (entry && !is_over) {
        entry->count++;
        *out_entry = entry;
    }
    pthread_mutex_unlock(&addresses->lock);
    return is_over;
}

void http__address_give(struct http_addresses *addresses, struct http_address *entry)
{
    if (!entry) {
        return;
    }
    pthread_mutex_lock(&addresses->lock);
    if (--entry->count == 0) {
        tq__map_remove(&addresses->by_key, entry->key);
        tq__release(addresses->env, entry);
    }
    pthread_mutex_unlock(&addresses->lock);
}
