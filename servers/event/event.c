/* SPDX-License-Identifier: MIT */
/*
 * Events and their schedules: making them, publishing them, telling of their status.
 *
 *     UPCOMING --sales_open--> ONGOING --sales_close--> ENDED
 *
 * The status follows from the clock and the times alone, so nothing has to run for
 * it to be right. What a worker does is to tell of it: it compares the status that
 * was announced last with the one that holds, and writes the new one together with
 * its ScheduleStatusChanged. A schedule that slept through its sale is announced as
 * ENDED only.
 *
 * An event, its prices, its schedules and a SchedulePublished for each are one
 * transaction: a schedule that exists is published, and one that is published exists.
 *
 * Threads: event_announce() [serial], everything else [any].
 */
#include "event/event.h"

#include <string.h>

#include "app/told.h"
#include "core/env.h"
#include "core/error.h"
#include "event_sql.h"

#define DUE_MAX 32 /* as in the statement */

const char *event_status(int64_t now_ms, int64_t open_ms, int64_t close_ms)
{
    return now_ms >= close_ms ? "ENDED" : now_ms >= open_ms ? "ONGOING" : "UPCOMING";
}

static int tell(tq_tx *tx, const char *type, const char *schedule, const struct tq__buf *payload,
                const char *traceparent, struct tq_error *err)
{
    const struct tq_event event = {.size = sizeof event,
                                   .topic = EVENT_TOPIC,
                                   .type = type,
                                   .aggregate_type = "schedule",
                                   .aggregate_id = schedule,
                                   .traceparent = traceparent};
    return app_tell(tx, &event, payload, err);
}

static int publish(tq_tx *tx, const struct event_draft *draft,
                   const struct event_schedule *schedule, struct tq_error *err)
{
    struct tq__buf json = TQ__BUF(tq_tx_env(tx));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "scheduleId", schedule->id);
    tq__put_string(&json, "eventId", draft->id);
    tq__put_int(&json, "salesOpenAt", schedule->open_ms);
    tq__put_int(&json, "salesCloseAt", schedule->close_ms);
    tq__put_int(&json, "seats", draft->seats);
    tq__put_int(&json, "personLimit", schedule->person_limit);
    tq__put_raw(&json, "room", schedule->room, strlen(schedule->room));
    tq__put_object_end(&json);
    int rc = tell(tx, "SchedulePublished", schedule->id, &json, draft->traceparent, err);
    tq__buf_done(&json);
    return rc;
}

static int keep_seats(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[0].integer;
    return TQ_OK;
}

/* Stops at a grade that the draft has no price for. */
static int check_grade(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct event_draft *draft = arg;
    const char *grade = columns[0].data;
    (void)columns_count;
    for (size_t i = 0; i < draft->prices_count; i++) {
        if (strcmp(draft->prices[i].grade, grade) == 0) {
            return TQ_OK;
        }
    }
    memcpy(draft->missing_grade, grade, columns[0].bytes + 1);
    return TQ_REFUSED;
}

/* How many seats are sold, and whether each has a price. */
static int check_hall(tq_tx *tx, struct event_draft *draft, struct tq_error *err)
{
    int64_t seats = 0;
    struct tq_value params[] = {tq_text(draft->venue), tq_int(0)};
    TQ_TRY(tq_tx_exec(tx, EVENT_venue_seats, params, 1, keep_seats, &seats, err));
    if (seats == 0) {
        return TQ_GONE;
    }
    draft->seats = draft->seats < seats ? draft->seats : seats;
    params[1] = tq_int(draft->seats);
    return tq_tx_exec(tx, EVENT_venue_grades, params, 2, check_grade, draft, err);
}

static int add_schedule(tq_tx *tx, const struct event_draft *draft, size_t position,
                        struct tq_error *err)
{
    const struct event_schedule *schedule = &draft->schedules[position];
    const struct tq_value row[] = {tq_text(schedule->id),         tq_text(draft->id),
                                   tq_int((int64_t)position),     tq_int(schedule->starts_ms),
                                   tq_int(schedule->open_ms),     tq_int(schedule->close_ms),
                                   tq_int(schedule->person_limit)};
    TQ_TRY(tq_tx_exec(tx, EVENT_add_schedule, row, 7, NULL, NULL, err));
    return publish(tx, draft, schedule, err);
}

