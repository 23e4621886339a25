/* SPDX-License-Identifier: MIT */
/*
 * Buyers: each holds one to three seats and then pays, gives up, or has them refunded, at
 * random by a seed of its own. Holds last longer than any test, so none runs out.
 */
#include "lib/hold_rush.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/unit.h"

#define TRIES_MAX 20000
#define PAUSE_US 2000
#define TTL_MS 3600000
#define ROUNDS_BEFORE 200 /* of all, before the disturbance */
#define ROUNDS_AFTER 200
#define HEAL_TRIES 3000
#define DOUBT_US 200000 /* after which a front that was found wrong may be looked at again */

static struct tq_error err = TQ_ERROR_INIT;
static char names[HOLD_RUSH_SEATS][8];
static const char *seats[HOLD_RUSH_SEATS];

struct buyer {
    struct hold_rush *rush;
    pthread_t thread;
    unsigned number; /* from 1 on */
    unsigned rounds;
    uint32_t chance;
    char name[TQ_ID_SIZE];
    size_t mine[3];
    size_t count;
};

typedef int verb_fn(tq_book *, const struct tq_hold_ref *, size_t, struct tq_hold_result *,
                    struct tq_error *);

static tq_store *open_store(const char *url)
{
    struct tq_env env = tq_system_env();
    tq_store *store = NULL;
    env.log = NULL;
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK);
    return store;
}

static tq_book *open_book(tq_store *front, tq_store *ledger)
{
    struct tq_env env = tq_system_env();
    tq_book *book = NULL;
    env.log = NULL;
    assert_status(
        tq_book_open(&env, TQ_ARGS(tq_book_options, .front = front, .ledger = ledger), &book, &err),
        TQ_OK);
    return book;
}

/* Non-zero: the outcome is not known yet, ask again. */
static int is_open(struct hold_rush *rush, int rc)
{
    rush->unavailable += rc == TQ_E_UNAVAILABLE;
    rush->unknown += rc == TQ_E_UNKNOWN;
    if (rc == TQ_E_UNAVAILABLE || rc == TQ_E_UNKNOWN) {
        usleep(PAUSE_US);
        return 1;
    }
    return 0;
}

void hold_rush_begin(struct hold_rush *rush, const char *front_url, const char *ledger_url)
{
    memset(rush, 0, sizeof *rush);
    for (size_t i = 0; i < HOLD_RUSH_SEATS; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        seats[i] = names[i];
    }
    rush->front = open_store(front_url);
    rush->ledger = open_store(ledger_url);
    rush->book = open_book(rush->front, rush->ledger);
    int rc;
    do {
        rc = tq_book_define(rush->book, HOLD_RUSH_SCHEDULE, seats, HOLD_RUSH_SEATS, &err);
    } while (is_open(rush, rc));
    ck_assert_msg(rc >= 0, "%s: %s", err.origin, err.message);
    rush->unavailable = rush->unknown = 0;
}

void hold_rush_end(struct hold_rush *rush)
{
    tq_book_close(rush->book);
    tq_store_close(rush->front);
    tq_store_close(rush->ledger);
}

static uint32_t draw(struct buyer *buyer, uint32_t below)
{
    buyer->chance = buyer->chance * 1664525u + 1013904223u;
    return (buyer->chance >> 8) % below;
}

static void expect(struct hold_rush *rush, int status, int one, int other)
{
    if (status != one && status != other) {
        rush->wrong_status = status;
        rush->wrong++;
    }
}

static int ask(struct hold_rush *rush, const struct tq_hold_request *request, struct tq_hold *hold)
{
    struct tq_error own = TQ_ERROR_INIT;
    int rc = TQ_E_UNKNOWN;
    for (int i = 0; i < TRIES_MAX; i++) {
        rc = tq_hold_acquire(rush->book, request, 1, hold, &own);
        if (!is_open(rush, rc)) {
            break;
        }
    }
    return rc < 0 ? rc : hold->status;
}

static void choose_seats(struct buyer *buyer)
{
    size_t first = draw(buyer, HOLD_RUSH_SEATS);
    buyer->count = 1 + draw(buyer, 3);
    for (size_t i = 0; i < buyer->count; i++) {
        buyer->mine[i] = (first + i * 5) % HOLD_RUSH_SEATS;
    }
}

