/* SPDX-License-Identifier: MIT */
/*
 * saga.h.
 */
#include <ticketq/saga.h>

#include "api/api.h"
#include "lib/saga_world.h"

static struct test_env test;
static struct tq_env env;
static struct shop shop;
static tq_store *store;
static tq_sagas *sagas;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err),
        TQ_OK);
    assert_status(tq_sagas_open(store, &saga_world_type, &shop, &sagas, &err), TQ_OK);
    shop_prepare(store);
}

static int visit_saga(void *arg, const struct tq_saga *saga)
{
    (void)saga;
    ++*(int *)arg;
    return 0;
}

static int visit_step(void *arg, const struct tq_saga_step_row *row)
{
    (void)row;
    ++*(int *)arg;
    return 0;
}

/* No saga has begun. */
static void teardown(void)
{
    int count = 0;
    test.now_ms += 1000;
    assert_status(tq_saga_stuck(sagas, 0, 10, visit_saga, &count, &err), TQ_OK);
    ck_assert_int_eq(count, 0);
    tq_sagas_close(sagas);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

START_TEST(nothing__is_no_argument)
{
    tq_sagas *other = NULL;
    tq_store *memory = NULL;
    int count = 0;
    setup();
    REFUSED(tq_sagas_open(NULL, &saga_world_type, NULL, &other, &err), TQ_E_INVALID, "store");
    REFUSED(tq_sagas_open(store, NULL, NULL, &other, &err), TQ_E_INVALID, "type");
    REFUSED(tq_sagas_open(store, &saga_world_type, NULL, NULL, &err), TQ_E_INVALID, "out_sagas");
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &memory, &err),
                  TQ_OK);
    REFUSED(tq_sagas_open(memory, &saga_world_type, NULL, &other, &err), TQ_E_UNSUPPORTED,
            "ledger");
    ck_assert(!other);
    tq_store_close(memory);
    REFUSED(tq_saga_step(NULL, 1, NULL, &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_step(sagas, 0, NULL, &err), TQ_E_LIMIT, "limit");
    REFUSED(tq_saga_step(sagas, SIZE_MAX, NULL, &err), TQ_E_LIMIT, "limit");
    ACCEPTED(tq_saga_step(sagas, 1, NULL, &err), TQ_EMPTY);
    REFUSED(tq_saga_stuck(NULL, 0, 1, visit_saga, &count, &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_stuck(sagas, 0, 1, NULL, &count, &err), TQ_E_INVALID, "visit");
    REFUSED(tq_saga_stuck(sagas, -1, 1, visit_saga, &count, &err), TQ_E_LIMIT, "idle_ms");
    REFUSED(tq_saga_stuck(sagas, 0, 0, visit_saga, &count, &err), TQ_E_LIMIT, "limit");
    REFUSED(tq_saga_stuck(sagas, 0, SIZE_MAX, visit_saga, &count, &err), TQ_E_LIMIT, "limit");
    ACCEPTED(tq_saga_stuck(sagas, INT64_MAX, 1, visit_saga, &count, &err), TQ_OK);
    REFUSED(tq_saga_history(NULL, "s", visit_step, &count, &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_history(sagas, NULL, visit_step, &count, &err), TQ_E_INVALID, "id");
    REFUSED(tq_saga_history(sagas, "s", NULL, &count, &err), TQ_E_INVALID, "visit");
    REFUSED(tq_saga_resume(NULL, "s", &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_resume(sagas, NULL, &err), TQ_E_INVALID, "id");
    ck_assert_int_eq(count, 0);
    IGNORED(tq_sagas_close(NULL));
    teardown();
}
END_TEST

static int refuse_in_tx(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static const char big[TQ_SAGA_DATA_MAX + 1] = "x";
    (void)failure;
    REFUSED(tq_saga_start(NULL, sagas, "s", "", 0, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_saga_start(tx, NULL, "s", "", 0, &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_start(tx, sagas, NULL, "", 0, &err), TQ_E_INVALID, "id");
    REFUSED(tq_saga_start(tx, sagas, "s", NULL, 1, &err), TQ_E_INVALID, "data");
    REFUSED(tq_saga_start(tx, sagas, "s", "a\0b", 3, &err), TQ_E_INVALID, "data");
    REFUSED(tq_saga_start(tx, sagas, "s", big, sizeof big, &err), TQ_E_LIMIT, "data");
    REFUSED(tq_saga_start(tx, sagas, "s", big, SIZE_MAX, &err), TQ_E_LIMIT, "data");
    REFUSED(tq_saga_apply(NULL, sagas, "s", "pay", NULL, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_saga_apply(tx, NULL, "s", "pay", NULL, &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_apply(tx, sagas, NULL, "pay", NULL, &err), TQ_E_INVALID, "id");
    REFUSED(tq_saga_apply(tx, sagas, "s", NULL, NULL, &err), TQ_E_INVALID, "event");
    REFUSED(tq_saga_read(NULL, sagas, "s", visit_saga, arg, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_saga_read(tx, NULL, "s", visit_saga, arg, &err), TQ_E_INVALID, "sagas");
    REFUSED(tq_saga_read(tx, sagas, NULL, visit_saga, arg, &err), TQ_E_INVALID, "id");
    REFUSED(tq_saga_read(tx, sagas, "s", NULL, arg, &err), TQ_E_INVALID, "visit");
    return TQ_OK;
}

START_TEST(verbs__are_in_a_transaction_on_sagas)
{
    int count = 0;
    setup();
    assert_status(tq_ledger_run(store, refuse_in_tx, &count, &err), TQ_OK);
    ck_assert_int_eq(count, 0);
    teardown();
}
END_TEST

/* The longest data, or none at all, begins a saga. */
static int start_at_limits(tq_tx *tx, void *arg, struct tq_error *failure)
{
    char data[TQ_SAGA_DATA_MAX];
    (void)arg;
    (void)failure;
    memset(data, 'd', sizeof data);
    ACCEPTED(tq_saga_start(tx, sagas, "longest", data, sizeof data, &err), TQ_OK);
    ACCEPTED(tq_saga_start(tx, sagas, "none", NULL, 0, &err), TQ_OK);
    ACCEPTED(tq_saga_apply(tx, sagas, "nobody", "x", NULL, &err), TQ_GONE);
    REFUSED(tq_saga_apply(tx, sagas, "none", "{no event}", NULL, &err), TQ_E_INVALID, "{no event}");
    return TQ_E_BUSY; /* and undo it */
}

START_TEST(data__is_of_any_length_to_the_limit)
{
    setup();
    assert_status(tq_ledger_run(store, start_at_limits, NULL, &err), TQ_E_BUSY);
    teardown();
}
END_TEST

static int with_type(const void *argument)
{
    tq_sagas *other = NULL;
    int rc = tq_sagas_open(store, argument, &shop, &other, &err);
    ck_assert_int_eq(other != NULL, rc == TQ_OK);
    tq_sagas_close(other);
    return rc;
}

static int with_name(const void *argument)
{
    struct tq_saga_type changed = saga_world_type;
    changed.name = argument;
    return with_type(&changed);
}

static int with_id(const void *argument)
{
    return tq_saga_resume(sagas, argument, &err);
}

START_TEST(types__are_as_long_as_they_say)
{
    setup();
    check_sized(
        &(struct sized){"type", SIZED_IN, sizeof saga_world_type, &saga_world_type, with_type});
    check_ids(with_name, "name");
    check_ids(with_id, "id");
    teardown();
}
END_TEST

START_TEST(types__are_in_their_limits)
{
    struct tq_saga_type bad = saga_world_type;
    setup();
    bad.states_count = TQ_SAGA_STATES_MAX + 1;
    REFUSED(with_type(&bad), TQ_E_LIMIT, "states");
    bad = saga_world_type;
    bad.events_count = SIZE_MAX;
    REFUSED(with_type(&bad), TQ_E_LIMIT, "events");
    bad = saga_world_type;
    bad.cells_count = 0;
    REFUSED(with_type(&bad), TQ_E_INVALID, "missing");
    bad.states = NULL;
    REFUSED(with_type(&bad), TQ_E_INVALID, "states");
    bad = saga_world_type;
    bad.events = NULL;
    REFUSED(with_type(&bad), TQ_E_INVALID, "events");
    bad = saga_world_type;
    bad.cells = NULL;
    REFUSED(with_type(&bad), TQ_E_INVALID, "cells");
    bad = saga_world_type;
    bad.previous = &bad; /* before itself */
    REFUSED(with_type(&bad), TQ_E_INVALID, "previous");
    teardown();
}
END_TEST

UNIT_MAIN("api.saga", nothing__is_no_argument, verbs__are_in_a_transaction_on_sagas,
          data__is_of_any_length_to_the_limit, types__are_as_long_as_they_say,
          types__are_in_their_limits)
