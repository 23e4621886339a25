/* SPDX-License-Identifier: MIT */
/*
 * hold/front.c: what a driver is asked, with every default resolved.
 */
#include "hold/book.h"

#include "lib/fault_hold.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;
static tq_store *ledger; /* NULL: none */
static tq_book *book;
static const char *const seats[] = {"a", "b"};

static void open_store(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    fault_hold_set(FAULT_HOLD_NONE, 0);
    assert_status(
        tq_store_open(&env,
                      TQ_ARGS(tq_store_options, .url = "memory:", .driver = &fault_hold_driver),
                      &store, &err),
        TQ_OK);
}

static void open_book(uint32_t life_max_ms)
{
    open_store();
    assert_status(tq_book_open(&env,
                               TQ_ARGS(tq_book_options, .front = store, .life_max_ms = life_max_ms,
                                       .seats_limit = 2),
                               &book, &err),
                  TQ_OK);
    assert_status(tq_book_define(book, "s", seats, 2, &err), TQ_OK);
}

/* A book whose ledger knows "s" and "t", and whose front knows "s" only. */
static void open_book_on_ledger(void)
{
    tq_book *other = NULL;
    open_store();
    assert_status(
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &ledger, &err),
        TQ_OK);
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .ledger = ledger), &other, &err),
                  TQ_OK);
    assert_status(tq_book_define(other, "t", seats, 2, &err), TQ_OK);
    tq_book_close(other);
    assert_status(
        tq_book_open(&env, TQ_ARGS(tq_book_options, .front = store, .ledger = ledger), &book, &err),
        TQ_OK);
    assert_status(tq_book_define(book, "s", seats, 2, &err), TQ_OK);
}

static void close_book(void)
{
    tq_book_close(book);
    tq_store_close(store);
    tq_store_close(ledger);
    ledger = NULL;
    ck_assert_int_eq(test.live, 0);
}

static struct tq_hold claim(uint32_t ttl_ms)
{
    const struct tq_hold_request request = {.size = sizeof request,
                                            .schedule = "s",
                                            .holder = "ann",
                                            .request_key = "k",
                                            .seats = seats,
                                            .seats_count = 1,
                                            .ttl_ms = ttl_ms};
    struct tq_hold hold = TQ_INIT(tq_hold);
    assert_status(tq__front_claim(book, &request, 1, &hold, &err), TQ_OK);
    return hold;
}

START_TEST(defaults__are_resolved_before_the_driver_sees_them)
{
    open_book(0);
    struct tq_hold hold = claim(0);
    ck_assert_int_eq(hold.expires_ms - hold.granted_ms, TQ_HOLD_TTL_DEFAULT_MS);
    ck_assert_str_eq(hold.schedule, "s");
    ck_assert_str_eq(hold.holder, "ann");
    ck_assert_uint_eq(hold.seats_count, 1);
    const struct tq_hold_ref ref = {
        .size = sizeof ref, .schedule = "s", .id = hold.id, .holder = "ann", .fence = hold.fence};
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    assert_status(tq__front_change(book, TQ_HOLD_EXTEND, 0, &ref, 1, &result, &err), TQ_OK);
    struct tq_front_change seen = fault_hold_last_change();
    ck_assert_uint_eq(seen.verb, TQ_HOLD_EXTEND);
    ck_assert_uint_eq(seen.extend_ms, TQ_HOLD_TTL_DEFAULT_MS);
    ck_assert_uint_eq(seen.life_max_ms, TQ_HOLD_LIFE_MAX_MS);
    ck_assert_uint_eq(seen.seats_limit, 2);
    ck_assert_uint_eq(seen.is_told, 0);
    close_book();
}
END_TEST

START_TEST(the_books_maximum__cuts_the_time)
{
    open_book(5000);
    struct tq_hold hold = claim(5001);
    ck_assert_int_eq(hold.expires_ms - hold.granted_ms, 5000);
    close_book();
}
END_TEST

