/* SPDX-License-Identifier: MIT */
/*
 * Asks again, at growing distances, for payments that have ended.
 *
 * The provider may take or give back money without us, and everything that it tells
 * of it may be lost. So a payment that has ended carries the time at which its book is
 * looked into next. Then an ASK goes on the work list, exactly as after a webhook, and
 * what the book says takes the same way (calls.c):
 *
 *     phase     asked for after its end, in first distances    with --payment-recheck-ms 120000
 *     FAILED    1, 5, 30, 720                                  2 min, 10 min, 1 h, 24 h
 *     PAID      30, 720                                        1 h, 24 h
 *     others    never: they move by themselves, or have nothing to lose
 *
 * and later by chance, up to half the distance, so that those who ended together are
 * not asked for together, nor in the minute of a sale. The next time follows from the
 * end and from now: a distance that nobody was up for is not made up for. After the last
 * one only webhooks and the audit are left.
 *
 * The time is written in the statement that moves the row, and taken off by the next:
 * no phase has the time of another. It is moved on in the transaction that puts the
 * ASK, so a kill loses neither, and an ASK that was made twice finds the same book.
 *
 * Cost: four ASKs a payment at most; a look at an index each second, and FRESH_MAX ASKs
 * at most that are new on the list, whoever put them there. So a sale with many of its
 * own goes first, and an outage of the provider lets FRESH_MAX through in the time that
 * FRESH_ATTEMPTS take. Older ones do not count, lest a few that are never answered stop
 * all others.
 *
 * Threads: rechecks_put(): the worker; recheck_next_ms(): [any].
 */
#include <string.h>

#include "app/rows.h"
#include "core/env.h"
#include "core/error.h"
#include "payment/payment.h"
#include "payment_sql.h"

#define FRESH_MAX 16
#define FRESH_ATTEMPTS 8 /* a minute of pauses */

/* ---- when ---- */

static const struct distances {
    const char *phase;
    int64_t times[4]; /* of the first distance; they grow by more than half; 0: no more */
} distances[] = {{"FAILED", {1, 5, 30, 720}}, {"PAID", {30, 720}}};

static int64_t by_chance(const struct payments *service, int64_t most_ms)
{
    uint64_t random = 0;
    return tq__random(&service->env, &random, sizeof random, NULL) < 0
               ? 0
               : (int64_t)(random % ((uint64_t)most_ms + 1));
}

static int64_t next_of(const struct payments *service, const struct distances *row, int64_t end_ms,
                       int64_t now_ms)
{
    for (size_t i = 0; i < sizeof row->times / sizeof *row->times; i++) {
        int64_t distance_ms = row->times[i] * service->recheck_ms;
        if (end_ms + distance_ms > now_ms) {
            return end_ms + distance_ms + by_chance(service, distance_ms / 2);
        }
    }
    return 0;
}

int64_t recheck_next_ms(const struct payments *service, const char *phase, int64_t end_ms,
                        int64_t now_ms)
{
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++) {
        if (strcmp(distances[i].phase, phase) == 0) {
            return next_of(service, &distances[i], end_ms, now_ms);
        }
    }
    return 0;
}

/* ---- what is due ---- */

struct due {
    char id[TQ_ID_SIZE];
    char phase[PAYMENT_WORD_SIZE];
    int64_t end_ms;
    int64_t due_ms;
};

struct batch {
    struct payments *service;
    struct due rows[FRESH_MAX];
    size_t count;
};

static int count_row(void *arg, const struct tq_value *columns, size_t count)
{
    int64_t *fresh = arg;
    (void)count;
    *fresh = columns[0].integer;
    return 0;
}

static int add_row(void *arg, const struct tq_value *columns, size_t count)
{
    struct batch *batch = arg;
    struct due *due = &batch->rows[batch->count++];
    (void)count;
    APP_TEXT(due->id, &columns[0]);
    APP_TEXT(due->phase, &columns[1]);
    due->end_ms = columns[2].integer;
    due->due_ms = columns[3].integer;
    return 0;
}

static int find(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct batch *batch = arg;
    int64_t fresh = 0;
    const struct tq_value attempts[] = {tq_int(FRESH_ATTEMPTS)};
    batch->count = 0;
    TQ_TRY(tq_tx_exec(tx, PAYMENT_asks_fresh, attempts, 1, count_row, &fresh, err));
    if (fresh >= FRESH_MAX) {
        return TQ_EMPTY;
    }
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx)), tq_int(FRESH_MAX - fresh)};
    TQ_TRY(tq_tx_exec(tx, PAYMENT_rechecks_due, params, 2, add_row, batch, err));
    return batch->count ? TQ_OK : TQ_EMPTY;
}

static int put(tq_tx *tx, const struct payments *service, const struct due *due,
               struct tq_error *err)
{
    int64_t next_ms = recheck_next_ms(service, due->phase, due->end_ms, tq_tx_now_ms(tx));
    const struct tq_value params[] = {tq_text(due->id), tq_int(due->due_ms),
                                      app_int_or_null(next_ms)};
    TQ_TRY(tq_tx_exec(tx, PAYMENT_recheck_move, params, 3, NULL, NULL, err));
    return tq_tx_changed(tx) ? call_nudge(tx, due->id, "ASK", err) : TQ_OK;
}

static int put_all(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct batch *batch = arg;
    for (size_t i = 0; i < batch->count; i++) {
        TQ_TRY(put(tx, batch->service, &batch->rows[i], err));
    }
    return TQ_OK;
}

/* Looks first: mostly nothing is due, and nobody who writes should wait for that. */
int rechecks_put(struct payments *service, struct tq_error *err)
{
    struct batch batch = {.service = service};
    int rc = tq_ledger_read(service->ledger, find, &batch, err);
    return rc == TQ_OK ? tq_ledger_run(service->ledger, put_all, &batch, err) : rc;
}
