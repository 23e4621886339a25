/* SPDX-License-Identifier: MIT */
/*
 * Threads for work that must go on: relays, inboxes, sweeps, deadlines.
 *
 * A worker calls its step as long as there is more, sleeps when there is not, and
 * pauses for a growing time after a failure. It sleeps on a futex word, the bell:
 * waking one that is awake already costs one atomic exchange.
 *
 *     awake --TQ_EMPTY--> asleep (is_idle) --idle_ms, or woken--> awake
 *     awake --failure---> pausing (not idle: there is still work)
 *
 * When the app drains, the workers go on until all of them are idle at the same
 * time, several looks in a row, since one's output is another's input.
 * Threads: each worker has its own; bell and flags are atomics.
 */
#include "app/internal.h"

#include <stdio.h>
#include <time.h>

#include "core/backoff.h"

#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS 5000
#define LOOK_MS 10
#define LOOKS 5

static void sleep_until_woken(struct app_worker *worker, uint32_t timeout_ms)
{
    const struct tq_env *env = &worker->app->env;
    if (!__atomic_load_n(&worker->bell, __ATOMIC_ACQUIRE)) {
        env->park(env->ctx, &worker->bell, 0, timeout_ms);
    }
    __atomic_store_n(&worker->bell, 0, __ATOMIC_RELEASE);
}

void app_worker_wake(struct app_worker *worker)
{
    if (worker && !__atomic_exchange_n(&worker->bell, 1, __ATOMIC_ACQ_REL)) {
        const struct tq_env *env = &worker->app->env;
        env->unpark(env->ctx, &worker->bell);
    }
}

static void *work(void *arg)
{
    struct app_worker *worker = arg;
    struct tq__backoff backoff = {FIRST_PAUSE_MS, LAST_PAUSE_MS, 0};
    while (!atomic_load(&worker->is_stopping)) {
        struct tq_error err = TQ_ERROR_INIT;
        int rc = worker->options.step(worker->options.arg, &err);
        if (rc >= 0) {
            tq__backoff_reset(&backoff);
        } else {
            app_log(TQ_LOG_WARN, worker->options.name, "%s: %s", tq_status_name(rc), err.message);
            app_series_add(worker->failures, 1);
            sleep_until_woken(worker, tq__backoff_next(&backoff, &worker->app->env));
        }
        if (rc == TQ_EMPTY) {
            atomic_store(&worker->is_idle, 1);
            sleep_until_woken(worker, worker->options.idle_ms);
            atomic_store(&worker->is_idle, 0);
        }
    }
    return NULL;
}

int app_worker_add(struct app *app, const struct app_worker_options *options,
                   struct app_worker **out_worker, struct tq_error *err)
{
    char labels[96];
    struct app_worker *worker = &app->workers[app->workers_count];
    if (app->workers_count == APP__WORKERS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "app", "more than %d workers", APP__WORKERS_MAX);
    }
    snprintf(labels, sizeof labels, "worker=\"%s\"", options->name);
    worker->app = app;
    worker->options = *options;
    worker->options.idle_ms = options->idle_ms ? options->idle_ms : 100;
    worker->failures = app_counter(app->metrics, "ticketq_worker_failures_total",
                                   "Steps of a worker that failed.", labels);
    app->workers_count++;
    if (out_worker) {
        *out_worker = worker;
    }
    return TQ_OK;
}

int app__workers_start(struct app *app, struct tq_error *err)
{
    for (size_t i = 0; i < app->workers_count; i++) {
        if (pthread_create(&app->workers[i].thread, NULL, work, &app->workers[i])) {
            return tq__fail(err, TQ_E_UNAVAILABLE, "app", "a thread cannot be started");
        }
        app->workers[i].is_running = 1;
    }
    return TQ_OK;
}

static int all_idle(const struct app *app)
{
    for (size_t i = 0; i < app->workers_count; i++) {
        if (app->workers[i].is_running && !atomic_load(&app->workers[i].is_idle)) {
            return 0;
        }
    }
    return 1;
}

void app__workers_stop(struct app *app, unsigned timeout_ms)
{
    const struct timespec look = {0, LOOK_MS * 1000000L};
    int64_t end_ms = tq__now_ms(&app->env) + timeout_ms;
    for (unsigned looks = 0; looks < LOOKS && tq__now_ms(&app->env) < end_ms;) {
        looks = all_idle(app) ? looks + 1 : 0;
        nanosleep(&look, NULL);
    }
    for (size_t i = 0; i < app->workers_count; i++) {
        atomic_store(&app->workers[i].is_stopping, 1);
        app_worker_wake(&app->workers[i]);
    }
    for (size_t i = 0; i < app->workers_count; i++) {
        if (app->workers[i].is_running) {
            pthread_join(app->workers[i].thread, NULL);
            app->workers[i].is_running = 0;
        }
    }
}
