/* SPDX-License-Identifier: MIT */
/*
 * A purchase on a ledger: its row under a request key, its lines, its total. Each
 * allocation and each call to the driver fails in turn. Then the books are lawful,
 * what was told is true, and the same request again has one effect.
 */
#include <ticketq/ledger.h>

#include <stdint.h>

#include "conform/fixtures.h"
#include "lib/fault_ledger.h"

#define LINES 3

static const struct tq_migration schema = {
    sizeof schema, "shop", 1, 0,
    "CREATE TABLE purchases (request_key TEXT PRIMARY KEY, total BIGINT NOT NULL);"
    "CREATE TABLE lines (request_key TEXT NOT NULL, line BIGINT NOT NULL,"
    " PRIMARY KEY (request_key, line))"};

static struct world world;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;

static void setup(void)
{
    world_open(&world);
    struct tq_store_options options = world_store_options(&world);
    fault_plan.inner = options.driver;
    options.driver = &fault_ledger_driver;
    fault_plan_set(FAULT_NONE, 0, 0);
    assert_status(tq_store_open(&world.env, &options, &store, &err), TQ_OK);
    assert_status(tq_ledger_migrate(store, &schema, 1, &err), TQ_OK);
}

static void teardown(void)
{
    fault_plan_set(FAULT_NONE, 0, 0);
    tq_store_close(store);
    world_close(&world);
}

/* TQ_REPEAT: the request was applied before. */
static int purchase(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value key = tq_text(arg);
    struct tq_value lines[LINES * 2];
    int rc = tq_tx_exec(tx, "INSERT INTO purchases (request_key, total) VALUES ($1, 0)", &key, 1,
                        NULL, NULL, failure);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < LINES; i++) {
        lines[2 * i] = key;
        lines[2 * i + 1] = tq_int((int64_t)i);
    }
    rc = tq_tx_exec_many(tx, "INSERT INTO lines (request_key, line) VALUES ($1, $2)", lines, 2,
                         LINES, NULL, failure);
    if (rc) {
        return rc;
    }
    return tq_tx_exec(tx,
                      "UPDATE purchases SET total = (SELECT count(*) FROM lines WHERE"
                      " request_key = $1) WHERE request_key = $1",
                      &key, 1, NULL, NULL, failure);
}

/* The same for many; here it is given one. */
static int purchase_each(tq_tx *tx, void *const args[], size_t count, int results[],
                         struct tq_error *const errs[])
{
    ck_assert_uint_eq(count, 1);
    results[0] = purchase(tx, args[0], errs[0]);
    return TQ_OK;
}

static int run_one(const char *key)
{
    return tq_ledger_run(store, purchase, (void *)(uintptr_t)key, &err);
}

static int run_each(const char *key)
{
    return tq_ledger_run_each(store, purchase_each, (void *)(uintptr_t)key, &err);
}

static int (*const ways[])(const char *key) = {run_one, run_each};

struct books {
    int64_t purchases, lines, total;
};

static int take_books(void *arg, const struct tq_value *columns, size_t columns_count)
{
    ck_assert_uint_eq(columns_count, 3);
    *(struct books *)arg =
        (struct books){columns[0].integer, columns[1].integer, columns[2].integer};
    return 0;
}

static int read_books(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx,
                      "SELECT (SELECT count(*) FROM purchases), (SELECT count(*) FROM lines),"
                      " (SELECT COALESCE(SUM(total), 0) FROM purchases)",
                      NULL, 0, take_books, arg, failure);
}

/* How many purchases there are, all of them whole. */
static int64_t audit(void)
{
    struct books books = {-1, -1, -1};
    fault_plan_set(FAULT_NONE, 0, 0);
    world.test.fail_at = 0;
    assert_status(tq_ledger_read(store, read_books, &books, &err), TQ_OK);
    ck_assert_int_eq(books.lines, books.purchases * LINES);
    ck_assert_int_eq(books.total, books.purchases * LINES);
    return books.purchases;
}

/* What was told is true, and the request again has one effect. */
static void check_and_retry(int status, const char *key)
{
    int64_t applied = audit();
    if (status != TQ_E_UNKNOWN) {
        ck_assert_int_eq(applied, status == TQ_OK);
    }
    assert_status(tq_ledger_run(store, purchase, (void *)key, &err), applied ? TQ_REPEAT : TQ_OK);
    ck_assert_int_eq(audit(), 1);
}

START_TEST(driver_calls__fail_each_in_turn)
{
    for (int i = 0; i < 6; i++) {
        int kind = FAULT_BEFORE + i % 3;
        int status = TQ_E_UNAVAILABLE;
        int unknowns = 0;
        long at = 0;
        while (status < 0) {
            setup();
            fault_plan_set(kind, FAULT_ANY, ++at);
            status = ways[i / 3]("key");
            unknowns += status == TQ_E_UNKNOWN;
            ck_assert(status == TQ_OK || status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN);
            check_and_retry(status, "key");
            teardown();
        }
        /* begin, three statements, commit; only a lost commit is unknown */
        ck_assert_int_eq(at, 6);
        ck_assert_int_eq(unknowns, kind == FAULT_BEFORE ? 0 : 1);
    }
}
END_TEST

START_TEST(allocations__fail_each_in_turn)
{
    for (int i = 0; i < 4; i++) {
        int status = TQ_E_NOMEM;
        long at = 0;
        while (status < 0) {
            setup();
            world.test.allocations = 0;
            world.test.fail_at = ++at;
            world.test.fail_forever = i % 2;
            status = ways[i / 2]("key");
            ck_assert(status == TQ_OK || status == TQ_E_NOMEM);
            check_and_retry(status, "key");
            teardown();
        }
        ck_assert_int_ge(at, 4);
    }
}
END_TEST

START_TEST(reads__fail_cleanly)
{
    for (int kind = FAULT_BEFORE; kind <= FAULT_AFTER; kind++) {
        struct books books;
        int status = TQ_E_UNAVAILABLE;
        for (long at = 1; status < 0; at++) {
            setup();
            fault_plan_set(kind, FAULT_ANY, at);
            status = tq_ledger_read(store, read_books, &books, &err);
            ck_assert(status == TQ_OK || status == TQ_E_UNAVAILABLE);
            ck_assert_int_eq(audit(), 0);
            teardown();
        }
    }
}
END_TEST

CONFORM_MAIN("fault.ledger", driver_calls__fail_each_in_turn, allocations__fail_each_in_turn,
             reads__fail_cleanly)
