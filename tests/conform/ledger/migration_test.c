/* SPDX-License-Identifier: MIT */
/*
 * tq_ledger_migrate(): each step once, all or nothing, several starters at once.
 */
#include <ticketq/ledger.h>

#include <pthread.h>

#include "lib/ask.h"
#include "conform/fixtures.h"

static struct tq_error err = TQ_ERROR_INIT;

static const struct tq_migration steps[] = {
    {sizeof *steps, "shop", 1, 0,
     "CREATE TABLE a (id BIGINT PRIMARY KEY); CREATE TABLE b (x TEXT)"},
    {sizeof *steps, "shop", 2, 0, "INSERT INTO a (id) VALUES (1);\n-- a remark; with a mark\n"},
    {sizeof *steps, "shop", 3, 0, "INSERT INTO a (id) VALUES (2); ALTER TABLE a ADD name TEXT;"},
};

static int count_a(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx, "SELECT count(*) FROM a", NULL, 0, ask_take, arg, failure);
}

START_TEST(steps__are_applied_once_and_in_order)
{
    struct world world;
    int64_t rows = 0;
    world_open(&world);
    tq_store *store = world_store(&world);
    assert_status(tq_ledger_migrate(store, steps, 1, &err), TQ_OK);
    assert_status(tq_ledger_migrate(store, steps, 1, &err), TQ_REPEAT);
    assert_status(tq_ledger_migrate(store, steps, 3, &err), TQ_OK);
    assert_status(tq_ledger_migrate(store, steps, 3, &err), TQ_REPEAT);
    assert_status(tq_ledger_read(store, count_a, &rows, &err), TQ_OK);
    ck_assert_int_eq(rows, 2);
    assert_status(tq_ledger_migrate(store, steps, 2, &err), TQ_E_CORRUPT);
    tq_store_close(store);
    world_close(&world);
}
END_TEST

START_TEST(scopes__do_not_know_each_other)
{
    static const struct tq_migration other = {sizeof other, "other", 1, 0,
                                              "CREATE TABLE o (x TEXT)"};
    struct world world;
    world_open(&world);
    tq_store *store = world_store(&world);
    assert_status(tq_ledger_migrate(store, steps, 3, &err), TQ_OK);
    assert_status(tq_ledger_migrate(store, &other, 1, &err), TQ_OK);
    assert_status(tq_ledger_migrate(store, steps, 3, &err), TQ_REPEAT);
    tq_store_close(store);
    world_close(&world);
}
END_TEST

START_TEST(a_step_that_fails__leaves_nothing)
{
    struct tq_migration broken[] = {steps[0], steps[1]};
    struct world world;
    int64_t rows = 0;
    world_open(&world);
    tq_store *store = world_store(&world);
    broken[1].sql = "INSERT INTO a (id) VALUES (5); INSERT INTO nowhere (id) VALUES (1)";
    assert_status(tq_ledger_migrate(store, broken, 2, &err), TQ_E_INVALID);
    assert_status(tq_ledger_read(store, count_a, &rows, &err), TQ_E_INVALID);
    broken[1].sql = "INSERT INTO a (id) VALUES (5); COMMIT; SELECT 1";
    assert_status(tq_ledger_migrate(store, broken, 2, &err), TQ_E_INVALID);
    assert_status(tq_ledger_read(store, count_a, &rows, &err), TQ_E_INVALID);
    assert_status(tq_ledger_migrate(store, steps, 3, &err), TQ_OK);
    tq_store_close(store);
    world_close(&world);
}
END_TEST

START_TEST(malformed_plans__are_refused)
{
    struct tq_migration plan[] = {steps[0], steps[1], steps[2]};
    struct world world;
    world_open(&world);
    tq_store *store = world_store(&world);
    assert_status(tq_ledger_migrate(store, plan, 0, &err), TQ_E_LIMIT);
    assert_status(tq_ledger_migrate(store, NULL, 1, &err), TQ_E_INVALID);
    assert_status(tq_ledger_migrate(store, plan + 1, 2, &err), TQ_E_INVALID);
    plan[2].version = 4;
    assert_status(tq_ledger_migrate(store, plan, 3, &err), TQ_E_INVALID);
    plan[2] = steps[2];
    plan[1].scope = "other";
    assert_status(tq_ledger_migrate(store, plan, 3, &err), TQ_E_INVALID);
    plan[1] = steps[1];
    plan[1].sql = NULL;
    assert_status(tq_ledger_migrate(store, plan, 3, &err), TQ_E_INVALID);
    plan[0].scope = "not an id";
    assert_status(tq_ledger_migrate(store, plan, 1, &err), TQ_E_INVALID);
    plan[0] = steps[0];
    plan[0].size = 4;
    assert_status(tq_ledger_migrate(store, plan, 1, &err), TQ_E_ABI);
    tq_store_close(store);
    world_close(&world);
}
END_TEST

#define STARTERS 8

static void *start(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    struct world *world = arg;
    tq_store *store = NULL;
    int rc = tq_store_open(&world->env, TQ_ARGS(tq_store_options, .url = world->url), &store, &own);
    if (rc == TQ_OK) {
        rc = tq_ledger_migrate(store, steps, 3, &own);
    }
    tq_store_close(store);
    return (void *)(intptr_t)rc;
}

START_TEST(several_starters__apply_each_step_once)
{
    pthread_t threads[STARTERS];
    struct world world;
    void *results[STARTERS];
    int applied = 0;
    world_open(&world);
    tq_store *store = world_store(&world);
    int is_shared = strstr(world.url, ":memory:") == NULL;
    for (int i = 0; i < STARTERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, start, &world), 0);
    }
    for (int i = 0; i < STARTERS; i++) {
        pthread_join(threads[i], &results[i]);
        ck_assert_msg((intptr_t)results[i] >= 0, "%s", tq_status_name((int)(intptr_t)results[i]));
        applied += (intptr_t)results[i] == TQ_OK;
    }
    ck_assert_int_eq(applied, is_shared ? 1 : STARTERS);
    tq_store_close(store);
    world_close(&world);
}
END_TEST

CONFORM_MAIN("ledger.migration", steps__are_applied_once_and_in_order,
             scopes__do_not_know_each_other, a_step_that_fails__leaves_nothing,
             malformed_plans__are_refused, several_starters__apply_each_step_once)
