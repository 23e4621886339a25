/* SPDX-License-Identifier: MIT */
/*
 * Hearing of events without an inbox: for what may be missed and may be told twice.
 */
#ifndef TICKETQ_APP_LISTEN_H
#define TICKETQ_APP_LISTEN_H

#include "app/app.h"
#include "core/json.h"

struct app_listener;

/* An event; borrowed during the call. `payload` may be NULL. */
typedef void app_heard_fn(void *arg, const char *type, const tq__json *payload);

struct app_listener_options {
    const char *group; /* an id; also the worker's name */
    const char *const *topics;
    size_t topics_count;
    app_heard_fn *heard;
    void (*rest)(void *arg); /* after all that came together */
    void *arg;
};

/* Subscribes, and adds the worker that listens. Open it before the relays of these topics. */
int app_listener_open(struct app *app, const struct app_listener_options *options,
                      struct app_listener **out_listener, struct tq_error *err);
/* When the workers have ended. NULL is allowed. */
void app_listener_close(struct app_listener *listener);

#endif
