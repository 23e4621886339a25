/* SPDX-License-Identifier: MIT */
/*
 * What a service without HTTP stands on in a test: a SQLite file in a folder of
 * its own, the tables that all services have, a clock that is moved by hand.
 */
#ifndef TESTS_UNIT_SERVERS_DESK_H
#define TESTS_UNIT_SERVERS_DESK_H

#include <ticketq/ledger.h>

#include "lib/folder.h"
#include "lib/test_env.h"

struct desk {
    struct test_env test;
    struct tq_env env;
    char folder[FOLDER_SIZE];
    char url[2 * FOLDER_SIZE];
    tq_store *ledger;
    struct tq_error err;
};

/*
 * `sql` is the schema of the service. Outbox, journal and answers are there too. `url` is the
 * ledger's, NULL: a file.
 */
void desk_open(struct desk *desk, const char *service, const char *sql, const char *url);
/* The ledger again, as after a restart. Close it before. */
void desk_open_ledger(struct desk *desk);
/* Closes the ledger and asserts that no memory is left. */
void desk_close(struct desk *desk);
/* Run statements that give no rows. */
void desk_do(struct desk *desk, const char *sql);
/* The first column of the last row, "" without one; good until the next call. */
const char *desk_ask(struct desk *desk, const char *sql);
/* The type of the event that was told last. */
const char *desk_last_told(struct desk *desk);

#endif
