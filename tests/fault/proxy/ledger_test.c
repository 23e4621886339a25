/* SPDX-License-Identifier: MIT */
/*
 * Purchases on PostgreSQL behind the proxy: rows under a request key and an event in the
 * outbox, in one transaction, alone, merged, and on a connection of the host's. Each request
 * in turn is struck. What is told to be not applied is not; what is unknown is found out by
 * asking again under the same key; and each purchase and its event are there once.
 *
 * Then events of the outbox go through a relay and an inbox on that ledger: each is applied once
 * and in order, and nobody is blamed for the line.
 *
 * TICKETQ_TEST_POSTGRES names the server; skipped without.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "fault/proxy/drill.h"
#include "fault/proxy/postgres_gate.h"
#include "lib/outbox_world.h"
#include "lib/postgres_schema.h"

#define LINES 3
#define CROWD 4
#define EVENTS 3
#define STEPS_MAX 400

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_gate gate;
static tq_store *store;    /* through the proxy, for all plays of a test */
static tq_store *onlooker; /* past it */
static unsigned plays;

static void setup(void)
{
    static const struct tq_migration schema = {
        sizeof schema, "shop", 1, 0,
        "CREATE TABLE purchases (request_key TEXT PRIMARY KEY);"
        "CREATE TABLE lines (request_key TEXT NOT NULL, line BIGINT NOT NULL,"
        " PRIMARY KEY (request_key, line))"};
    postgres_gate_open(&gate);
    onlooker = postgres_gate_store(gate.plain);
    assert_status(tq_ledger_migrate(onlooker, &schema, 1, &err), TQ_OK);
    outbox_prepare(onlooker);
    store = postgres_gate_store(gate.proxied);
}

static void teardown(void)
{
    tq_store_close(store);
    tq_store_close(onlooker);
    postgres_gate_close(&gate);
}

/* ---- a purchase ---- */

static int append(tq_tx *tx, const char *key, struct tq_error *failure)
{
    static const char payload[] = "{\"n\":1}";
    return tq_outbox_append(tx,
                            TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = "Purchased",
                                    .aggregate_type = "purchase", .aggregate_id = key,
                                    .payload = payload, .payload_bytes = sizeof payload - 1),
                            1, failure);
}

/* TQ_REPEAT: it was applied before. */
static int purchase(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq_value lines[LINES * 2];
    for (size_t i = 0; i < LINES; i++) {
        lines[2 * i] = tq_text(arg);
        lines[2 * i + 1] = tq_int((int64_t)i);
    }
    int status = tq_tx_exec(tx, "INSERT INTO purchases (request_key) VALUES ($1)", lines, 1, NULL,
                            NULL, failure);
    if (status == TQ_OK) {
        status = tq_tx_exec_many(tx, "INSERT INTO lines (request_key, line) VALUES ($1, $2)", lines,
                                 2, LINES, NULL, failure);
    }
    return status == TQ_OK ? append(tx, arg, failure) : status;
}

static int purchase_each(tq_tx *tx, void *const args[], size_t count, int results[],
                         struct tq_error *const errs[])
{
    for (size_t i = 0; i < count; i++) {
        results[i] = purchase(tx, args[i], errs[i]);
    }
    return TQ_OK;
}

/* 1 when it is there, whole, with its event; 0 when nothing of it is. */
static int is_applied(const char *key)
{
    int64_t rows =
        ask_number(onlooker, "SELECT COUNT(*) FROM purchases WHERE request_key = $1", key);
    ck_assert_msg(ask_number(onlooker, "SELECT COUNT(*) FROM lines WHERE request_key = $1",
                                key) == LINES * rows &&
                      ask_number(onlooker,
                                    "SELECT COUNT(*) FROM outbox_events WHERE event_key = $1",
                                    key) == rows,
                  "%s: half of it", drill_name());
    return (int)rows;
}

/* What was told is true, as far as it is known now. */
static void check_told(int status, const char *key, int is_unknown)
{
    if (status == TQ_OK || status == TQ_REPEAT) {
        ck_assert_msg(is_applied(key), "%s: %s is not there", drill_name(), key);
    }
    if (status == TQ_REPEAT || (status < 0 && is_applied(key))) {
        ck_assert_msg(is_unknown, "%s: %s was applied, and told to be not", drill_name(), key);
    }
}

typedef int run_fn(const char *key, struct tq_error *failure);

static int run_one(const char *key, struct tq_error *failure)
{
    return tq_ledger_run(store, purchase, (void *)(uintptr_t)key, failure);
}

static int run_each(const char *key, struct tq_error *failure)
{
    return tq_ledger_run_each(store, purchase_each, (void *)(uintptr_t)key, failure);
}

static void persist(run_fn *run, const char *key)
{
    int status, again;
    do {
        status = run(key, &err);
        again = drill_again(status, &err);
        check_told(status, key, drill_unknowns() > 0);
    } while (again);
}

/* A body that has written, and wants none of it. */
static int refuse(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int status = purchase(tx, arg, failure);
    return status < 0 ? status : TQ_E_INVALID;
}

