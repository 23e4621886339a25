/* SPDX-License-Identifier: MIT */
/*
 * saga/deadline.c: limits, order by time, and a failing saga that keeps no other
 * waiting; a saga whose definition is not open.
 */
#include <stdio.h>
#include <string.h>

#include "lib/ask.h"
#include "lib/outbox_world.h"
#include "lib/saga_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;
static tq_sagas *sagas;
static struct shop shop;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    shop = (struct shop){0};
    shop_prepare(store);
    assert_status(tq_sagas_open(store, &saga_world_type, &shop, &sagas, &err), TQ_OK);
}

static void teardown(void)
{
    tq_sagas_close(sagas);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int64_t count_in(const char *state)
{
    return ask_number(store, "SELECT count(*) FROM sagas WHERE state = $1", state);
}

START_TEST(a_limit__takes_the_earliest_first)
{
    uint32_t next_ms = 7;
    char id[16];
    setup();
    assert_status(tq_saga_step(sagas, 1, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "p%d", i);
        assert_status(shop_start(store, sagas, id), TQ_OK);
        test.now_ms += 10;
    }
    test.now_ms += HOLD_MS;
    assert_status(tq_saga_step(sagas, 2, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(next_ms, 0);
    shop_check_state(store, sagas, "p0", "CANCELLED");
    shop_check_state(store, sagas, "p1", "CANCELLED");
    ck_assert_int_eq(count_in("HELD"), 3);
    assert_status(tq_saga_step(sagas, 1000, &next_ms, &err), TQ_OK);
    ck_assert_int_eq(count_in("HELD"), 0);
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    assert_status(tq_saga_step(sagas, 0, NULL, &err), TQ_E_LIMIT);
    assert_status(tq_saga_step(NULL, 1, NULL, &err), TQ_E_INVALID);
    teardown();
}
END_TEST

START_TEST(a_failing_saga__keeps_no_other_waiting)
{
    setup();
    assert_status(shop_start(store, sagas, "p1"), TQ_OK);
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    test.now_ms += HOLD_MS - PAY_MS;
    assert_status(shop_start(store, sagas, "p2"), TQ_OK);
    test.now_ms += HOLD_MS;
    shop.failing = "TimedOut";
    shop.status = TQ_E_INTERNAL;
    assert_status(tq_saga_step(sagas, 1, NULL, &err), TQ_OK);
    shop_check_state(store, sagas, "p1", "PAYING");
    assert_status(tq_saga_step(sagas, 1, NULL, &err), TQ_OK);
    shop_check_state(store, sagas, "p2", "CANCELLED");
    teardown();
}
END_TEST

START_TEST(a_definition_that_is_not_open__is_put_off_and_not_lost)
{
    struct tq_saga_type newer = saga_world_type;
    uint32_t next_ms = 0;
    setup();
    assert_status(shop_start(store, sagas, "p1"), TQ_OK);
    tq_sagas_close(sagas);
    newer.version = 2;
    assert_status(tq_sagas_open(store, &newer, &shop, &sagas, &err), TQ_OK);
    test.now_ms += HOLD_MS;
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(next_ms, 60000);
    ck_assert_int_eq(count_in("HELD"), 1);
    teardown();
}
END_TEST

/* As on a full disk: it reads, and every write fails. */
START_TEST(a_ledger_that_takes_no_writes__is_told_and_not_hammered)
{
    static const char close_it[] = "CREATE TRIGGER full BEFORE UPDATE ON sagas"
                                   " BEGIN SELECT RAISE(ABORT, 'full'); END";
    setup();
    assert_status(shop_start(store, sagas, "p1"), TQ_OK);
    assert_status(exec_on(store, close_it, &err), TQ_OK);
    test.now_ms += HOLD_MS;
    ck_assert_int_lt(tq_saga_step(sagas, 10, NULL, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.message, "full"));
    ck_assert_int_eq(count_in("HELD"), 1);
    assert_status(exec_on(store, "DROP TRIGGER full", &err), TQ_OK);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    ck_assert_int_eq(count_in("HELD"), 0);
    teardown();
}
END_TEST

static int stop(void *arg, const struct tq_saga *saga)
{
    (void)saga;
    ++*(int *)arg;
    return TQ_FULL;
}

START_TEST(listings__stop_when_told_and_refuse_nonsense)
{
    int count = 0;
    setup();
    assert_status(shop_start(store, sagas, "p1"), TQ_OK);
    assert_status(shop_start(store, sagas, "p2"), TQ_OK);
    assert_status(tq_saga_stuck(sagas, 0, 10, stop, &count, &err), TQ_FULL);
    ck_assert_int_eq(count, 1);
    assert_status(tq_saga_stuck(sagas, -1, 10, stop, &count, &err), TQ_E_LIMIT);
    assert_status(tq_saga_stuck(sagas, 0, 10, NULL, &count, &err), TQ_E_INVALID);
    assert_status(tq_saga_stuck(sagas, 0, (size_t)INT32_MAX + 1, stop, &count, &err), TQ_E_LIMIT);
    assert_status(tq_saga_history(sagas, "p1", NULL, NULL, &err), TQ_E_INVALID);
    assert_status(tq_saga_resume(sagas, "no id", &err), TQ_E_INVALID);
    assert_status(tq_saga_resume(NULL, "p1", &err), TQ_E_INVALID);
    teardown();
}
END_TEST

UNIT_MAIN("saga.deadline", a_limit__takes_the_earliest_first,
          a_failing_saga__keeps_no_other_waiting,
          a_definition_that_is_not_open__is_put_off_and_not_lost,
          a_ledger_that_takes_no_writes__is_told_and_not_hammered,
          listings__stop_when_told_and_refuse_nonsense)
