/* SPDX-License-Identifier: MIT */
/*
 * hold/hold.c on a front alone: one life from claim to ticket, and the ways out.
 */
#include <ticketq/hold.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;
static tq_book *book;
static const char *const seats[] = {"A1", "A2", "A3", "A4"};

static void open_book(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err),
                  TQ_OK);
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = store), &book, &err), TQ_OK);
    assert_status(tq_book_define(book, "s", seats, 4, &err), TQ_OK);
    assert_status(tq_book_define(book, "s", seats, 4, &err), TQ_REPEAT);
}

static void close_book(void)
{
    tq_book_close(book);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static struct tq_hold acquire(const char *key, size_t first, size_t count, int expected)
{
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_hold_request request = {.size = sizeof request,
                                      .schedule = "s",
                                      .holder = "ann",
                                      .request_key = key,
                                      .seats = seats + first,
                                      .seats_count = count,
                                      .ttl_ms = 1000};
    assert_status(tq_hold_acquire(book, &request, 1, &hold, &err), TQ_OK);
    ck_assert_str_eq(tq_status_name(hold.status), tq_status_name(expected));
    return hold;
}

typedef int verb_fn(tq_book *, const struct tq_hold_ref *, size_t, struct tq_hold_result *,
                    struct tq_error *);

static struct tq_hold_result verb(verb_fn *fn, const struct tq_hold *hold, int expected)
{
    struct tq_hold_ref ref = {.size = sizeof ref,
                              .schedule = hold->schedule,
                              .id = hold->id,
                              .holder = hold->holder,
                              .fence = hold->fence,
                              .extend_ms = 1000};
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    assert_status(fn(book, &ref, 1, &result, &err), TQ_OK);
    ck_assert_str_eq(tq_status_name(result.status), tq_status_name(expected));
    return result;
}

START_TEST(a_hold__walks_from_claim_to_ticket)
{
    open_book();
    struct tq_hold hold = acquire("k1", 0, 2, TQ_OK);
    ck_assert_uint_eq(acquire("k2", 1, 3, TQ_TAKEN).taken, 1);
    ck_assert_str_eq(acquire("k1", 0, 2, TQ_REPEAT).id, hold.id);
    acquire("k1", 0, 1, TQ_REFUSED);
    verb(tq_hold_extend, &hold, TQ_REPEAT);
    verb(tq_hold_pin, &hold, TQ_OK);
    test.now_ms += 5000;
    acquire("k2", 1, 3, TQ_TAKEN);
    verb(tq_hold_settle, &hold, TQ_OK);
    verb(tq_hold_settle, &hold, TQ_REPEAT);
    verb(tq_hold_release, &hold, TQ_SETTLED);
    acquire("k1", 0, 2, TQ_SETTLED);
    verb(tq_hold_give_back, &hold, TQ_OK);
    acquire("k3", 0, 4, TQ_OK);
    close_book();
}
END_TEST

START_TEST(an_expired_hold__is_in_nobodys_way_and_swept_once)
{
    uint32_t next_ms = 0;
    open_book();
    struct tq_hold hold = acquire("k1", 0, 2, TQ_OK);
    assert_status(tq_hold_sweep(book, 10, NULL, NULL, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(next_ms, 1000);
    test.now_ms += 1000;
    struct tq_hold second = acquire("k2", 0, 2, TQ_OK);
    ck_assert_uint_gt(second.fence, hold.fence);
    verb(tq_hold_pin, &hold, TQ_EXPIRED);
    assert_status(tq_hold_sweep(book, 10, NULL, NULL, NULL, &err), TQ_OK);
    assert_status(tq_hold_sweep(book, 10, NULL, NULL, NULL, &err), TQ_EMPTY);
    verb(tq_hold_retake, &hold, TQ_TAKEN);
    verb(tq_hold_release, &second, TQ_OK);
    ck_assert_uint_gt(verb(tq_hold_retake, &hold, TQ_OK).fence, second.fence);
    close_book();
}
END_TEST

UNIT_MAIN("hold.hold", a_hold__walks_from_claim_to_ticket,
          an_expired_hold__is_in_nobodys_way_and_swept_once)
