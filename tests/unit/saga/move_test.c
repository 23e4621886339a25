/* SPDX-License-Identifier: MIT */
/*
 * saga/move.c: of two that race one moves, a handler that refuses is as if it had not
 * run, a compensation may not refuse, and a saga is undone no further than it was done
 * since it was undone last.
 */
#include "saga/sagas.h"

#include <string.h>

#include "lib/ask.h"
#include "lib/outbox_world.h"
#include "lib/saga_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;
static tq_sagas *sagas;
static struct shop shop;

static void setup(const struct tq_saga_type *type)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    shop = (struct shop){0};
    shop_prepare(store);
    assert_status(tq_sagas_open(store, type, &shop, &sagas, &err), TQ_OK);
    assert_status(shop_start(store, sagas, "p1"), TQ_OK);
}

static void teardown(void)
{
    tq_sagas_close(sagas);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

/* Another transaction moves the saga between this one's look and its move. */
static int bring_stale(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq__saga_record record;
    (void)arg;
    int status = tq__saga_load(tx, sagas, "p1", &record, failure);
    ck_assert_int_eq(status, TQ_OK);
    status = tq_saga_apply(tx, sagas, "p1", "PayRequested", NULL, failure);
    ck_assert_int_eq(status, TQ_OK);
    return tq__saga_bring(tx, sagas, &record, "HoldExpired", NULL, failure);
}

START_TEST(of_two_that_race__one_moves)
{
    setup(&saga_world_type);
    assert_status(tq_ledger_run(store, bring_stale, NULL, &err), TQ_STALE);
    shop_check_state(store, sagas, "p1", "PAYING");
    shop_check_seat(store, "p1", "PAYING");
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM saga_history", NULL), 2);
    teardown();
}
END_TEST

START_TEST(a_refusing_handler__leaves_even_the_times_as_they_were)
{
    static const char row[] = "SELECT deadline_ms + updated_ms * 3 + version * 7 + attempts"
                              " FROM sagas WHERE saga_id = $1";
    setup(&saga_world_type);
    int64_t before = ask_number(store, row, "p1");
    test.now_ms += 1000;
    shop_sell_to(store, "p2");
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_TAKEN);
    ck_assert_int_eq(ask_number(store, row, "p1"), before);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM saga_history", NULL), 1);
    teardown();
}
END_TEST

/* ---- undoing ---- */

static int refuse(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *failure)
{
    (void)tx;
    (void)saga;
    (void)input;
    (void)arg;
    (void)failure;
    return TQ_REFUSED;
}

static struct tq_saga_cell cells[49];

/* The purchase with one cell changed. */
static struct tq_saga_type changed(const struct tq_saga_cell *cell)
{
    struct tq_saga_type type = saga_world_type;
    memcpy(cells, type.cells, type.cells_count * sizeof *cells);
    for (size_t i = 0; i < type.cells_count; i++) {
        if (strcmp(cells[i].state, cell->state) == 0 && strcmp(cells[i].event, cell->event) == 0) {
            cells[i] = *cell;
        }
    }
    type.cells = cells;
    return type;
}

START_TEST(a_compensation__may_not_refuse)
{
    const struct tq_saga_cell cell = {.state = "HELD",
                                      .event = "PayRequested",
                                      .cell = TQ_CELL_GO,
                                      .next = "PAYING",
                                      .compensation = refuse};
    struct tq_saga_type type = changed(&cell);
    setup(&type);
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_E_INTERNAL);
    shop_check_state(store, sagas, "p1", "PAYING");
    teardown();
}
END_TEST

START_TEST(undone_twice__undoes_only_what_was_done_since)
{
    const struct tq_saga_cell cell = {
        .state = "CANCELLED", .event = "PayRequested", .cell = TQ_CELL_GO, .next = "PAYING"};
    struct tq_saga_type type = changed(&cell);
    setup(&type);
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    test.now_ms += PAY_MS;
    assert_status(tq_saga_step(sagas, 1, NULL, &err), TQ_OK);
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_OK);
    ck_assert_str_eq(shop.order, "unask unpin ");
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    test.now_ms += PAY_MS;
    assert_status(tq_saga_step(sagas, 1, NULL, &err), TQ_OK);
    shop.order[0] = '\0';
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_OK);
    ck_assert_str_eq(shop.order, "unask ");
    teardown();
}
END_TEST

UNIT_MAIN("saga.move", of_two_that_race__one_moves,
          a_refusing_handler__leaves_even_the_times_as_they_were, a_compensation__may_not_refuse,
          undone_twice__undoes_only_what_was_done_since)