static void be_refused(const char *key)
{
    int status;
    do {
        status = tq_ledger_run(store, refuse, (void *)(uintptr_t)key, &err);
        ck_assert_int_ne(status, TQ_E_UNKNOWN);
        ck_assert_msg(!is_applied(key), "%s: what was refused is there", drill_name());
    } while (status != TQ_E_INVALID && drill_again(status, &err));
    ck_assert_int_eq(status, TQ_E_INVALID);
}

static int ask_time(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return tq_tx_exec(tx, "SELECT COUNT(*) FROM purchases", NULL, 0, NULL, NULL, failure);
}

static void buy_and_look(void)
{
    char one[32], each[32], none[32];
    int status;
    snprintf(none, sizeof none, "none-%u", plays);
    snprintf(one, sizeof one, "one-%u", plays);
    snprintf(each, sizeof each, "each-%u", plays++);
    drill_begin();
    be_refused(none);
    persist(run_one, one);
    persist(run_each, each);
    do {
        status = tq_ledger_read(store, ask_time, NULL, &err);
        ck_assert_int_ne(status, TQ_E_UNKNOWN);
    } while (drill_again(status, &err));
    drill_end();
    ck_assert_int_eq(is_applied(one), 1);
    ck_assert_int_eq(is_applied(each), 1);
    ck_assert_int_eq(is_applied(none), 0);
}

START_TEST(a_purchase__is_made_once_whatever_is_lost)
{
    setup();
    drill(gate.proxy, buy_and_look, 13);
    teardown();
}
END_TEST

static int lost_commits;

static void lose_the_answer(void)
{
    char key[32];
    snprintf(key, sizeof key, "before-%u", plays);
    persist(run_one, key); /* the connection is there */
    snprintf(key, sizeof key, "lost-%u", plays++);
    drill_begin();
    int status = tq_ledger_run(store, purchase, (void *)(uintptr_t)key, &err);
    drill_end();
    check_told(status, key, status == TQ_E_UNKNOWN);
    if (status == TQ_E_UNKNOWN && is_applied(key)) {
        lost_commits++;
        assert_status(tq_ledger_run(store, purchase, (void *)(uintptr_t)key, &err), TQ_REPEAT);
        ck_assert_int_eq(is_applied(key), 1);
    }
}

START_TEST(a_lost_answer_to_commit__is_unknown_and_the_key_finds_it_out)
{
    setup();
    drill(gate.proxy, lose_the_answer, 4);
    ck_assert_int_ge(lost_commits, 2); /* cut after, and within */
    teardown();
}
END_TEST

static void open_and_buy(void)
{
    char key[32];
    snprintf(key, sizeof key, "first-%u", plays++);
    tq_store_close(store);
    drill_begin();
    store = postgres_gate_store(gate.proxied);
    persist(run_one, key);
    drill_end();
    ck_assert_int_eq(is_applied(key), 1);
}

START_TEST(a_store__opens_whatever_is_lost)
{
    setup();
    drill(gate.proxy, open_and_buy, 8);
    teardown();
}
END_TEST

/* ---- the schema ---- */

static void migrate(void)
{
    char scope[32], first[64], second[64];
    snprintf(scope, sizeof scope, "scope%u", plays);
    snprintf(first, sizeof first, "CREATE TABLE t%u (id BIGINT PRIMARY KEY)", plays);
    snprintf(second, sizeof second, "INSERT INTO t%u (id) VALUES (1)", plays++);
    const struct tq_migration steps[] = {{sizeof *steps, scope, 1, 0, first},
                                         {sizeof *steps, scope, 2, 0, second}};
    int status;
    drill_begin();
    do {
        status = tq_ledger_migrate(store, steps, 2, &err);
    } while (status != TQ_E_BUSY ? drill_again(status, &err) : 1);
    drill_end();
    assert_status(tq_ledger_migrate(onlooker, steps, 2, &err), TQ_REPEAT);
}

START_TEST(a_migration__is_made_once_whatever_is_lost)
{
    setup();
    drill(gate.proxy, migrate, 6);
    teardown();
}
END_TEST

/* ---- a crowd ---- */

struct buyer {
    char key[32];
    run_fn *run;
    int status, is_unknown, is_wrong;
};

static void *be_a_buyer(void *arg)
{
    struct buyer *buyer = arg;
    struct tq_error own = TQ_ERROR_INIT;
    for (int tries = 0; (buyer->status = buyer->run(buyer->key, &own)) < 0 && tries < 20; tries++) {
        buyer->is_unknown |= buyer->status == TQ_E_UNKNOWN;
        buyer->is_wrong |= buyer->status != TQ_E_UNKNOWN && buyer->status != TQ_E_UNAVAILABLE;
        usleep(10000);
    }
    return NULL;
}

