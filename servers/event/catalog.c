/* SPDX-License-Identifier: MIT */
/*
 * Reads events, schedules and layouts, and writes them as JSON while the rows come.
 *
 * Each document is one statement: an event's rows are its schedules, in order, and
 * a new event begins where the event's id changes. A list is read with one event
 * more than asked for; that there is one is what makes a next page.
 *
 * A layout is immutable, and its tag is the SHA-256 of its bytes: two schedules of
 * one event differ only by their id. Threads: [any].
 */
#include "event/event.h"

#include <stdio.h>
#include <string.h>

#include "app/digest.h"
#include "core/env.h"
#include "core/error.h"
#include "event_sql.h"

/* Sorts behind every id. */
#define CURSOR_FIRST "~"
#define TAG_BYTES 16

/* The columns of the statements event, events and schedule. */
enum column {
    EVENT_ID,
    VENUE_ID,
    TITLE,
    CURRENCY,
    SEATS,
    CREATED,
    SCHEDULE_ID,
    STARTS,
    OPENS,
    CLOSES,
    PERSON_LIMIT
};

/* One reading. `sql` has `params_count` parameters; `visit` writes each row into `json`. */
struct reading {
    const char *sql;
    struct tq_value params[2];
    size_t params_count;
    tq_row_fn *visit;
    struct tq__buf *json;
    int64_t now_ms;
    int64_t change_ms; /* when the next status changes; 0: none will */
    int64_t events_count;
    int64_t events_max;
    char event[TQ_ID_SIZE]; /* the one that is being written, "" before the first */
    int has_more;
};

static int read_rows(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct reading *reading = arg;
    tq__buf_clear(reading->json);
    reading->now_ms = tq_tx_now_ms(tx);
    reading->change_ms = 0;
    reading->events_count = 0;
    reading->has_more = 0;
    reading->event[0] = '\0';
    return tq_tx_exec(tx, reading->sql, reading->params, reading->params_count, reading->visit,
                      reading, err);
}

static void note_change(struct reading *reading, int64_t at_ms)
{
    if (at_ms > reading->now_ms && (!reading->change_ms || at_ms < reading->change_ms)) {
        reading->change_ms = at_ms;
    }
}

static void put_schedule(struct reading *reading, const struct tq_value *columns)
{
    struct tq__buf *json = reading->json;
    note_change(reading, columns[OPENS].integer);
    note_change(reading, columns[CLOSES].integer);
    tq__put_object(json, NULL);
    tq__put_string(json, "scheduleId", columns[SCHEDULE_ID].data);
    tq__put_string(json, "eventId", columns[EVENT_ID].data);
    tq__put_string(json, "title", columns[TITLE].data);
    tq__put_string(json, "status",
                   event_status(reading->now_ms, columns[OPENS].integer, columns[CLOSES].integer));
    app_put_time(json, "startsAt", columns[STARTS].integer);
    app_put_time(json, "salesOpenAt", columns[OPENS].integer);
    app_put_time(json, "salesCloseAt", columns[CLOSES].integer);
    tq__put_int(json, "seats", columns[SEATS].integer);
    tq__put_string(json, "currency", columns[CURRENCY].data);
    tq__put_int(json, "personLimit", columns[PERSON_LIMIT].integer);
    tq__put_object_end(json);
}

static void end_event(struct reading *reading)
{
    if (reading->event[0]) {
        tq__put_array_end(reading->json);
        tq__put_object_end(reading->json);
    }
}

static void begin_event(struct reading *reading, const struct tq_value *columns)
{
    struct tq__buf *json = reading->json;
    tq__id_copy(reading->event, columns[EVENT_ID].data);
    tq__put_object(json, NULL);
    tq__put_string(json, "eventId", reading->event);
    tq__put_string(json, "title", columns[TITLE].data);
    tq__put_string(json, "venueId", columns[VENUE_ID].data);
    tq__put_string(json, "currency", columns[CURRENCY].data);
    tq__put_int(json, "seats", columns[SEATS].integer);
    app_put_time(json, "createdAt", columns[CREATED].integer);
    tq__put_array(json, "schedules");
}

static int put_event_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct reading *reading = arg;
    (void)columns_count;
    if (strcmp(reading->event, columns[EVENT_ID].data) != 0) {
        if (reading->events_count == reading->events_max) {
            reading->has_more = 1;
            return TQ_EMPTY;
        }
        end_event(reading);
        begin_event(reading, columns);
        reading->events_count++;
    }
    put_schedule(reading, columns);
    return TQ_OK;
}

static int64_t left_ms(const struct reading *reading)
{
    return reading->change_ms ? reading->change_ms - reading->now_ms : 0;
}

int event_list(struct events *events, const char *cursor, int64_t limit, struct event_page *page,
               struct tq_error *err)
{
    struct tq__buf rows = TQ__BUF(&events->env);
    struct tq__buf *json = &page->body;
    struct reading reading = {
        .sql = EVENT_events,
        .params = {tq_text(cursor[0] ? cursor : CURSOR_FIRST), tq_int(limit + 1)},
        .params_count = 2,
        .visit = put_event_row,
        .json = &rows,
        .events_max = limit};
    int rc = tq_ledger_read(events->store, read_rows, &reading, err);
    if (rc >= 0) {
        end_event(&reading);
        tq__put_object(json, NULL);
        tq__put_array(json, "events");
        tq__buf_add(json, rows.data, rows.bytes);
        tq__put_array_end(json);
        tq__put_string(json, "nextCursor", reading.has_more ? reading.event : NULL);
        tq__put_object_end(json);
        page->left_ms = left_ms(&reading);
        rc = tq__buf_check(&rows, "event.catalog", err);
    }
    tq__buf_done(&rows);
    return rc;
}

