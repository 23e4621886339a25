/* SPDX-License-Identifier: MIT */
/*
 * outbox/settle.c: who of a key is to blame, for every order in which reports come in; and
 * which rows are removed. What else is written is in tests/fault/outbox.
 */
#include "outbox/settle.h"

#include "lib/outbox_world.h"

#define ROOM 1024

static struct test_env test;
static struct tq_env env;
static struct tq__flight flights[ROOM];
static tq_relay relay;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    relay = (tq_relay){.env = env, .flights = flights};
    ck_assert_int_eq(tq__window_open(&relay.window, &env, ROOM, NULL), TQ_OK);
}

static void teardown(void)
{
    tq__window_done(&relay.window);
    ck_assert_int_eq(test.live, 0);
}

static struct tq__flight *fly(int64_t row, const char *key, uint32_t state)
{
    struct tq__slot *slot = tq__window_add(&relay.window, row, key, NULL);
    struct tq__flight *flight = tq__flight_of(&relay, slot);
    *flight = (struct tq__flight){.state = TQ__FLIGHT_UNDER_WAY};
    if (state != TQ__FLIGHT_UNDER_WAY) {
        tq__relay_landed(&relay, slot, state == TQ__FLIGHT_DELIVERED ? TQ_OK : TQ_E_INVALID);
    }
    return flight;
}

START_TEST(the_first_refused_of_a_key__is_blamed_and_those_behind_go_back)
{
    setup();
    const struct tq__flight *first = fly(1, "a", TQ__FLIGHT_REFUSED);
    const struct tq__flight *second = fly(2, "a", TQ__FLIGHT_UNDER_WAY);
    fly(3, "a", TQ__FLIGHT_REFUSED);
    const struct tq__flight *other = fly(4, "b", TQ__FLIGHT_REFUSED);
    ck_assert_uint_eq(tq__relay_classify(&relay), 2);
    ck_assert_uint_eq(first->state, TQ__FLIGHT_BLAMED);
    ck_assert_uint_eq(second->state, TQ__FLIGHT_UNDER_WAY);
    ck_assert_uint_eq(other->state, TQ__FLIGHT_BLAMED);
    ck_assert_uint_eq(relay.window.count, 3);
    ck_assert_uint_eq(relay.stats.failed, 1);
    teardown();
}
END_TEST

START_TEST(a_refused_one__waits_for_the_report_of_its_forerunner)
{
    setup();
    fly(1, "a", TQ__FLIGHT_UNDER_WAY);
    const struct tq__flight *second = fly(2, "a", TQ__FLIGHT_REFUSED);
    ck_assert_uint_eq(tq__relay_classify(&relay), 0);
    ck_assert_uint_eq(second->state, TQ__FLIGHT_REFUSED);
    tq__relay_landed(&relay, relay.window.first, TQ_OK);
    ck_assert_uint_eq(tq__relay_classify(&relay), 2);
    ck_assert_uint_eq(second->state, TQ__FLIGHT_BLAMED);
    teardown();
}
END_TEST

START_TEST(what_was_delivered__is_ready_wherever_it_stands)
{
    setup();
    fly(1, "a", TQ__FLIGHT_REFUSED);
    fly(2, "a", TQ__FLIGHT_DELIVERED);
    fly(3, "b", TQ__FLIGHT_UNDER_WAY);
    fly(4, "b", TQ__FLIGHT_DELIVERED);
    ck_assert_uint_eq(tq__relay_classify(&relay), 3);
    ck_assert_uint_eq(relay.window.count, 4);
    ck_assert_uint_eq(tq__relay_classify(&relay), 3); /* nothing changes by looking again */
    teardown();
}
END_TEST

/* ---- what is removed ---- */

static int lease_all(tq_tx *tx, void *arg, struct tq_error *err)
{
    return tq__leases_renew(tx, arg, 0, arg, err);
}

/* Rows 1 to `count` of key "a"; the relay leases everything. */
static void fill(int count)
{
    struct tq_error err = TQ_ERROR_INIT;
    relay.store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(relay.store);
    relay.leases = (struct tq__leases){.owner = "r1", .lease_ms = 3000, .partitions_max = 64};
    assert_status(tq_ledger_run(relay.store, lease_all, &relay.leases, &err), TQ_OK);
    assert_status(outbox_put(relay.store, "a", 1, count), TQ_OK);
}

