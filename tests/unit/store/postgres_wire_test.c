/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/wire.c: what may wait until the next round trip, and what comes of it.
 */
#include "store/postgres/postgres.h"

#include "lib/unit.h"

START_TEST(a_savepoint_with_nothing_behind_it__is_forgotten)
{
    struct postgres_wire wire = {.pg = NULL};
    for (int i = 0; i < 3; i++) {
        tq__postgres_later(&wire, POSTGRES_SAVEPOINT);
        ck_assert_uint_eq(wire.pending_count, 1);
        tq__postgres_later(&wire, i % 2 ? POSTGRES_RELEASE : POSTGRES_ROLLBACK_TO);
        ck_assert_uint_eq(wire.pending_count, 0);
    }
}
END_TEST

START_TEST(what_has_something_behind_it__is_kept_in_order)
{
    struct postgres_wire wire = {.pg = NULL};
    tq__postgres_later(&wire, POSTGRES_ROWS_ROLLBACK_TO);
    tq__postgres_later(&wire, POSTGRES_RELEASE);
    tq__postgres_later(&wire, POSTGRES_SAVEPOINT);
    ck_assert_uint_eq(wire.pending_count, 3);
    ck_assert_int_eq(wire.pending[0], POSTGRES_ROWS_ROLLBACK_TO);
    ck_assert_int_eq(wire.pending[1], POSTGRES_RELEASE);
    ck_assert_int_eq(wire.pending[2], POSTGRES_SAVEPOINT);
    ck_assert_int_eq(wire.is_lost, 0);
}
END_TEST

START_TEST(more_than_can_be_kept__loses_the_connection)
{
    struct postgres_wire wire = {.pg = NULL};
    for (int i = 0; i < TQ__POSTGRES_PENDING_MAX; i++) {
        tq__postgres_later(&wire, POSTGRES_ROWS_RELEASE);
        ck_assert_int_eq(wire.is_lost, 0);
    }
    tq__postgres_later(&wire, POSTGRES_ROWS_RELEASE);
    ck_assert_int_eq(wire.is_lost, 1);
}
END_TEST

START_TEST(no_connection__is_lost_without_an_answer)
{
    struct postgres_wire wire = {.pg = NULL, .is_lost = 1};
    ck_assert_int_eq(tq__postgres_wire_is_alive(&wire), 0);
    tq__postgres_ask_control(&wire, POSTGRES_COMMIT);
    tq__postgres_ask_end(&wire);
    ck_assert_ptr_null(tq__postgres_answer(&wire));
    ck_assert_int_eq(tq__postgres_answers_end(&wire), 0);
    tq__postgres_wire_close(&wire);
    ck_assert_int_eq(tq__postgres_wire_is_alive(&wire), 0);
}
END_TEST

UNIT_MAIN("store.postgres.wire", a_savepoint_with_nothing_behind_it__is_forgotten,
          what_has_something_behind_it__is_kept_in_order,
          more_than_can_be_kept__loses_the_connection, no_connection__is_lost_without_an_answer)
