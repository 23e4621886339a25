/* SPDX-License-Identifier: MIT */
/*
 * A member of a consumer group that keeps no account of what it has heard.
 *
 * An inbox claims each event in a ledger, so that it is applied once; that is a row and a
 * share of a commit for each. Who only wants to know that something is out of date needs
 * neither: what arrives is told, whatever the listener makes of it, and acknowledged. After a
 * crash some of it is told again. Threads: its worker's; waking is [any].
 */
#include "app/listen.h"

#include "core/env.h"
#include "core/error.h"
#include "transport/transport.h"

#define MESSAGES_MAX 256
#define WAIT_MS 1000

struct app_listener {
    struct app *app;
    struct app_listener_options options;
    const struct tq_transport_driver *driver;
    void *state;
    void *consumer;
    struct tq_message messages[MESSAGES_MAX];
    uint64_t cookies[MESSAGES_MAX];
};

static void tell(struct app_listener *listener, const struct tq_message *message)
{
    const char *type = tq__header(message->headers, message->headers_count, "ce_type");
    tq__json *payload = NULL;
    if (tq__json_parse(app_env(listener->app), message->payload, message->payload_bytes, NULL,
                       &payload, NULL) < 0) {
        payload = NULL;
    }
    listener->options.heard(listener->options.arg, type, payload);
    tq__json_free(payload);
}

static int listen_step(void *arg, uint32_t wait_ms, struct tq_error *err)
{
    struct app_listener *listener = arg;
    size_t count = 0;
    int rc = listener->driver->poll(listener->state, listener->consumer, listener->messages,
                                    MESSAGES_MAX, wait_ms, &count, err);
    if (rc != TQ_OK) {
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        tell(listener, &listener->messages[i]);
        listener->cookies[i] = listener->messages[i].cookie;
    }
    listener->options.rest(listener->options.arg);
    listener->driver->ack(listener->state, listener->consumer, listener->cookies, count);
    return TQ_OK;
}

static void listen_wake(void *arg)
{
    struct app_listener *listener = arg;
    listener->driver->consumer_wake(listener->state, listener->consumer);
}

void app_listener_close(struct app_listener *listener)
{
    if (!listener) {
        return;
    }
    if (listener->consumer) {
        listener->driver->consumer_close(listener->state, listener->consumer);
    }
    tq__release(app_env(listener->app), listener);
}

int app_listener_open(struct app *app, const struct app_listener_options *options,
                      struct app_listener **out_listener, struct tq_error *err)
{
    const tq_transport *transport = app_transport(app);
    struct app_listener *listener = tq__alloc(app_env(app), 1, sizeof *listener);
    if (!listener) {
        return tq__nomem("app.listen", err);
    }
    listener->app = app;
    listener->options = *options;
    listener->driver = tq__transport_driver(transport);
    listener->state = tq__transport_state(transport);
    const struct app_worker_options worker = {.name = options->group,
                                              .waiting_step = listen_step,
                                              .wake = listen_wake,
                                              .arg = listener,
                                              .idle_ms = WAIT_MS};
    int rc = listener->driver->consumer_open(listener->state, options->group, options->topics,
                                             options->topics_count, &listener->consumer, err);
    if (rc == TQ_OK) {
        rc = app_worker_add(app, &worker, NULL, err);
    }
    if (rc != TQ_OK) {
        app_listener_close(listener);
        return rc;
    }
    *out_listener = listener;
    return TQ_OK;
}
