/* SPDX-License-Identifier: MIT */
/*
 * Buyers while their PostgreSQL is killed and started again, and while it says nothing.
 * Each buyer repeats a purchase under its request key until it is told what became of
 * it. Then every purchase that was told is there once, whole, and no other.
 *
 * TICKETQ_TEST_SERVICES names a server of tests/services/run.sh; skipped without.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/ask.h"
#include "lib/postgres_schema.h"

#define BUYERS 8
#define KILLS 3

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;
static tq_store *store;
static const char *ctl;
static atomic_int is_over;

static void control(const char *action)
{
    char command[512];
    snprintf(command, sizeof command, "'%s' %s postgres15 >/dev/null 2>&1", ctl, action);
    ck_assert_int_eq(system(command), 0);
}

static void setup(const char *options)
{
    static const struct tq_migration schema = {
        sizeof schema, "shop", 1, 0,
        "CREATE TABLE purchases (request_key TEXT PRIMARY KEY);"
        "CREATE TABLE lines (request_key TEXT NOT NULL, line BIGINT NOT NULL,"
        " PRIMARY KEY (request_key, line))"};
    postgres_place_open(&place, options);
    store = postgres_place_store(&place, 0);
    assert_status(tq_ledger_migrate(store, &schema, 1, &err), TQ_OK);
}

static void teardown(void)
{
    tq_store_close(store);
    postgres_place_close(&place);
}

static int purchase(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value lines[] = {tq_text(arg), tq_int(1), tq_text(arg), tq_int(2)};
    int status = tq_tx_exec(tx, "INSERT INTO purchases (request_key) VALUES ($1)", lines, 1, NULL,
                            NULL, failure);
    return status ? status
                  : tq_tx_exec_many(tx, "INSERT INTO lines (request_key, line) VALUES ($1, $2)",
                                    lines, 2, 2, NULL, failure);
}

/* What a buyer was told, and how often in which way. */
struct buyer {
    int number;
    int64_t done;
    atomic_int failures;
    int unknowns, wrong;
};

/* A purchase that is there although nobody was told so, and no answer was lost, is wrong. */
static void buy(struct buyer *buyer, const char *key)
{
    struct tq_error own = TQ_ERROR_INIT;
    int was_unknown = 0, status;
    for (;;) {
        status = tq_ledger_run(store, purchase, (void *)(uintptr_t)key, &own);
        if (status >= 0) {
            break;
        }
        buyer->failures++;
        was_unknown |= status == TQ_E_UNKNOWN;
        buyer->wrong += status != TQ_E_UNKNOWN && status != TQ_E_UNAVAILABLE;
        usleep(10000);
    }
    buyer->unknowns += was_unknown;
    buyer->wrong += status == TQ_REPEAT && !was_unknown;
    buyer->done++;
}

static void *be_a_buyer(void *arg)
{
    struct buyer *buyer = arg;
    char key[32];
    while (!is_over) {
        snprintf(key, sizeof key, "b%d-%lld", buyer->number, (long long)buyer->done);
        buy(buyer, key);
    }
    return NULL;
}

static int failures_of(const struct buyer *buyers)
{
    int failures = 0;
    for (int i = 0; i < BUYERS; i++) {
        failures += buyers[i].failures;
    }
    return failures;
}

START_TEST(a_killed_server__loses_and_doubles_nothing)
{
    struct buyer buyers[BUYERS];
    pthread_t threads[BUYERS];
    int64_t done = 0;
    setup("wait_ms=100&");
    for (int i = 0; i < BUYERS; i++) {
        buyers[i] = (struct buyer){.number = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_buyer, &buyers[i]), 0);
    }
    for (int i = 0; i < KILLS; i++) {
        usleep(300000);
        int before = failures_of(buyers);
        control("kill");
        while (failures_of(buyers) == before) {
            usleep(1000);
        }
        control("start");
    }
    usleep(300000);
    is_over = 1;
    for (int i = 0; i < BUYERS; i++) {
        pthread_join(threads[i], NULL);
        done += buyers[i].done;
        ck_assert_int_eq(buyers[i].wrong, 0);
    }
    ck_assert_int_ge(done, BUYERS);
    ck_assert_int_eq(ask_number(store, "SELECT COUNT(*) FROM purchases", NULL), done);
    ck_assert_int_eq(ask_number(store,
                                "SELECT COUNT(*) FROM lines l JOIN purchases p"
                                " ON p.request_key = l.request_key",
                                NULL),
                     2 * done);
    teardown();
}
END_TEST

/* It takes more than one try where a machine is slower than that. */
static tq_store *open_impatient(void)
{
    struct tq_env env = tq_system_env();
    tq_store *impatient = NULL;
    char url[sizeof place.url + 64];
    env.log = NULL;
    snprintf(url, sizeof url, "%s&timeout_ms=200&connect_ms=200&wait_ms=100", place.url);
    while (tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &impatient, &err) < 0) {
        ck_assert_int_eq(err.status, TQ_E_UNAVAILABLE);
    }
    return impatient;
}

START_TEST(a_silent_server__is_given_up_in_time)
{
    struct tq_error own = TQ_ERROR_INIT;
    setup("");
    assert_status(tq_ledger_run(store, purchase, (void *)(uintptr_t) "a", &err), TQ_OK);
    tq_store *impatient = open_impatient();
    control("pause");
    int64_t begun_ms = tq_system_now_ms(NULL);
    int status = tq_ledger_run(impatient, purchase, (void *)(uintptr_t) "b", &own);
    int64_t spent_ms = tq_system_now_ms(NULL) - begun_ms;
    control("resume");
    assert_status(status, TQ_E_UNAVAILABLE);
    ck_assert_int_lt(spent_ms, 10000);
    assert_status(tq_ledger_run(store, purchase, (void *)(uintptr_t) "b", &err), TQ_OK);
    tq_store_close(impatient);
    ck_assert_int_eq(ask_number(store, "SELECT COUNT(*) FROM purchases", NULL), 2);
    teardown();
}
END_TEST

int main(int count, char **arguments)
{
    const TTest *const tests[] = {a_killed_server__loses_and_doubles_nothing,
                                  a_silent_server__is_given_up_in_time};
    ctl = count > 1 ? arguments[1] : "";
    if (!getenv("TICKETQ_TEST_POSTGRES") || !getenv("TICKETQ_TEST_SERVICES") ||
        access(ctl, X_OK) != 0) {
        printf("1..0 # SKIP there is no server of tests/services\n");
        return EXIT_SUCCESS;
    }
    return unit_main("fault.postgres_server", tests, sizeof tests / sizeof *tests);
}
