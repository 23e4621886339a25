/* SPDX-License-Identifier: MIT */
/*
 * The work list of calls to the provider, and who works it off.
 *
 * A call is a row, written in the transaction that wants it, so that it is made
 * even if the process dies before or during it. A payment has at most one; a
 * newer wish takes its place. A caller leases the row that is due longest
 * (call_take), calls with no transaction open, and brings the outcome to the
 * saga in the transaction that removes the row:
 *
 *     operation      outcome                    then
 *     PRE_REGISTER   done or no                 nothing
 *     CONFIRM        paid as agreed             Captured
 *                    paid otherwise, or only    Mismatched
 *                    a part of it is still ours
 *                    no, says the book          Declined
 *                    refused with the book      Declined
 *                    open, and no earlier one
 *                    can still be under way
 *                    nobody knows               Unsure, and again after a pause
 *     ASK            as the book says           as above, Refunded, or nothing
 *     CANCEL         all money is back          Refunded
 *                    anything else              again after a pause, for ever
 *
 * The book decides, not the answer: a refusal says nothing of an earlier attempt that
 * may be under way, and a book may be behind. So who was told of money (by a webhook, by
 * an answer) asks again for AWAIT_MS until the book shows it: until what it says moves
 * the payment. After that recheck.c is left.
 *
 * What the provider gave back without us counts whenever the book shows it: all
 * of what was captured is Refunded, a part of it Mismatched, in every phase.
 *
 * A CONFIRM or CANCEL that was begun before, also by a process that is no more,
 * looks into the provider's book before it is repeated, and is repeated under the
 * same idempotency key. When the provider has forgotten the key, only its book
 * counts: what it does not call paid by then is declined. A CONFIRM of a payment
 * whose outcome is known meanwhile only asks.
 *
 * Whoever takes a row writes a lease into it that nobody ever had, and an outcome
 * counts only while it is there: a slow caller whose row was taken by another, was
 * given to another operation or was removed and put anew brings nothing, since whoever
 * has the row now looks into the book, too. A wish that arrives while a call is under
 * way raises the row's version: the row then stays, and is worked off again at once. Where the
 * ledger is away when an outcome comes, the caller keeps it for RECORD_MS.
 *
 * Threads: PAYMENT_CALLERS workers, nobody else calls the provider.
 */
#include "payment/payment.h"

#include <stdio.h>
#include <string.h>

#include "core/backoff.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "payment_sql.h"

#define ORIGIN "payment"
#define PAUSE_FIRST_MS 200
#define PAUSE_MAX_MS 30000
#define PRE_REGISTER_ATTEMPTS 8
#define KEY_LIFE_MS INT64_C(9000000) /* the provider keeps keys for three hours */
#define AWAIT_MS 120000              /* how far a book may be behind what we were told */
#define FLIGHT_TIMEOUTS 4            /* that we wait for an answer; a call lives no longer */
#define RECORD_MS 10000              /* how long an outcome waits for a ledger that is away */
#define RECORD_PAUSE_MS 1000

struct call {
    char payment[TQ_ID_SIZE];
    char operation[PAYMENT_WORD_SIZE];
    int64_t attempts;
    int64_t since_ms;
    int64_t version;
    int64_t await_ms; /* until then the book is expected to show money; 0: it is not */
    int64_t now_ms;   /* when it was taken */
    uint32_t lease_ms;
    char lease[TQ_ID_SIZE];
};

/* What a call has come to. */
struct outcome {
    const char *event; /* for the saga; NULL: none */
    int is_again;      /* the call is to be made again after a pause */
    struct charge_input input;
    char reason[PAYMENT_WORD_SIZE];
};

/* ---- the list ---- */

int call_put(tq_tx *tx, const char *payment, const char *operation, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(payment), tq_text(operation),
                                      tq_int(tq_tx_now_ms(tx))};
    return tq_tx_write(tx, PAYMENT_call_put, params, 3, 1, NULL, err);
}

static int nudge(tq_tx *tx, const char *payment, const char *operation, int64_t await_ms,
                 struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(payment), tq_text(operation),
                                      tq_int(tq_tx_now_ms(tx)), tq_int(await_ms)};
    return tq_tx_write(tx, PAYMENT_call_nudge, params, 4, 1, NULL, err);
}

