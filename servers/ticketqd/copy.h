/* SPDX-License-Identifier: MIT */
/* Copies of ledgers that are not files of SQLite, for the audit: see copy.c. */
#ifndef TICKETQ_TICKETQD_COPY_H
#define TICKETQ_TICKETQD_COPY_H

#include <sqlite3.h>

#include <ticketq/env.h>
#include <ticketq/status.h>

struct audit_copy {
    const struct tq_env *env;
    const char *ledger;          /* the URL, as of --ledger */
    const char *const *services; /* each is a schema there and an attached database here */
    size_t services_count;
    sqlite3 *db;
};

int audit_copy(const struct audit_copy *copy, struct tq_error *err);

#endif
