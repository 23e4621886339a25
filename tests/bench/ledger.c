/* SPDX-License-Identifier: MIT */
/*
 * What merging is worth: reservations with every commit flushed. One is a claim at the
 * memory front, then in one transaction the hold, a row of the shop's own and an event in
 * the outbox. 64 threads bring theirs at the same time, and the body is given those that came
 * together. The reference brings them to the same body in a transaction each: on SQLite one
 * thread, one after the other; on PostgreSQL (TICKETQ_TEST_POSTGRES) 16 threads, each with a
 * connection of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ticketq/hold.h>
#include <ticketq/outbox.h>

#include "bench/frame.h"

#define THREADS 64
#define EACH 200
#define ALONE 2000
#define SEATS (THREADS * EACH)

static const struct tq_migration schema = {
    sizeof schema, "bench", 1, 0,
    "CREATE TABLE reservations (id TEXT PRIMARY KEY, hold TEXT NOT NULL, user_id TEXT NOT NULL,"
    " price BIGINT NOT NULL, created_ms BIGINT NOT NULL)"};

#define CONNECTIONS 16
#define OF_EACH_CONNECTION 250

/* Where each buyer brings his requests: to ledger and book n, or to the only one. */
struct sale {
    tq_store *front, *ledgers[CONNECTIONS];
    tq_book *books[CONNECTIONS];
    size_t ledgers_count;
};

static tq_store *open_store(const char *url)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    tq_store *store = NULL;
    bench_check(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK,
                "open", &err);
    return store;
}

static void define_seats(struct sale *sale)
{
    static char names[SEATS][8];
    static const char *seats[SEATS];
    struct tq_error err = TQ_ERROR_INIT;
    for (size_t i = 0; i < SEATS; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        seats[i] = names[i];
    }
    bench_check(tq_book_define(sale->books[0], "show", seats, SEATS, &err), TQ_OK, "define", &err);
}

/* A database of the round's own: a file or a schema. */
static void fill_url(char *url, size_t room, const char *server)
{
    if (server) {
        snprintf(url, room, "%s?schema=bench_%x", server, (unsigned)getpid());
    } else {
        snprintf(url, room, "sqlite:%s/sale.db", bench_folder());
    }
}

static void open_sale(struct sale *sale, const char *server, size_t ledgers_count)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    char url[512];
    fill_url(url, sizeof url, server);
    sale->front = open_store("memory:");
    sale->ledgers_count = ledgers_count;
    for (size_t i = 0; i < ledgers_count; i++) {
        sale->ledgers[i] = open_store(url);
        if (i == 0) {
            bench_check(tq_ledger_migrate(sale->ledgers[0], &schema, 1, &err), TQ_OK, "migrate",
                        &err);
            bench_check(tq_outbox_prepare(sale->ledgers[0], &err), TQ_OK, "prepare", &err);
        }
        bench_check(
            tq_book_open(&env,
                         TQ_ARGS(tq_book_options, .front = sale->front, .ledger = sale->ledgers[i]),
                         &sale->books[i], &err),
            TQ_OK, "book", &err);
    }
    define_seats(sale);
}

static int drop_schema(tq_tx *tx, void *arg, struct tq_error *err)
{
    char sql[64];
    (void)arg;
    snprintf(sql, sizeof sql, "DROP SCHEMA bench_%x CASCADE", (unsigned)getpid());
    return tq_tx_exec(tx, sql, NULL, 0, NULL, NULL, err);
}

static void close_sale(struct sale *sale, const char *server)
{
    struct tq_error err = TQ_ERROR_INIT;
    if (server) {
        bench_check(tq_ledger_run(sale->ledgers[0], drop_schema, NULL, &err), TQ_OK, "drop", &err);
    }
    for (size_t i = 0; i < sale->ledgers_count; i++) {
        tq_book_close(sale->books[i]);
        tq_store_close(sale->ledgers[i]);
    }
    tq_store_close(sale->front);
    if (!server) {
        bench_folder_done();
    }
}

/* What a buyer brings, and room for what his body makes of it. */
struct reservation {
    tq_book *book;
    const struct tq_hold_request *request;
    const struct tq_hold *claim;
    char payload[160];
};

/* Rows of everything that reservations of a body write. */
struct rows {
    struct tq_hold_request requests[TQ_EACH_MAX];
    struct tq_hold holds[TQ_EACH_MAX];
    struct tq_value values[TQ_EACH_MAX][5];
    struct tq_event events[TQ_EACH_MAX];
};

static struct tq_event event_of(struct reservation *reservation, const struct tq_hold *hold)
{
    int bytes = snprintf(reservation->payload, sizeof reservation->payload,
                         "{\"reservationId\":\"%s\",\"scheduleId\":\"%s\",\"userId\":\"%s\"}",
                         hold->id, hold->schedule, hold->holder);
    return (struct tq_event){.size = sizeof(struct tq_event),
                             .topic = "reservation.events",
                             .type = "ReservationMade",
                             .aggregate_type = "reservation",
                             .aggregate_id = hold->id,
                             .payload = reservation->payload,
                             .payload_bytes = (size_t)bytes};
}

