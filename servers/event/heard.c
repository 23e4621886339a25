/* SPDX-License-Identifier: MIT */
/*
 * What events make of the pages in the shared cache.
 *
 *     SchedulePublished       the list is out of date
 *     ScheduleStatusChanged   so are the list, the event and the schedule
 *     any of reservation's    so is the schedule's seat map, once for all that came together
 *
 * An event that is lost or late leaves a page until its time, which is short for what
 * changes; a layout never changes. Threads: the worker that listens.
 */
#include "event/event.h"

#include <string.h>

static void drop(const struct events *events, enum event_kind kind, const tq__json *payload,
                 const char *member)
{
    const char *id = tq__json_string(tq__json_member(payload, member));
    if (tq__id_is_valid(id)) {
        event_shared_drop(events->pages[kind], id);
    }
}

/* Seat maps wait until all that came together is heard: a sale's events are of one schedule. */
static void note_map(struct events *events, const tq__json *payload)
{
    const char *id = tq__json_string(tq__json_member(payload, "scheduleId"));
    if (!tq__id_is_valid(id)) {
        return;
    }
    for (size_t i = 0; i < events->stale_count; i++) {
        if (strcmp(events->stale[i], id) == 0) {
            return;
        }
    }
    if (events->stale_count == EVENT_STALE_MAX) {
        event_forget_maps(events);
    }
    tq__id_copy(events->stale[events->stale_count++], id);
}

void event_forget_maps(void *arg)
{
    struct events *events = arg;
    for (size_t i = 0; i < events->stale_count; i++) {
        event_shared_drop(events->pages[EVENT_SEAT_MAP], events->stale[i]);
    }
    events->stale_count = 0;
}

void event_heard(void *arg, const char *type, const tq__json *payload)
{
    struct events *events = arg;
    if (strcmp(type, "SchedulePublished") == 0) {
        event_shared_drop(events->pages[EVENT_LIST], EVENT_LIST_ID);
    } else if (strcmp(type, "ScheduleStatusChanged") == 0) {
        event_shared_drop(events->pages[EVENT_LIST], EVENT_LIST_ID);
        drop(events, EVENT_EVENT, payload, "eventId");
        drop(events, EVENT_SCHEDULE, payload, "scheduleId");
    } else {
        note_map(events, payload);
    }
}
