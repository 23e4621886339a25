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
#include <ticketq/outbox.h>
#include <ticketq/system.h>

#include "core/error.h"
#include "fault/proxy/drill.h"
#include "fault/proxy/postgres_gate.h"
#include "fault/proxy/redis_place.h"
#include "lib/outbox_world.h"

#define SEATS 6
#define LOOKS_MAX 100
#define LOOK_US 20000

static struct tq_error err = TQ_ERROR_INIT;
static struct redis_place place;
static struct postgres_gate gate;
static tq_store *front, *ledger, *plain_ledger;
static tq_book *book;     /* through both proxies, for all plays of a test */
static tq_book *onlooker; /* on the ledger alone, past its proxy */
static char schedule[32];
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

/* ---- a reservation: the host's row, the seats and the event in one transaction ---- */

struct reservation {
    char key[128];
    struct tq_hold_request request;
    struct tq_hold claim, hold;
};

static int tell(tq_tx *tx, const char *key, const char *type, struct tq_error *failure)
{
    return tq_outbox_append(tx,
                            TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = type,
                                    .aggregate_type = "reservation", .aggregate_id = key,
                                    .payload = "{}", .payload_bytes = 2),
                            1, failure);
}

static int record(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct reservation *mine = arg;
    const struct tq_value key = tq_text(mine->key);
    mine->hold = mine->claim;
    int status = tq_hold_record(tx, book, &mine->request, 1, &mine->hold, failure);
    if (status < 0 || mine->hold.status != TQ_OK) {
        return status < 0 ? status : mine->hold.status;
    }
    status =
        tq_tx_exec(tx, "INSERT INTO reservations (id) VALUES ($1)", &key, 1, NULL, NULL, failure);
    return status < 0 ? status : tell(tx, mine->key, "Reserved", failure);
}

static struct tq_hold_ref ref_to(const struct tq_hold *hold)
{
    return (struct tq_hold_ref){.size = sizeof(struct tq_hold_ref),
                                .schedule = schedule,
                                .id = hold->id,
                                .holder = hold->holder,
                                .fence = hold->fence};
}

/* What its caller is told: TQ_OK, TQ_REPEAT, TQ_TAKEN or a failure. */
static int reserve_once(struct reservation *mine)
{
    mine->claim = (struct tq_hold)TQ_INIT(tq_hold);
    TQ_TRY(tq_hold_claim(book, &mine->request, 1, &mine->claim, &err));
    if (mine->claim.status != TQ_OK && mine->claim.status != TQ_REPEAT) {
        return mine->claim.status;
    }
    int status = tq_ledger_run(ledger, record, mine, &err);
    if (mine->claim.status == TQ_OK && status != TQ_OK && status != TQ_E_UNKNOWN) {
        struct tq_hold_ref ref = ref_to(&mine->claim);
        tq_hold_reflect(book, TQ_HOLD_WITHDRAW, &ref, 1, NULL);
    }
    return status;
}

static struct tq_hold reserve(const char *holder, int first, int expected)
{
    struct reservation mine = {.request = {.size = sizeof mine.request,
                                           .schedule = schedule,
                                           .holder = holder,
                                           .seats = names + first,
                                           .seats_count = 2}};
    int status;
    snprintf(mine.key, sizeof mine.key, "%s-%s", schedule, holder);
    mine.request.request_key = mine.key;
    do {
        status = reserve_once(&mine);
    } while (drill_again(status, &err));
    int is_known = status == TQ_REPEAT && expected == TQ_OK && drill_failures() > 0;
    ck_assert_msg(status == expected || is_known, "%s: %s for %s", drill_name(),
                  tq_status_name(status), holder);
    return mine.hold;
}

static int cancel(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_hold *hold = arg;
    struct tq_hold_ref ref = ref_to(hold);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    int status = tq_hold_record_free(tx, book, &ref, 1, &result, failure);
    if (status < 0 || result.status != TQ_OK) {
        return status < 0 ? status : result.status;
    }
    return tell(tx, hold->id, "Cancelled", failure);
}

static void give_up(struct tq_hold *hold)
{
    struct tq_hold_ref ref = ref_to(hold);
    int status;
    do {
        status = tq_ledger_run(ledger, cancel, hold, &err);
    } while (drill_again(status, &err));
    ck_assert_msg(status == TQ_OK || (status == TQ_REPEAT && drill_unknowns() > 0), "%s: %s",
                  drill_name(), tq_status_name(status));
    tq_hold_reflect(book, TQ_HOLD_RELEASE, &ref, 1, NULL);
}

static void check_rows(const char *sql, const char *key, int64_t expected)
{
    ck_assert_msg(ask_number(plain_ledger, sql, key) == expected, "%s: %d times %s (%s)",
                  drill_name(), (int)ask_number(plain_ledger, sql, key), key, sql);
}

/* bob's seats overlap with ann's, who gives hers up. */
static void reserve_and_cancel(void)
{
    static const char events[] = "SELECT COUNT(*) FROM outbox_events WHERE event_key = $1";
    static const char rows[] = "SELECT COUNT(*) FROM reservations WHERE id = $1";
    static unsigned sales;
    char key[128];
    snprintf(schedule, sizeof schedule, "tour-%u", sales++);
    define();
    drill_begin();
    struct tq_hold ann = reserve("ann", 0, TQ_OK);
    reserve("bob", 1, TQ_TAKEN);
    struct tq_hold eve = reserve("eve", 2, TQ_OK);
    give_up(&ann);
    drill_end();
    struct tq_hold dan = reserve("dan", 0, TQ_OK);
    ck_assert_uint_gt(dan.fence, ann.fence);
    check_rows(events, ann.id, 1);
    for (int i = 0; i < 4; i++) {
        static const char *const holders[] = {"ann", "bob", "eve", "dan"};
        snprintf(key, sizeof key, "%s-%s", schedule, holders[i]);
        check_rows(rows, key, i != 1);
        check_rows(events, key, i != 1);
    }
    ck_assert_uint_eq(look(onlooker).counts[TQ_SEAT_HOLD], 4);
    ck_assert_str_ne(eve.id, dan.id);
}

START_TEST(a_reservation__is_there_with_its_seats_and_its_event_or_not_at_all)
{
    static const struct tq_migration table = {sizeof table, "shop", 1, 0,
                                              "CREATE TABLE reservations (id TEXT PRIMARY KEY)"};
    setup();
    assert_status(tq_ledger_migrate(plain_ledger, &table, 1, &err), TQ_OK);
    ck_assert_int_ge(tq_outbox_prepare(plain_ledger, &err), TQ_OK);
    drill(gate.proxy, reserve_and_cancel, 15);
    drill(place.proxy, reserve_and_cancel, 4);
    teardown();
}
END_TEST

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
    const TTest *const tests[] = {
        a_seat__has_one_owner_whatever_is_lost_to_the_front,
        a_reservation__is_there_with_its_seats_and_its_event_or_not_at_all,
        a_seat__has_one_owner_whatever_is_lost_to_the_ledger};
    if (!getenv("TICKETQ_TEST_POSTGRES")) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_POSTGRES\n");
        return EXIT_SUCCESS;
    }
    redis_place_choose(count > 1 ? arguments[1] : "redis");
    return unit_main("fault.proxy.hold", tests,
                     count > 1 && !strcmp(arguments[1], "cluster") ? 1 : 3);
}
