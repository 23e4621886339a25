/* SPDX-License-Identifier: MIT */
/*
 * What is on sale: the seats of each schedule with their grades and prices.
 *
 * The event service owns halls and prices. When it publishes a schedule the
 * inbox notes it (schedules_note), and a worker fetches the seats by one
 * internal read, defines them in the book, in the order of the seat map, and
 * writes them down (schedules_step). Prices are then kept in memory: a hold
 * reads them without touching the database. After a start everything comes back
 * from the ledger (schedules_restore), the front of the book included, before
 * anybody is served.
 *
 * Each step may be repeated: a crash between defining and writing down only
 * makes the worker fetch again. Writing down comes last, because what is written down
 * nobody looks for any more.
 *
 * Threads: readers take the lock shared; a schedule is added complete, once,
 * and neither changed nor removed while the service is open.
 */
#include "reservation/reservation.h"

#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "reservation_sql.h"

#define ORIGIN "reservation"

typedef struct schedule {
    const struct tq_env *env;
    char id[TQ_ID_SIZE];
    struct sale sale;
    struct priced_seat *seats;
    const char **ids; /* of the seats, for the book */
    size_t seats_count;
    struct tq__map by_id; /* struct priced_seat */
} schedule;

static void schedule_free(schedule *owned)
{
    tq__map_done(&owned->by_id);
    tq__release(owned->env, owned->seats);
    tq__release(owned->env, owned->ids);
    tq__release(owned->env, owned);
}

TQ_AUTO_DEFINE(schedule, schedule_free)

static int schedule_new(const struct tq_env *env, const char *id, schedule **out_schedule,
                        struct tq_error *err)
{
    TQ_AUTO(schedule) *made = tq__alloc(env, 1, sizeof *made);
    if (!made) {
        return tq__nomem(ORIGIN, err);
    }
    made->env = env;
    tq__id_copy(made->id, id);
    TQ_TRY(tq__map_init(&made->by_id, env, err));
    *out_schedule = tq__take(&made);
    return TQ_OK;
}

/* Begin with no seats and room for `count`: neither array moves afterwards. */
static int reserve_seats(schedule *target, size_t count, struct tq_error *err)
{
    if (count == 0 || count > TQ_SCHEDULE_SEATS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "schedule %s has %zu seats", target->id, count);
    }
    tq__release(target->env, target->seats);
    tq__release(target->env, target->ids);
    tq__map_done(&target->by_id);
    target->seats_count = 0;
    target->seats = tq__alloc(target->env, count, sizeof *target->seats);
    target->ids = tq__alloc(target->env, count, sizeof *target->ids);
    if (!target->seats || !target->ids) {
        return tq__nomem(ORIGIN, err);
    }
    return tq__map_reserve(&target->by_id, count, err);
}

static int add_seat(schedule *target, const char *id, const char *grade, int64_t price,
                    struct tq_error *err)
{
    struct priced_seat *seat = &target->seats[target->seats_count];
    if (price < 0 || !tq__id_is_valid(id) || !tq__id_is_valid(grade) ||
        tq__map_get(&target->by_id, id)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "seat %zu of schedule %s is not usable",
                        target->seats_count, target->id);
    }
    tq__id_copy(seat->id, id);
    tq__id_copy(seat->grade, grade);
    seat->price = price;
    target->ids[target->seats_count++] = seat->id;
    return tq__map_put(&target->by_id, seat->id, seat, err);
}

/* ---- memory ---- */

int schedules_init(struct reservations *service, struct tq_error *err)
{
    pthread_rwlock_init(&service->schedules.lock, NULL);
    return tq__map_init(&service->schedules.by_id, &service->env, err);
}

void schedules_done(struct reservations *service)
{
    size_t cursor = 0;
    for (schedule *at; (at = tq__map_next(&service->schedules.by_id, &cursor));) {
        schedule_free(at);
    }
    tq__map_done(&service->schedules.by_id);
    pthread_rwlock_destroy(&service->schedules.lock);
}

static schedule *find(struct reservations *service, const char *id)
{
    pthread_rwlock_rdlock(&service->schedules.lock);
    schedule *found = tq__map_get(&service->schedules.by_id, id);
    pthread_rwlock_unlock(&service->schedules.lock);
    return found;
}

