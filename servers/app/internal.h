/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share. Nobody else includes it.
 */
#ifndef TICKETQ_APP_INTERNAL_H
#define TICKETQ_APP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/app.h"
#include "core/env.h"
#include "core/error.h"

#define APP__SERVICES_MAX 16
#define APP__WORKERS_MAX 64
#define APP__STATUSES 32

struct app_worker {
    struct app *app;
    char name[48];
    struct app_worker_options options; /* with our copy of the name */
    pthread_t thread;
    int is_running;
    uint32_t bell;             /* 1: somebody woke us; a futex word */
    _Atomic unsigned answered; /* the round that found us dry */
    _Atomic int is_stopping;
    struct app_series *failures;
};

/* Durations of one route, one series per status. */
struct app_meter {
    const struct http_route *route;
    _Atomic(struct app_series *) by_status[APP__STATUSES];
};

/* An outbox that is looked after (backlog.c). */
struct app_outbox {
    tq_store *ledger; /* borrowed */
    struct app_series *parked;
    _Atomic int64_t oldest_ms;
};

struct app_backlog {
    struct app_outbox outboxes[APP__SERVICES_MAX];
    size_t count;
    _Atomic unsigned share;
};

struct app {
    const struct app_program *program;
    struct tq_env env;
    struct app_option *options;
    size_t options_count;
    struct app_config *config;
    http_server *server;
    http_client *client;  /* to other services */
    http_client *outside; /* to everybody else */
    struct app_metrics *metrics;
    tq_keys *keys;
    tq_transport *transport;
    void *states[APP__SERVICES_MAX];
    size_t opened_count;
    struct app_worker workers[APP__WORKERS_MAX];
    size_t workers_count;
    _Atomic unsigned round;      /* worker.c: of asking whether all are dry */
    _Atomic unsigned steps_done; /* that did something, or failed */
    struct app_backlog backlog;
    char instance[TQ_ID_SIZE]; /* instance.c: "" before it is open */
    int instance_fd;
    struct app_meter *meters; /* a table by the route's address */
    _Atomic int is_ready;
    struct {
        pthread_mutex_t lock;
        char text[sizeof(((struct tq_error *)0)->message)];
    } trouble; /* health.c: why it is not ready */
    _Atomic int is_draining;
};

/* keys.c: TQ_E_INVALID names what is missing, and who needs it. */
int app__keys_open(struct app *app, struct tq_error *err);

/* engines.c */
int app__transport_open(struct app *app, struct tq_error *err);
/* TQ_OK; a failure: it cannot be used yet. */
int app__transport_reach(struct app *app, uint32_t timeout_ms, struct tq_error *err);

/*
 * instance.c: after it, `instance` is a name that no other process bears. The folder is made where
 * it is not there.
 */
int app__instance_open(struct app *app, const char *folder, struct tq_error *err);
void app__instance_close(struct app *app);

/* backlog.c: look after an outbox from now on. */
int app__backlog_add(struct app *app, const char *service, tq_store *ledger, struct tq_error *err);
/* The share at this level, 1000 at the limit, when it was `share` before. */
unsigned app__backlog_share(uint64_t level, unsigned share);

/* worker.c */
int app__workers_start(struct app *app, struct tq_error *err);
/* Waits until none has anything to do: TQ_OK, or TQ_EXPIRED after `timeout_ms`. */
int app__workers_drain(struct app *app, unsigned timeout_ms);
/* Ends them, each after the step that it is in. */
void app__workers_stop(struct app *app);

/* health.c */
int app__ops_mount(struct app *app, struct tq_error *err);
/* Why it is not ready yet. */
void app__health_note(struct app *app, const char *trouble);
/* http_observe_fn; `arg` is the app. */
void app__observe(void *arg, const struct http_request *request, unsigned status,
                  uint64_t duration_us);
int app__meters_make(struct app *app, struct tq_error *err);

/* internal.c: http_filter_fn of the internal listener. */
int app__internal_filter(struct http_request *request, void *arg);

#endif
