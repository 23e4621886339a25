/* SPDX-License-Identifier: MIT */
/*
 * Puts a program together, runs it and takes it apart.
 *
 *     configuration -> keys, transport, client, metrics -> services open, in order
 *     -> listeners, mounts -> start -> workers -> ready file
 *     -> ready, once the transport has answered -> wait for a signal
 *     -> not ready -> drain public -> workers run dry -> drain internal and ops
 *     -> services close, in the opposite order -> exit 0
 *
 * Whatever a step opened is closed by app_close(), which takes an app in any
 * state, so a start that fails half way leaves nothing behind. SIGTERM and SIGINT
 * are blocked in every thread and taken by the first; a second one ends the
 * process at once, and start-up after that is the same as after any crash.
 *
 * Without its stores it does not start. Without its transport it serves, since events wait in
 * their outboxes, but is not ready before that has answered once: nobody need be sent to a
 * process that was started with a wrong address. What goes away later makes it no less ready.
 */
#include "app/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/backoff.h"

#define REACH_MS 1000 /* for the transport to answer */
#define REACH_FIRST_PAUSE_MS 200
#define REACH_LAST_PAUSE_MS 2000
#define OUTSIDE_MS 3000 /* for calls outside that are under way when the workers are to end */

extern char **environ;

static const struct app_option common[] = {
    {"config", "FILE", "JSON file with options", NULL, APP_TEXT, 0, 0, 0},
    {"data", "DIR", "where the SQLite databases are", "ticketq-data", APP_TEXT, 0, 0, 0},
    {"listen", "HOST:PORT", "public listener; port 0: any that is free", "127.0.0.1:8080", APP_TEXT,
     0, 0, 0},
    {"internal", "HOST:PORT", "listener for other services", "127.0.0.1:0", APP_TEXT, 0, 0, 0},
    {"ops", "HOST:PORT", "health and metrics", "127.0.0.1:0", APP_TEXT, 0, 0, 0},
    {"threads", "N", "loops of the public listener", "2", APP_NUMBER, 0, 1, 64},
    {"connections", "N", "most connections to the public listener", "16384", APP_NUMBER, 0, 1,
     1000000},
    {"connections-per-address", "N",
     "most of one client address; 0: no limit, as behind a proxy, whose address all have", "0",
     APP_NUMBER, 0, 0, 1000000},
    {"head-timeout-ms", "MS", "longest time from a connection to the head of its request", "10000",
     APP_NUMBER, 0, 100, 600000},
    {"body-timeout-ms", "MS", "longest time from there to the end of its body", "20000", APP_NUMBER,
     0, 100, 600000},
    {"keys", "FILE",
     "key ring (JSON); of each use (place, pass, access, internal) one key must be good at the "
     "start",
     NULL, APP_TEXT, 0, 0, 0},
    {"room", "URL", "where lines stand: memory:, redis://", "memory:", APP_TEXT, 0, 0, 0},
    {"hold", "URL", "the front that holds of seats meet first: memory:, redis://",
     "memory:", APP_TEXT, 0, 0, 0},
    {"ledger", "URL",
     "postgres://user@host/database, a schema for each service, whose name {service} stands for; "
     "empty: SQLite in --data",
     NULL, APP_TEXT, 0, 0, 0},
    {"transport", "URL", "what carries events: inproc:, kafka://host:port", "inproc:", APP_TEXT, 0,
     0, 0},
    {"cache", "URL",
     "what is read most is kept here for all processes: redis://; memory: keeps it in each alone; "
     "empty: that of --room where that is Redis",
     NULL, APP_TEXT, 0, 0, 0},
    {"outbox-depth-slow", "N",
     "events in an outbox from which on rooms let fewer visitors in; 0: never", "10000", APP_NUMBER,
     0, 0, 1000000000},
    {"outbox-age-slow-ms", "MS", "the same, by the age of an outbox's oldest event; 0: never",
     "30000", APP_NUMBER, 0, 0, 86400000},
    {"ready-file", "FILE", "written when serving: {listen,internal,ops}", NULL, APP_TEXT, 0, 0, 0},
    {"log-level", "N", "0 debug, 1 info, 2 warnings, 3 errors", "1", APP_NUMBER, 0, 0, 3},
    {"drain-delay-ms", "MS", "go on accepting for this long when told to stop", "0", APP_NUMBER, 0,
     0, 600000},
    {"drain-ms", "MS", "longest time to finish what is in flight", "20000", APP_NUMBER, 0, 0,
     600000},
};

