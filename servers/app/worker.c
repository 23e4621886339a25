/* SPDX-License-Identifier: MIT */
/*
 * Threads for work that must go on: relays, inboxes, sweeps, deadlines.
 *
 * A worker calls its step as long as there is more. When there is not, it waits: inside
 * the step where that knows how (a relay is woken by a commit, an inbox by an arrival),
 * otherwise on a futex word of its own, the bell. After a failure it pauses for a
 * growing time. To wake a worker is to ring the bell and to end the wait in the step.
 *
 *     awake --TQ_EMPTY--> waiting --idle_ms, work, or woken--> awake
 *     awake --failure---> pausing (there is still work)
 *
 * When the app drains, the workers go on until all of them have run dry at the same
 * time, since one's output is another's input. That is found by asking in rounds:
 *
 *     a worker answers a round with a step that it began after the round was called,
 *     that did not wait and that found nothing; when all have answered and no step did
 *     anything meanwhile, all are dry
 *
 * Invariants: a worker waits only when it has answered the latest round that it knows
 * of; who calls a round or a stop wakes all of them after writing it down, and a wake-up
 * that comes too early ends the next wait. Threads: each worker has its own; all that
 * is shared is atomic.
 */
#include "app/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/backoff.h"

#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS 5000
#define IDLE_MS 100
#define LOOK_MS 1

static void rest(struct app_worker *worker, uint32_t timeout_ms)
{
    const struct tq_env *env = &worker->app->env;
    if (!__atomic_load_n(&worker->bell, __ATOMIC_ACQUIRE)) {
        env->park(env->ctx, &worker->bell, 0, timeout_ms);
    }
    __atomic_store_n(&worker->bell, 0, __ATOMIC_RELEASE);
}

void app_worker_wake(struct app_worker *worker)
{
    if (!worker) {
        return;
    }
    if (!__atomic_exchange_n(&worker->bell, 1, __ATOMIC_ACQ_REL)) {
        const struct tq_env *env = &worker->app->env;
        env->unpark(env->ctx, &worker->bell);
    }
    if (worker->options.wake) {
        worker->options.wake(worker->options.arg);
    }
}

void app_worker_hint(struct app *app, const char *name)
{
    for (size_t i = 0; i < app->workers_count; i++) {
        if (strcmp(app->workers[i].options.name, name) == 0) {
            app_worker_wake(&app->workers[i]);
        }
    }
}

static int run_step(const struct app_worker *worker, uint32_t wait_ms, struct tq_error *err)
{
    const struct app_worker_options *options = &worker->options;
    return options->waiting_step ? options->waiting_step(options->arg, wait_ms, err)
                                 : options->step(options->arg, err);
}

static void *work(void *arg)
{
    struct app_worker *worker = arg;
    struct app *app = worker->app;
    struct tq__backoff backoff = {FIRST_PAUSE_MS, LAST_PAUSE_MS, 0};
    while (!atomic_load(&worker->is_stopping)) {
        struct tq_error err = TQ_ERROR_INIT;
        unsigned round = atomic_load(&app->round);
        int is_answered = atomic_load(&worker->answered) == round;
        int rc = run_step(worker, is_answered ? worker->options.idle_ms : 0, &err);
        if (rc != TQ_EMPTY) {
            atomic_fetch_add(&app->steps_done, 1);
        }
        if (rc >= 0) {
            tq__backoff_reset(&backoff);
        } else {
            app_log(TQ_LOG_WARN, worker->options.name, "%s: %s", tq_status_name(rc), err.message);
            app_series_add(worker->failures, 1);
            rest(worker, tq__backoff_next(&backoff, &app->env));
        }
        if (rc == TQ_EMPTY) {
            atomic_store(&worker->answered, round);
            if (!worker->options.waiting_step) {
                rest(worker, worker->options.idle_ms);
            }
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
    snprintf(worker->name, sizeof worker->name, "%s", options->name);
    snprintf(labels, sizeof labels, "worker=\"%s\"", worker->name);
    worker->app = app;
    worker->options = *options;
    worker->options.name = worker->name;
    worker->options.idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
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

/* ---- the end ---- */

static void wake_all(struct app *app)
{
    for (size_t i = 0; i < app->workers_count; i++) {
        app_worker_wake(&app->workers[i]);
    }
}

static int all_answered(const struct app *app, unsigned round)
{
    for (size_t i = 0; i < app->workers_count; i++) {
        if (app->workers[i].is_running && atomic_load(&app->workers[i].answered) != round) {
            return 0;
        }
    }
    return 1;
}

/* One round; true when all are dry. */
static int is_dry(struct app *app, int64_t end_ms)
{
    const struct timespec look = {0, LOOK_MS * 1000000L};
    unsigned before = atomic_load(&app->steps_done);
    unsigned round = atomic_fetch_add(&app->round, 1) + 1;
    wake_all(app);
    while (!all_answered(app, round)) {
        if (tq__now_ms(&app->env) >= end_ms) {
            return 0;
        }
        nanosleep(&look, NULL);
    }
    return atomic_load(&app->steps_done) == before;
}

int app__workers_drain(struct app *app, unsigned timeout_ms)
{
    int64_t end_ms = tq__now_ms(&app->env) + timeout_ms;
    while (!is_dry(app, end_ms)) {
        if (tq__now_ms(&app->env) >= end_ms) {
            return TQ_EXPIRED;
        }
    }
    return TQ_OK;
}

void app__workers_stop(struct app *app)
{
    for (size_t i = 0; i < app->workers_count; i++) {
        atomic_store(&app->workers[i].is_stopping, 1);
    }
    wake_all(app);
    for (size_t i = 0; i < app->workers_count; i++) {
        if (app->workers[i].is_running) {
            pthread_join(app->workers[i].thread, NULL);
            app->workers[i].is_running = 0;
        }
    }
}
