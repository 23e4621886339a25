/* SPDX-License-Identifier: MIT */
/*
 * Waiting for seats: a crowd for one seat, order, deadlines, expiry, closing;
 * no wake-up is lost and nobody spins. Time is the machine's where threads wait:
 * what is asserted of it leaves room for a slow one.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "conform/hold_world.h"

static struct hold_world w;
static atomic_long parks;
static _Thread_local struct buyer *self; /* whose thread it is */
static void (*real_park)(void *ctx, const uint32_t *word, uint32_t expected, uint32_t timeout_ms);

/* One buyer on a thread. */
struct buyer {
    pthread_t thread;
    char name[TQ_ID_SIZE];
    const char *seats[2];
    size_t seats_count;
    uint32_t wait_ms;
    atomic_int has_parked;
    int rc;
    struct tq_hold hold;
};

/* On a server's front one of those who wait lends his thread instead of parking: one of these. */
static struct buyer idlers[2];

static void counting_park(void *ctx, const uint32_t *word, uint32_t expected, uint32_t timeout_ms)
{
    parks++;
    if (self) {
        self->has_parked = 1;
    }
    real_park(ctx, word, expected, timeout_ms);
}

/* A world whose clock is the machine's and which counts how often somebody parks. */
static void open_real(void)
{
    hold_world_open(&w, NULL);
    tq_book_close(w.book);
    tq_store_close(w.front);
    tq_store_close(w.ledger);
    w.world.env.now_ms = tq_system_now_ms;
    real_park = w.world.env.park;
    w.world.env.park = counting_park;
    parks = 0;
    int is_ledger = w.ledger != NULL;
    tq_store *store = world_store(&w.world);
    w.ledger = is_ledger ? store : NULL;
    w.front = is_ledger ? world_front(&w.world) : store;
    w.book = hold_world_book(&w);
    static const char *const seats[] = {"s1", "s2", "s3", "s4"};
    struct tq_error err = TQ_ERROR_INIT;
    ck_assert_int_ge(tq_book_define(w.book, HOLD_SCHEDULE, seats, 4, &err), 0);
}

static void *buy(void *arg)
{
    struct buyer *buyer = arg;
    struct tq_error err = TQ_ERROR_INIT;
    self = buyer;
    const struct tq_hold_request request = {.size = sizeof request,
                                            .schedule = HOLD_SCHEDULE,
                                            .holder = buyer->name,
                                            .request_key = "k",
                                            .seats = buyer->seats,
                                            .seats_count = buyer->seats_count,
                                            .wait_ms = buyer->wait_ms};
    buyer->hold.size = sizeof buyer->hold;
    buyer->rc = tq_hold_acquire(w.book, &request, 1, &buyer->hold, &err);
    return NULL;
}

static void start(struct buyer *buyer, unsigned number, const char *first, const char *second,
                  uint32_t wait_ms)
{
    pthread_attr_t small;
    memset(buyer, 0, sizeof *buyer);
    snprintf(buyer->name, sizeof buyer->name, "buyer-%u", number);
    buyer->seats[0] = first;
    buyer->seats[1] = second;
    buyer->seats_count = second ? 2 : 1;
    buyer->wait_ms = wait_ms;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 18);
    ck_assert_int_eq(pthread_create(&buyer->thread, &small, buy, buyer), 0);
    pthread_attr_destroy(&small);
}

static int join(struct buyer *buyer)
{
    pthread_join(buyer->thread, NULL);
    ck_assert_int_eq(buyer->rc, TQ_OK);
    return buyer->hold.status;
}

static void until_parked(const struct buyer *buyers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        while (!buyers[i].has_parked) {
            usleep(1000);
        }
    }
}

/* Where one parks, the other reads for all: whoever comes later parks, too. */
static void open_with_idlers(void (*unpark)(void *ctx, const uint32_t *word))
{
    open_real();
    if (unpark) {
        tq_book_close(w.book);
        w.world.env.unpark = unpark;
        w.book = hold_world_book(&w);
    }
    if (w.front && fixture_front_is_remote()) {
        hold_take(&w, "idle", "k", "s4");
        start(&idlers[0], 1000, "s4", NULL, 600000);
        start(&idlers[1], 1001, "s4", NULL, 600000);
        while (!idlers[0].has_parked && !idlers[1].has_parked) {
            usleep(1000);
        }
    }
}

