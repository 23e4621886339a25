/* SPDX-License-Identifier: MIT */
/*
 * Keeps halls: one row per venue, one per seat, in the order of the seat map.
 *
 * A hall is written once, as a whole, and never changes; so whatever was sold
 * from it stays what it was. Cost: one statement per SEATS_AT_ONCE seats.
 * Threads: [any].
 */
#include "event/event.h"

#include "core/env.h"
#include "core/error.h"
#include "event_sql.h"

#define SEATS_AT_ONCE 512
#define SEAT_COLUMNS 9

struct adding {
    const struct event_hall *hall;
    const char *id;
    struct tq_value *rows; /* SEATS_AT_ONCE × SEAT_COLUMNS */
};

static void fill_row(struct tq_value *row, const char *venue, size_t position,
                     const struct event_seat *seat)
{
    row[0] = tq_text(venue);
    row[1] = tq_int((int64_t)position);
    row[2] = tq_text(seat->id);
    row[3] = tq_text(seat->section);
    row[4] = tq_text(seat->row);
    row[5] = tq_text(seat->number);
    row[6] = tq_text(seat->grade);
    row[7] = tq_int(seat->x_milli);
    row[8] = tq_int(seat->y_milli);
}

static int add_seats(tq_tx *tx, const struct adding *adding, struct tq_error *err)
{
    const struct event_hall *hall = adding->hall;
    for (size_t first = 0; first < hall->seats_count; first += SEATS_AT_ONCE) {
        size_t count = hall->seats_count - first;
        count = count < SEATS_AT_ONCE ? count : SEATS_AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            fill_row(adding->rows + i * SEAT_COLUMNS, adding->id, first + i,
                     &hall->seats[first + i]);
        }
        TQ_TRY(tq_tx_exec_many(tx, EVENT_add_seats, adding->rows, SEAT_COLUMNS, count, NULL, err));
    }
    return TQ_OK;
}

static int add_venue(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct adding *adding = arg;
    const struct tq_value row[] = {tq_text(adding->id), tq_text(adding->hall->name),
                                   tq_int((int64_t)adding->hall->seats_count),
                                   tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(tq_tx_exec(tx, EVENT_add_venue, row, 4, NULL, NULL, err));
    return add_seats(tx, adding, err);
}

int event_venue_add(struct events *events, const struct event_hall *hall, char out_id[TQ_ID_SIZE],
                    struct tq_error *err)
{
    struct adding adding = {hall, out_id, NULL};
    TQ_TRY(tq__uuid7(&events->env, tq__now_ms(&events->env), out_id, err));
    adding.rows = tq__alloc(&events->env, SEATS_AT_ONCE * SEAT_COLUMNS, sizeof *adding.rows);
    if (!adding.rows) {
        return tq__nomem("event.venue", err);
    }
    int rc = tq_ledger_run(events->store, add_venue, &adding, err);
    tq__release(&events->env, adding.rows);
    return rc;
}
