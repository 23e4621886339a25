/* SPDX-License-Identifier: MIT */
/*
 * saga/saga.c: what opening and starting refuse, data up to its limit, definitions
 * up to theirs, and several types in one database.
 */
#include <stdio.h>
#include <string.h>

#include "lib/outbox_world.h"
#include "lib/saga_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static tq_store *store;
static struct shop shop;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    shop = (struct shop){0};
    shop_prepare(store);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int open_type(const struct tq_saga_type *type, tq_sagas **out_sagas)
{
    return tq_sagas_open(store, type, &shop, out_sagas, &err);
}

START_TEST(opening__refuses_what_cannot_work)
{
    tq_sagas *sagas = NULL;
    struct tq_saga_type bad = saga_world_type;
    setup();
    tq_store *memory = outbox_store(&env, "memory:");
    assert_status(open_type(NULL, &sagas), TQ_E_INVALID);
    assert_status(tq_sagas_open(NULL, &saga_world_type, NULL, &sagas, &err), TQ_E_INVALID);
    assert_status(tq_sagas_open(memory, &saga_world_type, NULL, &sagas, &err), TQ_E_UNSUPPORTED);
    bad.cells_count--;
    assert_status(open_type(&bad, &sagas), TQ_E_INVALID);
    ck_assert_ptr_null(sagas);
    tq_sagas_close(NULL);
    tq_store_close(memory);
    teardown();
}
END_TEST

START_TEST(definitions__descend_and_are_bounded)
{
    struct tq_saga_type types[TQ_SAGA_DEFINITIONS_MAX + 1];
    tq_sagas *sagas = NULL;
    setup();
    for (uint32_t i = 0; i <= TQ_SAGA_DEFINITIONS_MAX; i++) {
        types[i] = saga_world_type;
        types[i].version = i + 1;
        types[i].previous = i ? &types[i - 1] : NULL;
    }
    assert_status(open_type(&types[TQ_SAGA_DEFINITIONS_MAX - 1], &sagas), TQ_OK);
    tq_sagas_close(sagas);
    assert_status(open_type(&types[TQ_SAGA_DEFINITIONS_MAX], &sagas), TQ_E_LIMIT);
    types[0].version = 2;
    assert_status(open_type(&types[1], &sagas), TQ_E_INVALID);
    types[0].version = 1;
    types[0].name = "other";
    assert_status(open_type(&types[1], &sagas), TQ_E_INVALID);
    teardown();
}
END_TEST

struct start {
    tq_sagas *sagas;
    const char *id, *data;
    size_t data_bytes;
};

static int start_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct start *start = arg;
    return tq_saga_start(tx, start->sagas, start->id, start->data, start->data_bytes, failure);
}

static int start(tq_sagas *sagas, const char *id, const char *data, size_t data_bytes)
{
    struct start request = {sagas, id, data, data_bytes};
    return tq_ledger_run(store, start_in, &request, &err);
}

static int check_saga(void *arg, const struct tq_saga *saga)
{
    const struct start *start = arg;
    ck_assert_str_eq(saga->id, start->id);
    ck_assert_str_eq(saga->state, "HELD");
    ck_assert_uint_eq(saga->version, 1);
    ck_assert_int_eq(saga->deadline_ms, test.now_ms + HOLD_MS);
    ck_assert_int_eq(saga->updated_ms, test.now_ms);
    ck_assert_uint_eq(saga->data_bytes, start->data_bytes);
    ck_assert_mem_eq(saga->data, start->data, start->data_bytes);
    return TQ_SETTLED;
}

static int read_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct start *start = arg;
    return tq_saga_read(tx, start->sagas, start->id, check_saga, arg, failure);
}

START_TEST(data__is_text_up_to_its_limit_and_comes_back)
{
    static char data[TQ_SAGA_DATA_MAX + 1];
    tq_sagas *sagas = NULL;
    setup();
    assert_status(open_type(&saga_world_type, &sagas), TQ_OK);
    memset(data, 'x', sizeof data);
    assert_status(start(sagas, "p0", data, TQ_SAGA_DATA_MAX + 1), TQ_E_LIMIT);
    assert_status(start(sagas, "p0", NULL, 1), TQ_E_INVALID);
    assert_status(start(sagas, "p0", "a\0b", 3), TQ_E_INVALID);
    assert_status(start(sagas, "no id", "", 0), TQ_E_INVALID);
    assert_status(start(NULL, "p0", "", 0), TQ_E_INVALID);
    for (size_t bytes = TQ_SAGA_DATA_MAX - 1; bytes <= TQ_SAGA_DATA_MAX; bytes++) {
        char id[16];
        snprintf(id, sizeof id, "p%zu", bytes);
        assert_status(start(sagas, id, data, bytes), TQ_OK);
        struct start expected = {sagas, id, data, bytes};
        assert_status(tq_ledger_read(store, read_in, &expected, &err), TQ_SETTLED);
    }
    assert_status(start(sagas, "p3", NULL, 0), TQ_OK);
    tq_sagas_close(sagas);
    teardown();
}
END_TEST

START_TEST(types__share_a_database_and_not_their_ids)
{
    struct tq_saga_type other = saga_world_type;
    tq_sagas *purchases = NULL, *others = NULL;
    other.name = "other";
    setup();
    assert_status(open_type(&saga_world_type, &purchases), TQ_OK);
    assert_status(open_type(&other, &others), TQ_OK);
    assert_status(shop_start(store, purchases, "p1"), TQ_OK);
    assert_status(shop_start(store, others, "p1"), TQ_OK);
    assert_status(shop_bring(store, purchases, "p1", "PayRequested"), TQ_OK);
    shop_check_state(store, purchases, "p1", "PAYING");
    shop_check_state(store, others, "p1", "HELD");
    test.now_ms += PAY_MS;
    assert_status(tq_saga_step(others, 10, NULL, &err), TQ_EMPTY);
    assert_status(tq_saga_step(purchases, 10, NULL, &err), TQ_OK);
    tq_sagas_close(purchases);
    tq_sagas_close(others);
    teardown();
}
END_TEST

UNIT_MAIN("saga.saga", opening__refuses_what_cannot_work, definitions__descend_and_are_bounded,
          data__is_text_up_to_its_limit_and_comes_back, types__share_a_database_and_not_their_ids)