static void close_book(void)
{
    tq_book_close(w.book);
    w.book = NULL;
    if (w.front && fixture_front_is_remote()) {
        assert_named(join(&idlers[0]), TQ_CLOSED);
        assert_named(join(&idlers[1]), TQ_CLOSED);
    }
}

#define CROWD 500

START_TEST(a_crowd_for_the_last_seat__exactly_one_gets_it)
{
    static struct buyer buyers[CROWD];
    unsigned won = 0;
    open_real();
    for (unsigned i = 0; i < CROWD; i++) {
        start(&buyers[i], i, "s1", NULL, 0);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        int status = join(&buyers[i]);
        ck_assert(status == TQ_OK || status == TQ_TAKEN);
        won += status == TQ_OK;
    }
    ck_assert_uint_eq(won, 1);
    hold_world_close(&w);
}
END_TEST

START_TEST(thundering_herd__a_release_costs_one_try_and_nobody_spins)
{
    enum { WAITING = 40 };
    static struct buyer buyers[WAITING];
    open_with_idlers(NULL);
    if (!w.front) { /* the ledger alone wakes all: it does not know who wants what */
        hold_world_close(&w);
        return;
    }
    struct tq_hold hold = hold_take(&w, "first", "k", "s1");
    for (unsigned i = 0; i < WAITING; i++) {
        start(&buyers[i], i, "s1", NULL, 60000);
        until_parked(&buyers[i], 1); /* so that the order of arrival is known */
    }
    long before = parks;
    int64_t begun_ms = tq_system_now_ms(NULL);
    for (unsigned i = 0; i < WAITING; i++) {
        assert_named(hold_do(&w, TQ_HOLD_RELEASE, &hold).status, TQ_OK);
        assert_named(join(&buyers[i]), TQ_OK); /* first come, first served */
        hold = buyers[i].hold;
    }
    /* Each who waits looks once a second by itself; all else would be spinning. */
    int64_t seconds = (tq_system_now_ms(NULL) - begun_ms) / 1000 + 2;
    ck_assert_int_le(parks - before, (WAITING + 2) * (seconds + 1));
    close_book();
    hold_world_close(&w);
}
END_TEST

START_TEST(a_wake_up_that_is_of_no_use__is_passed_on)
{
    struct buyer both, one;
    open_with_idlers(NULL);
    struct tq_hold first = hold_take(&w, "first", "k", "s1");
    struct tq_hold second = hold_take(&w, "second", "k", "s2");
    start(&both, 1, "s1", "s2", 60000);
    until_parked(&both, 1);
    start(&one, 2, "s1", NULL, 60000);
    until_parked(&one, 1);
    int64_t begun_ms = tq_system_now_ms(NULL);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &first).status, TQ_OK); /* wakes `both`, too little */
    assert_named(join(&one), TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &second).status, TQ_OK);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &one.hold).status, TQ_OK);
    assert_named(join(&both), TQ_OK);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 30000);
    close_book();
    hold_world_close(&w);
}
END_TEST

START_TEST(expiry_no_publish__the_timer_wakes_without_a_sweep)
{
    struct buyer buyer;
    open_real();
    struct tq_hold_request request = hold_request("first", "k", "s1");
    request.ttl_ms = 300;
    int status;
    do { /* it may run out before it is recorded */
        status = hold_ask(&w, &request).status;
    } while (status == TQ_EXPIRED);
    assert_named(status, TQ_OK);
    start(&buyer, 1, "s1", NULL, 60000);
    int64_t begun_ms = tq_system_now_ms(NULL);
    assert_named(join(&buyer), TQ_OK);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 30000);
    ck_assert_int_le(parks, 20);
    hold_world_close(&w);
}
END_TEST

static void deaf_unpark(void *ctx, const uint32_t *word)
{
    (void)ctx;
    (void)word;
}

/* Every wake-up is lost; a park of a second at most finds the seat. */
START_TEST(lost_wake_up__delays_and_does_not_lose)
{
    struct buyer buyer;
    open_with_idlers(deaf_unpark);
    struct tq_hold hold = hold_take(&w, "first", "k", "s1");
    start(&buyer, 1, "s1", NULL, 60000);
    until_parked(&buyer, 1);
    int64_t begun_ms = tq_system_now_ms(NULL);
    assert_named(hold_do(&w, TQ_HOLD_RELEASE, &hold).status, TQ_OK);
    assert_named(join(&buyer), TQ_OK);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 30000);
    close_book();
    hold_world_close(&w);
}
END_TEST