int call_nudge(tq_tx *tx, const char *payment, const char *operation, struct tq_error *err)
{
    return nudge(tx, payment, operation, 0, err);
}

int call_await(tq_tx *tx, const char *payment, struct tq_error *err)
{
    return nudge(tx, payment, "ASK", tq_tx_now_ms(tx) + AWAIT_MS, err);
}

static int all_due(tq_tx *tx, void *arg, struct tq_error *err)
{
    (void)arg;
    return tq_tx_exec(tx, PAYMENT_calls_all_due, NULL, 0, NULL, NULL, err);
}

int calls_restore(struct payments *service, struct tq_error *err)
{
    return tq_ledger_run(service->ledger, all_due, NULL, err);
}

void calls_wake(struct payments *service)
{
    uint32_t turn = __atomic_fetch_add(&service->next_caller, 1, __ATOMIC_RELAXED);
    app_worker_wake(service->callers[turn % PAYMENT_CALLERS]);
}

static int taken_row(void *arg, const struct tq_value *columns, size_t count)
{
    struct call *call = arg;
    (void)count;
    snprintf(call->payment, sizeof call->payment, "%s", (const char *)columns[0].data);
    snprintf(call->operation, sizeof call->operation, "%s", (const char *)columns[1].data);
    call->attempts = columns[2].integer;
    call->since_ms = columns[3].integer;
    call->version = columns[4].integer;
    call->await_ms = columns[5].integer;
    return 0;
}

static int take(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct call *call = arg;
    call->now_ms = tq_tx_now_ms(tx);
    call->payment[0] = '\0';
    const int64_t far_ms = 2 * (int64_t)call->lease_ms + PAUSE_MAX_MS;
    TQ_TRY(tq__uuid7(tq_tx_env(tx), call->now_ms, call->lease, err));
    const struct tq_value params[] = {tq_int(call->now_ms), tq_int(call->now_ms + call->lease_ms),
                                      tq_text(call->lease), tq_int(call->now_ms + far_ms)};
    TQ_TRY(tq_tx_exec(tx, PAYMENT_call_take, params, 4, taken_row, call, err));
    return call->payment[0] ? TQ_OK : TQ_EMPTY;
}

/* ---- making a call ---- */

static struct outcome again(const char *event)
{
    struct outcome outcome = {.event = event, .is_again = 1};
    return outcome;
}

static struct outcome declined(const char *reason)
{
    struct outcome outcome = {.event = "Declined"};
    snprintf(outcome.reason, sizeof outcome.reason, "%s", reason);
    return outcome;
}

static int is_awaited(const struct call *call)
{
    return call->now_ms < call->await_ms;
}

