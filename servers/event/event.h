/* SPDX-License-Identifier: MIT */
/*
 * What the files of the event service share.
 *
 *     routes.c    HTTP in and out for everybody, and the internal read
 *     admin.c     HTTP in and out for administrators
 *     hall.c      seats from a plan or a recipe
 *     venue.c     halls as rows
 *     event.c     events and schedules: creating, publishing, announcing
 *     catalog.c   reading events, schedules and layouts
 *     seatmap.c   the seat map, read from reservation
 *     cache.c     a stampede costs one load
 *     shared.c    one load for all processes
 *     heard.c     what events make of the pages there
 *     service.c   opening, workers, closing
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <ticketq/outbox.h>
#include <ticketq/room.h>

#include "app/app.h"
#include "app/listen.h"
#include "event/cache.h"
#include "event/hall.h"
#include "event/shared.h"

#define EVENT_TOPIC "event.events"
#define EVENT_POOL "event"
#define EVENT_CURRENCY_SIZE 4
#define EVENT_SCHEDULES_MAX 32 /* of one event */
#define EVENT_ROOM_SIZE 512    /* room policy as JSON */
#define EVENT_PERSON_LIMIT_MAX 1000
#define EVENT_PRICE_MAX INT64_C(1000000000000)
#define EVENT_PAGE_MAX 100     /* events in one answer */
#define EVENT_PAGE 20          /* unless the query says otherwise */
#define EVENT_LIST_ID "events" /* of the list's first page of EVENT_PAGE */
#define EVENT_STALE_MAX 64

/* What is read, each by its id: the kinds of pages. */
enum event_kind {
    EVENT_LIST,
    EVENT_EVENT,
    EVENT_SCHEDULE,
    EVENT_LAYOUT,
    EVENT_SEAT_MAP,
    EVENT_KINDS
};

struct events {
    struct app *app;
    struct tq_env env;
    tq_store *store;
    tq_relay *relay;
    struct tq__cache *cache; /* NULL: not shared */
    struct app_listener *listener;
    struct event_shared *pages[EVENT_KINDS];
    char stale[EVENT_STALE_MAX][TQ_ID_SIZE]; /* the listener's: schedules whose map has changed */
    size_t stale_count;
    struct event_cache *layouts; /* before pages, in this process */
    struct event_cache *seat_maps;
    struct app_series *published;
    struct app_series *announced;
};

struct event_price {
    char grade[EVENT_TEXT_MAX + 1];
    int64_t price;
};

struct event_schedule {
    char id[TQ_ID_SIZE];
    int64_t starts_ms;
    int64_t open_ms; /* of the sale */
    int64_t close_ms;
    int64_t person_limit;       /* 0: none */
    char room[EVENT_ROOM_SIZE]; /* "{...}" */
};

/* An event that is to be made. */
struct event_draft {
    char id[TQ_ID_SIZE];
    char venue[TQ_ID_SIZE];
    char title[EVENT_NAME_MAX + 1];
    char currency[EVENT_CURRENCY_SIZE];
    int64_t seats; /* in: at most so many of the hall; out: so many are sold */
    size_t prices_count;
    struct event_price prices[EVENT_GRADES_MAX];
    size_t schedules_count;
    struct event_schedule schedules[EVENT_SCHEDULES_MAX];
    const char *traceparent;                /* borrowed */
    char missing_grade[EVENT_TEXT_MAX + 1]; /* out, with TQ_REFUSED */
};

/* ---- venue.c ---- */

/* Keep a hall and name it. */
int event_venue_add(struct events *events, const struct event_hall *hall, char out_id[TQ_ID_SIZE],
                    struct tq_error *err);

/* ---- event.c ---- */

/* UPCOMING until the sale opens, ONGOING until it closes, then ENDED. */
const char *event_status(int64_t now_ms, int64_t open_ms, int64_t close_ms);
/*
 * Make an event and tell of its schedules, in one transaction. TQ_OK; TQ_GONE: no such venue;
 * TQ_REFUSED: a grade has no price.
 */
int event_create(struct events *events, struct event_draft *draft, struct tq_error *err);
/* Worker: tell of schedules whose status the clock has changed. */
int event_announce(void *events, struct tq_error *err);

/* ---- catalog.c ---- */

/* One page of events behind `cursor` ("": from the newest on). */
int event_list(struct events *events, const char *cursor, int64_t limit, struct event_page *page,
               struct tq_error *err);
/*
 * Load pages: the first of the list, an event, a schedule, a layout. Good until a status in them
 * changes by the clock. TQ_OK or TQ_GONE.
 */
event_load_fn event_list_load;
event_load_fn event_event_load;
event_load_fn event_schedule_load;
event_load_fn event_layout_load;
/* TQ_OK or TQ_GONE. */
int event_schedule_exists(struct events *events, const char *id, struct tq_error *err);
/* What reservation needs to sell a schedule. TQ_OK or TQ_GONE. */
int event_schedule_internal(struct events *events, const char *id, struct tq__buf *json,
                            struct tq_error *err);

/* ---- heard.c ---- */

app_heard_fn event_heard;
/* What it has gathered is dropped. */
void event_forget_maps(void *events);

/* ---- seatmap.c ---- */

/* Loads a seat-map page. */
event_load_fn event_seat_map_load;

/* ---- routes.c, admin.c ---- */

void event_admin_import(struct http_request *request);
void event_admin_generate(struct http_request *request);
void event_admin_create(struct http_request *request);

#define EVENT_ROUTES_COUNT 8
#define EVENT_INTERNAL_ROUTES_COUNT 1
extern const struct http_route event_routes[EVENT_ROUTES_COUNT];
extern const struct http_route event_internal_routes[EVENT_INTERNAL_ROUTES_COUNT];

#endif
