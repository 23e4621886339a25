/* SPDX-License-Identifier: MIT */
/*
 * What the files of the queue service share.
 *
 *     routes.c   HTTP in and out for visitors
 *     admin.c    HTTP in and out for operators, and the internal read
 *     visits.c   what visitors ask at the same time, in one call
 *     place.c    a place and a state document as JSON
 *     rooms.c    which rooms there are; opening them again after a restart; their numbers
 *     ticks.c    letting visitors in; rooms that could not be asked
 *     orders.c   what operators order
 *     streams.c  places as event streams
 *     pace.c     who asks far too early
 *     service.c  inbox, workers, opening and closing
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include <ticketq/outbox.h>
#include <ticketq/room.h>

#include "app/app.h"
#include "core/backoff.h"
#include "core/map.h"
#include "queue/pace.h"

#define QUEUE_POOL "queue"
#define QUEUE_STATE_SIZE 1024     /* a state document as JSON */
#define QUEUE_STATE_AGE_MS 100    /* from when on a newer one is wanted */
#define QUEUE_STATE_STALE_MS 2000 /* how old one may be that is handed out until that is there */
#define QUEUE_NUMBERS 10000       /* numbers that are reserved at once */
#define QUEUE_AUDIT_PAGE 1000     /* actions in one answer */

struct queue_streams;

/* A room as it is kept in the database. */
struct queue_row {
    char id[TQ_ID_SIZE];
    struct tq_room_policy policy; /* with first_sequence and first_epoch as they are to be */
    int is_paused;
    int is_draining;
};

/* What everybody may know of a room, as it was read last (place.c). */
struct queue_document {
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t was_read;
    int is_being_read;       /* by one, for all */
    unsigned orders;         /* what was read before one of them is not kept */
    int64_t tried_ms;        /* when it was read last, or could not be; 0: never */
    int64_t read_ms;         /* when `text` was read */
    size_t bytes;            /* 0: there is none */
    struct tq_error trouble; /* why it could not be read */
    char text[QUEUE_STATE_SIZE];
};

/* A room that is open. Never closed before the service is. */
struct queue_room {
    char id[TQ_ID_SIZE];
    tq_room *room;
    struct queue_room *next;    /* an older one */
    pthread_mutex_t order_lock; /* one order at a time: the database and the room agree */
    pthread_mutex_t lock;       /* the next four */
    int64_t shards;             /* a visitor may use up so many numbers; constant */
    int64_t reserved;           /* numbers up to here may be issued */
    int64_t highest;            /* highest number that was seen */
    int64_t entering;           /* visitors who may get a number right now */
    struct queue_document document;
    atomic_int_least64_t epoch; /* written by orders, read by the internal route */
    atomic_int is_away;         /* its last tick failed: another worker ticks it */
    /* Of the worker that ticks it: */
    int64_t tick_ms;             /* when the next tick is due */
    struct tq__backoff patience; /* until it is asked again */
    struct {
        int64_t at_ms;
        int64_t count; /* 0: nobody has to wait for them */
        uint32_t rate, rate_per_ms;
    } let_in; /* last */
};

struct queue {
    struct app *app;
    struct tq_env env;
    tq_store *store; /* the database */
    tq_store *lines; /* where rooms are: --room */
    tq_inbox *inbox;
    tq_relay *relay;
    struct queue_pace *pace;
    struct queue_streams *streams;
    pthread_rwlock_t lock; /* of `rooms` */
    struct tq__map rooms;  /* struct queue_room by its id; added to, never removed from */
    _Atomic(struct queue_room *) newest;
    struct app_series *entered;
    struct app_series *refused;
    struct app_series *early;
    struct app_series *admitted;
    struct app_series *skipped;
    uint32_t recovery_ms;        /* of rooms that are opened again */
    int64_t refill_ms;           /* the tick worker's own: no number is reserved ahead before */
    struct tq__backoff patience; /* until that is tried again */
    char looked_at[TQ_ID_SIZE];  /* the last room that its worker has looked for */
};

/* An operator's order. */
struct queue_order {
    uint32_t verb; /* enum tq_room_order */
    int64_t value;
    char actor[TQ_ID_SIZE];
    char reason[TQ_ROOM_REASON_SIZE];
};

/* ---- rooms.c ---- */

/* NULL: there is no such room. */
struct queue_room *queue_room_find(struct queue *queue, const char *id);
/* Keep a new room, in the caller's transaction; one that is there stays as it is. */
int queue_room_add(tq_tx *tx, const struct queue_row *row, struct tq_error *err);
/* Read a room's row. TQ_OK or TQ_GONE. */
int queue_room_read(tq_tx *tx, const char *id, struct queue_row *out_row, struct tq_error *err);
/* Open a room that the database has. */
int queue_room_open(struct queue *queue, const char *id, struct tq_error *err);
/* Open all of them. */
int queue_rooms_open(struct queue *queue, struct tq_error *err);
/*
 * Open some that are not open, behind `after`, which goes on also when one cannot be opened.
 * TQ_EMPTY: these were the last, and it begins anew.
 */
