/* SPDX-License-Identifier: MIT */
/*
 * app/told.c: an event and its note are saved together or not at all.
 */
#include "app/told.h"

#include "core/error.h"
#include "desk.h"
#include "lib/unit.h"

static int tell(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct tq_event event = {.size = sizeof event,
                                   .topic = "order.events",
                                   .type = "OrderPlaced",
                                   .aggregate_type = "order",
                                   .aggregate_id = "order-1"};
    struct tq__buf payload = TQ__BUF(tq_tx_env(tx));
    tq__buf_text(&payload, "{}");
    int rc = app_tell(tx, &event, &payload, err);
    tq__buf_done(&payload);
    return rc == TQ_OK ? *(const int *)arg : rc;
}

#define COUNT(table) "SELECT CAST(COUNT(*) AS TEXT) FROM " table

START_TEST(an_event__and_its_note_are_one)
{
    struct desk desk;
    int result = TQ_OK;
    desk_open(&desk, "order", "", NULL);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, tell, &result, &desk.err), TQ_OK);
    ck_assert_str_eq(desk_ask(&desk, "SELECT type || ' ' || event_key FROM told_events"),
                     "OrderPlaced order-1");
    ck_assert_str_eq(
        desk_ask(&desk, "SELECT CAST(COUNT(*) AS TEXT) FROM told_events t JOIN outbox_events o "
                        "ON o.event_id = t.event_id"),
        "1");
    result = TQ_E_INVALID;
    ck_assert_int_eq(tq_ledger_run(desk.ledger, tell, &result, &desk.err), TQ_E_INVALID);
    ck_assert_str_eq(desk_ask(&desk, COUNT("told_events")), "1");
    ck_assert_str_eq(desk_ask(&desk, COUNT("outbox_events")), "1");
    desk_close(&desk);
}
END_TEST

START_TEST(a_note__goes_with_age_and_the_event_stays)
{
    struct desk desk;
    int result = TQ_OK;
    desk_open(&desk, "order", "", NULL);
    ck_assert_int_eq(tq_ledger_run(desk.ledger, tell, &result, &desk.err), TQ_OK);
    ck_assert_int_eq(app_told_clean(desk.ledger, 1000, 9, &desk.err), TQ_EMPTY);
    atomic_fetch_add(&desk.test.now_ms, 1001);
    ck_assert_int_eq(app_told_clean(desk.ledger, 1000, 9, &desk.err), TQ_OK);
    ck_assert_str_eq(desk_ask(&desk, COUNT("told_events")), "0");
    ck_assert_str_eq(desk_ask(&desk, COUNT("outbox_events")), "1");
    desk_close(&desk);
}
END_TEST

UNIT_MAIN("app.told", an_event__and_its_note_are_one, a_note__goes_with_age_and_the_event_stays)