/* Whether the money is on record as ours, or as going back. */
static int is_taken(const struct payment *row)
{
    static const char *const phases[] = {"CAPTURED", "PAID", "REFUNDING", "REFUNDED"};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        if (strcmp(row->phase, phases[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/* What was paid. Of what we have captured already only what went back matters. */
static struct outcome by_money(struct payments *service, const struct payment *row,
                               const struct portone_book *book)
{
    struct outcome outcome = {.event = "Captured",
                              .input = {.paid = book->paid, .cancelled = book->cancelled}};
    const char *reason = book->cancelled > 0 ? "CANCELLED_BY_PROVIDER" : "AMOUNT_MISMATCH";
    int is_ours = is_taken(row)
                      ? book->cancelled == 0
                      : portone_is_whole(book) && portone_matches(&service->portone, book, row);
    if (!is_ours) {
        outcome.event = "Mismatched";
        snprintf(outcome.reason, sizeof outcome.reason, "%s", reason);
    }
    return outcome;
}

/* What the provider's book says of a payment; `when_open`: while it is neither paid nor failed, or
   failed before it was paid, of which we were told. */
static struct outcome by_book(struct payments *service, const struct payment *row,
                              const struct call *call, const struct portone_book *book,
                              struct outcome when_open)
{
    struct outcome outcome = {.input = {.paid = book->paid, .cancelled = book->cancelled}};
    switch (book->status) {
    case PORTONE_PAID:
        return by_money(service, row, book);
    case PORTONE_FAILED:
        return is_awaited(call) ? when_open : declined(book->reason[0] ? book->reason : "DECLINED");
    case PORTONE_CANCELLED:
        if (book->cancelled < book->paid) {
            return by_money(service, row, book);
        }
        if (!is_taken(row)) {
            return declined("CANCELLED_BY_PROVIDER");
        }
        outcome.event = "Refunded"; /* what was captured went back, whoever did it */
        return outcome;
    default:
        return when_open;
    }
}

static struct outcome ask(struct payments *service, const struct payment *row,
                          const struct call *call, struct outcome when_open)
{
    struct portone_book book;
    switch (portone_get(&service->portone, row->id, &book)) {
    case PORTONE_DONE:
        return by_book(service, row, call, &book, when_open);
    case PORTONE_NO:
        return when_open;
    default:
        return again(NULL);
    }
}

/* Of a confirmation that was begun before. No outcome: it may be repeated. */
static struct outcome look_up(struct payments *service, const struct payment *row,
                              const struct call *call)
{
    const struct outcome repeat = {.event = NULL};
    int is_key_alive = call->now_ms < call->since_ms + KEY_LIFE_MS;
    if (is_awaited(call)) {
        return ask(service, row, call, again("Unsure"));
    }
    return ask(service, row, call, is_key_alive ? repeat : declined("UNRESOLVED"));
}

static struct outcome confirm(struct payments *service, const struct payment *row,
                              struct call *call)
{
    struct outcome unsure = again("Unsure");
    struct outcome when_open = unsure;
    char reason[PAYMENT_WORD_SIZE] = "DECLINED";
    int is_first = call->attempts == 1;
    int is_alone = is_first || call->now_ms >= call->since_ms + call->lease_ms;
    if (!is_first) {
        struct outcome before = look_up(service, row, call);
        if (before.event || before.is_again) {
            return before;
        }
    }
    switch (portone_confirm(&service->portone, row, reason)) {
    case PORTONE_DONE:
        call->await_ms = call->now_ms + AWAIT_MS;
        break;
    case PORTONE_NO:
        when_open = is_alone ? declined(reason) : unsure;
        break;
    default:
        break;
    }
    struct outcome result = ask(service, row, call, when_open);
    return result.is_again ? unsure : result;
}

/* Whether all that was paid is back; the row gets what the book says. */
static struct outcome by_refund(struct payments *service, struct payment *row)
{
    struct outcome outcome = again(NULL);
    struct portone_book book;
    if (portone_get(&service->portone, row->id, &book) != PORTONE_DONE ||
        !portone_has_money(&book)) {
        return outcome;
    }
    row->paid = book.paid;
    row->cancelled = book.cancelled;
    if (book.status == PORTONE_CANCELLED && book.cancelled >= book.paid) {
        outcome.event = "Refunded";
        outcome.is_again = 0;
        outcome.input.paid = book.paid;
        outcome.input.cancelled = book.cancelled;
    }
    return outcome;
}

/* Asks for what is left by the book: some of it may have gone back without us. */
static struct outcome cancel(struct payments *service, struct payment *row, const struct call *call)
{
    if (call->attempts > 1) {
        struct outcome before = by_refund(service, row);
        if (before.event) {
            return before;
        }
    }
    portone_cancel(&service->portone, row);
    return by_refund(service, row);
}

static struct outcome pre_register(struct payments *service, const struct payment *row,
                                   const struct call *call)
{
    struct outcome outcome = {.event = NULL};
    outcome.is_again = portone_pre_register(&service->portone, row) == PORTONE_UNSURE &&
                       call->attempts < PRE_REGISTER_ATTEMPTS;
    return outcome;
}

static int is_undecided(const struct payment *row)
{
    return strcmp(row->phase, "CONFIRMING") == 0 || strcmp(row->phase, "UNKNOWN") == 0;
}

static struct outcome make(struct payments *service, struct payment *row, struct call *call)
{
    const struct outcome nothing = {.event = NULL};
    if (strcmp(call->operation, "PRE_REGISTER") == 0) {
        return pre_register(service, row, call);
    }
    if (strcmp(call->operation, "CANCEL") == 0) {
        return cancel(service, row, call);
    }
    return strcmp(call->operation, "CONFIRM") == 0 && is_undecided(row)
               ? confirm(service, row, call)
               : ask(service, row, call, nothing);
}

/* ---- bringing the outcome ---- */

struct completion {
    struct payments *service;
    const struct call *call;
    struct outcome *outcome;
};

/* Give the row up, due at once. TQ_OK, or TQ_STALE: somebody else has it, or it is gone. */
static int release(tq_tx *tx, const struct call *call, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(call->payment), tq_text(call->lease),
                                      tq_int(tq_tx_now_ms(tx))};
    uint32_t changed = 0;
    TQ_TRY(tq_tx_write(tx, PAYMENT_call_release, params, 3, 1, &changed, err));
    return changed ? TQ_OK : TQ_STALE;
}

/* The three below leave alone what was wished for meanwhile: it is due at once. */

static int put_off(tq_tx *tx, const struct call *call, struct tq_error *err)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, (uint32_t)call->attempts - 1};
    int64_t due_ms = tq_tx_now_ms(tx) + tq__backoff_next(&backoff, tq_tx_env(tx));
    const struct tq_value params[] = {tq_text(call->payment), tq_int(call->version), tq_int(due_ms),
                                      tq_int(call->await_ms)};
    return tq_tx_write(tx, PAYMENT_call_again, params, 4, 1, NULL, err);
}

static int remove_call(tq_tx *tx, const struct call *call, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(call->payment), tq_int(call->version)};
    return tq_tx_write(tx, PAYMENT_call_done, params, 2, 1, NULL, err);
}

