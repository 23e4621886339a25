/* SPDX-License-Identifier: MIT */
/*
 * A purchase ends done or undone, whatever happens on its way: the named
 * scenarios of a saga (SG-..), on every ledger.
 */
#include <stdio.h>
#include <string.h>

#include "conform/fixtures.h"
#include "lib/ask.h"
#include "lib/outbox_world.h"
#include "lib/saga_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_store *store;
static tq_sagas *sagas;
static struct shop shop;

static void setup(void)
{
    world_open(&world);
    store = world_store(&world);
    shop = (struct shop){0};
    shop_prepare(store);
    assert_status(tq_sagas_open(store, &saga_world_type, &shop, &sagas, &err), TQ_OK);
    assert_status(shop_start(store, sagas, "p1"), TQ_OK);
}

static void teardown(void)
{
    tq_sagas_close(sagas);
    tq_store_close(store);
    world_close(&world);
}

START_TEST(sg_01_declined__seat_is_free_and_all_is_undone)
{
    setup();
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    shop_check_seat(store, "p1", "PAYING");
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_OK);
    shop_check_state(store, sagas, "p1", "CANCELLED");
    shop_check_seat(store, "", "AVAILABLE");
    ck_assert_int_eq(shop.compensated, 1);
    teardown();
}
END_TEST

START_TEST(sg_02_paid_after_expiry_and_seat_free__is_confirmed)
{
    setup();
    world_advance(&world, HOLD_MS);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    shop_check_state(store, sagas, "p1", "CANCELLED");
    shop_check_seat(store, "", "AVAILABLE");
    assert_status(shop_paid(store, sagas, "p1"), TQ_OK);
    shop_check_state(store, sagas, "p1", "CONFIRMED");
    shop_check_seat(store, "p1", "SOLD");
    ck_assert_int_eq(shop_refunds(store, "p1"), 0);
    teardown();
}
END_TEST

START_TEST(sg_03_paid_after_expiry_and_seat_sold__refunds_and_spares_the_owner)
{
    setup();
    world_advance(&world, HOLD_MS);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    shop_sell_to(store, "p2");
    assert_status(shop_paid(store, sagas, "p1"), TQ_OK);
    shop_check_state(store, sagas, "p1", "REFUNDING");
    shop_check_seat(store, "p2", "SOLD");
    ck_assert_int_eq(shop_refunds(store, "p1"), 1);
    assert_status(shop_bring(store, sagas, "p1", "Refunded"), TQ_OK);
    shop_check_state(store, sagas, "p1", "REFUNDED");
    shop_check_seat(store, "p2", "SOLD");
    teardown();
}
END_TEST

START_TEST(sg_05_webhook_twice__is_one_transition)
{
    setup();
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    assert_status(shop_bring(store, sagas, "p1", "Paid"), TQ_OK);
    assert_status(shop_bring(store, sagas, "p1", "Paid"), TQ_REPEAT);
    shop_check_seat(store, "p1", "SOLD");
    ck_assert_int_eq(ask_number(store, "SELECT version FROM sagas WHERE saga_id = $1", "p1"), 3);
    teardown();
}
END_TEST

START_TEST(sg_11_compensation_before_action__is_recorded_and_the_action_refused)
{
    setup();
    world_advance(&world, HOLD_MS);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    ck_assert_int_eq(shop.compensated, 0);
    shop_check_state(store, sagas, "p1", "CANCELLED");
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_REFUSED);
    shop_check_seat(store, "", "AVAILABLE");
    teardown();
}
END_TEST