START_TEST(a_deadline__ends_the_waiting_with_nothing_held)
{
    struct buyer buyer;
    open_real();
    hold_take(&w, "first", "k", "s1");
    int64_t begun_ms = tq_system_now_ms(NULL);
    start(&buyer, 1, "s1", "s2", 200);
    assert_named(join(&buyer), TQ_TAKEN);
    ck_assert_int_ge(tq_system_now_ms(NULL) - begun_ms, 190);
    ck_assert_uint_eq(buyer.hold.taken, 1);
    assert_named(hold_take(&w, "third", "k", "s2").status, TQ_OK);
    hold_world_close(&w);
}
END_TEST

static _Thread_local int64_t back_ms; /* by so much the clock of this thread goes wrong */

static int64_t wrong_now_ms(void *ctx)
{
    return tq_system_now_ms(ctx) - back_ms;
}

static void park_and_jump_back(void *ctx, const uint32_t *word, uint32_t expected,
                               uint32_t timeout_ms)
{
    counting_park(ctx, word, expected, timeout_ms);
    back_ms = self ? 3600000 : 0;
}

START_TEST(a_clock_that_jumps_back__does_not_lengthen_the_waiting)
{
    struct buyer buyer;
    open_real();
    tq_book_close(w.book);
    w.world.env.now_ms = wrong_now_ms;
    w.world.env.park = park_and_jump_back;
    w.book = hold_world_book(&w);
    hold_take(&w, "first", "k", "s1");
    int64_t begun_ms = tq_system_now_ms(NULL);
    start(&buyer, 1, "s1", NULL, 2000);
    assert_named(join(&buyer), TQ_TAKEN);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 60000);
    hold_world_close(&w);
}
END_TEST

START_TEST(shutdown_with_waiters__all_are_told)
{
    enum { WAITING = 200 };
    static struct buyer buyers[WAITING];
    open_with_idlers(NULL);
    hold_take(&w, "first", "k", "s1");
    for (unsigned i = 0; i < WAITING; i++) {
        start(&buyers[i], i, "s1", i % 2 ? "s3" : NULL, 600000);
    }
    until_parked(buyers, WAITING);
    close_book();
    for (unsigned i = 0; i < WAITING; i++) {
        assert_named(join(&buyers[i]), TQ_CLOSED);
    }
    hold_world_close(&w);
}
END_TEST

START_TEST(without_a_park__nobody_waits)
{
    hold_world_open(&w, NULL);
    tq_book_close(w.book);
    w.world.env.park = NULL;
    w.world.env.unpark = NULL;
    w.book = hold_world_book(&w);
    hold_take(&w, "first", "k", "s1");
    struct tq_hold_request request = hold_request("ann", "a", "s1");
    request.wait_ms = 600000;
    assert_named(hold_ask(&w, &request).status, TQ_TAKEN);
    hold_world_close(&w);
}
END_TEST

/* The machine's time passes here: not for a server whose clock stands still. */
int main(int arguments_count, char **arguments)
{
    const TTest *const tests[] = {a_crowd_for_the_last_seat__exactly_one_gets_it,
                                  thundering_herd__a_release_costs_one_try_and_nobody_spins,
                                  a_wake_up_that_is_of_no_use__is_passed_on,
                                  expiry_no_publish__the_timer_wakes_without_a_sweep,
                                  lost_wake_up__delays_and_does_not_lose,
                                  a_deadline__ends_the_waiting_with_nothing_held,
                                  a_clock_that_jumps_back__does_not_lengthen_the_waiting,
                                  shutdown_with_waiters__all_are_told,
                                  without_a_park__nobody_waits};
    fixture_choose(arguments_count > 1 ? arguments[1] : "");
    if (fixture_front_is_remote() && !fixture_has_own_clock()) {
        printf("1..0 # SKIP time stands still\n");
        return EXIT_SUCCESS;
    }
    return unit_main("hold.wait", tests, sizeof tests / sizeof *tests);
}
