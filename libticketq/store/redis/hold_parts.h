/* SPDX-License-Identifier: MIT */
/*
 * What the files of the hold table share.
 */
#ifndef TQ_STORE_REDIS_HOLD_PARTS_H
#define TQ_STORE_REDIS_HOLD_PARTS_H

#include <stdlib.h>
#include <string.h>

#include <ticketq/driver/hold.h>

#include "core/bytes.h"
#include "store/redis/client.h"

/* Element `at` of an answer as a number, or `*is_bad` is set. */
static inline int64_t tq__redis_number(const redisReply *array, size_t at, int *is_bad)
{
    if (at < array->elements && array->element[at]->type == REDIS_REPLY_INTEGER) {
        return array->element[at]->integer;
    }
    *is_bad = 1;
    return 0;
}

/* The same of a text. */
static inline const char *tq__redis_string(const redisReply *array, size_t at, int *is_bad)
{
    if (at < array->elements && array->element[at]->type == REDIS_REPLY_STRING) {
        return array->element[at]->str;
    }
    *is_bad = 1;
    return "";
}

/* When a schedule has something due, as a script of hold.lua says. */
struct redis_due {
    const char *schedule;
    int64_t as_of_ms; /* by the clock of its server; -1: whatever was told before */
    int64_t wait_ms;  /* -1: never */
};

/* What the agenda says is first. */
struct redis_next {
    int64_t now_ms;
    int64_t due_ms; /* -1: there is none */
    char schedule[TQ_ID_SIZE];
};

/* hold_sweep.c */

extern const char tq__redis_agenda_tag[];
/* Tell the agenda (`due` may be NULL), and ask it. */
int tq__redis_agenda(struct redis_client *client, const struct redis_due *due,
                     struct redis_next *out_next, struct tq_error *err);
/*
 * Remove the keys of seats that speak for no live hold, names with one space between them.
 * What fails stays behind and does no harm. The text is taken apart.
 */
void tq__redis_tidy(struct redis_client *client, const char *schedule, char *seats);
int tq__redis_hold_sweep(void *state, size_t limit, tq_hold_row_fn *visit, void *arg,
                         uint32_t *out_next_ms, struct tq_error *err);

/* hold_load.c */
int tq__redis_hold_load(void *state, const struct tq_front_load *load, struct tq_error *err);

#endif
