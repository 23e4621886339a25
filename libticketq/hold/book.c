/* SPDX-License-Identifier: MIT */
/*
 * Opens and closes books, makes schedules known, reads the seat map.
 *
 * A book with a front reads the map from it, one without from the ledger.
 * Threads: [any]; what is set at opening never changes.
 */
#include "hold/book.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "hold"

TQ_AUTO_DEFINE(tq_book, tq_book_close)

static int check_options(const struct tq_book_options *options, struct tq_error *err)
{
    if (!options->front && !options->ledger) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "a book needs a front or a ledger");
    }
    if (options->front && !(tq_store_caps(options->front) & TQ_STORE_HOLD)) {
        return tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "the store is no front for holds");
    }
    if (options->ledger && !(tq_store_caps(options->ledger) & TQ_STORE_LEDGER)) {
        return tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "the store has no ledger");
    }
    if (options->life_max_ms && options->life_max_ms < TQ_HOLD_TTL_MIN_MS) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "life_max_ms is at least %d", TQ_HOLD_TTL_MIN_MS);
    }
    return TQ_OK;
}

static void use_stores(tq_book *book, const struct tq_book_options *options)
{
    if (options->front) {
        book->front = tq__store_ref(options->front);
        book->driver = tq__store_hold(book->front);
        book->state = tq__store_state(book->front);
    }
    if (options->ledger) {
        book->ledger = tq__store_ref(options->ledger);
    }
}

int tq_book_open(const struct tq_env *env, const struct tq_book_options *options,
                 tq_book **out_book, struct tq_error *err)
{
    struct tq_book_options use;
    struct tq_env host;
    TQ_AUTO(tq_book) *book = NULL;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, out_book));
    TQ_TRY(tq__env_read(&host, env, err));
    TQ_TRY(TQ__READ(&use, options, ORIGIN, err));
    TQ_TRY(check_options(&use, err));
    book = tq__alloc(&host, 1, sizeof *book);
    if (!book) {
        return tq__nomem(ORIGIN, err);
    }
    book->env = host;
    book->rules.life_max_ms = use.life_max_ms ? use.life_max_ms : TQ_HOLD_LIFE_MAX_MS;
    book->rules.seats_limit = use.seats_limit;
    use_stores(book, &use);
    pthread_mutex_init(&book->rebuild_lock, NULL);
    pthread_mutex_init(&book->doubts_lock, NULL);
    TQ_TRY(tq__waiters_init(&book->waiters, &book->env, err));
    TQ_TRY(tq__map_init(&book->doubts, &book->env, err));
    if (book->ledger) {
        TQ_TRY(tq__sql_hold_migrate(book->ledger, err));
    }
    *out_book = tq__take(&book);
    return TQ_OK;
}

void tq_book_close(tq_book *book)
{
    if (!book) {
        return;
    }
    tq__waiters_close(book);
    tq__waiters_done(&book->waiters);
    tq__book_doubts_done(book);
    pthread_mutex_destroy(&book->rebuild_lock);
    pthread_mutex_destroy(&book->doubts_lock);
    tq_store_close(book->front);
    tq_store_close(book->ledger);
    tq__release(&book->env, book);
}

struct define {
    const char *schedule;
    const char *const *seats;
    size_t seats_count;
};

static int define_body(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct define *define = arg;
    return tq__sql_hold_define(tx, define->schedule, define->seats, define->seats_count, err);
}

int tq_book_define(tq_book *book, const char *schedule, const char *const *seats,
                   size_t seats_count, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, book));
    TQ_TRY(tq__id_check(schedule, "schedule", ORIGIN, err));
    TQ_TRY(tq__check_seats(&book->env, seats, seats_count, err));
    if (!book->ledger) {
        const struct tq_front_load load = {
            .size = sizeof load, .schedule = schedule, .seats = seats, .seats_count = seats_count};
        return book->driver->load(book->state, &load, err);
    }
    struct define define = {schedule, seats, seats_count};
    int rc = tq_ledger_run(book->ledger, define_body, &define, err);
    TQ_TRY(rc);
    TQ_TRY(book->front ? tq__book_rebuild(book, schedule, TQ__REBUILD_PAST, err) : TQ_OK);
    return rc;
}

struct read_map {
    const char *schedule;
    struct tq_seat_map *map;
};

static int map_body(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct read_map *read = arg;
    return tq__sql_hold_map(tx, read->schedule, read->map, err);
}

int tq_book_map(tq_book *book, const char *schedule, struct tq_seat_map *map, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, book, map));
    TQ_TRY(tq__id_check(schedule, "schedule", ORIGIN, err));
    if (map->size != sizeof *map) {
        return tq__fail(err, TQ_E_ABI, ORIGIN, "map has size %zu, expected %zu", map->size,
                        sizeof *map);
    }
    if (!book->front) {
        struct read_map read = {schedule, map};
        return tq_ledger_read(book->ledger, map_body, &read, err);
    }
    tq__book_notice(book, schedule);
    tq__book_settle_doubts(book);
    int rc = book->driver->map(book->state, schedule, map, err);
    if (rc == TQ_GONE && book->ledger) {
        rc = tq__book_rebuild(book, schedule, TQ__REBUILD_GONE, err);
        rc = rc == TQ_OK ? book->driver->map(book->state, schedule, map, err) : rc;
    }
    return rc;
}
