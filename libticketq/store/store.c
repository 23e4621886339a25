/* SPDX-License-Identifier: MIT */
/*
 * Opens stores: chooses the driver by URL, checks its table, holds its state.
 *
 * There is no registry. Built-in drivers are the constant table below, made
 * from what the build found; a foreign driver comes in the options. The table is
 * copied, so that a driver compiled with a shorter one reads as zeros where it
 * knows nothing, and each capability table is completed with fallbacks by the
 * concept that owns it. A store is counted: what is opened on it keeps it alive.
 * Threads: [any]; the count is atomic, everything else is constant after open.
 */
#include "store/store.h"

#include <string.h>

#include "core/args.h"
#include "core/env.h"
#include "core/url.h"
#include "store/builtin.h"
#include "store/handle.h"

#define DRIVER_SIZE_MIN sizeof(struct tq_store_driver)

/* A scheme that a build may lack has a second row, which then counts. */
static const struct tq__url_scheme schemes[] = {
    {"memory", &tq__memory_driver, NULL},
#ifdef TQ_WITH_POSTGRES
    {"postgres", &tq__postgres_driver, NULL},
    {"postgresql", &tq__postgresql_driver, NULL},
#endif
#ifdef TQ_WITH_REDIS
    {"redis", &tq__redis_driver, NULL},
#endif
#ifdef TQ_WITH_SQLITE
    {"sqlite", &tq__sqlite_driver, NULL},
#endif
    {"postgres", NULL, TQ__URL_ABSENT},
    {"postgresql", NULL, TQ__URL_ABSENT},
    {"redis", NULL, TQ__URL_ABSENT},
    {"rediss", NULL, "hiredis is used without TLS; put a TLS proxy beside the host and use redis:"},
    {"sqlite", NULL, TQ__URL_ABSENT},
    {.name = NULL},
};

/* Copies a capability table of any release into a full one; absent stays zero. */
static int copy_table(void *target, size_t target_size, const void *source, const char *what,
                      struct tq_error *err)
{
    if (!source) {
        return TQ_OK;
    }
    return tq__args_read(target, target_size, sizeof(size_t), source, "a table", what, err);
}

static int bind_driver(tq_store *store, const struct tq_store_driver *driver, struct tq_error *err)
{
    TQ_TRY(tq__args_read(&store->driver, sizeof store->driver, DRIVER_SIZE_MIN, driver,
                         "the driver", "store.driver", err));
    if (driver->abi != TQ_STORE_ABI) {
        return tq__fail(err, TQ_E_ABI, "store.driver", "driver ABI %u, expected %u", driver->abi,
                        TQ_STORE_ABI);
    }
    if (!driver->name || !driver->open || !driver->close || !driver->now) {
        return tq__fail(err, TQ_E_ABI, "store.driver", "a required slot is NULL");
    }
    TQ_TRY(copy_table(&store->room, sizeof store->room, driver->room, "store.room", err));
    TQ_TRY(copy_table(&store->hold, sizeof store->hold, driver->hold, "store.hold", err));
    return copy_table(&store->ledger, sizeof store->ledger, driver->ledger, "store.ledger", err);
}

static int open_state(tq_store *store, const struct tq__url *url,
                      const struct tq_store_options *options, struct tq_error *err)
{
    struct tq_store_config config = {
        .size = sizeof config,
        .env = &store->env,
        .scheme = url->scheme,
        .path = url->path,
        .query = url->query,
        .busy_timeout_ms = options->busy_timeout_ms ? options->busy_timeout_ms : 5000,
        .readers = options->readers ? options->readers : 2,
    };
    size_t size = store->driver.state_size;
    store->state = tq__alloc(&store->env, 1, size ? size : 1);
    if (!store->state) {
        return tq__nomem("store", err);
    }
    const struct tq_hold_driver *hold = tq__store_hold(store);
    tq__listeners_init(&store->listeners, hold ? hold->listen : NULL, hold ? hold->rouse : NULL,
                       store->state);
    TQ_TRY(store->driver.open(store->state, &config, err));
    if (!store->driver.ledger) {
        return TQ_OK;
    }
    return tq__ledger_attach(store, config.busy_timeout_ms, &store->attachment, err);
}

int tq_store_open(const struct tq_env *env, const struct tq_store_options *options,
                  tq_store **out_store, struct tq_error *err)
{
    struct tq_store_options use;
    struct tq_env host;
    struct tq__url url;
    const void *driver;
    TQ_AUTO(tq_store) *store = NULL;
    TQ_TRY(TQ__REQUIRE("store", err, out_store));
    TQ_TRY(tq__env_read(&host, env, err));
    TQ_TRY(TQ__READ(&use, options, "store", err));
    TQ_TRY(tq__url_parse(&url, use.url, err));
    driver = use.driver;
    if (!driver) {
        TQ_TRY(tq__url_driver(schemes, url.scheme, &driver, "store", err));
    }
    store = tq__alloc(&host, 1, sizeof *store);
    if (!store) {
        return tq__nomem("store", err);
    }
    store->env = host;
    atomic_init(&store->references, 1);
    TQ_TRY(bind_driver(store, driver, err));
    TQ_TRY(open_state(store, &url, &use, err));
    *out_store = tq__take(&store);
    return TQ_OK;
}

void tq_store_close(tq_store *store)
{
    if (!store || atomic_fetch_sub(&store->references, 1) != 1) {
        return;
    }
    struct tq_env env = store->env;
    if (store->attachment) {
        tq__ledger_detach(store->attachment);
    }
    if (store->state) {
        store->driver.close(store->state);
        tq__listeners_done(&store->listeners);
        tq__release(&env, store->state);
    }
    tq__release(&env, store);
}