static int create(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct event_draft *draft = arg;
    int rc = check_hall(tx, draft, err);
    if (rc != TQ_OK) {
        return rc;
    }
    const struct tq_value event[] = {tq_text(draft->id),    tq_text(draft->venue),
                                     tq_text(draft->title), tq_text(draft->currency),
                                     tq_int(draft->seats),  tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(tq_tx_exec(tx, EVENT_add_event, event, 6, NULL, NULL, err));
    for (size_t i = 0; i < draft->prices_count; i++) {
        const struct tq_value price[] = {tq_text(draft->id), tq_text(draft->prices[i].grade),
                                         tq_int(draft->prices[i].price)};
        TQ_TRY(tq_tx_exec(tx, EVENT_add_price, price, 3, NULL, NULL, err));
    }
    for (size_t i = 0; i < draft->schedules_count; i++) {
        TQ_TRY(add_schedule(tx, draft, i, err));
    }
    return TQ_OK;
}

int event_create(struct events *events, struct event_draft *draft, struct tq_error *err)
{
    int64_t now_ms = tq__now_ms(&events->env);
    TQ_TRY(tq__uuid7(&events->env, now_ms, draft->id, err));
    for (size_t i = 0; i < draft->schedules_count; i++) {
        TQ_TRY(tq__uuid7(&events->env, now_ms, draft->schedules[i].id, err));
    }
    int rc = tq_ledger_run(events->store, create, draft, err);
    if (rc == TQ_OK) {
        event_shared_drop(events->pages[EVENT_LIST], EVENT_LIST_ID); /* for who asks at once */
        app_series_add(events->published, (int64_t)draft->schedules_count);
    }
    return rc;
}

/* Schedules whose status is not the one that was told last. */
struct due {
    size_t count;
    struct {
        char schedule[TQ_ID_SIZE];
        char event[TQ_ID_SIZE];
        char status[TQ_ID_SIZE];
    } rows[DUE_MAX];
};

static int keep_due(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct due *due = arg;
    (void)columns_count;
    tq__id_copy(due->rows[due->count].schedule, columns[0].data);
    tq__id_copy(due->rows[due->count].event, columns[1].data);
    tq__id_copy(due->rows[due->count].status, columns[2].data);
    due->count++;
    return TQ_OK;
}

static int announce_one(tq_tx *tx, const struct due *due, size_t i, struct tq_error *err)
{
    struct tq__buf json = TQ__BUF(tq_tx_env(tx));
    const struct tq_value row[] = {tq_text(due->rows[i].status), tq_text(due->rows[i].schedule)};
    TQ_TRY(tq_tx_exec(tx, EVENT_announce, row, 2, NULL, NULL, err));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "scheduleId", due->rows[i].schedule);
    tq__put_string(&json, "eventId", due->rows[i].event);
    tq__put_string(&json, "status", due->rows[i].status);
    tq__put_object_end(&json);
    int rc = tell(tx, "ScheduleStatusChanged", due->rows[i].schedule, &json, NULL, err);
    tq__buf_done(&json);
    return rc;
}

static int announce(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct due *due = arg;
    const struct tq_value now = tq_int(tq_tx_now_ms(tx));
    due->count = 0;
    TQ_TRY(tq_tx_exec(tx, EVENT_due, &now, 1, keep_due, due, err));
    for (size_t i = 0; i < due->count; i++) {
        TQ_TRY(announce_one(tx, due, i, err));
    }
    return due->count ? TQ_OK : TQ_EMPTY;
}

static int look(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct due *due = arg;
    const struct tq_value now = tq_int(tq_tx_now_ms(tx));
    due->count = 0;
    return tq_tx_exec(tx, EVENT_due, &now, 1, keep_due, due, err);
}

int event_announce(void *arg, struct tq_error *err)
{
    struct events *events = arg;
    struct due due = {0};
    TQ_TRY(tq_ledger_read(events->store, look, &due, err));
    if (due.count == 0) {
        return TQ_EMPTY;
    }
    int rc = tq_ledger_run(events->store, announce, &due, err);
    if (rc == TQ_OK) {
        app_series_add(events->announced, (int64_t)due.count);
    }
    return rc;
}