/* ---- what services take ---- */

const struct tq_env *app_env(struct app *app)
{
    return &app->env;
}

const struct app_config *app_config(struct app *app)
{
    return app->config;
}

http_server *app_server(struct app *app)
{
    return app->server;
}

http_client *app_client(struct app *app)
{
    return app->outside;
}

int app_is_draining(const struct app *app)
{
    return atomic_load(&app->is_draining);
}

struct app_metrics *app_metrics(struct app *app)
{
    return app->metrics;
}

tq_keys *app_keys(struct app *app)
{
    return app->keys;
}

tq_transport *app_transport(struct app *app)
{
    return app->transport;
}

/* ---- configuration ---- */

static int collect_options(struct app *app, struct tq_error *err)
{
    const struct app_program *program = app->program;
    size_t room = sizeof common / sizeof *common + program->options_count;
    for (size_t i = 0; i < program->services_count; i++) {
        room += program->services[i]->options_count;
    }
    app->options = tq__alloc(&app->env, room, sizeof *app->options);
    if (!app->options) {
        return tq__nomem("app", err);
    }
    memcpy(app->options, common, sizeof common);
    app->options_count = sizeof common / sizeof *common;
    for (size_t i = 0; i < program->options_count; i++) {
        app->options[app->options_count++] = program->options[i];
    }
    for (size_t i = 0; i < program->services_count; i++) {
        for (size_t k = 0; k < program->services[i]->options_count; k++) {
            app->options[app->options_count++] = program->services[i]->options[k];
        }
    }
    return TQ_OK;
}

/* ---- start ---- */

static int open_parts(struct app *app, struct tq_error *err)
{
    app_log_level((int)app_config_number(app->config, "log-level"));
    TQ_TRY(app__keys_open(app, err));
    TQ_TRY(app__transport_open(app, err));
    TQ_TRY(http_client_new(&app->env, &app->client, err));
    TQ_TRY(http_client_new(&app->env, &app->outside, err));
    TQ_TRY(app_metrics_new(&app->env, &app->metrics, err));
    TQ_TRY(app__meters_make(app, err));
    return http_server_new(&app->env, &app->server, err);
}

static int open_services(struct app *app, struct tq_error *err)
{
    const struct app_program *program = app->program;
    if (program->services_count > APP__SERVICES_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "app", "more than %d services", APP__SERVICES_MAX);
    }
    for (; app->opened_count < program->services_count; app->opened_count++) {
        const struct app_service *service = program->services[app->opened_count];
        int rc = service->open(app, &app->states[app->opened_count], err);
        if (rc < 0) {
            app_log(TQ_LOG_ERROR, service->name, "cannot open: %s", tq_status_name(rc));
            return rc;
        }
    }
    return TQ_OK;
}

static int add_listeners(struct app *app, struct tq_error *err)
{
    struct http_listener_options public = {
        .name = "public",
        .address = app_config_text(app->config, "listen"),
        .threads = (unsigned)app_config_number(app->config, "threads"),
        .connections_max = (unsigned)app_config_number(app->config, "connections"),
        .connections_per_address =
            (unsigned)app_config_number(app->config, "connections-per-address"),
        .head_timeout_ms = (unsigned)app_config_number(app->config, "head-timeout-ms"),
        .body_timeout_ms = (unsigned)app_config_number(app->config, "body-timeout-ms"),
        .observe = app__observe,
        .observe_arg = app,
    };
    const struct http_listener_options internal = {
        .name = "internal",
        .address = app_config_text(app->config, "internal"),
        .filter = app__internal_filter,
        .filter_arg = app,
        .observe = app__observe,
        .observe_arg = app,
    };
    const struct http_listener_options ops = {.name = "ops",
                                              .address = app_config_text(app->config, "ops")};
    for (size_t i = 0; i < app->program->services_count; i++) {
        if (app->program->services[i]->filter) {
            public.filter = app->program->services[i]->filter;
            public.filter_arg = app->states[i];
        }
    }
    TQ_TRY(http_listener_add(app->server, &public, err));
    TQ_TRY(http_listener_add(app->server, &internal, err));
    return http_listener_add(app->server, &ops, err);
}

