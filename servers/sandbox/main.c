/* SPDX-License-Identifier: MIT */
/*
 * The program ticketq-sandbox: one service with the paths of the payment provider
 * and those of a test. Threads: those of the app.
 */

#include "core/env.h"
#include "core/error.h"
#include "sandbox/sandbox.h"

#define THREADS 32
#define QUEUE_MAX 4096

static const struct app_option options[] = {
    {"secret", "FILE", "API secret that the shop sends", NULL, APP_TEXT, 1, 0, 0},
    {"webhook-url", "URL", "where webhooks go; none without", NULL, APP_TEXT, 0, 0, 0},
    {"webhook-secret", "FILE", "whsec_... that signs them", NULL, APP_TEXT, 0, 0, 0},
    {"webhook-retry-ms", "MS", "unit of the waits between attempts", "60000", APP_NUMBER, 0, 1,
     3600000},
    {"test-channel", NULL, "payments are of a TEST channel, not a LIVE one", NULL, APP_FLAG, 0, 0,
     0},
};

static void sandbox_close(void *state)
{
    struct sandbox *sandbox = state;
    if (!sandbox) {
        return;
    }
    tq_store_close(sandbox->store);
    faults_done(&sandbox->faults);
    pthread_mutex_destroy(&sandbox->lock);
    app_secret_free(sandbox->secret);
    tq__release(sandbox->env, sandbox);
}

static int read_secrets(struct sandbox *sandbox, struct tq_error *err)
{
    const struct app_config *config = app_config(sandbox->app);
    char *text = NULL;
    TQ_TRY(app_config_secret(config, "secret", &sandbox->secret, err));
    if (!app_config_find(config, "webhook-url")) {
        return TQ_OK;
    }
    TQ_TRY(app_config_secret(config, "webhook-secret", &text, err));
    int rc = app_webhook_key_read(&sandbox->webhook_key, text, err);
    app_secret_free(text);
    return rc;
}

static int open_parts(struct sandbox *sandbox, struct tq_error *err)
{
    struct app *app = sandbox->app;
    const struct app_worker_options notifier = {
        .name = "sandbox.notifier", .step = notify_step, .arg = sandbox, .idle_ms = 50};
    TQ_TRY(read_secrets(sandbox, err));
    TQ_TRY(
        app_store_open_file(app, app_config_text(app_config(app), "data"), &sandbox->store, err));
    TQ_TRY(book_prepare(sandbox->store, err));
    TQ_TRY(http_pool_add(app_server(app), SANDBOX_POOL, THREADS, QUEUE_MAX, err));
    return app_worker_add(app, &notifier, &sandbox->notifier, err);
}

static int sandbox_open(struct app *app, void **out_state, struct tq_error *err)
{
    struct sandbox *sandbox = tq__alloc(app_env(app), 1, sizeof *sandbox);
    if (!sandbox) {
        return tq__nomem("sandbox", err);
    }
    sandbox->app = app;
    sandbox->env = app_env(app);
    faults_init(&sandbox->faults);
    pthread_mutex_init(&sandbox->lock, NULL);
    int rc = open_parts(sandbox, err);
    if (rc < 0) {
        sandbox_close(sandbox);
        return rc;
    }
    *out_state = sandbox;
    return TQ_OK;
}

#define POOLED .mode = HTTP_POOL, .pool = SANDBOX_POOL

static const struct http_route routes[] = {
    {"POST", "/payments/{paymentId}/pre-register", .handler = sandbox_pre_register, POOLED},
    {"POST", "/payments/{paymentId}/confirm", .handler = sandbox_confirm, POOLED},
    {"GET", "/payments/{paymentId}", .handler = sandbox_get, POOLED},
    {"POST", "/payments/{paymentId}/cancel", .handler = sandbox_cancel, POOLED},
    {"POST", "/sandbox/tokens", .handler = sandbox_post_tokens, POOLED},
    {"POST", "/sandbox/faults", .handler = sandbox_post_faults},
    {"DELETE", "/sandbox/faults", .handler = sandbox_delete_faults},
    {"GET", "/sandbox/book", .handler = sandbox_get_book, POOLED},
};

static const struct app_service service = {
    .name = "sandbox",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .open = sandbox_open,
    .routes = routes,
    .routes_count = sizeof routes / sizeof *routes,
    .close = sandbox_close,
};

int main(int argc, char **argv)
{
    static const struct app_service *const services[] = {&service};
    static const struct app_program program = {
        .name = "ticketq-sandbox",
        .summary = "a PortOne V2 look-alike with faults on demand; --data is a file",
        .services = services,
        .services_count = 1,
    };
    return app_main(&program, argc, argv);
}