START_TEST(a_claim_given_up__is_withdrawn_and_its_key_is_new)
{
    open_book(0);
    struct tq_hold first = claim(0);
    tq__front_unclaim(book, &first, 1);
    ck_assert_uint_eq(fault_hold_last_change().verb, TQ_HOLD_WITHDRAW);
    ck_assert_uint_eq(fault_hold_last_change().is_told, 1);
    struct tq_hold second = claim(0);
    ck_assert_int_eq(second.status, TQ_OK);
    ck_assert_str_ne(first.id, second.id);
    struct tq_hold again = claim(0);
    ck_assert_int_eq(again.status, TQ_REPEAT);
    tq__front_unclaim(book, &again, 1); /* not granted by this call: stays */
    ck_assert_int_eq(claim(0).status, TQ_REPEAT);
    close_book();
}
END_TEST

START_TEST(claims_of_a_batch_that_fails__are_given_up)
{
    struct tq_hold_request requests[2];
    struct tq_hold holds[2] = {TQ_INIT(tq_hold), TQ_INIT(tq_hold)};
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    open_book_on_ledger();
    for (size_t i = 0; i < 2; i++) {
        requests[i] = (struct tq_hold_request){.size = sizeof *requests,
                                               .schedule = i ? "t" : "s",
                                               .holder = "ann",
                                               .request_key = "k",
                                               .seats = seats,
                                               .seats_count = 1};
    }
    fault_hold_set(FAULT_HOLD_BEFORE, 3); /* "s" is claimed, "t" is looked for and not loaded */
    assert_status(tq__front_claim(book, requests, 2, holds, &err), TQ_E_UNAVAILABLE);
    assert_status(tq_book_map(book, "s", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_AVAILABLE], 2);
    fault_hold_set(FAULT_HOLD_NONE, 0);
    assert_status(tq__front_claim(book, requests, 2, holds, &err), TQ_OK);
    ck_assert_int_eq(holds[0].status, TQ_OK);
    ck_assert_int_eq(holds[1].status, TQ_OK);
    close_book();
}
END_TEST

/* How often the front is called for a claim after it was told of a release with that fence. */
static long calls_after_release(int64_t fence_off)
{
    open_book_on_ledger();
    struct tq_hold hold = claim(0);
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = "s",
                                    .id = hold.id,
                                    .holder = "ann",
                                    .fence = (uint64_t)((int64_t)hold.fence + fence_off)};
    assert_status(tq__front_tell(book, TQ_HOLD_RELEASE, &ref, 1, &err), TQ_OK);
    fault_hold_set(FAULT_HOLD_NONE, 0);
    claim(0);
    long calls = fault_hold_calls();
    close_book();
    return calls;
}

START_TEST(what_the_front_contradicts__puts_the_schedule_in_doubt)
{
    ck_assert_int_eq(calls_after_release(0), 1);
    ck_assert_int_eq(calls_after_release(-1), 3); /* asked for, and loaded anew, before */
}
END_TEST

START_TEST(a_failure_of_the_driver__is_passed_on)
{
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    open_book(0);
    fault_hold_set(FAULT_HOLD_BEFORE, 1);
    assert_status(tq_book_map(book, "s", &map, &err), TQ_E_UNAVAILABLE);
    fault_hold_set(FAULT_HOLD_AFTER, 1);
    assert_status(tq_hold_sweep(book, 1, NULL, NULL, NULL, &err), TQ_E_UNKNOWN);
    close_book();
}
END_TEST

UNIT_MAIN("hold.front", defaults__are_resolved_before_the_driver_sees_them,
          the_books_maximum__cuts_the_time, a_claim_given_up__is_withdrawn_and_its_key_is_new,
          claims_of_a_batch_that_fails__are_given_up,
          what_the_front_contradicts__puts_the_schedule_in_doubt,
          a_failure_of_the_driver__is_passed_on)
