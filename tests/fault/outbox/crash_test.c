/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at any moment of append, relay and inbox, on SQLite and inproc in one
 * process, again and again: every event that was committed is applied once, in
 * order. And two processes on one database at once.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/ask.h"
#include "lib/folder.h"
#include "lib/outbox_world.h"

#define KEYS 5
#define KILLS 12
#define SHARED_EVENTS 60

static struct tq_error err = TQ_ERROR_INIT;
static char folder[FOLDER_SIZE];
static char url[128];

static int on_last(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int *)arg = (int)columns[0].integer;
    return TQ_OK;
}

/* The next event of a key, together with the number it has. */
static int append_next(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int last = 0;
    char payload[32];
    const struct tq_value key[] = {tq_text(arg)};
    int status = tq_tx_exec(tx, "SELECT COALESCE(MAX(n), 0) FROM committed WHERE event_key = $1",
                            key, 1, on_last, &last, failure);
    const struct tq_value row[] = {key[0], tq_int(last + 1)};
    if (status == TQ_OK) {
        status = tq_tx_exec(tx, "INSERT INTO committed (event_key, n) VALUES ($1, $2)", row, 2,
                            NULL, NULL, failure);
    }
    int bytes = snprintf(payload, sizeof payload, "{\"n\":%d}", last + 1);
    return status != TQ_OK
               ? status
               : tq_outbox_append(tx,
                                  TQ_ARGS(tq_event, .topic = OUTBOX_TOPIC, .type = "SeatCounted",
                                          .aggregate_type = "seat", .aggregate_id = arg,
                                          .payload = payload, .payload_bytes = (size_t)bytes),
                                  1, failure);
}

static void append_round(tq_store *store)
{
    char key[8];
    for (int k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "k%d", k);
        assert_status(tq_ledger_run(store, append_next, key, &err), TQ_OK);
    }
}

static const struct tq_migration table = {
    sizeof table, "test_crash", 1, 0,
    "CREATE TABLE committed (event_key TEXT NOT NULL, n BIGINT NOT NULL,"
    " PRIMARY KEY (event_key, n))"};

/* A service: appends, relays and applies until it is killed, or until all is quiet. */
static void serve(int is_endless)
{
    struct tq_env env = tq_system_env();
    struct handler_plan plan = {.key = ""};
    tq_store *store = outbox_store(&env, url);
    tq_transport *transport = outbox_transport(&env, "inproc:");
    outbox_prepare(store);
    ck_assert_int_ge(tq_ledger_migrate(store, &table, 1, &err), TQ_OK);
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    do {
        if (is_endless) {
            append_round(store);
        }
        outbox_run(relay, inbox, is_endless ? 2 : 10000);
    } while (is_endless);
    ck_assert_int_eq(outbox_pending(store), 0);
    for (int k = 0; k < KEYS; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", k);
        int64_t committed =
            ask_number(store, "SELECT count(*) FROM committed WHERE event_key = $1", key);
        ck_assert_int_gt(committed, 0);
        outbox_check_key(store, "payment", key, (int)committed);
    }
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
}

/* The last one stays until there is something that it could lose, where the disk is slow. */
static void until_something_is_committed(void)
{
    static const char last[] = "SELECT count(*) FROM committed WHERE event_key = $1";
    struct tq_env env = tq_system_env();
    tq_store *store = outbox_store(&env, url);
    outbox_prepare(store);
    ck_assert_int_ge(tq_ledger_migrate(store, &table, 1, &err), 0);
    while (ask_number(store, last, "k4") == 0) {
        usleep(1000);
    }
    tq_store_close(store);
}

START_TEST(in_03_killed_again_and_again__loses_nothing_and_repeats_nothing)
{
    int status;
    struct test_env chance;
    test_env_init(&chance, (uint64_t)getpid());
    folder_make(folder);
    snprintf(url, sizeof url, "sqlite:%s/service.db", folder);
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            serve(1);
            _exit(0);
        }
        usleep(40000 + (useconds_t)test_random(&chance, 80000));
        if (i == KILLS - 1) {
            until_something_is_committed();
        }
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    serve(0);
    folder_remove(folder);
}
END_TEST

/* One of two processes on one database: its own keys, a relay and an inbox. */
static void share(const char *name)
{
    struct tq_env env = tq_system_env();
    struct handler_plan plan = {.key = ""};
    char key[16];
    tq_store *store = outbox_store(&env, url);
    tq_transport *transport = outbox_transport(&env, "inproc:");
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, name);
    for (int n = 1; n <= SHARED_EVENTS; n++) {
        snprintf(key, sizeof key, "%s-k%d", name, n % KEYS);
        assert_status(outbox_put(store, key, (n - 1) / KEYS + 1, (n - 1) / KEYS + 1), TQ_OK);
        outbox_run(relay, inbox, 1);
    }
    outbox_run(relay, inbox, 10000);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
}

START_TEST(ob_22_two_processes__wait_for_each_other_and_lose_nothing)
{
    int status;
    char key[16];
    struct tq_env env = tq_system_env();
    folder_make(folder);
    snprintf(url, sizeof url, "sqlite:%s/service.db", folder);
    tq_store *store = outbox_store(&env, url);
    outbox_prepare(store);
    tq_store_close(store);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        share("two");
        _exit(0);
    }
    share("one");
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    share("three"); /* what was appended last, while the other one had the lease */
    store = outbox_store(&env, url);
    for (int k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "one-k%d", k);
        outbox_check_key(store, "payment", key, SHARED_EVENTS / KEYS);
        snprintf(key, sizeof key, "two-k%d", k);
        outbox_check_key(store, "payment", key, SHARED_EVENTS / KEYS);
    }
    ck_assert_int_eq(outbox_pending(store), 0);
    tq_store_close(store);
    folder_remove(folder);
}
END_TEST

/* A copy of the database goes on where it was taken: the outbox has no position to lose. */
START_TEST(ob_19_restored__goes_on_with_what_was_pending)
{
    struct tq_env env = tq_system_env();
    struct handler_plan plan = {.key = ""};
    char command[512];
    folder_make(folder);
    snprintf(url, sizeof url, "sqlite:%s/service.db", folder);
    tq_store *store = outbox_store(&env, url);
    outbox_prepare(store);
    assert_status(outbox_put(store, "k1", 1, 5), TQ_OK);
    tq_store_close(store);
    snprintf(command, sizeof command, "cp %s/service.db %s/restored.db", folder, folder);
    ck_assert_int_eq(system(command), 0);
    store = outbox_store(&env, url);
    assert_status(outbox_put(store, "k1", 6, 9), TQ_OK); /* lost with the original */
    tq_store_close(store);
    snprintf(url, sizeof url, "sqlite:%s/restored.db", folder);
    store = outbox_store(&env, url);
    tq_transport *transport = outbox_transport(&env, "inproc:");
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    assert_status(outbox_put(store, "k1", 6, 8), TQ_OK);
    outbox_run(relay, inbox, 10000);
    outbox_check_key(store, "payment", "k1", 8);
    ck_assert_int_eq(outbox_pending(store), 0);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
    folder_remove(folder);
}
END_TEST

UNIT_MAIN("fault.outbox.crash", in_03_killed_again_and_again__loses_nothing_and_repeats_nothing,
          ob_22_two_processes__wait_for_each_other_and_lose_nothing,
          ob_19_restored__goes_on_with_what_was_pending)
