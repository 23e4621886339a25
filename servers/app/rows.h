/* SPDX-License-Identifier: MIT */
/*
 * What every service does with rows of its ledger.
 */
#ifndef TICKETQ_APP_ROWS_H
#define TICKETQ_APP_ROWS_H

#include <ticketq/ledger.h>

/* Copy a text column; NULL becomes "", what does not fit is cut. */
void app_text(char *target, size_t room, const struct tq_value *column);
/* Copy a text column into an array. */
#define APP_TEXT(target, column) app_text((target), sizeof(target), (column))
/* A parameter: NULL for "". */
struct tq_value app_text_or_null(const char *value);
/* A parameter: NULL for 0. */
struct tq_value app_int_or_null(int64_t value);
/* tq_row_fn: copies the first column into `arg`, TQ_ID_SIZE bytes. */
int app_id_row(void *arg, const struct tq_value *columns, size_t count);
/*
 * Run a statement that removes rows from before a time ($1), at most so many ($2). TQ_EMPTY:
 * there were none.
 */
int app_clean(tq_store *store, const char *sql, int64_t age_ms, size_t limit, struct tq_error *err);

#endif