static void buy_together(void)
{
    struct buyer buyers[CROWD];
    pthread_t threads[CROWD];
    drill_begin();
    for (int i = 0; i < CROWD; i++) {
        buyers[i] = (struct buyer){.run = i % 2 ? run_each : run_one};
        snprintf(buyers[i].key, sizeof buyers[i].key, "crowd-%u", plays++);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_buyer, &buyers[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
    }
    drill_end();
    for (int i = 0; i < CROWD; i++) {
        ck_assert_msg(!buyers[i].is_wrong, "%s", drill_name());
        ck_assert_msg(buyers[i].status >= 0, "%s: no way back", drill_name());
        check_told(buyers[i].status, buyers[i].key, buyers[i].is_unknown);
    }
}

START_TEST(a_crowd__is_told_the_truth_each)
{
    setup();
    drill(gate.proxy, buy_together, 5);
    teardown();
}
END_TEST

/* ---- a host's connection ---- */

static PGconn *host;

/* The host's own word, which is nobody's to strike. TQ_OK when it was done. */
static int host_says(const char *sql)
{
    drill_look();
    PGresult *result = PQexec(host, sql);
    ExecStatusType status = PQresultStatus(result);
    drill_go_on();
    PQclear(result);
    return status == PGRES_COMMAND_OK ? TQ_OK : TQ_E_UNAVAILABLE;
}

/* The library's part of a transaction that the host has begun. */
static int take_part(const char *key)
{
    tq_tx *tx = NULL;
    int status = tq_tx_adopt(store, host, &tx, &err);
    if (status == TQ_OK) {
        status = purchase(tx, (void *)(uintptr_t)key, &err);
        tq_tx_disown(tx);
    }
    return status;
}

static void host_buys(void)
{
    char key[32];
    int status;
    snprintf(key, sizeof key, "host-%u", plays++);
    drill_begin();
    do {
        drill_look();
        PQreset(host);
        drill_go_on();
        ck_assert_int_eq(host_says("BEGIN"), TQ_OK);
        status = take_part(key);
        ck_assert_msg(status != TQ_REPEAT && status != TQ_E_UNKNOWN, "%s", drill_name());
        ck_assert_msg(status == TQ_OK || host_says("COMMIT") != TQ_OK || !is_applied(key),
                      "%s: half a transaction can be committed", drill_name());
    } while (drill_again(status, &err));
    ck_assert_int_eq(PQtransactionStatus(host), PQTRANS_INTRANS);
    ck_assert_int_eq(host_says("COMMIT"), TQ_OK);
    drill_end();
    ck_assert_int_eq(is_applied(key), 1);
}

START_TEST(a_hosts_transaction_that_is_cut__is_not_applied)
{
    char conninfo[512];
    setup();
    postgres_gate_conninfo(&gate, conninfo, sizeof conninfo);
    host = postgres_connect(conninfo);
    drill(gate.proxy, host_buys, 4);
    PQfinish(host);
    teardown();
}
END_TEST

/* ---- relay and inbox ---- */

static struct handler_plan plan;
static tq_transport *transport;
static tq_relay *relay;
static tq_inbox *inbox;

static void pass_events_on(void)
{
    char key[32];
    int told = plan.told, relayed, applied;
    snprintf(key, sizeof key, "events-%u", plays++);
    assert_status(outbox_put(onlooker, key, 1, EVENTS), TQ_OK);
    drill_begin();
    for (int i = 0; i < STEPS_MAX && plan.told < told + EVENTS; i++) {
        relayed = tq_relay_step(relay, 0, NULL, &err);
        drill_again(relayed, &err);
        applied = tq_inbox_step(inbox, 10, NULL, &err);
        drill_again(applied, &err);
    }
    drill_end();
    for (int i = 0; i < STEPS_MAX && outbox_pending(onlooker) > 0; i++) {
        drill_again(tq_relay_step(relay, 10, NULL, &err), &err);
    }
    outbox_check_key(onlooker, "payment", key, EVENTS);
    ck_assert_int_eq(outbox_pending(onlooker), 0);
    ck_assert_int_eq(ask_number(onlooker, "SELECT COUNT(*) FROM outbox_blocked", NULL), 0);
    ck_assert_int_eq(
        ask_number(onlooker,
                      "SELECT COUNT(*) FROM processed_events WHERE dead_reason IS NOT NULL", NULL),
        0);
}

START_TEST(events__are_applied_once_and_nobody_is_blamed)
{
    struct tq_env env = tq_system_env();
    setup();
    transport = outbox_transport(&env, "inproc:");
    inbox = outbox_inbox(store, transport, "payment", &plan, 1);
    relay = outbox_relay(store, transport, "r1");
    drill(gate.proxy, pass_events_on, 8);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    teardown();
}
END_TEST

POSTGRES_MAIN("fault.proxy.ledger", a_purchase__is_made_once_whatever_is_lost,
              a_lost_answer_to_commit__is_unknown_and_the_key_finds_it_out,
              a_store__opens_whatever_is_lost, a_migration__is_made_once_whatever_is_lost,
              a_crowd__is_told_the_truth_each, a_hosts_transaction_that_is_cut__is_not_applied,
              events__are_applied_once_and_nobody_is_blamed)
