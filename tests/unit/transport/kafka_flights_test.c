/* SPDX-License-Identifier: MIT */
/*
 * Every message that was taken over gets one report, whatever becomes of the client.
 */
#include "transport/kafka/flights.h"

#include "lib/test_env.h"
#include "lib/unit.h"

#define ROOM 4

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static struct kafka_flights flights;
static struct tq_report reports[ROOM];

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq__flights_open(&flights, &env, ROOM, &err), TQ_OK);
}

static void teardown(void)
{
    tq__flights_done(&flights, &env);
    ck_assert_int_eq(test.live, 0);
}

START_TEST(room__is_for_so_many_and_comes_back)
{
    struct kafka_flight *taken[ROOM];
    setup();
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < ROOM; i++) {
            taken[i] = tq__flights_begin(&flights, i, 0);
            ck_assert_ptr_nonnull(taken[i]);
        }
        ck_assert_ptr_null(tq__flights_begin(&flights, 9, 0));
        tq__flights_end(&flights, taken[1]);
        tq__flights_settle(&flights, taken[2], TQ_E_LIMIT);
        ck_assert_uint_eq(tq__flights_take(&flights, reports, ROOM), 1);
        tq__flights_end(&flights, taken[0]);
        tq__flights_end(&flights, taken[3]);
    }
    teardown();
}
END_TEST

START_TEST(settled__are_reported_once_in_order_and_as_many_as_fit)
{
    setup();
    struct kafka_flight *first = tq__flights_begin(&flights, 1, 0);
    tq__flights_begin(&flights, 2, 0);
    tq__flights_begin(&flights, 3, 0);
    tq__flights_settle(&flights, first, TQ_E_UNAVAILABLE);
    tq__flights_settle_all(&flights, TQ_E_UNKNOWN);
    ck_assert_uint_eq(tq__flights_take(&flights, reports, 2), 2);
    ck_assert_uint_eq(reports[0].cookie, 1);
    ck_assert_int_eq(reports[0].status, TQ_E_UNAVAILABLE);
    ck_assert_uint_eq(reports[1].cookie, 2);
    ck_assert_int_eq(reports[1].status, TQ_E_UNKNOWN);
    ck_assert_uint_eq(tq__flights_take(&flights, reports, ROOM), 1);
    ck_assert_uint_eq(reports[0].cookie, 3);
    ck_assert_uint_eq(tq__flights_take(&flights, reports, ROOM), 0);
    teardown();
}
END_TEST

START_TEST(late__is_the_oldest_one_under_way)
{
    setup();
    ck_assert(!tq__flights_are_late(&flights, 1000000, 10));
    struct kafka_flight *oldest = tq__flights_begin(&flights, 1, 100);
    tq__flights_begin(&flights, 2, 150);
    ck_assert(!tq__flights_are_late(&flights, 109, 10));
    ck_assert(tq__flights_are_late(&flights, 110, 10));
    ck_assert(!tq__flights_are_late(&flights, 91, 10));
    ck_assert(tq__flights_are_late(&flights, 90, 10));
    tq__flights_end(&flights, oldest);
    ck_assert(!tq__flights_are_late(&flights, 159, 10));
    ck_assert(tq__flights_are_late(&flights, 160, 10));
    teardown();
}
END_TEST

START_TEST(without_memory__is_told)
{
    setup();
    tq__flights_done(&flights, &env);
    test.fail_at = test.allocations + 1;
    assert_status(tq__flights_open(&flights, &env, ROOM, &err), TQ_E_NOMEM);
    teardown();
}
END_TEST

UNIT_MAIN("transport.kafka_flights", room__is_for_so_many_and_comes_back,
          settled__are_reported_once_in_order_and_as_many_as_fit, late__is_the_oldest_one_under_way,
          without_memory__is_told)
