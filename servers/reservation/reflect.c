/* SPDX-License-Identifier: MIT */
/*
 * Telling the front what has become of reservations, behind the commit that made it so.
 *
 * What is told is read from the rows, so that it may be told late, twice, or by several at the
 * same time. What could not be read, the ledger being away just then, is noted in memory and told
 * by the next sweep that reads it; of more than RESERVATION_UNTOLD_MAX, and after a crash, the
 * front hears when the schedule is loaded, which is always allowed.
 *
 * Cost: one read for all, one call for each verb that occurs. Threads: [any].
 */
#include "reservation/reservation.h"

#include <string.h>

#include "app/rows.h"
#include "core/env.h"
#include "core/error.h"
#include "reservation_sql.h"

#define ORIGIN "reservation"
#define READ_AT_ONCE 16 /* parameters of `reservations_now` */

/* Where a reservation has got to. */
struct standing {
    char user[TQ_ID_SIZE];
    char schedule[TQ_ID_SIZE];
    char phase[RESERVATION_WORD_SIZE];
    char came_from[RESERVATION_WORD_SIZE];
    char reason[RESERVATION_WORD_SIZE];
    char hold_id[TQ_ID_SIZE];
    uint64_t fence;
};

struct reflecting {
    const char *const *ids;
    size_t count;
    struct standing *rows; /* of those that are there, in no order */
    size_t rows_count;
};

static int read_row(void *arg, const struct tq_value *columns, size_t count)
{
    struct reflecting *reflecting = arg;
    struct standing *row = &reflecting->rows[reflecting->rows_count++];
    (void)count;
    APP_TEXT(row->user, &columns[0]);
    APP_TEXT(row->schedule, &columns[1]);
    APP_TEXT(row->phase, &columns[2]);
    APP_TEXT(row->came_from, &columns[3]);
    APP_TEXT(row->reason, &columns[4]);
    APP_TEXT(row->hold_id, &columns[5]);
    row->fence = (uint64_t)columns[6].integer;
    return 0;
}

/* Some at a time; the last ones are filled up with their first. */
static int read_rows(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct reflecting *reflecting = arg;
    struct tq_value params[READ_AT_ONCE];
    reflecting->rows_count = 0;
    for (size_t first = 0; first < reflecting->count; first += READ_AT_ONCE) {
        for (size_t i = 0; i < READ_AT_ONCE; i++) {
            size_t at = first + i < reflecting->count ? first + i : first;
            params[i] = tq_text(reflecting->ids[at]);
        }
        TQ_TRY(tq_tx_exec(tx, RESERVATION_reservations_now, params, READ_AT_ONCE, read_row,
                          reflecting, err));
    }
    return TQ_OK;
}

/*
 * What being in a phase means for the front; a NULL matches any phase, the first match counts.
 * Several moves may have been made since it was told last. What it was told already it refuses
 * politely; what it cannot make sense of puts the schedule in doubt, and it is loaded anew.
 */
static const struct reflection {
    const char *from;
    const char *to;
    uint32_t verbs[2]; /* 0: none */
} reflections[] = {
    {"EXPIRED", "SOLD", {TQ_HOLD_RETAKE, TQ_HOLD_SETTLE}},
    {"REFUNDING", "CANCELLED", {TQ_HOLD_GIVE_BACK, 0}},
    {"SOLD", "CANCELLED", {TQ_HOLD_GIVE_BACK, 0}},
    {NULL, "PAYING", {TQ_HOLD_PIN, 0}},
    {NULL, "CANCELLING", {TQ_HOLD_PIN, 0}},
    {NULL, "REFUNDING", {TQ_HOLD_SETTLE, 0}},
    {NULL, "SOLD", {TQ_HOLD_SETTLE, 0}},
    {NULL, "EXPIRED", {TQ_HOLD_RELEASE, 0}},
    {NULL, "CANCELLED", {TQ_HOLD_RELEASE, 0}},
};

/* In this order: what is taken again may have been freed by another of them. */
static const uint32_t verbs[] = {TQ_HOLD_RELEASE, TQ_HOLD_EXPIRE, TQ_HOLD_GIVE_BACK,
                                 TQ_HOLD_RETAKE,  TQ_HOLD_PIN,    TQ_HOLD_SETTLE};

static const struct reflection *reflection_of(const struct standing *row)
{
    for (size_t i = 0; i < sizeof reflections / sizeof *reflections; i++) {
        const struct reflection *at = &reflections[i];
        if (strcmp(at->to, row->phase) == 0 &&
            (!at->from || strcmp(at->from, row->came_from) == 0)) {
            return at;
        }
    }
    return NULL;
}

