/* SPDX-License-Identifier: MIT */
/*
 * Reads between services, by HTTP, whether they share a process or not.
 *
 * Each call carries a token of TQ_PURPOSE_INTERNAL that is good for half a minute,
 * in a header that no listener but the internal one looks at; a request that
 * reaches that listener without one is refused, so that a service behind it need
 * not check again. Threads: [any].
 */
#include "app/internal.h"

#include <stdio.h>
#include <string.h>

#define AUDIENCE "internal"
#define TOKEN_MS 30000
#define READ_MS 30000
#define ANSWER_MAX (64u << 20) /* the seats of the largest schedule, with the longest names */

static int base_url(struct app *app, const char *service, char *target, size_t room,
                    struct tq_error *err)
{
    char option[TQ_ID_SIZE + 8];
    snprintf(option, sizeof option, "%s-url", service);
    const char *own = app_config_find(app->config, option);
    unsigned port = http_server_port(app->server, "internal");
    int bytes = own ? snprintf(target, room, "%s", own)
                    : snprintf(target, room, "http://127.0.0.1:%u", port);
    if (bytes < 0 || (size_t)bytes >= room || (!own && !port)) {
        return tq__fail(err, TQ_E_INVALID, "app", "there is no base URL of %s", service);
    }
    return TQ_OK;
}

static int make_header(struct app *app, char *target, size_t room, struct tq_error *err)
{
    char token[TQ_TOKEN_SIZE];
    struct tq_claims claims = TQ_INIT(tq_claims);
    snprintf(claims.subject, sizeof claims.subject, "%s", app->program->name);
    snprintf(claims.audience, sizeof claims.audience, "%s", AUDIENCE);
    claims.expires_ms = tq__now_ms(&app->env) + TOKEN_MS;
    TQ_TRY(tq_token_sign(app->keys, TQ_PURPOSE_INTERNAL, &claims, token, err));
    snprintf(target, room, "X-Ticketq-Internal: %s", token);
    return TQ_OK;
}

int app_internal_get(struct app *app, const char *service, const char *path,
                     struct http_answer *answer, struct tq_error *err)
{
    char url[1024];
    char header[TQ_TOKEN_SIZE + 32];
    const char *headers[] = {header, NULL};
    TQ_TRY(base_url(app, service, url, sizeof url, err));
    TQ_TRY(make_header(app, header, sizeof header, err));
    size_t bytes = strlen(url);
    if (strlen(path) >= sizeof url - bytes) {
        return tq__fail(err, TQ_E_LIMIT, "app", "the path is too long");
    }
    memcpy(url + bytes, path, strlen(path) + 1);
    const struct http_call call = {.method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = READ_MS,
                                   .answer_max = ANSWER_MAX};
    return http_client_call(app->client, &call, answer, err);
}

int app__internal_filter(struct http_request *request, void *arg)
{
    struct app *app = arg;
    struct tq_claims claims = TQ_INIT(tq_claims);
    const char *token = http_header(request, "X-Ticketq-Internal");
    if (!token || tq_token_verify(app->keys, TQ_PURPOSE_INTERNAL, AUDIENCE, token, strlen(token),
                                  &claims, NULL) != TQ_OK) {
        http_problem(request, 401, "INTERNAL_ONLY", "This listener is for services only.");
        return 1;
    }
    memcpy(request->identity.subject, claims.subject, sizeof request->identity.subject);
    return 0;
}