/* The payment has moved: what we were told of it meanwhile is no news, and asked for once. */
static int remove_awaited(tq_tx *tx, const struct call *call, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(call->payment)};
    TQ_TRY(remove_call(tx, call, err));
    return tq_tx_write(tx, PAYMENT_call_heard, params, 1, 1, NULL, err);
}

static int complete(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct completion *completion = arg;
    const struct call *call = completion->call;
    struct outcome *outcome = completion->outcome;
    int has_moved = 0;
    int rc = release(tx, call, err);
    if (rc != TQ_OK) {
        return rc;
    }
    if (outcome->event) {
        outcome->input.reason = outcome->reason[0] ? outcome->reason : NULL;
        rc = charge_apply(tx, completion->service, call->payment, outcome->event, &outcome->input,
                          err);
        TQ_TRY(rc);
        has_moved = rc == TQ_OK;
    }
    if (outcome->is_again || (!has_moved && is_awaited(call))) {
        return put_off(tx, call, err);
    }
    return has_moved ? remove_awaited(tx, call, err) : remove_call(tx, call, err);
}

struct reading {
    const char *id;
    struct payment *row;
};

static int read_row(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct reading *reading = arg;
    return payment_row_get(tx, reading->id, reading->row, err);
}

/*
 * An outcome that is forgotten is asked for again only when its lease is over. A repetition
 * of what was applied after all is STALE.
 */
static int record(struct payments *service, struct completion *completion, struct tq_error *err)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, RECORD_PAUSE_MS, 0};
    uint32_t left_ms = RECORD_MS;
    int rc, is_away;
    do {
        int64_t begun_ms = tq__now_ms(&service->env);
        rc = tq_ledger_run(service->ledger, complete, completion, err);
        is_away = rc == TQ_E_UNAVAILABLE || rc == TQ_E_UNKNOWN || rc == TQ_E_BUSY;
        tq__backoff_count(begun_ms, &service->env, &left_ms);
    } while (is_away && tq__backoff_wait(&backoff, &service->env, &left_ms));
    return rc < 0 ? rc : TQ_OK;
}

int calls_step(void *arg, struct tq_error *err)
{
    struct payments *service = arg;
    struct call call = {.lease_ms = FLIGHT_TIMEOUTS * service->portone.timeout_ms};
    struct payment row;
    struct reading reading = {call.payment, &row};
    struct outcome outcome = {.event = NULL};
    struct completion completion = {service, &call, &outcome};
    int rc = tq_ledger_run(service->ledger, take, &call, err);
    if (rc != TQ_OK) {
        return rc;
    }
    rc = tq_ledger_read(service->ledger, read_row, &reading, err);
    TQ_TRY(rc);
    if (rc == TQ_OK) {
        outcome = make(service, &row, &call);
    }
    return record(service, &completion, err);
}
