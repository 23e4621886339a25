/* SPDX-License-Identifier: MIT */
/*
 * What merging is worth: reservations on SQLite with every commit flushed. One is a
 * seat that changes hands, a row that says so and an event in the outbox, in one
 * transaction. 64 threads bring theirs at the same time; the reference is one
 * thread that brings them one after the other.
 */
#include <stdio.h>

#include <ticketq/ledger.h>
#include <ticketq/outbox.h>

#include "bench/frame.h"

#define THREADS 64
#define EACH 250
#define ALONE 2000
#define SEATS (THREADS * EACH)

static const struct tq_migration schema = {
    sizeof schema, "bench", 1, 0,
    "CREATE TABLE seats (id BIGINT PRIMARY KEY, status BIGINT NOT NULL, holder TEXT,"
    " fence BIGINT NOT NULL);"
    "CREATE TABLE reservations (id TEXT PRIMARY KEY, seat BIGINT NOT NULL, user_id TEXT NOT NULL,"
    " price BIGINT NOT NULL, created_ms BIGINT NOT NULL)"};

struct sale {
    tq_store *store;
    char url[300];
};

static int fill(tq_tx *tx, void *arg, struct tq_error *err)
{
    static struct tq_value ids[TQ_BATCH_MAX];
    (void)arg;
    for (int64_t id = 0; id < SEATS;) {
        size_t count = 0;
        while (count < TQ_BATCH_MAX && id < SEATS) {
            ids[count++] = tq_int(id++);
        }
        int rc = tq_tx_exec_many(tx, "INSERT INTO seats (id, status, fence) VALUES ($1, 0, 0)", ids,
                                 1, count, NULL, err);
        if (rc) {
            return rc;
        }
    }
    return TQ_OK;
}

static void open_sale(struct sale *sale)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    snprintf(sale->url, sizeof sale->url, "sqlite:%s/sale.db", bench_folder());
    bench_check(
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = sale->url), &sale->store, &err), TQ_OK,
        "open", &err);
    bench_check(tq_ledger_migrate(sale->store, &schema, 1, &err), TQ_OK, "migrate", &err);
    bench_check(tq_outbox_prepare(sale->store, &err), TQ_OK, "prepare", &err);
    bench_check(tq_ledger_run(sale->store, fill, NULL, &err), TQ_OK, "fill", &err);
}

static void close_sale(struct sale *sale)
{
    tq_store_close(sale->store);
    bench_folder_done();
}

static int reserve(tq_tx *tx, void *arg, struct tq_error *err)
{
    int64_t seat = *(const int64_t *)arg;
    char id[32], payload[128];
    snprintf(id, sizeof id, "reservation-%lld", (long long)seat);
    int bytes = snprintf(payload, sizeof payload,
                         "{\"reservationId\":\"%s\",\"seatIds\":[\"%lld\"]}", id, (long long)seat);
    const struct tq_value hold[] = {tq_int(seat), tq_text("visitor")};
    int rc = tq_tx_exec(tx,
                        "UPDATE seats SET status = 1, holder = $2, fence = fence + 1"
                        " WHERE id = $1 AND status = 0",
                        hold, 2, NULL, NULL, err);
    if (rc || tq_tx_changed(tx) != 1) {
        return rc ? rc : TQ_TAKEN;
    }
    const struct tq_value row[] = {tq_text(id), tq_int(seat), tq_text("visitor"), tq_int(99000),
                                   tq_int(tq_tx_now_ms(tx))};
    rc = tq_tx_exec(tx,
                    "INSERT INTO reservations (id, seat, user_id, price, created_ms)"
                    " VALUES ($1, $2, $3, $4, $5)",
                    row, 5, NULL, NULL, err);
    return rc ? rc
              : tq_outbox_append(tx,
                                 TQ_ARGS(tq_event, .topic = "reservation.events",
                                         .type = "ReservationMade", .aggregate_type = "reservation",
                                         .aggregate_id = id, .payload = payload,
                                         .payload_bytes = (size_t)bytes),
                                 1, err);
}

static void reserve_some(struct sale *sale, int64_t first, int64_t count)
{
    struct tq_error err = TQ_ERROR_INIT;
    for (int64_t seat = first; seat < first + count; seat++) {
        bench_check(tq_ledger_run(sale->store, reserve, &seat, &err), TQ_OK, "reserve", &err);
    }
}

static void be_a_buyer(void *arg, size_t number)
{
    reserve_some(arg, (int64_t)number * EACH, EACH);
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
    reserve_some(&sale, 0, ALONE);
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