static void deliver(int64_t first, int64_t last)
{
    for (int64_t row = first; row <= last; row++) {
        fly(row, "a", TQ__FLIGHT_DELIVERED)->partition = tq__partition_of("a");
    }
}

/* The numbers of rows that are there, as digits. */
static void check_left(int64_t digits)
{
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(tq__relay_settle(&relay, &err), TQ_OK);
    ck_assert_int_eq(ask_number(relay.store,
                                "SELECT CAST(COALESCE(group_concat(id, ''), '0') AS INTEGER)"
                                " FROM (SELECT id FROM outbox_events ORDER BY id)",
                                NULL),
                     digits);
}

START_TEST(what_was_delivered__is_removed_and_nothing_between)
{
    setup();
    fill(9);
    deliver(2, 3);
    fly(4, "a", TQ__FLIGHT_UNDER_WAY);
    deliver(5, 5);
    deliver(7, 9); /* 6 became visible after it was read */
    check_left(146);
    ck_assert_uint_eq(relay.window.count, 1);
    tq_store_close(relay.store);
    teardown();
}
END_TEST

static void check_count(const char *sql, int64_t expected)
{
    ck_assert_int_eq(ask_number(relay.store, sql, NULL), expected);
}

/* One statement covers a range of any length, or 63 numbers. */
START_TEST(what_lies_scattered__is_removed_alone)
{
    struct tq_error err = TQ_ERROR_INIT;
    setup();
    fill(700);
    deliver(1, 62);
    deliver(64, 190);
    for (int64_t row = 200; row < 600; row += 3) {
        deliver(row, row);
    }
    deliver(636, 700);
    assert_status(tq__relay_settle(&relay, &err), TQ_OK);
    check_count("SELECT COUNT(*) FROM outbox_events WHERE id <= 190", 1);
    check_count("SELECT COUNT(*) FROM outbox_events WHERE id = 63", 1);
    check_count("SELECT COUNT(*) FROM outbox_events WHERE id BETWEEN 200 AND 599 AND id % 3 = 2",
                0);
    check_count("SELECT COUNT(*) FROM outbox_events WHERE id BETWEEN 191 AND 635", 445 - 134);
    check_count("SELECT MAX(id) FROM outbox_events", 635);
    tq_store_close(relay.store);
    teardown();
}
END_TEST

START_TEST(rows_of_a_lost_lease__are_left_to_its_owner)
{
    setup();
    fill(3);
    deliver(1, 2);
    relay.leases.epochs[tq__partition_of("a")]--;
    check_left(123);
    ck_assert_uint_eq(relay.window.count, 0);
    tq_store_close(relay.store);
    teardown();
}
END_TEST

static int block_all(tq_tx *tx, void *arg, struct tq_error *err)
{
    (void)arg;
    TQ_TRY(
        tq_tx_exec(tx,
                   "INSERT INTO outbox_blocked (event_key, partition, event_id, until_ms, reason)"
                   " SELECT event_key, partition, event_id, 0, '' FROM outbox_events",
                   NULL, 0, NULL, NULL, err));
    return tq_tx_exec(tx, "UPDATE outbox_events SET is_blocked = 1", NULL, 0, NULL, NULL, err);
}

/* Who has it now would not find the rows before what the key was given since. */
START_TEST(a_key_of_a_lost_lease__is_freed_by_its_owner)
{
    static char due[1][TQ_ID_SIZE] = {"a"};
    struct tq_error err = TQ_ERROR_INIT;
    setup();
    fill(1);
    assert_status(tq_ledger_run(relay.store, block_all, NULL, &err), TQ_OK);
    for (int is_ours = 0; is_ours < 2; is_ours++) {
        relay.pending.due = due;
        relay.pending.due_count = 1;
        relay.leases.epochs[tq__partition_of("a")] += is_ours ? 1 : -1;
        assert_status(tq__relay_settle(&relay, &err), TQ_OK);
        check_count("SELECT COUNT(*) FROM outbox_blocked", !is_ours);
        check_count("SELECT SUM(is_blocked) FROM outbox_events", !is_ours);
    }
    tq_store_close(relay.store);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.settle", the_first_refused_of_a_key__is_blamed_and_those_behind_go_back,
          a_refused_one__waits_for_the_report_of_its_forerunner,
          what_was_delivered__is_ready_wherever_it_stands,
          what_was_delivered__is_removed_and_nothing_between, what_lies_scattered__is_removed_alone,
          rows_of_a_lost_lease__are_left_to_its_owner, a_key_of_a_lost_lease__is_freed_by_its_owner)
