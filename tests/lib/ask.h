/* SPDX-License-Identifier: MIT */
/*
 * Questions to a ledger whose answer is one number; anything else fails the test. And one
 * statement, in a transaction of its own.
 */
#ifndef TESTS_LIB_ASK_H
#define TESTS_LIB_ASK_H

#include <ticketq/ledger.h>

/* `$1` is `text`; NULL: there are no parameters. */
int64_t ask_number(tq_store *store, const char *sql, const char *text);
int64_t ask_within(tq_tx *tx, const char *sql);
/* tq_row_fn: the number goes to `arg`, an int64_t *. */
int ask_take(void *arg, const struct tq_value *columns, size_t columns_count);

int exec_on(tq_store *store, const char *sql, struct tq_error *err);

#endif
