/* SPDX-License-Identifier: MIT */
/*
 * outbox/pending.c: a set and not a position: what is under way is left out, what
 * becomes visible late is found, gaps do not matter, a key's rows are in order of
 * their ids, ids are not used again.
 */
#include "outbox/pending.h"

#include <stdio.h>

#include "lib/ask.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static tq_store *store;
static struct tq__window window;
static struct tq__leases leases;
static struct tq__pending pending;
static int64_t look_ms; /* that a look takes by the clock, more or less */

static int64_t slow_now(void *ctx)
{
    (void)ctx;
    return test.now_ms += look_ms;
}

static void setup(size_t rows_max)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    env.now_ms = slow_now;
    look_ms = 0;
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
    assert_status(tq__window_open(&window, &env, 64, &err), TQ_OK);
    assert_status(tq__pending_open(&pending, &env, rows_max, &err), TQ_OK);
    leases =
        (struct tq__leases){.lease_ms = 3000, .held = UINT64_MAX, .until_ms = test.now_ms + 3000};
    pending.window = &window;
    pending.leases = &leases;
    pending.room = rows_max;
}

static void teardown(void)
{
    tq__pending_done(&pending);
    tq__window_done(&window);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static size_t look(void)
{
    assert_status(tq_ledger_read(store, tq__pending_read, &pending, &err), TQ_OK);
    return pending.rows_count;
}

static void sql(const char *text)
{
    assert_status(exec_on(store, text, &err), TQ_OK);
}

static void take_all(void)
{
    for (size_t i = 0; i < pending.rows_count; i++) {
        ck_assert_ptr_nonnull(tq__window_add(&window, pending.rows[i].id,
                                             tq__pending_key(&pending, &pending.rows[i]), &err));
    }
}

START_TEST(under_way__is_left_out_and_the_rest_is_found_in_order)
{
    setup(3);
    assert_status(outbox_put(store, "k1", 1, 5), TQ_OK);
    ck_assert_uint_eq(look(), 3);
    ck_assert_str_eq(tq__pending_key(&pending, &pending.rows[0]), "k1");
    take_all();
    ck_assert_uint_eq(look(), 2);
    ck_assert_int_eq(pending.rows[0].id, 4);
    ck_assert_int_eq(pending.rows[1].id, 5);
    take_all();
    ck_assert_uint_eq(look(), 0);
    tq__window_drop(&window, window.first->next);
    ck_assert_uint_eq(look(), 1);
    ck_assert_int_eq(pending.rows[0].id, 2);
    teardown();
}
END_TEST

START_TEST(ob_01_visible_late__is_found)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    sql("UPDATE outbox_events SET id = 100 WHERE id = 2");
    ck_assert_uint_eq(look(), 3);
    take_all();
    sql("INSERT INTO outbox_events SELECT 2, 'late', partition, 0, 0, topic, 'k2', type,"
        " aggregate_type, aggregate_id, created_ms, headers, payload FROM outbox_events LIMIT 1");
    ck_assert_uint_eq(look(), 1);
    ck_assert_int_eq(pending.rows[0].id, 2);
    teardown();
}
END_TEST

static int append_and_fail(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int status =
        tq_outbox_append(tx,
                         TQ_ARGS(tq_event, .topic = "a.b", .type = "T", .aggregate_type = "x",
                                 .aggregate_id = "k1", .payload = "{}", .payload_bytes = 2),
                         1, failure);
    return status == TQ_OK ? *(int *)arg : status;
}

START_TEST(ob_03_rolled_back__leaves_a_gap_and_no_event)
{
    int failure = TQ_E_LIMIT;
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    assert_status(tq_ledger_run(store, append_and_fail, &failure, &err), TQ_E_LIMIT);
    assert_status(outbox_put(store, "k1", 2, 2), TQ_OK);
    ck_assert_uint_eq(look(), 2);
    teardown();
}
END_TEST

START_TEST(ob_22_ids__are_not_used_again_after_a_delete)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    sql("DELETE FROM outbox_events");
    assert_status(outbox_put(store, "k1", 4, 4), TQ_OK);
    ck_assert_uint_eq(look(), 1);
    ck_assert_int_eq(pending.rows[0].id, 4);
    teardown();
}
END_TEST

START_TEST(only_leased_partitions__are_read_and_none_when_the_lease_is_due)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    int64_t partition = ask_number(store, "SELECT partition FROM outbox_events", NULL);
    leases.held = ~(1ull << partition);
    ck_assert_uint_eq(look(), 0);
    leases.held = 1ull << partition;
    ck_assert_uint_eq(look(), 1);
    leases.leaving = leases.held;
    ck_assert_uint_eq(look(), 0);
    leases.leaving = 0;
    test.now_ms += 1000;
    ck_assert_uint_eq(look(), 0);
    ck_assert(pending.is_lease_due);
    teardown();
}
END_TEST