START_TEST(sg_12_compensations__run_in_reverse_each_once_or_not_at_all)
{
    setup();
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    world_advance(&world, PAY_MS);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    world_advance(&world, ASK_MS);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    ck_assert_int_eq(shop.asked, 2);
    shop.failing = "Declined";
    shop.status = TQ_E_UNAVAILABLE;
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_E_UNAVAILABLE);
    shop_check_state(store, sagas, "p1", "ASKING");
    shop_check_seat(store, "p1", "PAYING");
    shop.failing = NULL;
    shop.order[0] = '\0';
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_OK);
    ck_assert_str_eq(shop.order, "unask unpin ");
    assert_status(shop_bring(store, sagas, "p1", "Declined"), TQ_REPEAT);
    ck_assert_str_eq(shop.order, "unask unpin ");
    shop_check_seat(store, "", "AVAILABLE");
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM asked WHERE saga = $1", "p1"), 0);
    teardown();
}
END_TEST

static int count_sagas(void *arg, const struct tq_saga *saga)
{
    ck_assert_str_eq(saga->id, "p1");
    ++*(int *)arg;
    return TQ_OK;
}

START_TEST(sg_15_stuck__is_listed_moved_by_its_deadline_and_resumed)
{
    uint32_t next_ms = 0;
    int found = 0;
    setup();
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(next_ms, PAY_MS);
    world_advance(&world, PAY_MS - 1);
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_EMPTY);
    ck_assert_uint_eq(next_ms, 1);
    assert_status(tq_saga_stuck(sagas, PAY_MS - 1, 10, count_sagas, &found, &err), TQ_OK);
    ck_assert_int_eq(found, 1);
    assert_status(tq_saga_stuck(sagas, PAY_MS, 10, count_sagas, &found, &err), TQ_OK);
    ck_assert_int_eq(found, 1);
    world_advance(&world, 1);
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_OK);
    shop_check_state(store, sagas, "p1", "ASKING");
    ck_assert_uint_eq(next_ms, ASK_MS);
    assert_status(tq_saga_resume(sagas, "p1", &err), TQ_OK);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    ck_assert_int_eq(shop.asked, 2);
    assert_status(shop_bring(store, sagas, "p1", "Paid"), TQ_OK);
    assert_status(tq_saga_resume(sagas, "p1", &err), TQ_REPEAT);
    assert_status(tq_saga_resume(sagas, "p9", &err), TQ_GONE);
    assert_status(tq_saga_stuck(sagas, 0, 10, count_sagas, &found, &err), TQ_OK);
    ck_assert_int_eq(found, 1);
    teardown();
}
END_TEST

START_TEST(a_failing_deadline__is_put_off_further_each_time_and_never_given_up)
{
    uint32_t next_ms = 0;
    setup();
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    world_advance(&world, PAY_MS);
    shop.failing = "TimedOut";
    shop.status = TQ_E_UNAVAILABLE;
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(next_ms, PAY_MS);
    shop_check_state(store, sagas, "p1", "PAYING");
    world_advance(&world, next_ms);
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(next_ms, 2 * PAY_MS);
    shop.status = TQ_TAKEN;
    world_advance(&world, next_ms);
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_OK);
    ck_assert_uint_eq(next_ms, 4 * PAY_MS);
    shop.failing = NULL;
    world_advance(&world, next_ms);
    assert_status(tq_saga_step(sagas, 10, &next_ms, &err), TQ_OK);
    shop_check_state(store, sagas, "p1", "ASKING");
    teardown();
}
END_TEST

START_TEST(sg_16_unexpected_events__are_answered_by_the_table)
{
    setup();
    assert_status(shop_bring(store, sagas, "p1", "Paid"), TQ_WAIT);
    assert_status(shop_bring(store, sagas, "p1", "Refunded"), TQ_REFUSED);
    assert_status(shop_bring(store, sagas, "p1", "NoSuchEvent"), TQ_E_INVALID);
    assert_status(shop_bring(store, sagas, "p9", "Paid"), TQ_GONE);
    assert_status(shop_start(store, sagas, "p1"), TQ_REPEAT);
    shop_check_state(store, sagas, "p1", "HELD");
    ck_assert_int_eq(ask_number(store, "SELECT version FROM sagas WHERE saga_id = $1", "p1"), 1);
    teardown();
}
END_TEST

