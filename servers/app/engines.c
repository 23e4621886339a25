/* SPDX-License-Identifier: MIT */
/*
 * Which engines a program stands on: the only place that knows.
 *
 *     --ledger      empty: a file `<data>/<service>.db` for each service
 *                   postgres://: a schema of the service's name, in one database; `{service}` in
 *                   the URL is that name, so that each may have a role of its own
 *     --room        where lines stand
 *     --hold        the front before the reservation service's ledger
 *     --transport   what carries events from service to service
 *     --cache       what is read most, for all processes; empty: where lines stand, if in Redis
 *
 * A service asks for "my ledger", "the lines", "the front", and looks no further; so
 * every mix is the same program. What an engine cannot do is found out here, at the
 * start, and not by the first buyer. Threads: as app_..._open(), when services open.
 */
#include "app/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/cache.h"
#include "transport/transport.h"

#define MEMORY "memory:"
#define POSTGRES "postgres:"
#define REDIS "redis:"
#define SERVICE "{service}"

/* ---- ledgers ---- */

/* `sqlite:<path>` with what a URL would take apart encoded. */
static void put_path(struct tq__buf *url, const char *path)
{
    tq__buf_text(url, "sqlite:");
    for (; *path; path++) {
        if (strchr("%?#", *path)) {
            tq__buf_format(url, "%%%02X", (unsigned)(unsigned char)*path);
        } else {
            tq__buf_add(url, path, 1);
        }
    }
}

static int open_url(const struct tq_env *env, struct tq__buf *url, tq_store **out_store,
                    struct tq_error *err)
{
    int rc = tq__buf_check(url, "app", err);
    if (rc == TQ_OK) {
        rc = tq_store_open(env, TQ_ARGS(tq_store_options, .url = url->data), out_store, err);
    }
    tq__buf_done(url);
    return rc;
}

int app_store_open_file(struct app *app, const char *path, tq_store **out_store,
                        struct tq_error *err)
{
    struct tq__buf url = TQ__BUF(&app->env);
    put_path(&url, path);
    return open_url(&app->env, &url, out_store, err);
}

/* The URL with the service's name where it asks for that. */
static void put_ledger(struct tq__buf *url, const char *ledger, const char *service)
{
    for (const char *at; (at = strstr(ledger, SERVICE)); ledger = at + strlen(SERVICE)) {
        tq__buf_add(url, ledger, (size_t)(at - ledger));
        tq__buf_text(url, service);
    }
    tq__buf_text(url, ledger);
}

static int open_schema(struct app *app, const char *ledger, const char *service,
                       tq_store **out_store, struct tq_error *err)
{
    struct tq__buf url = TQ__BUF(&app->env);
    const char *query = strchr(ledger, '?');
    if (strncmp(ledger, POSTGRES, strlen(POSTGRES)) != 0) {
        return tq__fail(err, TQ_E_INVALID, "app",
                        "--ledger is a URL postgres://, or empty for files in --data");
    }
    if (query && (strstr(query, "?schema=") || strstr(query, "&schema="))) {
        return tq__fail(err, TQ_E_INVALID, "app",
                        "--ledger names no schema: each service has one of its own name");
    }
    put_ledger(&url, ledger, service);
    tq__buf_format(&url, "%cschema=%s", query ? '&' : '?', service);
    return app_config_blame("ledger", open_url(&app->env, &url, out_store, err), err);
}

static int open_in_folder(struct app *app, const char *service, tq_store **out_store,
                          struct tq_error *err)
{
    const char *folder = app_config_text(app->config, "data");
    char path[TQ_URL_MAX];
    if (mkdir(folder, 0700) && errno != EEXIST) {
        return tq__fail_native(err, TQ_E_UNAVAILABLE, errno, "app", "cannot make folder %s: %s",
                               folder, strerror(errno));
    }
    int bytes = snprintf(path, sizeof path, "%s/%s.db", folder, service);
    if (bytes < 0 || (size_t)bytes >= sizeof path) {
        return tq__fail(err, TQ_E_LIMIT, "app", "the path of the folder is too long");
    }
    return app_store_open_file(app, path, out_store, err);
}

int app_store_open(struct app *app, const char *service, tq_store **out_store, struct tq_error *err)
{
    const char *ledger = app_config_find(app->config, "ledger");
    return ledger ? open_schema(app, ledger, service, out_store, err)
                  : open_in_folder(app, service, out_store, err);
}

/* ---- what stands before them ---- */

/* The store that option `name` says. Another engine is not even opened: it might make a file. */
static int open_front(struct app *app, const char *name, tq_store **out_store, struct tq_error *err)
{
    const char *url = app_config_text(app->config, name);
    if (strcmp(url, MEMORY) != 0 && strncmp(url, REDIS, strlen(REDIS)) != 0) {
        return tq__fail(err, TQ_E_INVALID, "app", "--%s is memory: or a URL redis://", name);
    }
    int rc = tq_store_open(&app->env, TQ_ARGS(tq_store_options, .url = url), out_store, err);
    return app_config_blame(name, rc, err);
}

int app_lines_open(struct app *app, tq_store **out_store, struct tq_error *err)
{
    return open_front(app, "room", out_store, err);
}

int app_front_open(struct app *app, tq_store **out_store, struct tq_error *err)
{
    return open_front(app, "hold", out_store, err);
}

int app_cache_open(struct app *app, struct tq__cache **out_cache, struct tq_error *err)
{
    const char *own = app_config_find(app->config, "cache");
    const char *url = own ? own : app_config_text(app->config, "room");
    *out_cache = NULL;
    if (strcmp(url, MEMORY) == 0 || (!own && strncmp(url, REDIS, strlen(REDIS)) != 0)) {
        return TQ_OK;
    }
    return app_config_blame(own ? "cache" : "room", tq__cache_open(&app->env, url, out_cache, err),
                            err);
}

int app__transport_open(struct app *app, struct tq_error *err)
{
    const char *url = app_config_text(app->config, "transport");
    int rc = tq_transport_open(&app->env, TQ_ARGS(tq_transport_options, .url = url),
                               &app->transport, err);
    return app_config_blame("transport", rc, err);
}

int app__transport_reach(struct app *app, uint32_t timeout_ms, struct tq_error *err)
{
    const struct tq_transport_driver *driver = tq__transport_driver(app->transport);
    int rc = driver->reach(tq__transport_state(app->transport), timeout_ms, err);
    return app_config_blame("transport", rc, err);
}