START_TEST(rows_of_a_blocked_key__come_out_apart_and_due_keys_are_named)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 2), TQ_OK);
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    sql("INSERT INTO outbox_blocked SELECT 'k1', partition, event_id, 1790000000500, 'why'"
        " FROM outbox_events WHERE event_key = 'k1' LIMIT 1");
    ck_assert_uint_eq(look(), 1);
    ck_assert_uint_eq(pending.behind_count, 2);
    ck_assert_uint_eq(pending.due_count, 0);
    test.now_ms += 500;
    look();
    ck_assert_uint_eq(pending.due_count, 1);
    ck_assert_str_eq(pending.due[0], "k1");
    teardown();
}
END_TEST

/* A look from the first id that takes long, a second after the one before. */
static size_t look_slowly(void)
{
    test.now_ms += 1000;
    leases.lease_ms = 30000;
    leases.until_ms = test.now_ms + 30000;
    look_ms = 30;
    size_t count = look();
    look_ms = 0;
    return count;
}

static void put_late(int id)
{
    char text[320];
    snprintf(
        text, sizeof text,
        "INSERT INTO outbox_events SELECT %d, 'late%d', partition, 0, 0, topic, 'late', type,"
        " aggregate_type, aggregate_id, created_ms, headers, payload FROM outbox_events LIMIT 1",
        id, id);
    sql(text);
}

START_TEST(ob_17_low_water__spares_dead_rows_and_loses_nothing_below)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 5), TQ_OK);
    ck_assert_uint_eq(look_slowly(), 5);
    sql("DELETE FROM outbox_events WHERE id < 4");
    ck_assert_uint_eq(look_slowly(), 2);
    put_late(1);
    ck_assert_msg(look() == 3, "what a whole look ago was not far below is found at once");
    sql("DELETE FROM outbox_events WHERE id = 1");
    ck_assert_uint_eq(look_slowly(), 2);
    put_late(2);
    ck_assert_uint_eq(look(), 2);
    test.now_ms += 1000;
    ck_assert_uint_eq(look(), 3);
    ck_assert_int_eq(pending.rows[0].id, 2);
    put_late(1);
    ck_assert_msg(look() == 4, "a look that takes no time is always whole");
    teardown();
}
END_TEST

START_TEST(other_partitions__are_looked_for_from_the_first_id)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    uint64_t first = 1ull << tq__partition_of("k1");
    leases.held = ~first;
    look_slowly();
    look_slowly();
    leases.held = first;
    ck_assert_uint_eq(look(), 1);
    ck_assert_str_eq(tq__pending_key(&pending, &pending.rows[0]), "k1");
    teardown();
}
END_TEST

START_TEST(a_look_anew__begins_at_the_first_id)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    sql("UPDATE outbox_events SET is_blocked = 1 WHERE event_key = 'k1'");
    look_slowly();
    look_slowly();
    sql("UPDATE outbox_events SET is_blocked = 0 WHERE event_key = 'k1'");
    ck_assert_uint_eq(look(), 1);
    tq__pending_anew(&pending);
    ck_assert_uint_eq(look(), 2);
    ck_assert_str_eq(tq__pending_key(&pending, &pending.rows[0]), "k1");
    teardown();
}
END_TEST

START_TEST(ob_11_retried__comes_before_what_its_key_was_given_since)
{
    setup(8);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    outbox_park(store, "k1");
    look_slowly();
    ck_assert_uint_eq(look_slowly(), 1); /* for a while looks begin at k2 */
    assert_status(tq_outbox_retry(store, "parked", &err), TQ_OK);
    assert_status(outbox_put(store, "k1", 2, 2), TQ_OK);
    ck_assert_uint_eq(look(), 1);
    ck_assert_str_eq(tq__pending_key(&pending, &pending.rows[0]), "k2");
    ck_assert_uint_eq(pending.due_count, 1);
    teardown();
}
END_TEST

/* ---- where nothing becomes visible below what was seen ---- */

/* Rows 1 to 5 of k1, of which the first `under_way` have been handed over. */
static void setup_serial(size_t room, size_t under_way)
{
    setup(8);
    pending.is_serial = 1;
    pending.room = under_way;
    assert_status(outbox_put(store, "k1", 1, 5), TQ_OK);
    ck_assert_uint_eq(look(), under_way);
    take_all();
    pending.room = room;
}