static int hold_seats(struct buyer *buyer, struct tq_hold *hold)
{
    const char *wanted[3];
    char key[16];
    choose_seats(buyer);
    for (size_t i = 0; i < buyer->count; i++) {
        wanted[i] = seats[buyer->mine[i]];
    }
    snprintf(key, sizeof key, "k%u", buyer->rounds);
    const struct tq_hold_request request = {.size = sizeof request,
                                            .schedule = HOLD_RUSH_SCHEDULE,
                                            .holder = buyer->name,
                                            .request_key = key,
                                            .seats = wanted,
                                            .seats_count = buyer->count,
                                            .ttl_ms = TTL_MS};
    *hold = (struct tq_hold){.size = sizeof *hold};
    return ask(buyer->rush, &request, hold);
}

static void begin_to_own(struct buyer *buyer, const struct tq_hold *hold)
{
    struct hold_rush *rush = buyer->rush;
    rush->granted++;
    for (size_t i = 0; i < buyer->count; i++) {
        size_t seat = buyer->mine[i];
        rush->doubled += atomic_exchange(&rush->owner[seat], buyer->number) != 0;
        rush->fallen += atomic_exchange(&rush->fence[seat], hold->fence) >= hold->fence;
    }
}

/* Before the seats are given up: from then on somebody else may be told that they are his. */
static void end_to_own(struct buyer *buyer)
{
    for (size_t i = 0; i < buyer->count; i++) {
        atomic_exchange(&buyer->rush->owner[buyer->mine[i]], 0);
    }
}

static void run_verb(struct buyer *buyer, verb_fn *verb, const struct tq_hold *hold)
{
    struct tq_error own = TQ_ERROR_INIT;
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = hold->schedule,
                                    .id = hold->id,
                                    .holder = hold->holder,
                                    .fence = hold->fence};
    int rc = TQ_E_UNKNOWN;
    for (int i = 0; i < TRIES_MAX; i++) {
        rc = verb(buyer->rush->book, &ref, 1, &result, &own);
        if (!is_open(buyer->rush, rc)) {
            break;
        }
    }
    expect(buyer->rush, rc < 0 ? rc : result.status, TQ_OK, TQ_REPEAT);
}

/* Seats of a quarter of the hall stay sold; all others come back, in one way or another. */
static void use_seats(struct buyer *buyer, const struct tq_hold *hold)
{
    uint32_t way = draw(buyer, 8);
    if (way < 4) {
        run_verb(buyer, tq_hold_pin, hold);
    }
    if (way < 2) {
        run_verb(buyer, tq_hold_settle, hold);
        if (buyer->mine[0] % 4 == 0 && draw(buyer, 4) == 0) {
            return;
        }
    }
    end_to_own(buyer);
    run_verb(buyer, way < 2 ? tq_hold_give_back : tq_hold_release, hold);
}

static void *be_a_buyer(void *arg)
{
    struct buyer *buyer = arg;
    while (!buyer->rush->is_over) {
        struct tq_hold hold;
        int status = hold_seats(buyer, &hold);
        buyer->rounds++;
        buyer->rush->rounds++;
        if (status == TQ_OK || status == TQ_REPEAT) {
            begin_to_own(buyer, &hold);
            use_seats(buyer, &hold);
        } else {
            expect(buyer->rush, status, TQ_TAKEN, TQ_TAKEN);
        }
    }
    return NULL;
}

static void wait_for_rounds(const struct hold_rush *rush, unsigned rounds)
{
    unsigned begun = rush->rounds;
    for (int i = 0; i < TRIES_MAX && rush->rounds - begun < rounds; i++) {
        usleep(PAUSE_US);
    }
    ck_assert_uint_ge(rush->rounds - begun, rounds);
}

