/* SPDX-License-Identifier: MIT */
/*
 * The verbs for hosts that bring a transaction of their own: claim on the front,
 * record in the transaction, reflect to the front after the commit. What runs
 * inside the transaction touches the ledger only, so that it can be run again.
 *
 * A hold has a timer on the front, by its clock, and one in the ledger, by that one's.
 * The two clocks are never compared, since they may be far apart: the ledger counts
 * what is left of the time since the claim, which the host has watched, so that
 * whatever the clocks say the front is not the first to end the hold.
 * Threads: [any]; a transaction belongs to its caller.
 */
#include "hold/book.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "hold"

static int needs_ledger(const tq_tx *tx, const tq_book *book, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, tx, book));
    return book->ledger ? TQ_OK
                        : tq__fail(err, TQ_E_UNSUPPORTED, ORIGIN, "this book has no ledger");
}

int tq_hold_claim(tq_book *book, const struct tq_hold_request *requests, size_t count,
                  struct tq_hold *out_holds, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, book));
    TQ_TRY(tq__check_requests(requests, count, out_holds, err));
    struct tq_hold *holds = tq__alloc(&book->env, count, sizeof *holds);
    if (!holds) {
        return tq__nomem(ORIGIN, err);
    }
    int rc = tq__front_claim(book, requests, count, holds, err);
    if (rc == TQ_OK) {
        memcpy(out_holds, holds, count * sizeof *holds);
    }
    tq__release(&book->env, holds);
    return rc;
}

/* What is left of the claim's time; 0: too late. Of one that was there before, nobody knows. */
static uint32_t time_left(const tq_book *book, const struct tq_hold_request *request,
                          const struct tq_hold *claim)
{
    uint32_t ttl_ms = tq__hold_ttl(book, request);
    int is_timed = claim->status == TQ_OK && claim->expires_ms;
    int64_t claimed_ms = is_timed ? tq__uuid7_ms(claim->id) : -1;
    int64_t spent_ms = claimed_ms < 0 ? 0 : tq__now_ms(&book->env) - claimed_ms;
    if (spent_ms >= ttl_ms) {
        return 0;
    }
    return spent_ms < 0 ? ttl_ms : ttl_ms - (uint32_t)spent_ms;
}

int tq__record(tq_tx *tx, tq_book *book, const struct tq_hold_request *requests, size_t count,
               struct tq_hold *holds, struct tq_error *err)
{
    struct tq_hold_request *resolved = tq__alloc(&book->env, count, sizeof *resolved);
    if (!resolved) {
        return tq__nomem(ORIGIN, err);
    }
    for (size_t i = 0; i < count; i++) {
        resolved[i] = requests[i];
        resolved[i].ttl_ms = time_left(book, &requests[i], &holds[i]);
    }
    int rc = tq__sql_hold_record(tx, &book->rules, resolved, count, holds, err);
    tq__release(&book->env, resolved);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        if (holds[i].status == TQ_TAKEN) {
            tq__book_doubt(book, requests[i].schedule);
        }
    }
    return rc;
}

int tq_hold_record(tq_tx *tx, tq_book *book, const struct tq_hold_request *requests, size_t count,
                   struct tq_hold *holds, struct tq_error *err)
{
    TQ_TRY(needs_ledger(tx, book, err));
    TQ_TRY(tq__check_requests(requests, count, holds, err));
    return tq__record(tx, book, requests, count, holds, err);
}

static int record_change(tq_tx *tx, tq_book *book, uint32_t verb, const struct tq_hold_ref *refs,
                         size_t count, struct tq_hold_result *out_results, struct tq_error *err)
{
    TQ_TRY(needs_ledger(tx, book, err));
    TQ_TRY(tq__check_refs(refs, count, 1, err));
    TQ_TRY(tq__check_results(out_results, count, err));
    return tq__sql_hold_change(tx, &book->rules, verb, refs, count, out_results, err);
}

int tq_hold_record_extend(tq_tx *tx, tq_book *book, const struct tq_hold_ref *refs, size_t count,
                          struct tq_hold_result *out_results, struct tq_error *err)
{
    return record_change(tx, book, TQ_HOLD_EXTEND, refs, count, out_results, err);
}

int tq_hold_record_pin(tq_tx *tx, tq_book *book, const struct tq_hold_ref *refs, size_t count,
                       struct tq_hold_result *out_results, struct tq_error *err)
{
    return record_change(tx, book, TQ_HOLD_PIN, refs, count, out_results, err);
}

int tq_hold_record_settle(tq_tx *tx, tq_book *book, const struct tq_hold_ref *refs, size_t count,
                          struct tq_hold_result *out_results, struct tq_error *err)
{
    return record_change(tx, book, TQ_HOLD_SETTLE, refs, count, out_results, err);
}

int tq_hold_record_free(tq_tx *tx, tq_book *book, const struct tq_hold_ref *refs, size_t count,
                        struct tq_hold_result *out_results, struct tq_error *err)
{
    return record_change(tx, book, TQ_HOLD_RELEASE, refs, count, out_results, err);
}

int tq_hold_record_give_back(tq_tx *tx, tq_book *book, const struct tq_hold_ref *refs, size_t count,
                             struct tq_hold_result *out_results, struct tq_error *err)
{
    return record_change(tx, book, TQ_HOLD_GIVE_BACK, refs, count, out_results, err);
}

int tq_hold_record_retake(tq_tx *tx, tq_book *book, const struct tq_hold_ref *refs, size_t count,
                          struct tq_hold_result *out_results, struct tq_error *err)
{
    return record_change(tx, book, TQ_HOLD_RETAKE, refs, count, out_results, err);
}

int tq_hold_record_sweep(tq_tx *tx, tq_book *book, size_t limit, tq_hold_row_fn *visit, void *arg,
                         struct tq_error *err)
{
    TQ_TRY(needs_ledger(tx, book, err));
    TQ_TRY(tq__args_count(limit, TQ_BATCH_MAX, "limit", ORIGIN, err));
    struct tq__hold_rows rows = {.env = &book->env};
    int rc = tq__sql_hold_sweep(tx, limit, &rows, err);
    for (size_t i = 0; rc == TQ_OK && visit && i < rows.count; i++) {
        rc = visit(arg, &rows.rows[i]);
    }
    rc = rc == TQ_OK && rows.count == 0 ? TQ_EMPTY : rc;
    tq__hold_rows_done(&rows);
    return rc;
}

int tq_hold_read(tq_tx *tx, tq_book *book, const struct tq_hold_ref *ref, tq_hold_row_fn *visit,
                 void *arg, struct tq_error *err)
{
    struct tq__hold_record record;
    struct tq_hold_row row;
    TQ_TRY(needs_ledger(tx, book, err));
    TQ_TRY(tq__check_refs(ref, 1, 0, err));
    int rc = tq__sql_hold_by_id(tx, ref->schedule, ref->id, &record, err);
    if (rc != TQ_OK) {
        return rc;
    }
    tq__hold_record_show(&record, &row);
    return visit ? visit(arg, &row) : TQ_OK;
}

int tq_hold_reflect(tq_book *book, uint32_t verb, const struct tq_hold_ref *refs, size_t count,
                    struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, book));
    TQ_TRY(tq__check_refs(refs, count, 1, err));
    if (verb < TQ_HOLD_PIN || verb > TQ_HOLD_WITHDRAW) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "there is no verb %u", verb);
    }
    if (book->front) {
        return tq__front_tell(book, verb, refs, count, err);
    }
    for (size_t i = 0; i < count; i++) {
        tq__waiters_freed(book, refs[i].schedule);
    }
    return TQ_OK;
}
