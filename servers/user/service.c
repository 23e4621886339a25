/* SPDX-License-Identifier: MIT */
/*
 * The user service: its options, its tables, its pool.
 *
 * The hashing pool bounds what logins may cost: `hashing-threads` processors and
 * that many times 32 MiB. Its queue is bounded by time as much as by memory: who
 * would wait longer than a few seconds had better be told so at once.
 */
#include "user/service.h"

#include <ticketq/ledger.h>

#include "core/env.h"
#include "core/error.h"
#include "user/user.h"
#include "user_sql.h"

#define READING_QUEUE 4096

static const struct app_option options[] = {
    /* OWASP's figure for p = 3; about a third of a second and 32 MiB. */
    {.name = "scrypt-ln",
     .value = "N",
     .help = "cost of a password, log2 of N",
     .fallback = "15",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 20},
    {.name = "scrypt-r",
     .value = "R",
     .help = "block size of a password",
     .fallback = "8",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 32},
    {.name = "scrypt-p",
     .value = "P",
     .help = "rounds of a password",
     .fallback = "3",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 16},
    {.name = "hashing-threads",
     .value = "N",
     .help = "passwords hashed at once",
     .fallback = "1",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 64},
    {.name = "hashing-queue",
     .value = "N",
     .help = "sign-ups and logins that may wait",
     .fallback = "32",
     .kind = APP_NUMBER,
     .min = 1,
     .max = 4096},
    {.name = "access-ms",
     .value = "MS",
     .help = "life of an access token",
     .fallback = "900000",
     .kind = APP_NUMBER,
     .min = 1000,
     .max = 3600000},
};

static void close_users(void *state)
{
    struct users *users = state;
    if (users) {
        struct tq_env env = users->env;
        tq_store_close(users->store);
        tq__release(&env, users);
    }
}

static int make_nobody(struct users *users, struct tq_error *err)
{
    users->nobody.cost = users->cost;
    TQ_TRY(tq__random(&users->env, users->nobody.salt, sizeof users->nobody.salt, err));
    return tq__random(&users->env, users->nobody.hash, sizeof users->nobody.hash, err);
}

static int open_parts(struct users *users, struct tq_error *err)
{
    const struct tq_migration migration = {
        .size = sizeof migration, .scope = "user", .version = 1, .sql = USER_v1};
    const struct app_config *config = app_config(users->app);
    struct app_metrics *metrics = app_metrics(users->app);
    users->cost.log_n = (uint32_t)app_config_number(config, "scrypt-ln");
    users->cost.r = (uint32_t)app_config_number(config, "scrypt-r");
    users->cost.p = (uint32_t)app_config_number(config, "scrypt-p");
    users->access_ms = app_config_number(config, "access-ms");
    users->signups = app_counter(metrics, "ticketq_user_signups_total", "Accounts made.", NULL);
    users->logins =
        app_counter(metrics, "ticketq_user_logins_total", "Logins by outcome.", "outcome=\"ok\"");
    users->refusals = app_counter(metrics, "ticketq_user_logins_total", "Logins by outcome.",
                                  "outcome=\"refused\"");
    TQ_TRY(make_nobody(users, err));
    TQ_TRY(app_store_open(users->app, "user", &users->store, err));
    TQ_TRY(tq_ledger_migrate(users->store, &migration, 1, err));
    TQ_TRY(http_pool_add(app_server(users->app), USER_READING_POOL, 1, READING_QUEUE, err));
    return http_pool_add(app_server(users->app), USER_HASHING_POOL,
                         (unsigned)app_config_number(config, "hashing-threads"),
                         (unsigned)app_config_number(config, "hashing-queue"), err);
}

static int open_users(struct app *app, void **out_state, struct tq_error *err)
{
    struct users *users = tq__alloc(app_env(app), 1, sizeof *users);
    if (!users) {
        return tq__nomem("user", err);
    }
    users->app = app;
    users->env = *app_env(app);
    int rc = open_parts(users, err);
    if (rc < 0) {
        close_users(users);
        return rc;
    }
    *out_state = users;
    return TQ_OK;
}

const struct app_service user_service = {
    .name = "user",
    .options = options,
    .options_count = sizeof options / sizeof *options,
    .purposes = APP_PURPOSE(TQ_PURPOSE_ACCESS),
    .open = open_users,
    .routes = user_routes,
    .routes_count = USER_ROUTES_COUNT,
    .close = close_users,
};