int event_list_load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    (void)key;
    return event_list(arg, "", EVENT_PAGE, page, err);
}

int event_event_load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    struct events *events = arg;
    struct reading reading = {.sql = EVENT_event,
                              .params = {tq_text(key)},
                              .params_count = 1,
                              .visit = put_event_row,
                              .json = &page->body,
                              .events_max = 1};
    TQ_TRY(tq_ledger_read(events->store, read_rows, &reading, err));
    end_event(&reading);
    page->left_ms = left_ms(&reading);
    return reading.events_count ? TQ_OK : TQ_GONE;
}

static int put_schedule_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct reading *reading = arg;
    (void)columns_count;
    reading->events_count++;
    put_schedule(reading, columns);
    return TQ_OK;
}

int event_schedule_load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    struct events *events = arg;
    struct reading reading = {.sql = EVENT_schedule,
                              .params = {tq_text(key)},
                              .params_count = 1,
                              .visit = put_schedule_row,
                              .json = &page->body};
    TQ_TRY(tq_ledger_read(events->store, read_rows, &reading, err));
    page->left_ms = left_ms(&reading);
    return reading.events_count ? TQ_OK : TQ_GONE;
}

int event_schedule_exists(struct events *events, const char *id, struct tq_error *err)
{
    struct event_page page = {.body = TQ__BUF(&events->env)};
    int rc = event_schedule_load(events, id, &page, err);
    tq__buf_done(&page.body);
    return rc;
}

/* A document of a schedule and its seats, in one snapshot. */
struct layout {
    const char *id;
    struct tq__buf *json;
    tq_row_fn *head;
    tq_row_fn *seat;
    int is_found;
};

static int read_layout(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct layout *layout = arg;
    const struct tq_value id = tq_text(layout->id);
    tq__buf_clear(layout->json);
    layout->is_found = 0;
    tq__put_object(layout->json, NULL);
    tq__put_string(layout->json, "scheduleId", layout->id);
    TQ_TRY(tq_tx_exec(tx, EVENT_schedule, &id, 1, layout->head, layout, err));
    tq__put_array(layout->json, "seats");
    TQ_TRY(tq_tx_exec(tx, EVENT_seats, &id, 1, layout->seat, layout, err));
    tq__put_array_end(layout->json);
    tq__put_object_end(layout->json);
    return layout->is_found ? TQ_OK : TQ_GONE;
}

static int put_head(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct layout *layout = arg;
    (void)columns_count;
    layout->is_found = 1;
    tq__put_string(layout->json, "currency", columns[CURRENCY].data);
    return TQ_OK;
}

static int put_seat(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__buf *json = ((struct layout *)arg)->json;
    (void)columns_count;
    tq__put_object(json, NULL);
    tq__put_string(json, "seatId", columns[0].data);
    tq__put_string(json, "section", columns[1].data);
    tq__put_string(json, "row", columns[2].data);
    tq__put_string(json, "number", columns[3].data);
    tq__put_string(json, "grade", columns[4].data);
    tq__put_int(json, "price", columns[5].integer);
    tq__put_double(json, "x", (double)columns[6].integer / 1000);
    tq__put_double(json, "y", (double)columns[7].integer / 1000);
    tq__put_object_end(json);
    return TQ_OK;
}

int event_layout_load(void *arg, const char *key, struct event_page *page, struct tq_error *err)
{
    struct events *events = arg;
    struct layout layout = {key, &page->body, put_head, put_seat, 0};
    int rc = tq_ledger_read(events->store, read_layout, &layout, err);
    if (rc == TQ_OK) {
        TQ_TRY(tq__buf_check(&page->body, "event.catalog", err));
        TQ_TRY(app_digest(page->body.data, page->body.bytes, TAG_BYTES, page->etag, err));
    }
    return rc;
}

static int put_internal_head(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct layout *layout = arg;
    (void)columns_count;
    layout->is_found = 1;
    tq__put_string(layout->json, "eventId", columns[EVENT_ID].data);
    tq__put_string(layout->json, "currency", columns[CURRENCY].data);
    tq__put_int(layout->json, "salesOpenAt", columns[OPENS].integer);
    tq__put_int(layout->json, "salesCloseAt", columns[CLOSES].integer);
    tq__put_int(layout->json, "personLimit", columns[PERSON_LIMIT].integer);
    return TQ_OK;
}

static int put_internal_seat(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__buf *json = ((struct layout *)arg)->json;
    (void)columns_count;
    tq__put_array(json, NULL);
    tq__put_string(json, NULL, columns[0].data);
    tq__put_string(json, NULL, columns[4].data);
    tq__put_int(json, NULL, columns[5].integer);
    tq__put_array_end(json);
    return TQ_OK;
}

int event_schedule_internal(struct events *events, const char *id, struct tq__buf *json,
                            struct tq_error *err)
{
    struct layout layout = {id, json, put_internal_head, put_internal_seat, 0};
    return tq_ledger_read(events->store, read_layout, &layout, err);
}