START_TEST(a_handler_that_refuses__leaves_the_saga_as_it_was)
{
    setup();
    shop_sell_to(store, "p2");
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_TAKEN);
    shop_check_state(store, sagas, "p1", "HELD");
    ck_assert_int_eq(ask_number(store, "SELECT version FROM sagas WHERE saga_id = $1", "p1"), 1);
    world_advance(&world, HOLD_MS);
    assert_status(tq_saga_step(sagas, 10, NULL, &err), TQ_OK);
    shop_check_state(store, sagas, "p1", "CANCELLED");
    teardown();
}
END_TEST

/* The second definition: a decline of a hold is ignored, where the first one defers. */
static struct tq_saga_cell newer_cells[49];

static struct tq_saga_type newer_type(void)
{
    struct tq_saga_type newer = saga_world_type;
    memcpy(newer_cells, saga_world_type.cells, saga_world_type.cells_count * sizeof *newer_cells);
    for (size_t i = 0; i < saga_world_type.cells_count; i++) {
        if (strcmp(newer_cells[i].state, "HELD") == 0 &&
            strcmp(newer_cells[i].event, "Declined") == 0) {
            newer_cells[i].cell = TQ_CELL_IGNORE;
        }
    }
    newer.version = 2;
    newer.cells = newer_cells;
    newer.previous = &saga_world_type;
    return newer;
}

START_TEST(sg_18_upgrade__keeps_sagas_on_the_definition_they_began_with)
{
    tq_sagas *upgraded = NULL;
    struct tq_saga_type newer = newer_type();
    setup();
    assert_status(tq_sagas_open(store, &newer, &shop, &upgraded, &err), TQ_OK);
    assert_status(shop_start(store, upgraded, "p2"), TQ_OK);
    assert_status(shop_bring(store, upgraded, "p1", "Declined"), TQ_WAIT);
    assert_status(shop_bring(store, upgraded, "p2", "Declined"), TQ_REPEAT);
    assert_status(shop_bring(store, sagas, "p2", "Declined"), TQ_E_UNSUPPORTED);
    tq_sagas_close(upgraded);
    teardown();
}
END_TEST

static int join_history(void *arg, const struct tq_saga_step_row *row)
{
    char *line = arg;
    size_t bytes = strlen(line);
    snprintf(line + bytes, 256 - bytes, "%s>%s>%s ", row->from, row->event, row->to);
    return TQ_OK;
}

START_TEST(history__tells_every_transition_in_order)
{
    char line[256] = "";
    setup();
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_OK);
    assert_status(shop_bring(store, sagas, "p1", "PayRequested"), TQ_REPEAT);
    assert_status(shop_bring(store, sagas, "p1", "Paid"), TQ_OK);
    assert_status(tq_saga_history(sagas, "p1", join_history, line, &err), TQ_OK);
    ck_assert_str_eq(line, ">>HELD HELD>PayRequested>PAYING PAYING>Paid>CONFIRMED ");
    teardown();
}
END_TEST

CONFORM_MAIN("saga.purchase", sg_01_declined__seat_is_free_and_all_is_undone,
             sg_02_paid_after_expiry_and_seat_free__is_confirmed,
             sg_03_paid_after_expiry_and_seat_sold__refunds_and_spares_the_owner,
             sg_05_webhook_twice__is_one_transition,
             sg_11_compensation_before_action__is_recorded_and_the_action_refused,
             sg_12_compensations__run_in_reverse_each_once_or_not_at_all,
             sg_15_stuck__is_listed_moved_by_its_deadline_and_resumed,
             a_failing_deadline__is_put_off_further_each_time_and_never_given_up,
             sg_16_unexpected_events__are_answered_by_the_table,
             a_handler_that_refuses__leaves_the_saga_as_it_was,
             sg_18_upgrade__keeps_sagas_on_the_definition_they_began_with,
             history__tells_every_transition_in_order)
