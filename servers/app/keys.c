/* SPDX-License-Identifier: MIT */
/*
 * The key ring: read at the start, and refused when a service could not work with it.
 *
 * For each purpose that a service signs or verifies with, the ring must have a key that
 * signs now; without one every request that needs it would fail, with a program that
 * says it is ready. Keys that are good only later, as a rotation adds them, may be there
 * or not. A ring that stops being good while the program runs is noticed by its failures.
 *
 * Threads: the first one, before any other.
 */
#include <stdio.h>
#include <string.h>

#include "app/internal.h"

#define ORIGIN "app"

/* What a purpose is called in a ring, and what its tokens are. */
static const struct {
    uint32_t purpose;
    const char *use;
    const char *tokens;
} uses[] = {
    {TQ_PURPOSE_PLACE, "place", "places in a line"},
    {TQ_PURPOSE_PASS, "pass", "passes through a line"},
    {TQ_PURPOSE_ACCESS, "access", "access tokens of users"},
    {TQ_PURPOSE_INTERNAL, "internal", "reads between services"},
};

static int load(struct app *app, struct tq_error *err)
{
    char *text = NULL;
    TQ_TRY(tq_keys_new(&app->env, &app->keys, err));
    if (!app_config_find(app->config, "keys")) {
        return TQ_OK;
    }
    TQ_TRY(app_config_secret(app->config, "keys", &text, err));
    int rc = app_config_blame("keys", tq_keys_load(app->keys, text, strlen(text), err), err);
    app_secret_free(text);
    return rc;
}

/* The services that need a purpose, as "queue, gateway"; 0: none does. */
static size_t who_needs(const struct app_program *program, uint32_t purpose, char *names,
                        size_t room)
{
    size_t bytes = 0;
    for (size_t i = 0; i < program->services_count; i++) {
        const struct app_service *service = program->services[i];
        if (service->purposes & APP_PURPOSE(purpose) && bytes < room) {
            bytes += (size_t)snprintf(names + bytes, room - bytes, "%s%s", bytes ? ", " : "",
                                      service->name);
        }
    }
    return bytes;
}

static int can_sign(struct app *app, uint32_t purpose, struct tq_error *err)
{
    char token[TQ_TOKEN_SIZE];
    struct tq_claims claims = {.size = sizeof claims,
                               .subject = "start",
                               .audience = "start",
                               .expires_ms = tq__now_ms(&app->env) + 1000};
    return tq_token_sign(app->keys, purpose, &claims, token, err);
}

int app__keys_open(struct app *app, struct tq_error *err)
{
    char names[128];
    TQ_TRY(load(app, err));
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        int rc = who_needs(app->program, uses[i].purpose, names, sizeof names)
                     ? can_sign(app, uses[i].purpose, err)
                     : TQ_OK;
        if (rc == TQ_E_UNAVAILABLE) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN,
                            "--keys: no key of \"use\":\"%s\" (%s) is good now; needed by %s",
                            uses[i].use, uses[i].tokens, names);
        }
        TQ_TRY(rc);
    }
    return TQ_OK;
}
