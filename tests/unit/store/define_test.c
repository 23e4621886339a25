/* SPDX-License-Identifier: MIT */
/*
 * store/sql/define.c: places of seats that came in several calls and chunks, and
 * damage in the tables that is told and not painted.
 */
#include "store/sql/hold.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define SEATS 1300 /* more than two chunks */

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;
static char names[SEATS][8];
static const char *seats[SEATS];

static void open_store(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err),
        TQ_OK);
    assert_status(tq__sql_hold_migrate(store, &err), TQ_OK);
    assert_status(tq__sql_hold_migrate(store, &err), TQ_REPEAT);
    for (int i = 0; i < SEATS; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        seats[i] = names[i];
    }
}

static void close_store(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

struct job {
    const char *const *seats;
    size_t count;
    const char *sql;
    struct tq__hold_snapshot snapshot;
    struct tq_seat_map *map;
};

static int define(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct job *job = arg;
    return tq__sql_hold_define(tx, "s", job->seats, job->count, failure);
}

static int exec(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx, ((const struct job *)arg)->sql, NULL, 0, NULL, NULL, failure);
}

static int snapshot(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq__sql_hold_snapshot(tx, "s", &((struct job *)arg)->snapshot, failure);
}

static int map(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq__sql_hold_map(tx, "s", ((const struct job *)arg)->map, failure);
}

START_TEST(seats__get_places_without_gaps_in_the_order_of_their_coming)
{
    open_store();
    struct job some = {.seats = seats + 300, .count = 500};
    struct job all = {.seats = seats, .count = SEATS};
    assert_status(tq_ledger_run(store, define, &some, &err), TQ_OK);
    assert_status(tq_ledger_run(store, define, &some, &err), TQ_REPEAT);
    assert_status(tq_ledger_run(store, define, &all, &err), TQ_OK);
    assert_status(tq_ledger_run(store, define, &all, &err), TQ_REPEAT);
    assert_status(tq_ledger_read(store, snapshot, &all, &err), TQ_OK);
    ck_assert_uint_eq(all.snapshot.seats_count, SEATS);
    for (int i = 0; i < SEATS; i++) {
        int expected = i < 500 ? i + 300 : i < 800 ? i - 500 : i;
        ck_assert_str_eq(all.snapshot.seats[i], names[expected]);
    }
    tq__hold_snapshot_done(&all.snapshot);
    close_store();
}
END_TEST

START_TEST(an_unknown_schedule__is_gone)
{
    struct tq_seat_map out = TQ_INIT(tq_seat_map);
    struct job job = {.map = &out};
    open_store();
    assert_status(tq_ledger_read(store, snapshot, &job, &err), TQ_GONE);
    tq__hold_snapshot_done(&job.snapshot);
    assert_status(tq_ledger_read(store, map, &job, &err), TQ_GONE);
    close_store();
}
END_TEST

START_TEST(damage__is_told)
{
    static const char *const damages[] = {
        "UPDATE tq_hold_seats SET place = 99 WHERE seat = 's0'",
        "UPDATE tq_hold_seats SET place = -1 WHERE seat = 's0'",
        "UPDATE tq_holds SET state = 5",
        "UPDATE tq_holds SET state = 0",
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint8_t bits[1];
        struct tq_seat_map out = {.size = sizeof out, .bits = bits, .bits_bytes = 1};
        struct job job = {.seats = seats, .count = 4, .map = &out};
        open_store();
        assert_status(tq_ledger_run(store, define, &job, &err), TQ_OK);
        job.sql = "INSERT INTO tq_holds VALUES "
                  "('s', 'h', 'ann', 'k', 3, 1, 1, 0, NULL, NULL, 1, 's0')";
        assert_status(tq_ledger_run(store, exec, &job, &err), TQ_OK);
        job.sql = "UPDATE tq_hold_seats SET hold = 'h' WHERE seat = 's0'";
        assert_status(tq_ledger_run(store, exec, &job, &err), TQ_OK);
        assert_status(tq_ledger_read(store, map, &job, &err), TQ_OK);
        ck_assert_uint_eq(bits[0], TQ_SEAT_SOLD);
        job.sql = damages[i];
        assert_status(tq_ledger_run(store, exec, &job, &err), TQ_OK);
        assert_status(tq_ledger_read(store, map, &job, &err), TQ_E_CORRUPT);
        close_store();
    }
}
END_TEST

UNIT_MAIN("store.define", seats__get_places_without_gaps_in_the_order_of_their_coming,
          an_unknown_schedule__is_gone, damage__is_told)