static int mount_all(struct app *app, struct tq_error *err)
{
    for (size_t i = 0; i < app->program->services_count; i++) {
        const struct app_service *service = app->program->services[i];
        TQ_TRY(http_mount(app->server, "public", service->routes, service->routes_count,
                          app->states[i], err));
        TQ_TRY(http_mount(app->server, "internal", service->internal_routes,
                          service->internal_routes_count, app->states[i], err));
    }
    return app__ops_mount(app, err);
}

static void put_address(const struct app *app, struct tq__buf *json, const char *name,
                        const char *listener)
{
    char address[128];
    const char *given = app_config_text(app->config, name);
    snprintf(address, sizeof address, "%.*s:%u", (int)(strrchr(given, ':') - given), given,
             http_server_port(app->server, listener));
    tq__put_string(json, name, address);
}

/* Written beside and moved into place, so that a reader never sees half of it. */
static int write_ready_file(struct app *app, struct tq_error *err)
{
    const char *path = app_config_text(app->config, "ready-file");
    struct tq__buf json = TQ__BUF(&app->env);
    char part[TQ_URL_MAX];
    tq__put_object(&json, NULL);
    put_address(app, &json, "listen", "public");
    put_address(app, &json, "internal", "internal");
    put_address(app, &json, "ops", "ops");
    tq__put_object_end(&json);
    if (json.is_failed) {
        tq__buf_done(&json);
        return tq__nomem("app", err);
    }
    app_log_with(TQ_LOG_INFO, "app", &(struct tq__buf){.data = json.data, .bytes = json.bytes - 1},
                 "%s is serving", app->program->name);
    int failed = 0;
    if (*path) {
        snprintf(part, sizeof part, "%s.part", path);
        FILE *file = fopen(part, "we");
        failed = !file || fwrite(json.data, 1, json.bytes, file) != json.bytes;
        failed = (file && fclose(file)) || failed || rename(part, path);
    }
    tq__buf_done(&json);
    return failed ? tq__fail(err, TQ_E_UNAVAILABLE, "app", "cannot write %s", path) : TQ_OK;
}

static void try_to_be_ready(struct app *app)
{
    struct tq_error err = TQ_ERROR_INIT;
    if (app__transport_reach(app, REACH_MS, &err) < 0) {
        app_log(TQ_LOG_WARN, "app", "not ready: %s", err.message);
        app__health_note(app, err.message);
    } else {
        atomic_store(&app->is_ready, 1);
    }
}

static int start(struct app *app, struct tq_error *err)
{
    TQ_TRY(open_parts(app, err));
    TQ_TRY(open_services(app, err));
    TQ_TRY(add_listeners(app, err));
    TQ_TRY(mount_all(app, err));
    TQ_TRY(http_server_start(app->server, err));
    TQ_TRY(app__workers_start(app, err));
    try_to_be_ready(app);
    return write_ready_file(app, err);
}

/* ---- end ---- */

/*
 * Workers run dry. Who asks outside may be waiting for an answer that never comes: after a while
 * such calls are ended, and what became of them is asked after the next start.
 */
static void drain_workers(struct app *app, unsigned drain_ms)
{
    unsigned first_ms = drain_ms < OUTSIDE_MS ? drain_ms : OUTSIDE_MS;
    if (app__workers_drain(app, first_ms) != TQ_OK) {
        http_client_abort(app->outside);
        app__workers_drain(app, drain_ms - first_ms);
    }
    app__workers_stop(app);
}