/* Put a complete schedule on sale. Takes it; one that is there already wins. */
static int publish(struct reservations *service, schedule **owned, struct tq_error *err)
{
    int rc = TQ_OK;
    pthread_rwlock_wrlock(&service->schedules.lock);
    if (!tq__map_get(&service->schedules.by_id, (*owned)->id)) {
        rc = tq__map_put(&service->schedules.by_id, (*owned)->id, *owned, err);
        if (rc == TQ_OK) {
            *owned = NULL;
        }
    }
    pthread_rwlock_unlock(&service->schedules.lock);
    return rc;
}

int schedules_sale(struct reservations *service, const char *id, struct sale *out_sale)
{
    const schedule *found = find(service, id);
    if (!found) {
        return TQ_GONE;
    }
    *out_sale = found->sale;
    return TQ_OK;
}

int schedules_price(struct reservations *service, const char *id, struct priced_seat *seats,
                    size_t count, uint64_t *out_unknown)
{
    const schedule *found = find(service, id);
    *out_unknown = 0;
    for (size_t i = 0; found && i < count; i++) {
        const struct priced_seat *seat = tq__map_get(&found->by_id, seats[i].id);
        if (seat) {
            seats[i] = *seat;
        } else {
            *out_unknown |= (uint64_t)1 << i;
        }
    }
    return found && !*out_unknown ? TQ_OK : TQ_GONE;
}

/* ---- the ledger ---- */

/* Looks for the first schedule behind `after` that is, or is not, loaded. */
struct search {
    const struct tq_env *env;
    const char *after;
    int is_loaded;
    schedule *found; /* NULL: there is none */
};

static int found_row(void *arg, const struct tq_value *columns, size_t count)
{
    struct search *search = arg;
    (void)count;
    int rc = schedule_new(search->env, columns[0].data, &search->found, NULL);
    if (rc == TQ_OK) {
        struct sale *sale = &search->found->sale;
        snprintf(sale->currency, sizeof sale->currency, "%s", (const char *)columns[1].data);
        sale->open_ms = columns[2].integer;
        sale->close_ms = columns[3].integer;
        sale->person_limit = columns[4].integer;
    }
    return rc;
}

static int next_schedule(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct search *search = arg;
    const struct tq_value params[] = {tq_int(search->is_loaded), tq_text(search->after)};
    if (search->found) { /* of a run that was not committed */
        schedule_free(tq__take(&search->found));
    }
    return tq_tx_exec(tx, RESERVATION_schedule_next, params, 2, found_row, search, err);
}

static int seat_row(void *arg, const struct tq_value *columns, size_t count)
{
    (void)count;
    return add_seat(arg, columns[0].data, columns[1].data, columns[2].integer, NULL);
}

static int count_row(void *arg, const struct tq_value *columns, size_t count)
{
    (void)count;
    *(size_t *)arg = (size_t)columns[0].integer;
    return 0;
}

static int read_seats(tq_tx *tx, void *arg, struct tq_error *err)
{
    schedule *target = arg;
    const struct tq_value params[] = {tq_text(target->id)};
    size_t count = 0;
    TQ_TRY(tq_tx_exec(tx, RESERVATION_seat_prices_count, params, 1, count_row, &count, err));
    TQ_TRY(reserve_seats(target, count, err));
    return tq_tx_exec(tx, RESERVATION_seat_prices_list, params, 1, seat_row, target, err);
}

static int define(struct reservations *service, const schedule *ready, struct tq_error *err)
{
    int rc = tq_book_define(service->book, ready->id, ready->ids, ready->seats_count, err);
    return rc < 0 ? rc : TQ_OK;
}

int schedules_restore(struct reservations *service, struct tq_error *err)
{
    char after[TQ_ID_SIZE] = "";
    for (;;) {
        struct search search = {&service->env, after, 1, NULL};
        TQ_TRY(tq_ledger_read(service->ledger, next_schedule, &search, err));
        TQ_AUTO(schedule) *next = search.found;
        if (!next) {
            return TQ_OK;
        }
        tq__id_copy(after, next->id);
        TQ_TRY(tq_ledger_read(service->ledger, read_seats, next, err));
        TQ_TRY(define(service, next, err));
        TQ_TRY(publish(service, &next, err));
    }
}

/* ---- loading ---- */

