/* SPDX-License-Identifier: MIT */
/*
 * A sale of seats with a front on Redis and a ledger on PostgreSQL, each behind a proxy: seats
 * are held, refused, extended, pinned, sold, released and taken by another, while each
 * request to the one server or the other is struck. Then the map is the one that a sale without
 * a fault leaves, in the ledger and at the front; no seat ever had two owners, and fences grew.
 *
 * TICKETQ_TEST_REDIS and TICKETQ_TEST_POSTGRES name the servers; skipped without. With the
 * argument "cluster" the front is a Cluster of the test's own.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/hold.h>
#include <ticketq/system.h>

#include "fault/proxy/drill.h"
#include "fault/proxy/postgres_gate.h"
#include "fault/proxy/redis_place.h"

#define SEATS 6
#define LOOKS_MAX 100
#define LOOK_US 20000

static struct tq_error err = TQ_ERROR_INIT;
static struct redis_place place;
static struct postgres_gate gate;
static tq_store *front, *ledger, *plain_ledger;
static tq_book *book;     /* through both proxies, for all plays of a test */
static tq_book *onlooker; /* on the ledger alone, past its proxy */
static char schedule[TQ_ID_SIZE];
static const char *const names[SEATS] = {"s0", "s1", "s2", "s3", "s4", "s5"};

static tq_store *open_front(void)
{
    struct tq_env env = tq_system_env();
    tq_store *opened = NULL;
    int status;
    env.log = NULL;
    do {
        status = tq_store_open(&env, TQ_ARGS(tq_store_options, .url = place.url), &opened, &err);
    } while (drill_again(status, &err));
    return opened;
}

static tq_book *open_book(tq_store *front_store, tq_store *ledger_store)
{
    struct tq_env env = tq_system_env();
    tq_book *opened = NULL;
    int status;
    env.log = NULL;
    do {
        status = tq_book_open(
            &env, TQ_ARGS(tq_book_options, .front = front_store, .ledger = ledger_store), &opened,
            &err);
    } while (drill_again(status, &err));
    return opened;
}

static void setup(void)
{
    redis_place_open(&place);
    redis_place_new(&place);
    postgres_gate_open(&gate);
    plain_ledger = postgres_gate_store(gate.plain);
    ledger = postgres_gate_store(gate.proxied);
    front = open_front();
    onlooker = open_book(NULL, plain_ledger);
    book = open_book(front, ledger);
}

static void teardown(void)
{
    tq_book_close(book);
    tq_book_close(onlooker);
    tq_store_close(front);
    tq_store_close(ledger);
    tq_store_close(plain_ledger);
    postgres_gate_close(&gate);
    redis_place_close(&place);
}

/* ---- looking ---- */

struct seen {
    uint32_t counts[4];
    uint8_t bits[2];
};

static struct seen look(tq_book *which)
{
    struct seen seen = {{0}, {0}};
    struct tq_seat_map map = {.size = sizeof map, .bits = seen.bits, .bits_bytes = 2};
    int status;
    do {
        status = tq_book_map(which, schedule, &map, &err);
    } while (drill_again(status, &err));
    ck_assert_uint_eq(map.seats_count, SEATS);
    memcpy(seen.counts, map.counts, sizeof seen.counts);
    return seen;
}

/* What is certainly not applied, is not. */
static void check_told(int status, const struct seen *before)
{
    if (status == TQ_E_UNAVAILABLE && drill_unknowns() == 0) {
        struct seen seen = look(onlooker);
        ck_assert_msg(memcmp(&seen, before, sizeof seen) == 0, "%s: it was applied after all",
                      drill_name());
    }
}

/* ---- steps ---- */

static void define(void)
{
    int status;
    do {
        status = tq_book_define(book, schedule, names, SEATS, &err);
    } while (drill_again(status, &err));
}

