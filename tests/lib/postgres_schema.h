/* SPDX-License-Identifier: MIT */
/*
 * A place of a test's own on a PostgreSQL that is there.
 */
#ifndef TESTS_LIB_POSTGRES_SCHEMA_H
#define TESTS_LIB_POSTGRES_SCHEMA_H

#include <stddef.h>

#include <libpq-fe.h>
#include <stdio.h>
#include <ticketq/ledger.h>

#include "lib/unit.h"

/* A connection to the server of a URL, "postgres://..." without options. Ends the test if none. */
PGconn *postgres_connect(const char *server);
/* Runs a statement, which has to succeed; gives the first field of its first row, or "". */
void postgres_run(PGconn *pg, const char *sql, char *out_field, size_t room);
/* The URL of a store in a schema that nobody has yet. `options` is "" or ends in '&'. */
void postgres_schema_url(char *url, size_t room, const char *server, const char *options);
/* Remove the schema of such a URL. */
void postgres_schema_drop(const char *server, const char *url);

/* A schema and a role of the test's own, of one name, and stores on it. */
struct postgres_place {
    char name[64];
    char url[512];
};
void postgres_place_open(struct postgres_place *place, const char *options);
tq_store *postgres_place_store(const struct postgres_place *place, uint32_t busy_timeout_ms);
/* A connection of the test's own, which sees the schema. */
PGconn *postgres_place_connect(const struct postgres_place *place);
/* Runs a statement as who may do everything; `format` has the name as %1$s, once or more. */
void postgres_place_rule(const struct postgres_place *place, const char *format);
void postgres_place_close(struct postgres_place *place);

/* Skipped without a server. */
#define POSTGRES_MAIN(name, ...)                                                                   \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        if (!getenv("TICKETQ_TEST_POSTGRES")) {                                                    \
            printf("1..0 # SKIP there is no TICKETQ_TEST_POSTGRES\n");                             \
            return EXIT_SUCCESS;                                                                   \
        }                                                                                          \
        return unit_main(name, tests, sizeof tests / sizeof *tests);                               \
    }

#endif