void hold_rush_run(struct hold_rush *rush, void (*disturb)(void))
{
    static unsigned runs; /* request keys of one run are none of another */
    struct buyer buyers[HOLD_RUSH_THREADS];
    runs++;
    rush->is_over = 0;
    for (unsigned i = 0; i < HOLD_RUSH_THREADS; i++) {
        buyers[i] = (struct buyer){.rush = rush, .number = i + 1, .chance = i * 7919u + runs};
        snprintf(buyers[i].name, sizeof buyers[i].name, "buyer-%u-%u", runs, i);
        ck_assert_int_eq(pthread_create(&buyers[i].thread, NULL, be_a_buyer, &buyers[i]), 0);
    }
    wait_for_rounds(rush, ROUNDS_BEFORE);
    disturb();
    wait_for_rounds(rush, ROUNDS_AFTER);
    rush->is_over = 1;
    for (unsigned i = 0; i < HOLD_RUSH_THREADS; i++) {
        pthread_join(buyers[i].thread, NULL);
    }
    ck_assert_msg(rush->wrong == 0, "%u wrong answers, one of them %s", rush->wrong,
                  tq_status_name(rush->wrong_status));
    ck_assert_uint_eq(rush->doubled, 0);
    ck_assert_uint_eq(rush->fallen, 0);
    ck_assert_uint_gt(rush->granted, 0);
}

static void compare_map(struct hold_rush *rush, tq_book *book, const char *whose)
{
    uint8_t bits[(HOLD_RUSH_SEATS + 3) / 4];
    struct tq_seat_map map = {.size = sizeof map, .bits = bits, .bits_bytes = sizeof bits};
    int rc;
    do {
        rc = tq_book_map(book, HOLD_RUSH_SCHEDULE, &map, &err);
    } while (is_open(rush, rc));
    assert_status(rc, TQ_OK);
    ck_assert_uint_eq(map.seats_count, HOLD_RUSH_SEATS);
    uint32_t sold = 0;
    for (size_t i = 0; i < HOLD_RUSH_SEATS; i++) {
        unsigned state = (unsigned)bits[i / 4] >> i % 4 * 2 & 3u;
        unsigned expected = rush->owner[i] ? TQ_SEAT_SOLD : TQ_SEAT_AVAILABLE;
        ck_assert_msg(state == expected, "%s: seat %zu is %u, expected %u", whose, i, state,
                      expected);
        sold += state == TQ_SEAT_SOLD;
    }
    ck_assert_uint_eq(map.counts[TQ_SEAT_SOLD], sold);
    ck_assert_uint_eq(map.counts[TQ_SEAT_AVAILABLE], HOLD_RUSH_SEATS - sold);
}

/* The front may need a moment: whoever notices that it is wrong pauses before the next look. */
static void have_seat(struct hold_rush *rush, size_t seat)
{
    static unsigned late;
    struct buyer buyer = {.rush = rush, .name = "late"};
    int expected = rush->owner[seat] ? TQ_TAKEN : TQ_OK, status = TQ_E_UNKNOWN;
    struct tq_hold hold = TQ_INIT(tq_hold);
    for (int i = 0; i < HEAL_TRIES && status != expected; i++) {
        char key[16];
        snprintf(key, sizeof key, "late-%u", late++);
        const struct tq_hold_request request = {.size = sizeof request,
                                                .schedule = HOLD_RUSH_SCHEDULE,
                                                .holder = buyer.name,
                                                .request_key = key,
                                                .seats = &seats[seat],
                                                .seats_count = 1,
                                                .ttl_ms = TTL_MS};
        usleep(i ? 20000 : 0);
        status = ask(rush, &request, &hold);
    }
    ck_assert_msg(status == expected, "seat %zu: %s, expected %s", seat, tq_status_name(status),
                  tq_status_name(expected));
    if (status == TQ_OK) {
        run_verb(&buyer, tq_hold_release, &hold);
    }
}

void hold_rush_check(struct hold_rush *rush)
{
    tq_book *truth = open_book(NULL, rush->ledger);
    compare_map(rush, truth, "the ledger");
    for (size_t i = 0; i < HOLD_RUSH_SEATS; i++) {
        have_seat(rush, i);
    }
    ck_assert_uint_eq(rush->wrong, 0);
    usleep(DOUBT_US);
    compare_map(rush, rush->book, "the front");
    compare_map(rush, truth, "the ledger");
    tq_book_close(truth);
}
