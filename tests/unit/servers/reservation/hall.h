/* SPDX-License-Identifier: MIT */
/*
 * The reservation service without HTTP: its ledger, its front in memory, one
 * schedule of eight seats on sale, a limit of four a person.
 */
#ifndef TESTS_UNIT_SERVERS_RESERVATION_HALL_H
#define TESTS_UNIT_SERVERS_RESERVATION_HALL_H

#include <stdio.h>
#include <string.h>

#include "../desk.h"
#include "lib/unit.h"
#include "reservation/reservation.h"
#include "reservation_sql.h"

#define SCHEDULE "s-1"
#define SEATS 8
#define LIMIT 4
#define TTL_MS 60000

struct hall {
    struct desk desk;
    struct reservations service;
    struct tq_error err;
    unsigned keys;                        /* of requests so far */
    unsigned wording;                     /* of the bodies of requests */
    const struct tq_store_driver *driver; /* of the front; NULL: as it is */
};

static struct hall hall;

static inline int put_on_sale(tq_tx *tx, void *arg, struct tq_error *err)
{
    (void)arg;
    int rc = tq_tx_exec(tx,
                        "INSERT INTO schedules (schedule_id, event_id, currency, sales_open_ms, "
                        "sales_close_ms, person_limit, is_loaded) VALUES ('s-1', 'e-1', 'KRW', 1, "
                        "9000000000000, 4, 1)",
                        NULL, 0, NULL, NULL, err);
    for (int i = 0; rc == TQ_OK && i < SEATS; i++) {
        char seat[16];
        snprintf(seat, sizeof seat, "A-%d", i);
        const struct tq_value row[] = {tq_text(SCHEDULE), tq_text(seat), tq_int(i), tq_text("R"),
                                       tq_int(1000 + i)};
        rc = tq_tx_exec(tx, RESERVATION_seat_price_add, row, 5, NULL, NULL, err);
    }
    return rc;
}

static inline void hall_open_book(struct tq_error *told)
{
    struct tq_error err = *told;
    struct reservations *service = &hall.service;
    assert_status(tq_store_open(&service->env,
                                TQ_ARGS(tq_store_options, .url = "memory:", .driver = hall.driver),
                                &service->front, &err),
                  TQ_OK);
    assert_status(
        tq_book_open(&service->env,
                     TQ_ARGS(tq_book_options, .front = service->front, .ledger = service->ledger),
                     &service->book, &err),
        TQ_OK);
    assert_status(schedules_init(service, &err), TQ_OK);
    assert_status(schedules_restore(service, &err), TQ_OK);
}

static inline void hall_close_book(void)
{
    tq_book_close(hall.service.book);
    schedules_done(&hall.service);
    tq_store_close(hall.service.front);
}

static inline void hall_open_at(const char *url)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct reservations *service = &hall.service;
    memset(&hall, 0, sizeof hall);
    hall.err = err;
    desk_open(&hall.desk, "reservation", RESERVATION_v1, url);
    service->env = hall.desk.env;
    service->ledger = hall.desk.ledger;
    service->hold_ttl_ms = TTL_MS;
    purchase_reflect_init(service);
    assert_status(tq_ledger_run(service->ledger, put_on_sale, NULL, &err), TQ_OK);
    hall_open_book(&err);
    assert_status(
        tq_sagas_open(service->ledger, &purchase_type, service, &service->purchases, &err), TQ_OK);
}

static inline void hall_open(void)
{
    hall_open_at(NULL);
}

static inline void hall_close(void)
{
    tq_sagas_close(hall.service.purchases);
    hall_close_book();
    purchase_reflect_done(&hall.service);
    desk_close(&hall.desk);
}

/* Hold seats first..first+count-1 for a user under a key; `row` is what came of it. */
static inline int hold_as(const char *user, const char *key, int first, int count,
                          struct reservation *row)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct app_once once = {.body = TQ__BUF(&hall.service.env)};
    struct hold_wish wish = {.once = &once, .answer = TQ__BUF(&hall.service.env)};
    snprintf(once.scope, sizeof once.scope, "hold:%s", user);
    snprintf(once.key, sizeof once.key, "%s", key);
    snprintf(once.fingerprint, sizeof once.fingerprint, "%060d%04u", first * 100 + count,
             hall.wording);
    tq__id_copy(wish.row.user, user);
    tq__id_copy(wish.row.schedule, SCHEDULE);
    wish.row.seats_count = (size_t)count;
    for (int i = 0; i < count; i++) {
        snprintf(wish.row.seats[i].id, TQ_ID_SIZE, "A-%d", first + i);
    }
    int rc = reservation_hold(&hall.service, &wish, &err);
    if (rc == TQ_REPEAT) {
        ck_assert_uint_eq(once.status, 201);
        ck_assert_uint_gt(once.body.bytes, 0);
    }
    if (row) {
        *row = wish.row;
    }
    app_once_done(&once);
    tq__buf_done(&wish.answer);
    return rc;
}

static inline int hold(const char *user, int first, int count, struct reservation *row)
{
    char key[32];
    snprintf(key, sizeof key, "key-of-a-test-%u", hall.keys++);
    return hold_as(user, key, first, count, row);
}

struct bringing {
    const char *id;
    const char *event;
    struct purchase_input input;
};

static inline int bring_in(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct bringing *bringing = arg;
    return purchase_apply(tx, &hall.service, bringing->id, bringing->event, &bringing->input, err);
}

/* Bring an event, and tell the front as the service does. */
static inline int bring(const char *id, const char *event)
{
    struct bringing bringing = {id, event, {.payment = "P", .reason = "WHY", .amount = 1000}};
    int rc = tq_ledger_run(hall.service.ledger, bring_in, &bringing, &hall.err);
    purchase_reflect(&hall.service, &id, 1);
    return rc;
}

static inline const char *ask(const char *sql)
{
    return desk_ask(&hall.desk, sql);
}

static inline const char *last_told(void)
{
    return desk_last_told(&hall.desk);
}

/* Seats that the front says are in a state. */
static inline unsigned seats_in(enum tq_seat_state state)
{
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    ck_assert_int_eq(tq_book_map(hall.service.book, SCHEDULE, &map, &hall.err), TQ_OK);
    return map.counts[state];
}

#endif
