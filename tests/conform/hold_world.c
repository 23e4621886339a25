/* SPDX-License-Identifier: MIT */
/*
 * A world for tests of holds.
 */
#include "conform/hold_world.h"

#include <stdio.h>
#include <string.h>

tq_book *hold_world_book(struct hold_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_book_options options = w->options;
    tq_book *book = NULL;
    options.size = sizeof options;
    options.front = w->front;
    options.ledger = w->ledger;
    assert_status(tq_book_open(&w->world.env, &options, &book, &err), TQ_OK);
    return book;
}

/* The store itself, or one at the same place by another driver. */
static tq_store *replace(struct hold_world *w, tq_store *store, const char *url,
                         const struct tq_store_driver *driver)
{
    struct tq_error err = TQ_ERROR_INIT;
    if (!store || !driver) {
        return store;
    }
    tq_store_close(store);
    assert_status(tq_store_open(&w->world.env,
                                TQ_ARGS(tq_store_options, .url = url, .driver = driver), &store,
                                &err),
                  TQ_OK);
    return store;
}

static tq_store *replace_front(struct hold_world *w, tq_store *store)
{
    const char *url = w->ledger ? w->world.front_url : w->world.url;
    return replace(w, store, url, w->front_driver);
}

static void open_stores(struct hold_world *w)
{
    tq_store *store = world_store(&w->world);
    if (tq_store_caps(store) & TQ_STORE_LEDGER) {
        w->ledger = replace(w, store, w->world.url, w->ledger_driver);
        w->front = world_front(&w->world);
    } else {
        w->front = store;
    }
    w->front = replace_front(w, w->front);
}

static void open_world(struct hold_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    char names[HOLD_SEATS][8];
    const char *seats[HOLD_SEATS];
    world_open(&w->world);
    open_stores(w);
    w->book = hold_world_book(w);
    for (unsigned i = 0; i < HOLD_SEATS; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        seats[i] = names[i];
    }
    assert_status(tq_book_define(w->book, HOLD_SCHEDULE, seats, HOLD_SEATS, &err), TQ_OK);
}

void hold_world_open(struct hold_world *w, const struct tq_book_options *options)
{
    memset(w, 0, sizeof *w);
    w->options = options ? *options : w->options;
    open_world(w);
}

void hold_world_open_on(struct hold_world *w, const struct tq_store_driver *front,
                        const struct tq_store_driver *ledger)
{
    memset(w, 0, sizeof *w);
    w->front_driver = front;
    w->ledger_driver = ledger;
    open_world(w);
}

void hold_world_close(struct hold_world *w)
{
    tq_book_close(w->book);
    tq_store_close(w->front);
    tq_store_close(w->ledger);
    world_close(&w->world);
}

void hold_world_lose_front(struct hold_world *w)
{
    ck_assert_ptr_nonnull(w->ledger);
    tq_book_close(w->book);
    tq_store_close(w->front);
    w->front = replace_front(w, world_front(&w->world));
    w->book = hold_world_book(w);
}

struct tq_hold_request hold_request(const char *holder, const char *key, const char *seats)
{
    static struct {
        char text[256];
        const char *seats[TQ_HOLD_SEATS_MAX];
    } lists[16];
    static unsigned next;
    unsigned mine = next++ % 16;
    size_t count = 0;
    snprintf(lists[mine].text, sizeof lists[mine].text, "%s", seats);
    for (char *at = lists[mine].text; at; count++) {
        lists[mine].seats[count] = at;
        at = strchr(at, ' ');
        if (at) {
            *at++ = '\0';
        }
    }
    return (struct tq_hold_request){.size = sizeof(struct tq_hold_request),
                                    .schedule = HOLD_SCHEDULE,
                                    .holder = holder,
                                    .request_key = key,
                                    .seats = lists[mine].seats,
                                    .seats_count = count,
                                    .ttl_ms = 60000};
}

struct tq_hold hold_ask(struct hold_world *w, const struct tq_hold_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold hold = TQ_INIT(tq_hold);
    assert_status(tq_hold_acquire(w->book, request, 1, &hold, &err), TQ_OK);
    return hold;
}

struct tq_hold hold_take(struct hold_world *w, const char *holder, const char *key,
                         const char *seats)
{
    struct tq_hold_request request = hold_request(holder, key, seats);
    return hold_ask(w, &request);
}

struct tq_hold_ref hold_ref(const struct tq_hold *hold)
{
    return (struct tq_hold_ref){.size = sizeof(struct tq_hold_ref),
                                .schedule = hold->schedule,
                                .id = hold->id,
                                .holder = hold->holder,
                                .fence = hold->fence,
                                .extend_ms = 60000};
}

struct tq_hold_result hold_do(struct hold_world *w, uint32_t verb, const struct tq_hold *hold)
{
    static int (*const verbs[])(tq_book *, const struct tq_hold_ref *, size_t,
                                struct tq_hold_result *, struct tq_error *) = {
        [TQ_HOLD_PIN] = tq_hold_pin,         [TQ_HOLD_SETTLE] = tq_hold_settle,
        [TQ_HOLD_RELEASE] = tq_hold_release, [TQ_HOLD_EXTEND] = tq_hold_extend,
        [TQ_HOLD_RETAKE] = tq_hold_retake,   [TQ_HOLD_GIVE_BACK] = tq_hold_give_back,
    };
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    struct tq_hold_ref ref = hold_ref(hold);
    assert_status(verbs[verb](w->book, &ref, 1, &result, &err), TQ_OK);
    return result;
}

static int count_visit(void *arg, const struct tq_hold_row *row)
{
    ck_assert_int_eq(row->ended, TQ_EXPIRED);
    ck_assert_uint_eq(row->state, TQ_SEAT_AVAILABLE);
    ++*(unsigned *)arg;
    return 0;
}

unsigned hold_sweep_all(struct hold_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    unsigned visited = 0;
    int rc;
    while ((rc = tq_hold_sweep(w->book, 3, count_visit, &visited, NULL, &err)) == TQ_OK) {
    }
    assert_status(rc, TQ_EMPTY);
    return visited;
}

struct hold_map hold_map_of(struct hold_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    uint8_t bits[(HOLD_SEATS + 3) / 4];
    struct tq_seat_map map = {.size = sizeof map, .bits = bits, .bits_bytes = sizeof bits};
    struct hold_map out = {0};
    uint32_t counts[4] = {0};
    assert_status(tq_book_map(w->book, HOLD_SCHEDULE, &map, &err), TQ_OK);
    ck_assert_uint_eq(map.seats_count, HOLD_SEATS);
    ck_assert_uint_eq(map.bits_bytes, sizeof bits);
    for (unsigned i = 0; i < HOLD_SEATS; i++) {
        out.seats[i] = (unsigned)bits[i / 4] >> i % 4 * 2 & 3u;
        counts[out.seats[i]]++;
    }
    ck_assert_int_eq(memcmp(counts, map.counts, sizeof counts), 0);
    memcpy(out.counts, counts, sizeof counts);
    out.version = map.version;
    return out;
}