/* The host's own row and its event, for every hold that was recorded. */
static int write_down(tq_tx *tx, struct rows *rows, void *const reservations[], size_t count,
                      int results[], struct tq_error *err)
{
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        const struct tq_hold *hold = &rows->holds[i];
        results[i] = hold->status;
        if (hold->status == TQ_OK) {
            struct tq_value *row = rows->values[made];
            row[0] = row[1] = tq_text(hold->id);
            row[2] = tq_text(hold->holder);
            row[3] = tq_int(99000);
            row[4] = tq_int(tq_tx_now_ms(tx));
            rows->events[made++] = event_of(reservations[i], hold);
        }
    }
    if (made == 0) {
        return TQ_OK;
    }
    int rc = tq_tx_exec_many(tx,
                             "INSERT INTO reservations (id, hold, user_id, price, created_ms)"
                             " VALUES ($1, $2, $3, $4, $5)",
                             rows->values[0], 5, made, NULL, err);
    return rc ? rc : tq_outbox_append(tx, rows->events, made, err);
}

static int reserve(tq_tx *tx, void *const reservations[], size_t count, int results[],
                   struct tq_error *const errs[])
{
    static _Thread_local struct rows rows;
    const struct reservation *first = reservations[0];
    for (size_t i = 0; i < count; i++) {
        const struct reservation *reservation = reservations[i];
        rows.requests[i] = *reservation->request;
        rows.holds[i] = *reservation->claim;
    }
    int rc = tq_hold_record(tx, first->book, rows.requests, count, rows.holds, errs[0]);
    return rc ? rc : write_down(tx, &rows, reservations, count, results, errs[0]);
}

static void reserve_one(struct sale *sale, size_t ledger, size_t number)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_hold claim = TQ_INIT(tq_hold);
    char seat[16], buyer[16];
    const char *const seats[] = {seat};
    snprintf(seat, sizeof seat, "s%zu", number);
    snprintf(buyer, sizeof buyer, "u%zu", number);
    const struct tq_hold_request *request =
        TQ_ARGS(tq_hold_request, .schedule = "show", .holder = buyer, .request_key = buyer,
                .seats = seats, .seats_count = 1);
    bench_check(tq_hold_claim(sale->books[ledger], request, 1, &claim, &err), TQ_OK, "claim", &err);
    bench_check(claim.status, TQ_OK, "claimed", &err);
    struct reservation reservation = {
        .book = sale->books[ledger], .request = request, .claim = &claim};
    bench_check(tq_ledger_run_each(sale->ledgers[ledger], reserve, &reservation, &err), TQ_OK,
                "reserve", &err);
}

static void be_a_buyer(void *arg, size_t number)
{
    for (size_t i = 0; i < EACH; i++) {
        reserve_one(arg, 0, number * EACH + i);
    }
}

static double merged_on(const char *server)
{
    struct sale sale;
    open_sale(&sale, server, 1);
    double seconds = bench_threads(THREADS, be_a_buyer, &sale);
    close_sale(&sale, server);
    return SEATS / seconds;
}

static double merged(void)
{
    return merged_on(NULL);
}

static double one_by_one(void)
{
    struct sale sale;
    open_sale(&sale, NULL, 1);
    double begin = bench_clock();
    for (size_t i = 0; i < ALONE; i++) {
        reserve_one(&sale, 0, i);
    }
    double seconds = bench_clock() - begin;
    close_sale(&sale, NULL);
    return ALONE / seconds;
}

static double merged_on_postgres(void)
{
    return merged_on(getenv("TICKETQ_TEST_POSTGRES"));
}

static void be_a_connection(void *arg, size_t number)
{
    for (size_t i = 0; i < OF_EACH_CONNECTION; i++) {
        reserve_one(arg, number, number * OF_EACH_CONNECTION + i);
    }
}

static double a_transaction_each(void)
{
    struct sale sale;
    const char *server = getenv("TICKETQ_TEST_POSTGRES");
    open_sale(&sale, server, CONNECTIONS);
    double seconds = bench_threads(CONNECTIONS, be_a_connection, &sale);
    close_sale(&sale, server);
    return CONNECTIONS * OF_EACH_CONNECTION / seconds;
}

static const struct bench_figure figures[] = {
#ifdef TQ_WITH_SQLITE
    {
        .name = "ledger.reservations",
        .unit = "reservations/s",
        .against = "a transaction each, one thread",
        .value = merged,
        .reference = one_by_one,
        .goal = 8,
    },
#endif
    {
        .name = "ledger.reservations.postgres",
        .unit = "reservations/s",
        .against = "a transaction each, 16 connections",
        .value = merged_on_postgres,
        .reference = a_transaction_each,
        .goal = 10,
        .needs = "TICKETQ_TEST_POSTGRES",
    },
};

int main(int count, char **names)
{
    return BENCH_MAIN(count, names, figures);
}
