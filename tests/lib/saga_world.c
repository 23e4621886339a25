/* SPDX-License-Identifier: MIT */
/*
 * A small purchase. See the header.
 */
#include "lib/ask.h"
#include "lib/saga_world.h"

#include <stdio.h>
#include <string.h>

#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;

/* ---- what handlers do ---- */

static int exec3(tq_tx *tx, const char *sql, const char *one, const char *two, const char *three,
                 struct tq_error *failure)
{
    const struct tq_value params[] = {tq_text(one), tq_text(two), tq_text(three)};
    return tq_tx_exec(tx, sql, params, three ? 3 : 2, NULL, NULL, failure);
}

static int fails(struct shop *shop, const char *event)
{
    return shop->failing && strcmp(shop->failing, event) == 0 ? shop->status : TQ_OK;
}

static void note_undo(struct shop *shop, const char *name)
{
    size_t bytes = strlen(shop->order);
    shop->compensated++;
    snprintf(shop->order + bytes, sizeof shop->order - bytes, "%s ", name);
}

/* HELD -> PAYING and its undoing. */
static int pin(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
               struct tq_error *failure)
{
    (void)input;
    (void)arg;
    int status = exec3(tx, "UPDATE seats SET status = 'PAYING' WHERE seat = $1 AND owner = $2",
                       SEAT, saga->id, NULL, failure);
    return status < 0 ? status : tq_tx_changed(tx) ? TQ_OK : TQ_TAKEN;
}

static int unpin(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                 struct tq_error *failure)
{
    ck_assert_ptr_null(input);
    note_undo(arg, "unpin");
    return exec3(tx,
                 "UPDATE seats SET status = 'AVAILABLE', owner = '' WHERE seat = $1 AND owner = $2",
                 SEAT, saga->id, NULL, failure);
}

/* PAYING -> ASKING and its undoing. */
static int ask(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
               struct tq_error *failure)
{
    struct shop *shop = arg;
    (void)saga;
    (void)input;
    shop->asked++;
    int status =
        exec3(tx, "INSERT INTO asked (saga, seat) VALUES ($1, $2)", saga->id, SEAT, NULL, failure);
    return status < 0 ? status : fails(shop, "TimedOut");
}

static int unask(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                 struct tq_error *failure)
{
    (void)input;
    note_undo(arg, "unask");
    return exec3(tx, "DELETE FROM asked WHERE saga = $1 AND seat = $2", saga->id, SEAT, NULL,
                 failure);
}

static int settle(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *failure)
{
    (void)input;
    int status = exec3(tx, "UPDATE seats SET status = 'SOLD' WHERE seat = $1 AND owner = $2", SEAT,
                       saga->id, NULL, failure);
    return status < 0 ? status : fails(arg, "Paid");
}

/* Paid after the hold had ended: only if the seat is free. */
static int take_again(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                      struct tq_error *failure)
{
    (void)input;
    (void)arg;
    int status =
        exec3(tx, "UPDATE seats SET status = 'SOLD', owner = $2 WHERE seat = $1 AND owner = ''",
              SEAT, saga->id, NULL, failure);
    return status < 0 ? status : tq_tx_changed(tx) ? TQ_OK : TQ_TAKEN;
}

static int expire(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *failure)
{
    (void)input;
    int status = exec3(
        tx, "UPDATE seats SET status = 'AVAILABLE', owner = '' WHERE seat = $1 AND owner = $2",
        SEAT, saga->id, NULL, failure);
    return status < 0 ? status : fails(arg, "HoldExpired");
}

static int decline(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                   struct tq_error *failure)
{
    (void)tx;
    (void)saga;
    (void)input;
    (void)failure;
    return fails(arg, "Declined");
}

static int refund(tq_tx *tx, const struct tq_saga *saga, const void *input, void *arg,
                  struct tq_error *failure)
{
    (void)input;
    (void)arg;
    return exec3(tx, "INSERT INTO refunds (saga, seat) VALUES ($1, $2)", saga->id, SEAT, NULL,
                 failure);
}

/* ---- the type ---- */

