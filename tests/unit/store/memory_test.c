/* SPDX-License-Identifier: MIT */
/*
 * store/memory/memory.c: its URL takes no path, its clock is the host's, two
 * stores share nothing, and it gives back all memory wherever opening failed.
 */
#include <ticketq/hold.h>
#include <ticketq/store.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static int open_url(const char *url, tq_store **out_store)
{
    return tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), out_store, &err);
}

static void begin(void)
{
    test_env_init(&test, 3);
    env = test_env_of(&test);
}

START_TEST(the_url__has_neither_path_nor_query)
{
    static const char *const bad[] = {"memory:x", "memory:?a=1", "memory://"};
    tq_store *store = NULL;
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(open_url(bad[i], &store), TQ_E_INVALID);
    }
    ck_assert_ptr_null(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(the_clock__is_the_hosts)
{
    tq_store *store = NULL;
    int64_t now = 0;
    begin();
    assert_status(open_url("memory:", &store), TQ_OK);
    test.now_ms = 12345;
    assert_status(tq_store_now(store, &now, &err), TQ_OK);
    ck_assert_int_eq(now, 12345);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

static int hold_in(tq_store *store)
{
    static const char *const seats[] = {"A-1"};
    struct tq_hold hold = TQ_INIT(tq_hold);
    tq_book *book = NULL;
    assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .front = store), &book, &err),
                  TQ_OK);
    assert_status(tq_book_define(book, "show", seats, 1, &err), TQ_OK);
    assert_status(tq_hold_acquire(book,
                                  TQ_ARGS(tq_hold_request, .schedule = "show", .holder = "kim",
                                          .request_key = "k", .seats = seats, .seats_count = 1),
                                  1, &hold, &err),
                  TQ_OK);
    tq_book_close(book);
    return hold.status;
}

START_TEST(two_stores__share_nothing)
{
    tq_store *stores[2] = {NULL, NULL};
    begin();
    for (size_t i = 0; i < 2; i++) {
        assert_status(open_url("memory:", &stores[i]), TQ_OK);
        ck_assert_int_eq(hold_in(stores[i]), TQ_OK);
    }
    tq_store_close(stores[0]);
    tq_store_close(stores[1]);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_failed_opening__leaves_nothing_behind)
{
    int rc = TQ_E_NOMEM;
    long n = 0;
    while (rc != TQ_OK) {
        tq_store *store = NULL;
        begin();
        test.fail_at = ++n;
        rc = open_url("memory:", &store);
        ck_assert_int_eq(rc, store ? TQ_OK : TQ_E_NOMEM);
        tq_store_close(store);
        ck_assert_int_eq(test.live, 0);
    }
    ck_assert_int_gt(n, 1);
}
END_TEST

UNIT_MAIN("store.memory", the_url__has_neither_path_nor_query, the_clock__is_the_hosts,
          two_stores__share_nothing, a_failed_opening__leaves_nothing_behind)
