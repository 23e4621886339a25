/* SPDX-License-Identifier: MIT */
/*
 * Holds on PostgreSQL (TICKETQ_TEST_POSTGRES): the ledger is killed and started again behind a
 * front that goes on, comes back without its last commits, as a standby that is promoted, and
 * buyers want the same seats in opposite orders from two processes.
 * The names begin with the row of tests/fault/README.md.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/hold_rush.h"
#include "lib/postgres_schema.h"
#include "lib/redis_server.h"

#define KILLS 2
#define ROUNDS 150
#define CROSSING 4

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;
static struct hold_rush rush;
static const char *ctl;

static void control(const char *action)
{
    char command[512];
    snprintf(command, sizeof command, "'%s' %s postgres15 >/dev/null 2>&1", ctl, action);
    ck_assert_int_eq(system(command), 0);
}

static void kill_and_start(void)
{
    for (int i = 0; i < KILLS; i++) {
        unsigned before = rush.unavailable + rush.unknown;
        control("kill");
        while (rush.unavailable + rush.unknown == before) {
            usleep(1000);
        }
        control("start");
        usleep(200000);
    }
}

static int begin_with_redis(void)
{
    char front[64];
    unsigned port = redis_server_start(NULL);
    if (port) {
        snprintf(front, sizeof front, "redis://127.0.0.1:%u", port);
        postgres_place_open(&place, "wait_ms=100&");
        hold_rush_begin(&rush, front, place.url);
    }
    return port != 0;
}

static void end_with_redis(void)
{
    hold_rush_end(&rush);
    postgres_place_close(&place);
}

/* What the front granted and the ledger never heard of ends; what it heard of, the front learns. */
START_TEST(f24_f25_ledger_killed__front_and_ledger_agree)
{
    if (getenv("TICKETQ_TEST_SERVICES") && begin_with_redis()) {
        hold_rush_run(&rush, kill_and_start);
        ck_assert_uint_gt(rush.unavailable + rush.unknown, 0);
        hold_rush_check(&rush);
        end_with_redis();
    }
}
END_TEST

static struct tq_hold take(tq_book *book, const char *holder, const char *seat)
{
    struct tq_hold hold = TQ_INIT(tq_hold);
    assert_status(
        tq_hold_acquire(book,
                        TQ_ARGS(tq_hold_request, .schedule = HOLD_RUSH_SCHEDULE, .holder = holder,
                                .request_key = holder, .seats = &seat, .seats_count = 1),
                        1, &hold, &err),
        TQ_OK);
    return hold;
}

/* A sale that the front knows of and the ledger has lost. */
static void sell_and_forget(void)
{
    struct tq_hold hold = take(rush.book, "ann", "s1");
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = hold.schedule,
                                    .id = hold.id,
                                    .holder = hold.holder,
                                    .fence = hold.fence};
    assert_status(hold.status, TQ_OK);
    assert_status(tq_hold_pin(rush.book, &ref, 1, &result, &err), TQ_OK);
    assert_status(tq_hold_settle(rush.book, &ref, 1, &result, &err), TQ_OK);
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg,
                 "UPDATE tq_hold_seats SET hold = NULL; DELETE FROM tq_holds;"
                 "UPDATE tq_hold_schedules SET fence = 0",
                 NULL, 0);
    PQfinish(pg);
    assert_status(take(rush.book, "bob", "s1").status, TQ_TAKEN);
}

static int nothing(tq_tx *tx, void *arg, struct tq_error *unused)
{
    (void)tx;
    (void)arg;
    (void)unused;
    return TQ_OK;
}

/* Each start may be that of a standby which lacks what was sold. Whoever writes finds out. */
START_TEST(ledger_went_back__the_front_follows)
{
    if (getenv("TICKETQ_TEST_SERVICES") && begin_with_redis()) {
        sell_and_forget();
        control("kill");
        control("start");
        assert_status(tq_ledger_run(rush.ledger, nothing, NULL, &err), TQ_OK);
        assert_status(take(rush.book, "carl", "s1").status, TQ_OK);
        end_with_redis();
    }
}
END_TEST

/* A process with a store of its own, so that nothing is merged with the others. */
struct crossing {
    pthread_t thread;
    tq_store *store;
    tq_book *book;
    unsigned number, granted, taken;
};

static void cross(struct crossing *crossing, unsigned round)
{
    static const char *const seats[][2] = {{"s1", "s2"}, {"s2", "s1"}};
    struct tq_error own = TQ_ERROR_INIT;
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    char name[TQ_ID_SIZE], key[16];
    snprintf(name, sizeof name, "b%u", crossing->number);
    snprintf(key, sizeof key, "k%u", round);
    const struct tq_hold_request request = {.size = sizeof request,
                                            .schedule = "show",
                                            .holder = name,
                                            .request_key = key,
                                            .seats = seats[(crossing->number + round) % 2],
                                            .seats_count = 2};
    int rc = tq_hold_acquire(crossing->book, &request, 1, &hold, &own);
    crossing->taken += rc == TQ_OK && hold.status == TQ_TAKEN;
    if (rc == TQ_OK && hold.status == TQ_OK) {
        const struct tq_hold_ref ref = {.size = sizeof ref,
                                        .schedule = hold.schedule,
                                        .id = hold.id,
                                        .holder = hold.holder,
                                        .fence = hold.fence};
        rc = tq_hold_release(crossing->book, &ref, 1, &result, &own);
        crossing->granted += rc == TQ_OK && result.status == TQ_OK;
    }
}

static void *be_crossing(void *arg)
{
    struct crossing *crossing = arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        cross(crossing, round);
    }
    return NULL;
}

START_TEST(f22_opposite_orders__lock_nobody_out)
{
    static const char *const seats[] = {"s1", "s2"};
    struct crossing crossings[CROSSING] = {{0}};
    unsigned granted = 0;
    postgres_place_open(&place, "");
    for (unsigned i = 0; i < CROSSING; i++) {
        struct tq_env env = tq_system_env();
        crossings[i].number = i;
        crossings[i].store = postgres_place_store(&place, 0);
        assert_status(tq_book_open(&env, TQ_ARGS(tq_book_options, .ledger = crossings[i].store),
                                   &crossings[i].book, &err),
                      TQ_OK);
        ck_assert_int_ge(tq_book_define(crossings[i].book, "show", seats, 2, &err), TQ_OK);
    }
    for (unsigned i = 0; i < CROSSING; i++) {
        ck_assert_int_eq(pthread_create(&crossings[i].thread, NULL, be_crossing, &crossings[i]), 0);
    }
    for (unsigned i = 0; i < CROSSING; i++) {
        pthread_join(crossings[i].thread, NULL);
        ck_assert_uint_eq(crossings[i].granted + crossings[i].taken, ROUNDS);
        granted += crossings[i].granted;
        tq_book_close(crossings[i].book);
        tq_store_close(crossings[i].store);
    }
    ck_assert_uint_ge(granted, CROSSING);
    postgres_place_close(&place);
}
END_TEST

int main(int count, char **arguments)
{
    const TTest *const tests[] = {f24_f25_ledger_killed__front_and_ledger_agree,
                                  ledger_went_back__the_front_follows,
                                  f22_opposite_orders__lock_nobody_out};
    ctl = count > 1 ? arguments[1] : "";
    if (!getenv("TICKETQ_TEST_POSTGRES")) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_POSTGRES\n");
        return EXIT_SUCCESS;
    }
    return unit_main("fault.hold.postgres", tests, sizeof tests / sizeof *tests);
}