int queue_rooms_look(struct queue *queue, char after[TQ_ID_SIZE], struct tq_error *err);
void queue_rooms_close(struct queue *queue);
/* Call `visit` for each room that is open, without a lock; a non-zero result stops. */
int queue_rooms_each(struct queue *queue, int (*visit)(void *arg, struct queue_room *room),
                     void *arg);
/* Before `count` visitors enter: make sure that their numbers are reserved. */
int queue_numbers_begin(struct queue *queue, struct queue_room *room, int64_t count,
                        struct tq_error *err);
/* After they have: the highest number among them. */
void queue_numbers_end(struct queue_room *room, int64_t count, int64_t highest);
/* Reserve ahead of time, so that entering need not wait for the disk. */
int queue_numbers_refill(struct queue *queue, struct queue_room *room, struct tq_error *err);

/* ---- visits.c ---- */

/* One visitor of a batch. */
struct queue_visit {
    struct queue_room *room;
    const char *visitor;    /* borrowed */
    const char *token;      /* borrowed; NULL: none */
    void *arg;              /* the caller's */
    int rc;                 /* a failure, with `err`; otherwise `place` is the answer */
    struct tq_place *place; /* `status` is that of the call */
    struct tq_error err;
};

struct queue_visits {
    const struct tq_env *env;
    size_t count;
    struct queue_visit *list;
    struct tq_visitor *visitors;
    struct tq_place *places;
};

/* One library call for visitors of one room. */
typedef int queue_call_fn(struct queue *queue, struct queue_room *room,
                          const struct tq_visitor *visitors, size_t count, struct tq_place *places,
                          struct tq_error *err);
queue_call_fn queue_call_enter, queue_call_place, queue_call_leave;

/* A batch of at most `room` visits, 1 to TQ_BATCH_MAX. */
int queue_visits_init(struct queue_visits *visits, const struct tq_env *env, size_t room,
                      struct tq_error *err);
void queue_visits_done(struct queue_visits *visits);
struct queue_visit *queue_visits_add(struct queue_visits *visits, struct queue_room *room,
                                     const char *visitor, const char *token);
void queue_visits_run(struct queue *queue, struct queue_visits *visits, queue_call_fn *call);

/* ---- orders.c ---- */

const char *queue_verb_name(uint32_t verb);
/* 0: there is no such verb. */
uint32_t queue_verb_find(const char *name);
/* True for the verbs whose value is a time. */
int queue_verb_has_time(uint32_t verb);
/* The smallest and largest value; both 0: the verb takes none. */
void queue_verb_limits(uint32_t verb, int64_t *out_min, int64_t *out_max);
/* Record an order and carry it out. TQ_OK; TQ_REFUSED: the room would close before it opens. */
int queue_order(struct queue *queue, struct queue_room *room, const struct queue_order *order,
                struct tq_error *err);
/* Put a room's actions behind number `after` into an array. */
int queue_audit(struct queue *queue, const char *id, int64_t after, struct tq__buf *json,
                struct tq_error *err);

/* ---- place.c ---- */

void queue_put_place(struct tq__buf *json, const char *schedule, const struct tq_place *place);
/*
 * The state document: read anew when the one at hand is older than QUEUE_STATE_AGE_MS; while
 * somebody else reads it, and when it cannot be read, one of up to QUEUE_STATE_STALE_MS.
 */
int queue_state(struct queue *queue, struct queue_room *room, char target[QUEUE_STATE_SIZE],
                size_t *out_bytes, struct tq_error *err);
/* The next one is read anew. */
void queue_state_forget(struct queue_room *room);
void queue_state_init(struct queue_room *room);
void queue_state_done(struct queue_room *room);

/* ---- ticks.c ---- */

/* Worker: let in whom the rooms let in now. */
int queue_tick_step(void *queue, struct tq_error *err);
/* Another worker: ask those again that could not be asked, which takes its time. */
void queue_tick_away(struct queue *queue);

/* ---- streams.c ---- */

int queue_streams_new(struct queue *queue, size_t streams_max, struct queue_streams **out_streams,
                      struct tq_error *err);
/* The worker has ended. NULL is allowed. */
void queue_streams_free(struct queue_streams *streams);
/* Make room for one more: TQ_OK, then add or give back; TQ_FULL. */
int queue_streams_reserve(struct queue_streams *streams);
void queue_streams_give_back(struct queue_streams *streams);
/* Takes the stream, in every case. */
void queue_streams_add(struct queue_streams *streams, http_stream *stream, struct queue_room *room,
                       const char *visitor);
/* Worker: tell those who listen. */
int queue_streams_step(void *streams, struct tq_error *err);
size_t queue_streams_count(struct queue_streams *streams);

/* ---- routes.c, admin.c ---- */

void queue_admin_order(struct http_request *request);
void queue_admin_audit(struct http_request *request);

#define QUEUE_ROUTES_COUNT 7
#define QUEUE_INTERNAL_ROUTES_COUNT 1
extern const struct http_route queue_routes[QUEUE_ROUTES_COUNT];
extern const struct http_route queue_internal_routes[QUEUE_INTERNAL_ROUTES_COUNT];

#endif