static int is_meant(const struct standing *row, uint32_t verb)
{
    const struct reflection *found = reflection_of(row);
    int is_timed_out = strcmp(row->reason, HOLD_EXPIRED) == 0;
    for (size_t i = 0; found && i < 2; i++) {
        uint32_t told = found->verbs[i];
        told = told == TQ_HOLD_RELEASE && is_timed_out ? TQ_HOLD_EXPIRE : told;
        if (told == verb) {
            return 1;
        }
    }
    return 0;
}

/* Each verb once, for all that it is meant for. */
static void tell_front(struct reservations *service, const struct reflecting *reflecting,
                       struct tq_hold_ref *refs)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t count = 0;
        for (size_t j = 0; j < reflecting->rows_count; j++) {
            const struct standing *row = &reflecting->rows[j];
            if (is_meant(row, verbs[i])) {
                refs[count++] = (struct tq_hold_ref){.size = sizeof *refs,
                                                     .schedule = row->schedule,
                                                     .id = row->hold_id,
                                                     .holder = row->user,
                                                     .fence = row->fence};
            }
        }
        if (count) {
            struct tq_error err = TQ_ERROR_INIT;
            tq_hold_reflect(service->book, verbs[i], refs, count, &err);
        }
    }
}

/* Nobody is told of some only. */
static int reflect(struct reservations *service, const char *const ids[], size_t count,
                   struct tq_error *err)
{
    struct reflecting reflecting = {.ids = ids, .count = count};
    struct tq_hold_ref *refs = tq__alloc(&service->env, count, sizeof *refs);
    reflecting.rows = tq__alloc(&service->env, count, sizeof *reflecting.rows);
    int rc = refs && reflecting.rows ? tq_ledger_read(service->ledger, read_rows, &reflecting, err)
                                     : tq__nomem(ORIGIN, err);
    if (rc == TQ_OK) {
        tell_front(service, &reflecting, refs);
    }
    tq__release(&service->env, refs);
    tq__release(&service->env, reflecting.rows);
    return rc;
}

/* ---- what could not be read ---- */

/* With the lock. */
static int is_noted(const struct untold *untold, const char *id)
{
    size_t at = 0;
    while (at < untold->count && strcmp(untold->ids[at], id) != 0) {
        at++;
    }
    return at < untold->count;
}

static void note(struct reservations *service, const char *const ids[], size_t count)
{
    struct untold *untold = &service->untold;
    size_t lost = 0;
    pthread_mutex_lock(&untold->lock);
    for (size_t i = 0; i < count; i++) {
        if (is_noted(untold, ids[i])) {
            continue;
        }
        if (untold->count == RESERVATION_UNTOLD_MAX) {
            lost++;
        } else {
            tq__id_copy(untold->ids[untold->count++], ids[i]);
        }
    }
    pthread_mutex_unlock(&untold->lock);
    if (lost) {
        app_log(TQ_LOG_WARN, ORIGIN, "the front hears of %zu reservations when it is loaded", lost);
    }
}

static size_t take(struct untold *untold, char ids[READ_AT_ONCE][TQ_ID_SIZE])
{
    size_t count = 0;
    pthread_mutex_lock(&untold->lock);
    while (count < READ_AT_ONCE && untold->count > 0) {
        tq__id_copy(ids[count++], untold->ids[--untold->count]);
    }
    pthread_mutex_unlock(&untold->lock);
    return count;
}

void purchase_reflect(struct reservations *service, const char *const ids[], size_t count)
{
    struct tq_error err = TQ_ERROR_INIT;
    if (count == 0) {
        return;
    }
    if (reflect(service, ids, count, &err) < 0) {
        app_log(TQ_LOG_WARN, ORIGIN, "the front is told of %zu reservations later: %s", count,
                err.message);
        note(service, ids, count);
    }
}

void purchase_reflect_again(struct reservations *service)
{
    char taken[READ_AT_ONCE][TQ_ID_SIZE];
    const char *ids[READ_AT_ONCE];
    int rc = TQ_OK;
    for (size_t count; rc == TQ_OK && (count = take(&service->untold, taken)) > 0;) {
        for (size_t i = 0; i < count; i++) {
            ids[i] = taken[i];
        }
        rc = reflect(service, ids, count, NULL);
        if (rc < 0) {
            note(service, ids, count);
        }
    }
}

void purchase_reflect_init(struct reservations *service)
{
    pthread_mutex_init(&service->untold.lock, NULL);
}

void purchase_reflect_done(struct reservations *service)
{
    pthread_mutex_destroy(&service->untold.lock);
}
