/* SPDX-License-Identifier: MIT */
/*
 * Rows of tq_holds, copied out of a scan.
 */
#ifndef TQ_STORE_SQL_ROWS_H
#define TQ_STORE_SQL_ROWS_H

#include <ticketq/hold.h>
#include <ticketq/ledger.h>

#include "core/bytes.h"
#include "store/lease.h"

/* Longest list of seats, separated by blanks, and its NUL. */
#define TQ__SEATS_TEXT_SIZE (TQ_HOLD_SEATS_MAX * TQ_ID_SIZE)

/* One hold by value. */
struct tq__hold_record {
    struct tq__lease lease; /* its holder points to the field below */
    char schedule[TQ_ID_SIZE];
    char id[TQ_ID_SIZE];
    char holder[TQ_ID_SIZE];
    char request_key[TQ_ID_SIZE];
    char seats_text[TQ__SEATS_TEXT_SIZE]; /* each ends in NUL; `seats` points into it */
    const char *seats[TQ_HOLD_SEATS_MAX];
    size_t seats_count;
};

/* Many holds; each has its strings in one block. */
struct tq__hold_rows {
    const struct tq_env *env;
    struct tq_hold_row *rows;
    const char **keys; /* request key of each */
    size_t count;
    size_t room;
};

/* Row functions for the columns of `by_id`; `arg` is what they fill. */
int tq__hold_record_fill(void *arg, const struct tq_value *columns, size_t columns_count);
int tq__hold_rows_add(void *arg, const struct tq_value *columns, size_t columns_count);
void tq__hold_rows_done(struct tq__hold_rows *rows);

/* The row that the public functions show. */
void tq__hold_record_show(const struct tq__hold_record *record, struct tq_hold_row *out_row);
/* Seats separated by blanks; returns the length. */
size_t tq__seats_join(char target[TQ__SEATS_TEXT_SIZE], const char *const *seats, size_t count);

#endif
