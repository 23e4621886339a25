/* SPDX-License-Identifier: MIT */
/*
 * Reads rows of tq_holds. Nothing may run on a transaction while its rows are
 * being looked at, and columns live as long as the look: so rows are copied,
 * one by value where a verb decides about it, many as blocks (the strings of a
 * row and its list of seats in one allocation) where they are handed on.
 * Threads: [own].
 */
#include "store/sql/rows.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

enum { SCHEDULE, ID, HOLDER, KEY, STATE, FENCE, GRANTED, EXPIRES, SEATS, COLUMNS };

size_t tq__seats_join(char target[TQ__SEATS_TEXT_SIZE], const char *const *seats, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(seats[i]);
        memcpy(target + bytes, seats[i], length);
        bytes += length;
        target[bytes++] = ' ';
    }
    target[--bytes] = '\0';
    return bytes;
}

/* Cuts the text at its blanks. Returns the number of seats, 0 when there are too many. */
static size_t split(char *text, const char **seats)
{
    size_t count = 0;
    for (char *at = text; at; count++) {
        if (count == TQ_HOLD_SEATS_MAX) {
            return 0;
        }
        seats[count] = at;
        at = strchr(at, ' ');
        if (at) {
            *at++ = '\0';
        }
    }
    return count;
}

static int is_text(const struct tq_value *column, size_t room)
{
    return column->type == TQ_TEXT && column->bytes < room;
}

static int is_sound(const struct tq_value *columns, size_t columns_count)
{
    return columns_count == COLUMNS && is_text(&columns[SCHEDULE], TQ_ID_SIZE) &&
           is_text(&columns[ID], TQ_ID_SIZE) && is_text(&columns[HOLDER], TQ_ID_SIZE) &&
           is_text(&columns[KEY], TQ_ID_SIZE) && is_text(&columns[SEATS], TQ__SEATS_TEXT_SIZE);
}

int tq__hold_record_fill(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__hold_record *record = arg;
    if (!is_sound(columns, columns_count)) {
        return TQ_E_CORRUPT;
    }
    memcpy(record->schedule, columns[SCHEDULE].data, columns[SCHEDULE].bytes + 1u);
    memcpy(record->id, columns[ID].data, columns[ID].bytes + 1u);
    memcpy(record->holder, columns[HOLDER].data, columns[HOLDER].bytes + 1u);
    memcpy(record->request_key, columns[KEY].data, columns[KEY].bytes + 1u);
    memcpy(record->seats_text, columns[SEATS].data, columns[SEATS].bytes + 1u);
    record->seats_count = split(record->seats_text, record->seats);
    record->lease = (struct tq__lease){
        .state = (uint32_t)columns[STATE].integer,
        .fence = (uint64_t)columns[FENCE].integer,
        .granted_ms = columns[GRANTED].integer,
        .expires_ms = columns[EXPIRES].integer,
        .holder = record->holder,
    };
    int is_lawful = columns[STATE].integer >= TQ__LEASE_HOLD &&
                    columns[STATE].integer <= TQ__LEASE_EXPIRED && record->seats_count;
    return is_lawful ? TQ_OK : TQ_E_CORRUPT;
}

void tq__hold_record_show(const struct tq__hold_record *record, struct tq_hold_row *out_row)
{
    const struct tq__lease *lease = &record->lease;
    int is_live = tq__lease_is_live(lease);
    *out_row = (struct tq_hold_row){
        .size = sizeof *out_row,
        .ended = is_live ? TQ_OK : tq__lease_status(lease),
        .state = is_live ? lease->state : TQ_SEAT_AVAILABLE,
        .fence = lease->fence,
        .granted_ms = lease->granted_ms,
        .expires_ms = lease->expires_ms,
        .schedule = record->schedule,
        .id = record->id,
        .holder = record->holder,
        .seats = record->seats,
        .seats_count = record->seats_count,
    };
}

static int grow(struct tq__hold_rows *rows)
{
    size_t room = rows->room ? rows->room * 2 : 64;
    if (rows->count < rows->room) {
        return TQ_OK;
    }
    void *more = tq__resize(rows->env, rows->rows, room, sizeof *rows->rows);
    if (!more) {
        return TQ_E_NOMEM;
    }
    rows->rows = more;
    more = tq__resize(rows->env, rows->keys, room, sizeof *rows->keys);
    if (!more) {
        return TQ_E_NOMEM;
    }
    rows->keys = more;
    rows->room = room;
    return TQ_OK;
}

/* Copies a string into the block and moves on. */
static const char *store(char **at, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*at, text, bytes);
    *at += bytes;
    return copy;
}

/* One block: the list of seats, then all strings. */
static int copy_row(struct tq__hold_rows *rows, const struct tq__hold_record *record)
{
    size_t bytes = record->seats_count * sizeof(char *) + strlen(record->schedule) +
                   strlen(record->id) + strlen(record->holder) + strlen(record->request_key) + 4;
    for (size_t i = 0; i < record->seats_count; i++) {
        bytes += strlen(record->seats[i]) + 1;
    }
    const char **seats = tq__alloc(rows->env, 1, bytes);
    if (!seats) {
        return TQ_E_NOMEM;
    }
    char *at = (char *)(seats + record->seats_count);
    struct tq_hold_row *row = &rows->rows[rows->count];
    tq__hold_record_show(record, row);
    row->schedule = store(&at, record->schedule);
    row->id = store(&at, record->id);
    row->holder = store(&at, record->holder);
    rows->keys[rows->count] = store(&at, record->request_key);
    for (size_t i = 0; i < record->seats_count; i++) {
        seats[i] = store(&at, record->seats[i]);
    }
    row->seats = seats;
    rows->count++;
    return TQ_OK;
}

int tq__hold_rows_add(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__hold_rows *rows = arg;
    struct tq__hold_record record;
    TQ_TRY(tq__hold_record_fill(&record, columns, columns_count));
    TQ_TRY(grow(rows));
    return copy_row(rows, &record);
}

void tq__hold_rows_done(struct tq__hold_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        tq__release(rows->env, (void *)rows->rows[i].seats);
    }
    tq__release(rows->env, rows->rows);
    tq__release(rows->env, rows->keys);
    rows->rows = NULL;
    rows->keys = NULL;
    rows->count = rows->room = 0;
}