static const struct tq_saga_state states[] = {
    {"HELD", TQ_SAGA_FORWARD, HOLD_MS, "HoldExpired"},
    {"PAYING", TQ_SAGA_FORWARD, PAY_MS, "TimedOut"},
    {"ASKING", TQ_SAGA_UNKNOWN, ASK_MS, "TimedOut"},
    {"CONFIRMED", TQ_SAGA_DONE, 0, NULL},
    {"CANCELLED", TQ_SAGA_UNDONE, 0, NULL},
    {"REFUNDING", TQ_SAGA_COMPENSATE, ASK_MS, "PaidTooLate"},
    {"REFUNDED", TQ_SAGA_UNDONE, 0, NULL},
};

static const char *const events[] = {"PayRequested", "Paid",        "Declined", "TimedOut",
                                     "HoldExpired",  "PaidTooLate", "Refunded"};

#define GO(from, on, to, ...)                                                                      \
    {                                                                                              \
        .state = from, .event = on, .cell = TQ_CELL_GO, .next = to, __VA_ARGS__                    \
    }
#define SAY(from, on, what)                                                                        \
    {                                                                                              \
        .state = from, .event = on, .cell = TQ_CELL_##what                                         \
    }

static const struct tq_saga_cell cells[] = {
    GO("HELD", "PayRequested", "PAYING", .handler = pin, .compensation = unpin),
    SAY("HELD", "Paid", DEFER),
    SAY("HELD", "Declined", DEFER),
    SAY("HELD", "TimedOut", REFUSE),
    GO("HELD", "HoldExpired", "CANCELLED", .handler = expire),
    SAY("HELD", "PaidTooLate", REFUSE),
    SAY("HELD", "Refunded", REFUSE),

    SAY("PAYING", "PayRequested", IGNORE),
    GO("PAYING", "Paid", "CONFIRMED", .handler = settle),
    GO("PAYING", "Declined", "CANCELLED", .handler = decline),
    GO("PAYING", "TimedOut", "ASKING", .handler = ask, .compensation = unask),
    SAY("PAYING", "HoldExpired", IGNORE),
    SAY("PAYING", "PaidTooLate", REFUSE),
    SAY("PAYING", "Refunded", REFUSE),

    SAY("ASKING", "PayRequested", IGNORE),
    GO("ASKING", "Paid", "CONFIRMED", .handler = settle),
    GO("ASKING", "Declined", "CANCELLED", .handler = decline),
    GO("ASKING", "TimedOut", "ASKING", .handler = ask, .is_pure = 1),
    SAY("ASKING", "HoldExpired", IGNORE),
    SAY("ASKING", "PaidTooLate", REFUSE),
    SAY("ASKING", "Refunded", REFUSE),

    SAY("CONFIRMED", "PayRequested", IGNORE),
    SAY("CONFIRMED", "Paid", IGNORE),
    SAY("CONFIRMED", "Declined", IGNORE),
    SAY("CONFIRMED", "TimedOut", IGNORE),
    SAY("CONFIRMED", "HoldExpired", IGNORE),
    SAY("CONFIRMED", "PaidTooLate", REFUSE),
    SAY("CONFIRMED", "Refunded", REFUSE),

    SAY("CANCELLED", "PayRequested", REFUSE),
    GO("CANCELLED", "Paid", "CONFIRMED", .handler = take_again),
    SAY("CANCELLED", "Declined", IGNORE),
    SAY("CANCELLED", "TimedOut", IGNORE),
    SAY("CANCELLED", "HoldExpired", IGNORE),
    GO("CANCELLED", "PaidTooLate", "REFUNDING", .handler = refund),
    SAY("CANCELLED", "Refunded", REFUSE),

    SAY("REFUNDING", "PayRequested", REFUSE),
    SAY("REFUNDING", "Paid", IGNORE),
    SAY("REFUNDING", "Declined", IGNORE),
    SAY("REFUNDING", "TimedOut", IGNORE),
    SAY("REFUNDING", "HoldExpired", IGNORE),
    GO("REFUNDING", "PaidTooLate", "REFUNDING"),
    GO("REFUNDING", "Refunded", "REFUNDED"),

    SAY("REFUNDED", "PayRequested", REFUSE),
    SAY("REFUNDED", "Paid", IGNORE),
    SAY("REFUNDED", "Declined", IGNORE),
    SAY("REFUNDED", "TimedOut", IGNORE),
    SAY("REFUNDED", "HoldExpired", IGNORE),
    SAY("REFUNDED", "PaidTooLate", IGNORE),
    SAY("REFUNDED", "Refunded", IGNORE),
};

