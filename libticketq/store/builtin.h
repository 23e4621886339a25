/* SPDX-License-Identifier: MIT */
/*
 * The drivers that a build may contain.
 */
#ifndef TQ_STORE_BUILTIN_H
#define TQ_STORE_BUILTIN_H

#include <ticketq/driver/store.h>

struct tq__cache_driver; /* cache.h */

extern const struct tq_store_driver tq__memory_driver;
extern const struct tq_store_driver tq__postgres_driver;
extern const struct tq_store_driver tq__postgresql_driver;
extern const struct tq_store_driver tq__redis_driver;
extern const struct tq_store_driver tq__sqlite_driver;

extern const struct tq__cache_driver tq__redis_cache;

#endif