/* A second is the most that a look may begin above what is under way. */
static void check_begins_above(int64_t number)
{
    put_late(0);
    look();
    ck_assert_uint_eq(pending.rows_count, 1);
    ck_assert_int_eq(pending.rows[0].id, number);
    sql("DELETE FROM outbox_events WHERE id = 0");
}

START_TEST(above_what_is_under_way__looks_begin_and_stop_at_their_room)
{
    setup_serial(1, 2);
    check_begins_above(3);
    take_all();
    pending.room = 8;
    ck_assert_uint_eq(look(), 2);
    take_all();
    ck_assert_uint_eq(look(), 0);
    put_late(0);
    ck_assert_uint_eq(look(), 0);
    test.now_ms += 1000;
    leases.until_ms += 1000;
    ck_assert_msg(look() == 1, "once a second everything is looked at");
    teardown();
}
END_TEST

START_TEST(what_came_back__is_found_before_anything_above)
{
    setup_serial(1, 4);
    tq__window_drop(&window, window.first->next->next);
    tq__window_drop(&window, window.first->next);
    tq__pending_missed(&pending);
    ck_assert_uint_eq(look(), 1);
    ck_assert_int_eq(pending.rows[0].id, 2);
    take_all();
    ck_assert_msg(look() == 1 && pending.rows[0].id == 3, "the room was too small for both");
    take_all();
    ck_assert_uint_eq(look(), 1);
    ck_assert_int_eq(pending.rows[0].id, 5);
    take_all();
    assert_status(outbox_put(store, "k1", 6, 6), TQ_OK);
    check_begins_above(6);
    teardown();
}
END_TEST

START_TEST(rows_that_were_freed__are_found_before_what_their_key_was_given_since)
{
    setup_serial(0, 0);
    sql("INSERT INTO outbox_blocked SELECT 'k1', partition, event_id, 0, 'why'"
        " FROM outbox_events WHERE id = 1");
    sql("UPDATE outbox_events SET is_blocked = 1");
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    sql("UPDATE outbox_blocked SET until_ms = 4000000000000");
    pending.room = 8;
    ck_assert_uint_eq(look(), 1);
    take_all();
    ck_assert_uint_eq(look(), 0);
    pending.room = 0;
    sql("UPDATE outbox_blocked SET until_ms = 0");
    look();
    ck_assert_uint_eq(pending.due_count, 1);
    sql("DELETE FROM outbox_blocked");
    sql("UPDATE outbox_events SET is_blocked = 0");
    assert_status(outbox_put(store, "k1", 6, 6), TQ_OK);
    pending.room = 8;
    ck_assert_uint_eq(look(), 6);
    ck_assert_int_eq(pending.rows[0].id, 1);
    teardown();
}
END_TEST

START_TEST(rows_behind_a_blocked_key__are_met_again_until_they_are_marked)
{
    setup_serial(8, 2);
    sql("INSERT INTO outbox_blocked SELECT 'k1', partition, event_id, NULL, 'why'"
        " FROM outbox_events WHERE id = 1");
    ck_assert_uint_eq(look(), 0);
    ck_assert_uint_eq(pending.behind_count, 3);
    assert_status(outbox_put(store, "k2", 1, 1), TQ_OK);
    ck_assert_uint_eq(look(), 1);
    take_all();
    sql("DELETE FROM outbox_blocked"); /* nothing was marked */
    assert_status(outbox_put(store, "k1", 6, 6), TQ_OK);
    ck_assert_uint_eq(look(), 4);
    ck_assert_int_eq(pending.rows[0].id, 3);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.pending", under_way__is_left_out_and_the_rest_is_found_in_order,
          ob_01_visible_late__is_found, ob_03_rolled_back__leaves_a_gap_and_no_event,
          ob_22_ids__are_not_used_again_after_a_delete,
          only_leased_partitions__are_read_and_none_when_the_lease_is_due,
          rows_of_a_blocked_key__come_out_apart_and_due_keys_are_named,
          ob_17_low_water__spares_dead_rows_and_loses_nothing_below,
          other_partitions__are_looked_for_from_the_first_id, a_look_anew__begins_at_the_first_id,
          ob_11_retried__comes_before_what_its_key_was_given_since,
          above_what_is_under_way__looks_begin_and_stop_at_their_room,
          what_came_back__is_found_before_anything_above,
          rows_that_were_freed__are_found_before_what_their_key_was_given_since,
          rows_behind_a_blocked_key__are_met_again_until_they_are_marked)
