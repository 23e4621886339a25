/* SPDX-License-Identifier: MIT */
/*
 * A buyer waits for a seat at a front on Redis, or on a Cluster of the test's own, behind the
 * proxy, while each request of the waiting is struck, those of the subscription too. The seat
 * is freed past all harm. A lost message delays: the buyer has the seat in the end, under
 * one hold, and it is nobody else's.
 *
 * TICKETQ_TEST_REDIS names the server; skipped without.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/hold.h>
#include <ticketq/system.h>

#include "fault/proxy/drill.h"
#include "fault/proxy/redis_place.h"

#define WAIT_MS 20000
#define MOMENT_US 40000 /* in which a buyer comes to rest */

static struct redis_place place;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store, *onlooking_store;
static tq_book *book, *onlooker; /* nobody strikes the onlooker */
static char schedule[TQ_ID_SIZE];

static void open_book(const char *url, tq_store **out_store, tq_book **out_book)
{
    struct tq_env env = tq_system_env();
    int status;
    env.log = NULL;
    do {
        status = tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), out_store, &err);
    } while (drill_again(status, &err));
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = *out_store), out_book, &err),
                  TQ_OK);
}

static void setup(void)
{
    redis_place_open(&place);
    redis_place_new(&place);
    open_book(place.url, &store, &book);
    open_book(place.onlooker, &onlooking_store, &onlooker);
}

static void teardown(void)
{
    tq_book_close(book);
    tq_book_close(onlooker);
    tq_store_close(store);
    tq_store_close(onlooking_store);
    redis_place_close(&place);
}

static int acquire(tq_book *which, const char *holder, uint32_t wait_ms, struct tq_hold *out_hold,
                   struct tq_error *failure)
{
    static const char *const seats[] = {"s0"};
    int status = tq_hold_acquire(which,
                                 TQ_ARGS(tq_hold_request, .schedule = schedule, .holder = holder,
                                         .request_key = "k", .seats = seats, .seats_count = 1,
                                         .wait_ms = wait_ms),
                                 1, out_hold, failure);
    return status < 0 ? status : out_hold->status;
}

/* The buyer's thread is the only one that counts failures. */
static void *be_a_buyer(void *arg)
{
    struct tq_hold *hold = arg;
    struct tq_error own = TQ_ERROR_INIT;
    int status;
    do {
        status = acquire(book, "bob", WAIT_MS, hold, &own);
    } while (drill_again(status, &own));
    return NULL;
}

static void release(const struct tq_hold *hold)
{
    struct tq_hold_ref ref = {.size = sizeof ref,
                              .schedule = schedule,
                              .id = hold->id,
                              .holder = hold->holder,
                              .fence = hold->fence};
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    drill_look();
    assert_status(tq_hold_release(onlooker, &ref, 1, &result, &err), TQ_OK);
    drill_go_on();
    ck_assert_int_eq(result.status, TQ_OK);
}

static void wait_for_a_seat(void)
{
    static unsigned sales;
    static const char *const seats[] = {"s0"};
    struct tq_hold ann = TQ_INIT(tq_hold), bob = TQ_INIT(tq_hold), eve = TQ_INIT(tq_hold);
    pthread_t buyer;
    snprintf(schedule, sizeof schedule, "show-%u", sales++);
    assert_status(tq_book_define(onlooker, schedule, seats, 1, &err), TQ_OK);
    assert_status(acquire(onlooker, "ann", 0, &ann, &err), TQ_OK);
    drill_begin();
    ck_assert_int_eq(pthread_create(&buyer, NULL, be_a_buyer, &bob), 0);
    usleep(MOMENT_US);
    release(&ann);
    pthread_join(buyer, NULL);
    drill_end();
    ck_assert_msg(bob.status == TQ_OK || (bob.status == TQ_REPEAT && drill_failures() > 0),
                  "%s: %s", drill_name(), tq_status_name(bob.status));
    ck_assert_uint_gt(bob.fence, ann.fence);
    assert_status(acquire(onlooker, "eve", 0, &eve, &err), TQ_TAKEN);
    assert_status(acquire(onlooker, "bob", 0, &eve, &err), TQ_REPEAT);
    ck_assert_str_eq(eve.id, bob.id);
}

START_TEST(a_buyer_who_waits__has_the_seat_in_the_end)
{
    setup();
    drill(place.proxy, wait_for_a_seat, 2);
    teardown();
}
END_TEST

int main(int count, char **arguments)
{
    const TTest *const tests[] = {a_buyer_who_waits__has_the_seat_in_the_end};
    redis_place_choose(count > 1 ? arguments[1] : "redis");
    return unit_main("fault.proxy.wait", tests, 1);
}
