/* SPDX-License-Identifier: MIT */
/*
 * What many writers at once, transactions of others and clocks that differ do to an outbox on
 * PostgreSQL: events become visible in another order than that of their numbers, and nothing is
 * passed over, kept back or turned round.
 */
#include <stdio.h>
#include <string.h>

#include <ticketq/system.h>

#include "lib/ask.h"
#include "lib/outbox_world.h"
#include "lib/postgres_schema.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;
static struct tq_env env;
static struct handler_plan plan;
static tq_store *store;
static tq_transport *transport;
static tq_inbox *inbox;
static tq_relay *relay;

static void setup(void)
{
    env = tq_system_env();
    plan = (struct handler_plan){.key = ""};
    postgres_place_open(&place, "");
    store = postgres_place_store(&place, 0);
    outbox_prepare(store);
    transport = outbox_transport(&env, "inproc:");
    inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    relay = outbox_relay(store, transport, "r1");
}

static void teardown(void)
{
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
    postgres_place_close(&place);
}

static void run(PGconn *pg, const char *sql)
{
    postgres_run(pg, sql, NULL, 0);
}

/* Event number n of a key, in the host's own transaction. */
static void append_on(PGconn *pg, const char *key, int n)
{
    tq_tx *tx = NULL;
    char payload[32];
    int bytes = snprintf(payload, sizeof payload, "{\"n\":%d}", n);
    assert_status(tq_tx_adopt(store, pg, &tx, &err), TQ_OK);
    assert_status(tq_outbox_append(tx,
                                   TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = "SeatCounted",
                                           .aggregate_type = "seat", .aggregate_id = key,
                                           .payload = payload, .payload_bytes = (size_t)bytes),
                                   1, &err),
                  TQ_OK);
    tq_tx_disown(tx);
}

static PGconn *begin_tx(void)
{
    PGconn *pg = postgres_place_connect(&place);
    run(pg, "BEGIN");
    return pg;
}

static void commit_tx(PGconn *pg)
{
    run(pg, "COMMIT");
    PQfinish(pg);
}

START_TEST(ob_01_gap_commit__a_lower_number_that_comes_later_is_published)
{
    setup();
    PGconn *first = begin_tx();
    append_on(first, "k1", 1);
    PGconn *second = begin_tx();
    append_on(second, "k2", 1);
    commit_tx(second);
    outbox_run(relay, inbox, 100);
    outbox_check_key(store, "payment", "k2", 1);
    outbox_check_key(store, "payment", "k1", 0);
    commit_tx(first);
    outbox_finish(store, relay, inbox, &plan, 2); /* by the next whole look */
    outbox_check_key(store, "payment", "k1", 1);
    ck_assert_int_eq(outbox_pending(store), 0);
    teardown();
}
END_TEST

/* The transaction whose number is the lower one writes the key last. */
START_TEST(ob_02_xid_inversion__the_order_is_that_of_the_key_s_row)
{
    setup();
    PGconn *early = begin_tx();
    run(early, "SELECT pg_current_xact_id()");
    PGconn *late = begin_tx();
    append_on(late, "k1", 1);
    commit_tx(late);
    append_on(early, "k1", 2);
    commit_tx(early);
    outbox_finish(store, relay, inbox, &plan, 2);
    outbox_check_key(store, "payment", "k1", 2);
    teardown();
}
END_TEST

START_TEST(ob_03_rollback_gap__stops_nothing)
{
    setup();
    PGconn *undone = begin_tx();
    append_on(undone, "k1", 1);
    run(undone, "ROLLBACK");
    PQfinish(undone);
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    outbox_run(relay, inbox, 100);
    outbox_check_key(store, "payment", "k1", 3);
    teardown();
}
END_TEST

/* Somebody writes, somebody else reads an old snapshot, for as long as all of it takes. */
START_TEST(ob_04_long_tx__and_ob_17_a_pinned_horizon_keep_nothing_back)
{
    char removed[32];
    setup();
    PGconn *writer = begin_tx();
    run(writer, "CREATE TABLE elsewhere (n INTEGER)");
    append_on(writer, "k9", 1);
    PGconn *reader = begin_tx();
    run(reader, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    run(reader, "SELECT count(*) FROM outbox_events");
    for (int n = 0; n < 10; n++) {
        assert_status(outbox_put(store, "k1", 100 * n + 1, 100 * n + 100), TQ_OK);
        outbox_run(relay, inbox, 1000);
    }
    outbox_check_key(store, "payment", "k1", 1000);
    ck_assert_int_eq(outbox_pending(store), 0);
    PGconn *vacuum = postgres_place_connect(&place);
    run(vacuum, "VACUUM outbox_events");
    postgres_run(vacuum, "SELECT pg_relation_size('outbox_events') > 0", removed, sizeof removed);
    ck_assert_msg(strcmp(removed, "t") == 0, "the dead rows are still there: that was the test");
    PQfinish(vacuum);
    commit_tx(reader);
    commit_tx(writer);
    outbox_finish(store, relay, inbox, &plan, 1001);
    outbox_check_key(store, "payment", "k9", 1);
    teardown();
}
END_TEST

static int64_t ahead(void *ctx)
{
    return tq_system_now_ms(ctx) + 600000;
}

static int64_t behind(void *ctx)
{
    return tq_system_now_ms(ctx) - 600000;
}

/* Leases and times of waiting are the database's. */
START_TEST(sg_20_clock_jump__leases_go_by_the_database_s_clock)
{
    struct tq_env envs[] = {tq_system_env(), tq_system_env()};
    tq_relay *others[2];
    tq_store *stores[2];
    envs[0].now_ms = ahead;
    envs[1].now_ms = behind;
    setup();
    tq_relay_close(relay);
    for (int i = 0; i < 2; i++) {
        stores[i] = outbox_store(&envs[i], place.url);
        others[i] = outbox_relay(stores[i], transport, i ? "r-behind" : "r-ahead");
    }
    for (int n = 1; n <= 6; n++) {
        assert_status(outbox_put(stores[n % 2], "k1", n, n), TQ_OK);
        assert_status(outbox_put(stores[n % 2], "k2", n, n), TQ_OK);
        for (int i = 0; i < 2; i++) {
            outbox_run(others[i], inbox, 100);
        }
    }
    outbox_check_key(store, "payment", "k1", 6);
    outbox_check_key(store, "payment", "k2", 6);
    ck_assert_int_eq(outbox_pending(store), 0);
    ck_assert_msg(ask_number(store, "SELECT max(epoch) FROM outbox_partitions", NULL) == 1,
                  "nobody took what another one had");
    for (int i = 0; i < 2; i++) {
        tq_relay_close(others[i]);
        tq_store_close(stores[i]);
    }
    relay = NULL;
    teardown();
}
END_TEST

POSTGRES_MAIN("fault.outbox.postgres",
              ob_01_gap_commit__a_lower_number_that_comes_later_is_published,
              ob_02_xid_inversion__the_order_is_that_of_the_key_s_row,
              ob_03_rollback_gap__stops_nothing,
              ob_04_long_tx__and_ob_17_a_pinned_horizon_keep_nothing_back,
              sg_20_clock_jump__leases_go_by_the_database_s_clock)