static void drain(struct app *app)
{
    unsigned drain_ms = (unsigned)app_config_number(app->config, "drain-ms");
    int64_t delay_ms = app_config_number(app->config, "drain-delay-ms");
    const struct timespec delay = {(time_t)(delay_ms / 1000), (long)(delay_ms % 1000) * 1000000};
    atomic_store(&app->is_draining, 1);
    app_log(TQ_LOG_INFO, "app", "draining");
    nanosleep(&delay, NULL);
    if (http_server_drain(app->server, "public", drain_ms) != TQ_OK) {
        app_log(TQ_LOG_WARN, "app", "some requests are cut off after %u ms", drain_ms);
    }
    drain_workers(app, drain_ms);
    http_server_drain(app->server, NULL, 1000);
}

static void app_close(struct app *app)
{
    struct tq_env env = app->env;
    app__workers_stop(app);
    http_server_free(app->server);
    while (app->opened_count > 0) {
        app->opened_count--;
        app->program->services[app->opened_count]->close(app->states[app->opened_count]);
    }
    tq_transport_close(app->transport);
    tq_keys_free(app->keys);
    http_client_free(app->client);
    http_client_free(app->outside);
    app_metrics_free(app->metrics);
    app_config_free(app->config);
    app__instance_close(app);
    tq__release(&env, app->meters);
    tq__release(&env, app->options);
    pthread_mutex_destroy(&app->trouble.lock);
    tq__release(&env, app);
}

static void exit_at_once(int signal_number)
{
    _exit(128 + signal_number);
}

/* A signal that comes meanwhile is left to who waits for one. */
static void wait_to_be_ready(struct app *app, const sigset_t *set)
{
    struct tq__backoff backoff = {REACH_FIRST_PAUSE_MS, REACH_LAST_PAUSE_MS, 0};
    while (!atomic_load(&app->is_ready)) {
        uint32_t pause_ms = tq__backoff_next(&backoff, &app->env);
        const struct timespec pause = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
        int signal_number = sigtimedwait(set, NULL, &pause);
        if (signal_number > 0) {
            raise(signal_number);
            return;
        }
        try_to_be_ready(app);
    }
    app_log(TQ_LOG_INFO, "app", "ready");
}

static void wait_for_signal(const sigset_t *set)
{
    const struct sigaction second = {.sa_handler = exit_at_once};
    int signal_number;
    while (sigwait(set, &signal_number)) {
    }
    sigaction(SIGTERM, &second, NULL);
    sigaction(SIGINT, &second, NULL);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

static int run(struct app *app, struct tq_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    TQ_TRY(start(app, err));
    wait_to_be_ready(app, &set);
    wait_for_signal(&set);
    drain(app);
    app_log(TQ_LOG_INFO, "app", "stopped");
    return TQ_OK;
}

int app_main(const struct app_program *program, int argc, char **argv)
{
    struct tq_env env = app_system_env();
    struct tq_error err = TQ_ERROR_INIT;
    struct app *app = tq__alloc(&env, 1, sizeof *app);
    if (!app) {
        return EXIT_FAILURE;
    }
    app->program = program;
    app->env = env;
    app->backlog.share = APP_SHARE_ALL;
    pthread_mutex_init(&app->trouble.lock, NULL);
    int rc = collect_options(app, &err);
    if (rc == TQ_OK) {
        rc = app_config_read(&env, app->options, app->options_count, argc - 1, argv + 1, environ,
                             &app->config, &err);
    }
    if (rc == TQ_REPEAT) {
        app_config_help(program->name, program->summary, app->options, app->options_count);
    } else if (rc == TQ_OK) {
        rc = run(app, &err);
    }
    if (rc < 0) {
        app_log(TQ_LOG_ERROR, "app", "%s: %s: %s", program->name, tq_status_name(rc), err.message);
    }
    app_close(app);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
