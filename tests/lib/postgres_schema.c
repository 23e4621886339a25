/* SPDX-License-Identifier: MIT */
/*
 * Schemas are named after process and moment, so that many tests share a server.
 */
#include "lib/postgres_schema.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ticketq/system.h>

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

PGconn *postgres_connect(const char *server)
{
    PGconn *pg = PQconnectdb(server);
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    PQsetNoticeProcessor(pg, ignore_notice, NULL);
    return pg;
}

void postgres_run(PGconn *pg, const char *sql, char *out_field, size_t room)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql,
                  PQerrorMessage(pg));
    if (out_field) {
        snprintf(out_field, room, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    }
    PQclear(result);
}

void postgres_schema_url(char *url, size_t room, const char *server, const char *options)
{
    static unsigned made;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(url, room, "%s?%sschema=t%x_%llx_%x", server, options, (unsigned)getpid(),
             (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
             made++);
}

void postgres_schema_drop(const char *server, const char *url)
{
    char sql[128];
    PGconn *pg = postgres_connect(server);
    snprintf(sql, sizeof sql, "DROP SCHEMA IF EXISTS %s CASCADE", strstr(url, "schema=") + 7);
    postgres_run(pg, sql, NULL, 0);
    PQfinish(pg);
}

/* ---- a place ---- */

void postgres_place_rule(const struct postgres_place *place, const char *format)
{
    char sql[512];
    PGconn *pg = postgres_connect(getenv("TICKETQ_TEST_POSTGRES"));
    snprintf(sql, sizeof sql, format, place->name);
    postgres_run(pg, sql, NULL, 0);
    PQfinish(pg);
}

void postgres_place_open(struct postgres_place *place, const char *options)
{
    const char *server = getenv("TICKETQ_TEST_POSTGRES");
    postgres_schema_url(place->url, sizeof place->url, server, options);
    snprintf(place->name, sizeof place->name, "%s", strstr(place->url, "schema=") + 7);
    snprintf(place->url, sizeof place->url, "postgres://%s:secret@%s?%sschema=%s", place->name,
             strrchr(server, '@') + 1, options, place->name);
    postgres_place_rule(place, "CREATE ROLE %1$s LOGIN PASSWORD 'secret';"
                               "CREATE SCHEMA %1$s; GRANT USAGE, CREATE ON SCHEMA %1$s TO %1$s");
}

tq_store *postgres_place_store(const struct postgres_place *place, uint32_t busy_timeout_ms)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_store *store = NULL;
    assert_status(tq_store_open(&env,
                                TQ_ARGS(tq_store_options, .url = place->url,
                                        .busy_timeout_ms = busy_timeout_ms),
                                &store, &err),
                  TQ_OK);
    return store;
}

PGconn *postgres_place_connect(const struct postgres_place *place)
{
    char sql[128];
    PGconn *pg = postgres_connect(getenv("TICKETQ_TEST_POSTGRES"));
    snprintf(sql, sizeof sql, "SET search_path = %s", place->name);
    postgres_run(pg, sql, NULL, 0);
    return pg;
}

void postgres_place_close(struct postgres_place *place)
{
    postgres_place_rule(place, "DROP SCHEMA %1$s CASCADE; DROP OWNED BY %1$s; DROP ROLE %1$s");
}
