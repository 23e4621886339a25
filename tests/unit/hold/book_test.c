/* SPDX-License-Identifier: MIT */
/*
 * hold/book.c: what a book can be opened on, and that it keeps its stores.
 */
#include <ticketq/hold.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static tq_store *open_memory(void)
{
    tq_store *store = NULL;
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err),
                  TQ_OK);
    return store;
}

static void begin(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
}

START_TEST(a_book__needs_a_store_that_can)
{
    begin();
    tq_book *book = NULL;
    tq_store *store = open_memory();
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = NULL), &book, &err),
                  TQ_E_INVALID);
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .ledger = store), &book, &err),
                  TQ_E_UNSUPPORTED);
    assert_status(tq_book_open(&env, NULL, &book, &err), TQ_E_INVALID);
    assert_status(tq_book_open(&env,
                               TQ_ARGS(tq_book_options, .front = store,
                                       .life_max_ms = TQ_HOLD_TTL_MIN_MS - 1),
                               &book, &err),
                  TQ_E_LIMIT);
    assert_status(
        tq_book_open(&env,
                     TQ_ARGS(tq_book_options, .front = store, .life_max_ms = TQ_HOLD_TTL_MIN_MS),
                     &book, &err),
        TQ_OK);
    tq_book_close(book);
    tq_book_close(NULL);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_book__keeps_its_store)
{
    begin();
    static const char *const seats[] = {"a", "b"};
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    tq_book *book = NULL;
    tq_store *store = open_memory();
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = store), &book, &err), TQ_OK);
    tq_store_close(store);
    assert_status(tq_book_define(book, "s", seats, 2, &err), TQ_OK);
    assert_status(tq_book_map(book, "s", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_AVAILABLE], 2);
    map.size = 0;
    assert_status(tq_book_map(book, "s", &map, &err), TQ_E_ABI);
    assert_status(tq_book_map(book, "s s", &map, &err), TQ_E_INVALID);
    tq_book_close(book);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("hold.book", a_book__needs_a_store_that_can, a_book__keeps_its_store)
