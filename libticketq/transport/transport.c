/* SPDX-License-Identifier: MIT */
/*
 * Opens a transport by its URL and binds its driver.
 *
 * The driver's table is copied into one of this release, so that a table from
 * an older release works, and every slot is looked at once, here; nobody tests
 * a slot for NULL later. A transport is counted: relays and inboxes keep it
 * alive. Threads: [any]; the count is atomic, the rest is constant after open.
 */
#include "transport/transport.h"

#include <stdatomic.h>
#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/url.h"
#include "transport/builtin.h"

struct tq_transport {
    struct tq_env env;
    struct tq_transport_driver driver;
    atomic_uint references;
    void *state;
};

#define ORIGIN "transport"

static const struct tq__url_scheme schemes[] = {
    {"inproc", &tq__inproc_driver, NULL},
#ifdef TQ_WITH_KAFKA
    {"kafka", &tq__kafka_driver, NULL},
#endif
    {"kafka", NULL, TQ__URL_ABSENT},
    {.name = NULL},
};

/* In place of what a driver lacks. */
static void let_wait(void *state, void *consumer)
{
    (void)state;
    (void)consumer;
}

static uint32_t cannot_say(void *state)
{
    (void)state;
    return 0;
}

static int be_there(void *state, uint32_t timeout_ms, struct tq_error *err)
{
    (void)state;
    (void)timeout_ms;
    (void)err;
    return TQ_OK;
}

static int bind_driver(tq_transport *transport, const struct tq_transport_driver *source,
                       struct tq_error *err)
{
    struct tq_transport_driver *driver = &transport->driver;
    TQ_TRY(TQ__READ(driver, source, "transport.driver", err));
    if (driver->abi != TQ_TRANSPORT_ABI) {
        return tq__fail(err, TQ_E_ABI, "transport.driver", "driver ABI %u, expected %u",
                        driver->abi, TQ_TRANSPORT_ABI);
    }
    if (!driver->name || !driver->open || !driver->close || !driver->producer_open ||
        !driver->producer_close || !driver->publish || !driver->reports || !driver->wake ||
        !driver->consumer_open || !driver->consumer_close || !driver->poll || !driver->ack) {
        return tq__fail(err, TQ_E_ABI, "transport.driver", "a required slot is NULL");
    }
    driver->consumer_wake = driver->consumer_wake ? driver->consumer_wake : let_wait;
    driver->report_ms = driver->report_ms ? driver->report_ms : cannot_say;
    driver->reach = driver->reach ? driver->reach : be_there;
    return TQ_OK;
}

static int open_state(tq_transport *transport, const struct tq__url *url, struct tq_error *err)
{
    struct tq_transport_config config = {
        .size = sizeof config,
        .env = &transport->env,
        .scheme = url->scheme,
        .path = url->path,
        .query = url->query,
    };
    size_t size = transport->driver.state_size;
    transport->state = tq__alloc(&transport->env, 1, size ? size : 1);
    if (!transport->state) {
        return tq__nomem(ORIGIN, err);
    }
    return transport->driver.open(transport->state, &config, err);
}

int tq_transport_open(const struct tq_env *env, const struct tq_transport_options *options,
                      tq_transport **out_transport, struct tq_error *err)
{
    struct tq_transport_options use;
    struct tq_env host;
    struct tq__url url;
    const void *driver;
    TQ_AUTO(tq_transport) *transport = NULL;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, out_transport));
    TQ_TRY(tq__env_read(&host, env, err));
    TQ_TRY(TQ__READ(&use, options, ORIGIN, err));
    TQ_TRY(tq__url_parse(&url, use.url, err));
    driver = use.driver;
    if (!driver) {
        TQ_TRY(tq__url_driver(schemes, url.scheme, &driver, ORIGIN, err));
    }
    transport = tq__alloc(&host, 1, sizeof *transport);
    if (!transport) {
        return tq__nomem(ORIGIN, err);
    }
    transport->env = host;
    atomic_init(&transport->references, 1);
    TQ_TRY(bind_driver(transport, driver, err));
    TQ_TRY(open_state(transport, &url, err));
    *out_transport = tq__take(&transport);
    return TQ_OK;
}

tq_transport *tq__transport_ref(tq_transport *transport)
{
    atomic_fetch_add(&transport->references, 1);
    return transport;
}

void tq_transport_close(tq_transport *transport)
{
    if (!transport || atomic_fetch_sub(&transport->references, 1) != 1) {
        return;
    }
    struct tq_env env = transport->env;
    if (transport->state) {
        transport->driver.close(transport->state);
        tq__release(&env, transport->state);
    }
    tq__release(&env, transport);
}

const struct tq_transport_driver *tq__transport_driver(const tq_transport *transport)
{
    return &transport->driver;
}

void *tq__transport_state(const tq_transport *transport)
{
    return transport->state;
}

int tq__topic_check(const char *topic, const char *field, const char *origin, struct tq_error *err)
{
    size_t bytes = topic ? strnlen(topic, TQ_TOPIC_MAX + 1) : 0;
    if (bytes > TQ_TOPIC_MAX) {
        return tq__fail(err, TQ_E_LIMIT, origin, "%s has at most %d bytes", field, TQ_TOPIC_MAX);
    }
    for (const char *at = topic;; at++) {
        char part[TQ_ID_SIZE + 1];
        size_t count = at ? strcspn(at, ".") : 0;
        if (count == 0 || count > TQ_ID_MAX) {
            break;
        }
        memcpy(part, at, count);
        part[count] = '\0';
        if (!tq__id_is_valid(part)) {
            break;
        }
        at += count;
        if (!*at) {
            return TQ_OK;
        }
    }
    return tq__fail(err, TQ_E_INVALID, origin, "%s must be ids joined by dots", field);
}

const char *tq__header(const struct tq_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, name) == 0) {
            return headers[i].value;
        }
    }
    return "";
}
