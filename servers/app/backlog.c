/* SPDX-License-Identifier: MIT */
/*
 * How far the outboxes are behind, and which share of their rate the rooms may let in.
 *
 * When events are not carried, sales do not get on, and every visitor who is let in makes more of
 * them. So each outbox is looked at once a second, and the worst one counts: its level is how many
 * times it has --outbox-depth-slow events, or its oldest one --outbox-age-slow-ms, whichever is
 * more.
 *
 *     level        share
 *     below 1      all, or, once it had been at 1, what the next line says until it is below 1/2
 *     1/2 and up   1 / (2 × level), at least SHARE_MIN
 *
 * So the share drops to a half at the limit, falls as the outbox grows, comes back by degrees, and
 * is never nothing: without visitors nobody would see that events flow again. What cannot be
 * looked at changes nothing. Processes that share an outbox see the same; each lets in its share.
 *
 * Cost: one statement a second for each outbox. Threads: the worker writes, [any] read.
 */
#include <stdio.h>

#include <ticketq/outbox.h>

#include "app/internal.h"

#define LOOK_MS 1000
#define LEVEL_FULL 1000 /* at the limit */
#define SHARE_MIN 50

static uint64_t level_of(uint64_t value, int64_t limit)
{
    return limit > 0 ? value * LEVEL_FULL / (uint64_t)limit : 0;
}

unsigned app__backlog_share(uint64_t level, unsigned share)
{
    if (level < LEVEL_FULL / 2 || (level < LEVEL_FULL && share == APP_SHARE_ALL)) {
        return APP_SHARE_ALL;
    }
    uint64_t slow = (uint64_t)APP_SHARE_ALL * LEVEL_FULL / 2 / level;
    return slow < SHARE_MIN ? SHARE_MIN : (unsigned)slow;
}

unsigned app_share(const struct app *app)
{
    return atomic_load(&app->backlog.share);
}

/* ---- looking ---- */

static int look(struct app *app, struct app_outbox *outbox, uint64_t *level, struct tq_error *err)
{
    const struct app_config *config = app->config;
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    TQ_TRY(tq_outbox_stats(outbox->ledger, &stats, err));
    uint64_t depth = level_of(stats.pending, app_config_number(config, "outbox-depth-slow"));
    uint64_t age =
        level_of((uint64_t)stats.oldest_ms, app_config_number(config, "outbox-age-slow-ms"));
    *level = depth > *level ? depth : *level;
    *level = age > *level ? age : *level;
    app_series_set(outbox->parked, (int64_t)stats.parked);
    atomic_store(&outbox->oldest_ms, stats.oldest_ms);
    return TQ_OK;
}

static int step(void *arg, struct tq_error *err)
{
    struct app *app = arg;
    unsigned before = app_share(app);
    uint64_t level = 0;
    for (size_t i = 0; i < app->backlog.count; i++) {
        TQ_TRY(look(app, &app->backlog.outboxes[i], &level, err));
    }
    unsigned share = app__backlog_share(level, before);
    atomic_store(&app->backlog.share, share);
    if ((share == APP_SHARE_ALL) != (before == APP_SHARE_ALL)) {
        app_log(share == APP_SHARE_ALL ? TQ_LOG_INFO : TQ_LOG_WARN, "app",
                share == APP_SHARE_ALL ? "the outboxes are back: all are let in again"
                                       : "an outbox is behind: fewer are let in");
    }
    return TQ_EMPTY;
}

/* ---- metrics ---- */

/* -1: the store does not say. */
static double ask_pending(void *outbox)
{
    struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
    int rc = tq_outbox_stats(((struct app_outbox *)outbox)->ledger, &stats, NULL);
    return rc == TQ_OK ? (double)stats.pending : -1;
}

static double ask_oldest(void *outbox)
{
    return (double)atomic_load(&((struct app_outbox *)outbox)->oldest_ms) / 1000;
}

static double ask_share(void *app)
{
    return (double)app_share(app) / APP_SHARE_ALL;
}

static void make_metrics(struct app *app, struct app_outbox *outbox, const char *service)
{
    char labels[64];
    snprintf(labels, sizeof labels, "service=\"%s\"", service);
    app_gauge_ask(app->metrics, "ticketq_outbox_events", "Events that wait for the transport.",
                  labels, ask_pending, outbox);
    app_gauge_ask(app->metrics, "ticketq_outbox_oldest_seconds",
                  "Age of the oldest event that waits for nothing but the transport.", labels,
                  ask_oldest, outbox);
    outbox->parked = app_gauge(app->metrics, "ticketq_outbox_parked_events",
                               "Events that were given up on, or are behind one.", labels);
}

/* ---- opening ---- */

static int begin(struct app *app, struct tq_error *err)
{
    const struct app_worker_options options = {
        .name = "app.backlog", .step = step, .arg = app, .idle_ms = LOOK_MS};
    app_gauge_ask(app->metrics, "ticketq_admission_share_ratio",
                  "Part of their rate at which rooms let visitors in.", NULL, ask_share, app);
    return app_worker_add(app, &options, NULL, err);
}

int app__backlog_add(struct app *app, const char *service, tq_store *ledger, struct tq_error *err)
{
    struct app_backlog *backlog = &app->backlog;
    if (backlog->count == APP__SERVICES_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "app", "more than %d outboxes", APP__SERVICES_MAX);
    }
    TQ_TRY(backlog->count ? TQ_OK : begin(app, err));
    struct app_outbox *outbox = &backlog->outboxes[backlog->count++];
    outbox->ledger = ledger;
    make_metrics(app, outbox, service);
    return TQ_OK;
}
