/* SPDX-License-Identifier: MIT */
/*
 * What merging is worth: reservations on SQLite with every commit flushed. One is a
 * claim at the memory front, then in one transaction the hold, a row of the shop's
 * own and an event in the outbox. 64 threads bring theirs at the same time, and the body
 * is given those that came together; the reference is one thread that brings them one
 * after the other to the same body.
 */
#include <stdio.h>

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

struct sale {
    tq_store *front, *ledger;
    tq_book *book;
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
    bench_check(tq_book_define(sale->book, "show", seats, SEATS, &err), TQ_OK, "define", &err);
}

static void open_sale(struct sale *sale)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    char url[300];
    snprintf(url, sizeof url, "sqlite:%s/sale.db", bench_folder());
    sale->front = open_store("memory:");
    sale->ledger = open_store(url);
    bench_check(tq_ledger_migrate(sale->ledger, &schema, 1, &err), TQ_OK, "migrate", &err);
    bench_check(tq_outbox_prepare(sale->ledger, &err), TQ_OK, "prepare", &err);
    bench_check(tq_book_open(&env,
                             TQ_ARGS(tq_book_options, .front = sale->front, .ledger = sale->ledger),
                             &sale->book, &err),
                TQ_OK, "book", &err);
    define_seats(sale);
}

static void close_sale(struct sale *sale)
{
    tq_book_close(sale->book);
    tq_store_close(sale->ledger);
    tq_store_close(sale->front);
    bench_folder_done();
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
    static struct rows rows; /* a ledger runs one batch at a time */
    const struct reservation *first = reservations[0];
    for (size_t i = 0; i < count; i++) {
        const struct reservation *reservation = reservations[i];
        rows.requests[i] = *reservation->request;
        rows.holds[i] = *reservation->claim;
    }
    int rc = tq_hold_record(tx, first->book, rows.requests, count, rows.holds, errs[0]);
    return rc ? rc : write_down(tx, &rows, reservations, count, results, errs[0]);
}

static void reserve_one(struct sale *sale, size_t number)
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
    bench_check(tq_hold_claim(sale->book, request, 1, &claim, &err), TQ_OK, "claim", &err);
    bench_check(claim.status, TQ_OK, "claimed", &err);
    struct reservation reservation = {.book = sale->book, .request = request, .claim = &claim};
    bench_check(tq_ledger_run_each(sale->ledger, reserve, &reservation, &err), TQ_OK, "reserve",
                &err);
}

static void be_a_buyer(void *arg, size_t number)
{
    for (size_t i = 0; i < EACH; i++) {
        reserve_one(arg, number * EACH + i);
    }
}

static double merged(void)
{
    struct sale sale;
    open_sale(&sale);
    double seconds = bench_threads(THREADS, be_a_buyer, &sale);
    close_sale(&sale);
    return SEATS / seconds;
}

static double one_by_one(void)
{
    struct sale sale;
    open_sale(&sale);
    double begin = bench_clock();
    for (size_t i = 0; i < ALONE; i++) {
        reserve_one(&sale, i);
    }
    double seconds = bench_clock() - begin;
    close_sale(&sale);
    return ALONE / seconds;
}

static const struct bench_figure figures[] = {{
    .name = "ledger.reservations",
    .unit = "reservations/s",
    .against = "a transaction each, one thread",
    .value = merged,
    .reference = one_by_one,
    .goal = 8,
}};

int main(int count, char **names)
{
    return BENCH_MAIN(count, names, figures);
}