/* Seats from `first`, which come to `expected`, or are had already after a doubt. */
static struct tq_hold acquire(const char *holder, const char *key, int first, size_t count,
                              int expected)
{
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct seen before = look(onlooker);
    int status;
    do {
        status = tq_hold_acquire(book,
                                 TQ_ARGS(tq_hold_request, .schedule = schedule, .holder = holder,
                                         .request_key = key, .seats = names + first,
                                         .seats_count = count),
                                 1, &hold, &err);
        status = status < 0 ? status : hold.status;
        check_told(status, &before);
    } while (drill_again(status, &err));
    int is_known = hold.status == TQ_REPEAT && expected == TQ_OK && drill_failures() > 0;
    ck_assert_msg(hold.status == expected || is_known, "%s: %s for %s", drill_name(),
                  tq_status_name(hold.status), key);
    return hold;
}

typedef int verb_fn(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                    struct tq_hold_result *results, struct tq_error *failure);

static void change(verb_fn *verb, const struct tq_hold *hold, const char *what)
{
    struct tq_hold_ref ref = {.size = sizeof ref,
                              .schedule = schedule,
                              .id = hold->id,
                              .holder = hold->holder,
                              .fence = hold->fence,
                              .extend_ms = 600000};
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    struct seen before = look(onlooker);
    int status;
    do {
        status = verb(book, &ref, 1, &result, &err);
        status = status < 0 ? status : result.status;
        check_told(status, &before);
    } while (drill_again(status, &err));
    ck_assert_msg(result.status == TQ_OK || (result.status == TQ_REPEAT && drill_failures() > 0),
                  "%s: %s is %s", drill_name(), what, tq_status_name(result.status));
}

/* ---- the end ---- */

/* s0 and s1 are sold, s3 is held. The front may take a moment. */
static void check_end(void)
{
    static const struct seen end = {{3, 1, 0, 2}, {0xf | 1u << 6, 0}};
    struct seen seen = look(onlooker);
    ck_assert_msg(memcmp(&seen, &end, sizeof end) == 0, "%s: in the ledger %u %u %u %u",
                  drill_name(), seen.counts[0], seen.counts[1], seen.counts[2], seen.counts[3]);
    seen = look(book);
    for (int i = 0; i < LOOKS_MAX && memcmp(&seen, &end, sizeof end) != 0; i++) {
        usleep(LOOK_US);
        seen = look(book);
    }
    ck_assert_msg(memcmp(&seen, &end, sizeof end) == 0, "%s: at the front %u %u %u %u",
                  drill_name(), seen.counts[0], seen.counts[1], seen.counts[2], seen.counts[3]);
}

/* ---- the sale ---- */

static void sell(void)
{
    static unsigned sales;
    snprintf(schedule, sizeof schedule, "show-%u", sales++);
    drill_begin();
    define();
    struct tq_hold ann = acquire("ann", "a", 0, 2, TQ_OK);
    acquire("bob", "b1", 1, 2, TQ_TAKEN);
    struct tq_hold bob = acquire("bob", "b2", 3, 1, TQ_OK);
    change(tq_hold_extend, &ann, "extend");
    change(tq_hold_pin, &ann, "pin");
    change(tq_hold_settle, &ann, "settle");
    change(tq_hold_release, &bob, "release");
    struct tq_hold eve = acquire("eve", "e", 3, 1, TQ_OK);
    acquire("bob", "b3", 0, 1, TQ_TAKEN);
    drill_end();
    ck_assert_uint_gt(eve.fence, bob.fence);
    check_end();
}

START_TEST(a_seat__has_one_owner_whatever_is_lost_to_the_front)
{
    setup();
    drill(place.proxy, sell, 8);
    teardown();
}
END_TEST

START_TEST(a_seat__has_one_owner_whatever_is_lost_to_the_ledger)
{
    setup();
    drill(gate.proxy, sell, 20);
    teardown();
}
END_TEST

int main(int count, char **arguments)
{
    const TTest *const tests[] = {a_seat__has_one_owner_whatever_is_lost_to_the_front,
                                  a_seat__has_one_owner_whatever_is_lost_to_the_ledger};
    if (!getenv("TICKETQ_TEST_POSTGRES")) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_POSTGRES\n");
        return EXIT_SUCCESS;
    }
    redis_place_choose(count > 1 ? arguments[1] : "redis");
    return unit_main("fault.proxy.hold", tests,
                     count > 1 && !strcmp(arguments[1], "cluster") ? 1 : 2);
}
