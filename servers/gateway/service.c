/* SPDX-License-Identifier: MIT */
/*
 * The gateway: its options, its counters, and the worker that learns of revocations.
 */
#include "gateway/service.h"

#include <stdio.h>

#include "core/env.h"
#include "core/error.h"
#include "gateway/gateway.h"

#define EPOCHS_MS 1000

static const struct app_option options[] = {
    {.name = "queue-location",
     .value = "URL",
     .help = "where /v1/authz sends a visitor to line up; the schedule's id is appended",
     .fallback = "/queue?scheduleId="},
};

static const char *const verdict_labels[GATEWAY_VERDICTS] = {
    [GATEWAY_OK] = "verdict=\"ok\"",
    [GATEWAY_NO_ACCESS] = "verdict=\"no_access\"",
    [GATEWAY_ACCESS_EXPIRED] = "verdict=\"access_expired\"",
    [GATEWAY_NOT_ADMIN] = "verdict=\"not_admin\"",
    [GATEWAY_NO_PASS] = "verdict=\"no_pass\"",
    [GATEWAY_PASS_EXPIRED] = "verdict=\"pass_expired\"",
    [GATEWAY_PASS_OF_ANOTHER] = "verdict=\"pass_of_another\"",
};

static void close_gateway(void *state)
{
    struct gateway *gateway = state;
    if (gateway) {
        struct tq_env env = gateway->env;
        gateway_epochs_done(&gateway->epochs);
        tq__release(&env, gateway);
    }
}

static int open_parts(struct gateway *gateway, struct tq_error *err)
{
    const struct app_worker_options epochs = {.name = "gateway.epochs",
                                              .step = gateway_epochs_step,
                                              .arg = gateway,
                                              .idle_ms = EPOCHS_MS};
    const char *location = app_config_text(app_config(gateway->app), "queue-location");
    int bytes = snprintf(gateway->location, sizeof gateway->location, "%s", location);
    if (bytes < 0 || (size_t)bytes >= sizeof gateway->location) {
        return tq__fail(err, TQ_E_LIMIT, "gateway", "queue-location is too long");
    }
    for (size_t i = 0; i < GATEWAY_VERDICTS; i++) {
        gateway->verdicts[i] =
            app_counter(app_metrics(gateway->app), "ticketq_gateway_checks_total",
                        "Checks of tokens by verdict.", verdict_labels[i]);
    }
    return app_worker_add(gateway->app, &epochs, NULL, err);
}

static int open_gateway(struct app *app, void **out_state, struct tq_error *err)
{
    struct gateway *gateway = tq__alloc(app_env(app), 1, sizeof *gateway);
    if (!gateway) {
        return tq__nomem("gateway", err);
    }
    gateway->app = app;
    gateway->env = *app_env(app);
    int rc = gateway_epochs_init(&gateway->epochs, &gateway->env, err);
    if (rc < 0) {
        tq__release(app_env(app), gateway);
        return rc;
    }
    rc = open_parts(gateway, err);
    if (rc < 0) {
        close_gateway(gateway);
        return rc;
    }
    *out_state = gateway;
    return TQ_OK;
}

const struct app_service gateway_service = {
    .name = "gateway",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .purposes = APP_PURPOSE(TQ_PURPOSE_PASS) | APP_PURPOSE(TQ_PURPOSE_ACCESS) |
                APP_PURPOSE(TQ_PURPOSE_INTERNAL),
    .open = open_gateway,
    .routes = gateway_routes,
    .routes_count = GATEWAY_ROUTES_COUNT,
    .filter = gateway_filter,
    .close = close_gateway,
};
