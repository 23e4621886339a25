/* SPDX-License-Identifier: MIT */
/*
 * What every server shares: configuration, log, metrics, health, start and drain,
 * and the shape of a service.
 *
 * A program has a table of services. app_main() reads the configuration, opens
 * each service, mounts its routes, starts listeners and workers, waits for
 * SIGTERM, drains and closes in the opposite order:
 *
 *     opening -> ready -> draining (not ready, no new connections, requests are
 *     finished, workers run dry) -> closed, exit status 0
 *
 * A second SIGTERM ends the process at once. Listeners: "public", "internal"
 * (every request needs a token of TQ_PURPOSE_INTERNAL), "ops" (/livez, /readyz,
 * /metrics). Threads: [any] for everything that takes a `struct app *` after
 * opening; the app_..._add functions belong into a service's open().
 */
#ifndef TICKETQ_APP_H
#define TICKETQ_APP_H

#include <ticketq/store.h>
#include <ticketq/token.h>
#include <ticketq/transport.h>

#include "app/config.h"
#include "app/log.h"
#include "app/metrics.h"
#include "app/moment.h"
#include "http/client.h"
#include "http/http.h"

struct app;
struct app_worker;
struct tq__cache; /* store/cache.h */

#define APP_PURPOSE(purpose) (1u << (purpose)) /* of enum tq_purpose */

/* A service. Tables are constant. */
struct app_service {
    const char *name;                 /* "reservation" */
    const struct app_option *options; /* of its own, beside the common ones (config.h) */
    size_t options_count;
    unsigned purposes; /* APP_PURPOSE(...) | ...: a key of each must be good at the start */
    /* Open stores, add pools, workers and gauges. `*out_state` becomes request->arg. */
    int (*open)(struct app *app, void **out_state, struct tq_error *err);
    const struct http_route *routes; /* on "public" */
    size_t routes_count;
    const struct http_route *internal_routes; /* on "internal" */
    size_t internal_routes_count;
    http_filter_fn *filter; /* of "public", with the state as its argument; the gateway's only */
    void (*close)(void *state); /* workers and requests have ended. Takes NULL. */
};

struct app_program {
    const char *name;                 /* "ticketqd" */
    const char *summary;              /* one line of --help */
    const struct app_option *options; /* beside those of config.h and of the services */
    size_t options_count;
    const struct app_service *const *services;
    size_t services_count;
};

/* Runs a program until it is told to stop; returns its exit status. */
int app_main(const struct app_program *program, int argc, char **argv);

/* What services take from the app. Borrowed; they live until after close(). */
const struct tq_env *app_env(struct app *app);
const struct app_config *app_config(struct app *app);
http_server *app_server(struct app *app);
http_client *app_client(struct app *app); /* for calls outside; a drain ends them, see app.c */
struct app_metrics *app_metrics(struct app *app);
tq_keys *app_keys(struct app *app);           /* of --keys; an empty ring without */
tq_transport *app_transport(struct app *app); /* of --transport, "inproc:" by default */
/* Non-zero from SIGTERM on: what can wait for the next start is not begun. */
int app_is_draining(const struct app *app);
/*
 * Which part of their rate rooms may let in, in parts of APP_SHARE_ALL: less when events are not
 * carried (backlog.c).
 */
#define APP_SHARE_ALL 1000
unsigned app_share(const struct app *app);
/*
 * The engines (engines.c); close each with tq_store_close(). A service's own ledger, by --ledger:
 * `<data>/<service>.db`, or the schema of its name.
 */
int app_store_open(struct app *app, const char *service, tq_store **out_store,
                   struct tq_error *err);
/* A SQLite database by its path. */
int app_store_open_file(struct app *app, const char *path, tq_store **out_store,
                        struct tq_error *err);
/* Where lines stand, by --room. */
int app_lines_open(struct app *app, tq_store **out_store, struct tq_error *err);
/* The front of holds, by --hold. */
int app_front_open(struct app *app, tq_store **out_store, struct tq_error *err);
/* The cache that processes share, by --cache: NULL where there is none. tq__cache_close(). */
int app_cache_open(struct app *app, struct tq__cache **out_cache, struct tq_error *err);

/*
 * Work that must go on: `step` is called again and again on a thread of its own. TQ_OK: there is
 * more, call at once. TQ_EMPTY: sleep `idle_ms`, or until woken. A failure: logged, then tried
 * again after a growing pause. When the app drains, it is called until it is TQ_EMPTY, at most
 * for the drain timeout.
 */
typedef int app_step_fn(void *arg, struct tq_error *err);
/*
 * A step that itself waits for something to do, at most `wait_ms`; 0: not at all. `wake` ends
 * that wait, or the next one, from any thread.
 */
typedef int app_waiting_step_fn(void *arg, uint32_t wait_ms, struct tq_error *err);
typedef void app_wake_fn(void *arg);

struct app_worker_options {
    const char *name; /* "reservation.relay"; in logs and metrics */
    app_step_fn *step;
    void *arg;
    unsigned idle_ms;                  /* 0: 100 */
    app_waiting_step_fn *waiting_step; /* in place of `step`, together with `wake` */
    app_wake_fn *wake;
};

/* `out_worker` is optional; started after all services are open. */
int app_worker_add(struct app *app, const struct app_worker_options *options,
                   struct app_worker **out_worker, struct tq_error *err);
/* Ends the sleep of a worker. Cheap; NULL is allowed. */
void app_worker_wake(struct app_worker *worker);
/*
 * The same for the worker of this name, if this process has it: what its service would find out by
 * itself later, in a process of its own.
 */
void app_worker_hint(struct app *app, const char *name);

/*
 * Read from another service by HTTP: its base URL is the option `<service>-url`, by default this
 * process's own internal listener. Statuses as http_client_call().
 */
int app_internal_get(struct app *app, const char *service, const char *path,
                     struct http_answer *answer, struct tq_error *err);

/*
 * Answer for a status of the library that the handler does not decide on itself: the one table
 * from statuses to problems (problem.c).
 */
void app_fail(struct http_request *request, int status, const struct tq_error *err);

/* The request's `traceparent` when it is well-formed, else one made now. Lives with the request. */
const char *app_traceparent(struct http_request *request);

#endif