int schedules_note(tq_tx *tx, const struct tq_event *event, const tq__json *payload,
                   struct tq_error *err)
{
    const char *event_id = tq__json_string(tq__json_member(payload, "eventId"));
    int64_t open_ms = 0;
    int64_t close_ms = 0;
    int64_t limit = 0;
    if (!tq__id_is_valid(event_id) ||
        !tq__json_int64(tq__json_member(payload, "salesOpenAt"), &open_ms) ||
        !tq__json_int64(tq__json_member(payload, "salesCloseAt"), &close_ms)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "SchedulePublished lacks a field");
    }
    tq__json_int64(tq__json_member(payload, "personLimit"), &limit);
    const struct tq_value params[] = {tq_text(event->key), tq_text(event_id), tq_int(open_ms),
                                      tq_int(close_ms), tq_int(limit)};
    return tq_tx_exec(tx, RESERVATION_schedule_add, params, 5, NULL, NULL, err);
}

/* One `[seatId, grade, price]` of the event service's document. */
static int parse_seat(schedule *target, const tq__json *seat, struct tq_error *err)
{
    const tq__json *id = tq__json_first(seat);
    const tq__json *grade = tq__json_next(id);
    int64_t price = -1;
    tq__json_int64(tq__json_next(grade), &price);
    return add_seat(target, tq__json_string(id), tq__json_string(grade), price, err);
}

static int parse(schedule *target, const tq__json *document, struct tq_error *err)
{
    const char *currency = tq__json_string(tq__json_member(document, "currency"));
    const tq__json *seats = tq__json_member(document, "seats");
    if (!currency || strlen(currency) != RESERVATION_CURRENCY_SIZE - 1) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "schedule %s has no currency", target->id);
    }
    memcpy(target->sale.currency, currency, RESERVATION_CURRENCY_SIZE);
    TQ_TRY(reserve_seats(target, tq__json_count(seats), err));
    for (const tq__json *at = tq__json_first(seats); at; at = tq__json_next(at)) {
        TQ_TRY(parse_seat(target, at, err));
    }
    return TQ_OK;
}

static int fetch(struct reservations *service, schedule *target, struct tq_error *err)
{
    struct http_answer answer = HTTP_ANSWER(&service->env);
    char path[128];
    snprintf(path, sizeof path, "/internal/schedules/%s", target->id);
    int rc = app_internal_get(service->app, "event", path, &answer, err);
    if (rc == TQ_OK && answer.status != 200) {
        rc = tq__fail(err, TQ_E_UNAVAILABLE, ORIGIN, "event answered %u for schedule %s",
                      answer.status, target->id);
    }
    if (rc == TQ_OK) {
        rc = parse(target, http_answer_json(&answer), err);
    }
    http_answer_done(&answer);
    return rc;
}

/* Write seats [first, first + count) in one statement. */
static int write_some(tq_tx *tx, const schedule *ready, struct tq_value *params, size_t first,
                      size_t count, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct priced_seat *seat = &ready->seats[first + i];
        struct tq_value *at = &params[5 * i];
        at[0] = tq_text(ready->id);
        at[1] = tq_text(seat->id);
        at[2] = tq_int((int64_t)(first + i));
        at[3] = tq_text(seat->grade);
        at[4] = tq_int(seat->price);
    }
    return tq_tx_exec_many(tx, RESERVATION_seat_price_add, params, 5, count, NULL, err);
}

#define WRITE_MAX 512

static int write_down(tq_tx *tx, void *arg, struct tq_error *err)
{
    const schedule *ready = arg;
    struct tq_value params[5 * WRITE_MAX];
    for (size_t first = 0; first < ready->seats_count; first += WRITE_MAX) {
        size_t left = ready->seats_count - first;
        TQ_TRY(write_some(tx, ready, params, first, left < WRITE_MAX ? left : WRITE_MAX, err));
    }
    const struct tq_value done[] = {tq_text(ready->id), tq_text(ready->sale.currency)};
    return tq_tx_exec(tx, RESERVATION_schedule_loaded, done, 2, NULL, NULL, err);
}

int schedules_step(void *arg, struct tq_error *err)
{
    struct reservations *service = arg;
    char *after = service->schedules.loading;
    struct search search = {&service->env, after, 0, NULL};
    TQ_TRY(tq_ledger_read(service->ledger, next_schedule, &search, err));
    TQ_AUTO(schedule) *next = search.found;
    if (!next) {
        after[0] = '\0';
        return TQ_EMPTY;
    }
    tq__id_copy(after, next->id); /* one that cannot be loaded does not hold up the others */
    TQ_TRY(fetch(service, next, err));
    TQ_TRY(define(service, next, err));
    schedule *ready = next;
    TQ_TRY(publish(service, &next, err));
    return tq_ledger_run(service->ledger, write_down, ready, err);
}
