/* SPDX-License-Identifier: MIT */
/*
 * An app that reads. See the header.
 */
#include "reader.h"

#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

#define RING                                                                                       \
    "{\"keys\":[{\"kid\":\"i-1\",\"use\":\"internal\","                                            \
    "\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}"

static const struct app_program program = {.name = "reader", .summary = "reads"};

static void answer(struct http_request *request)
{
    struct reader *reader = request->arg;
    snprintf(reader->path, sizeof reader->path, "%s", request->path);
    reader->was_signed = http_header(request, "X-Ticketq-Internal") != NULL;
    http_reply(request, reader->status, "application/json", reader->body, strlen(reader->body));
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/internal/{things}/{id}", .handler = answer},
    {.method = "GET", .pattern = "/internal/{things}/{id}/{part}", .handler = answer},
};

static void configure(struct reader *reader, const char *service)
{
    char *const words[] = {reader->word, reader->url};
    char *const environment[] = {NULL};
    struct tq_error err = TQ_ERROR_INIT;
    snprintf(reader->name, sizeof reader->name, "%s-url", service);
    snprintf(reader->word, sizeof reader->word, "--%s", reader->name);
    snprintf(reader->url, sizeof reader->url, "http://127.0.0.1:%u", reader->rig.port);
    reader->option =
        (struct app_option){.name = reader->name, .value = "URL", .help = "who is read from"};
    assert_status(app_config_read(&reader->app.env, &reader->option, 1, 2, words, environment,
                                  &reader->app.config, &err),
                  TQ_OK);
}

void reader_open(struct reader *reader, const char *service)
{
    struct tq_error err = TQ_ERROR_INIT;
    memset(reader, 0, sizeof *reader);
    rig_open(&reader->rig, routes, 2, reader, NULL);
    struct app *app = &reader->app;
    app->env = reader->rig.env;
    app->program = &program;
    app->server = reader->rig.server;
    configure(reader, service);
    assert_status(http_client_new(&app->env, &app->client, &err), TQ_OK);
    assert_status(tq_keys_new(&app->env, &app->keys, &err), TQ_OK);
    assert_status(tq_keys_load(app->keys, RING, strlen(RING), &err), TQ_OK);
}

void reader_close(struct reader *reader)
{
    tq_keys_free(reader->app.keys);
    http_client_free(reader->app.client);
    app_config_free(reader->app.config);
    rig_close(&reader->rig);
}