const struct tq_saga_type saga_world_type = TQ_SAGA_TYPE("purchase", 1, states, events, cells);

/* ---- the shop ---- */

void shop_prepare(tq_store *store)
{
    static const struct tq_migration table = {
        sizeof table, "test_shop", 1, 0,
        "CREATE TABLE seats (seat TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL);"
        "INSERT INTO seats (seat, owner, status) VALUES ('A-1', '', 'AVAILABLE');"
        "CREATE TABLE asked (saga TEXT NOT NULL, seat TEXT NOT NULL);"
        "CREATE TABLE refunds (saga TEXT NOT NULL, seat TEXT NOT NULL)"};
    ck_assert_int_ge(tq_ledger_migrate(store, &table, 1, &err), TQ_OK);
}

struct request {
    tq_sagas *sagas;
    const char *id;
    const char *event;
};

static int start(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct request *request = arg;
    int status = tq_saga_start(tx, request->sagas, request->id, SEAT, strlen(SEAT), failure);
    if (status != TQ_OK) {
        return status;
    }
    return exec3(tx, "UPDATE seats SET status = 'HOLD', owner = $2 WHERE seat = $1 AND owner = ''",
                 SEAT, request->id, NULL, failure);
}

int shop_start(tq_store *store, tq_sagas *sagas, const char *id)
{
    struct request request = {sagas, id, NULL};
    return tq_ledger_run(store, start, &request, &err);
}

static int bring(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct request *request = arg;
    return tq_saga_apply(tx, request->sagas, request->id, request->event, NULL, failure);
}

int shop_bring(tq_store *store, tq_sagas *sagas, const char *id, const char *event)
{
    struct request request = {sagas, id, event};
    return tq_ledger_run(store, bring, &request, &err);
}

static int paid(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct request *request = arg;
    int status = tq_saga_apply(tx, request->sagas, request->id, "Paid", NULL, failure);
    if (status == TQ_TAKEN) {
        status = tq_saga_apply(tx, request->sagas, request->id, "PaidTooLate", NULL, failure);
    }
    return status;
}

int shop_paid(tq_store *store, tq_sagas *sagas, const char *id)
{
    struct request request = {sagas, id, NULL};
    return tq_ledger_run(store, paid, &request, &err);
}

static int sell(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return exec3(tx, "UPDATE seats SET status = 'SOLD', owner = $2 WHERE seat = $1", SEAT, arg,
                 NULL, failure);
}

void shop_sell_to(tq_store *store, const char *owner)
{
    assert_status(tq_ledger_run(store, sell, (void *)(uintptr_t)owner, &err), TQ_OK);
}

/* ---- looking ---- */

static int take_state(void *arg, const struct tq_saga *saga)
{
    snprintf(arg, TQ_ID_SIZE, "%s", saga->state);
    return TQ_OK;
}

struct state_read {
    tq_sagas *sagas;
    const char *id;
    char state[TQ_ID_SIZE];
};

static int read_state(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct state_read *read = arg;
    return tq_saga_read(tx, read->sagas, read->id, take_state, read->state, failure);
}

void shop_check_state(tq_store *store, tq_sagas *sagas, const char *id, const char *state)
{
    struct state_read read = {.sagas = sagas, .id = id};
    assert_status(tq_ledger_read(store, read_state, &read, &err), TQ_OK);
    ck_assert_str_eq(read.state, state);
}

static int take_seat(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    snprintf(arg, 2 * TQ_ID_SIZE, "%s %s", (const char *)columns[0].data,
             (const char *)columns[1].data);
    return TQ_OK;
}

static int read_seat(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_tx_exec(tx, "SELECT owner, status FROM seats WHERE seat = 'A-1'", NULL, 0, take_seat,
                      arg, failure);
}

void shop_check_seat(tq_store *store, const char *owner, const char *status)
{
    char found[2 * TQ_ID_SIZE] = "", expected[2 * TQ_ID_SIZE];
    snprintf(expected, sizeof expected, "%s %s", owner, status);
    assert_status(tq_ledger_read(store, read_seat, found, &err), TQ_OK);
    ck_assert_str_eq(found, expected);
}

int64_t shop_refunds(tq_store *store, const char *id)
{
    return ask_number(store, "SELECT count(*) FROM refunds WHERE saga = $1", id);
}
