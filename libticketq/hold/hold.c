/* SPDX-License-Identifier: MIT */
/*
 * The verbs of a book, each in a transaction of its own where there is a ledger.
 *
 *   acquire   claim on the front -> record in the ledger -> give back on the front
 *             what the ledger refused -> (wait, and again)
 *   others    change in the ledger -> tell the front; or change on the front alone
 *   sweep     end in the ledger -> tell the front -> visit -> let the front end the
 *             claims that were never recorded
 *
 * tq_ledger_run() merges the transactions of callers that come at the same time.
 * A body may run more than once, so it begins from what the caller handed in. A
 * record whose outcome is unknown is left on the front: the same request key
 * finds out, or time frees it. Threads: [any].
 */
#include "hold/book.h"

#include <string.h>

#include "core/args.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "hold"

struct record_job {
    tq_book *book;
    const struct tq_hold_request *requests;
    size_t count;
    const struct tq_hold *claims;
    struct tq_hold *holds;
};

static int record_body(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct record_job *job = arg;
    memcpy(job->holds, job->claims, job->count * sizeof *job->holds);
    return tq__record(tx, job->book, job->requests, job->count, job->holds, err);
}

/* The ledger failed: nothing of this call may stay on the front, unless it may be in the ledger. */
static void withdraw(tq_book *book, const struct tq_hold *claims, size_t count, int rc)
{
    if (rc != TQ_E_UNKNOWN) {
        tq__front_unclaim(book, claims, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        tq__book_doubt(book, claims[i].schedule);
    }
}

/* The ledger did not take the claim over: refused, or its key has a hold already. */
static int is_refused(const struct tq_hold *claim, const struct tq_hold *hold)
{
    return tq__is_granted(claim) && (!tq__is_granted(hold) || strcmp(claim->id, hold->id) != 0);
}

/*
 * Gives back what the ledger refused, after the front has learnt why: it would
 * grant it to the next. TQ_STALE when there was something, else TQ_OK.
 */
static int reconcile(tq_book *book, const struct tq_hold *claims, size_t count,
                     struct tq_hold *holds)
{
    size_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_refused(&claims[i], &holds[i])) {
            tq__book_doubt(book, claims[i].schedule);
            refused++;
        }
    }
    tq__book_settle_doubts(book);
    for (size_t i = 0; refused && i < count; i++) {
        if (is_refused(&claims[i], &holds[i])) {
            tq__front_give_up(book, &claims[i]);
            if (holds[i].status != TQ_REPEAT && strcmp(claims[i].id, holds[i].id) == 0) {
                holds[i].id[0] = '\0'; /* not that of an earlier hold, and now nobody's */
                holds[i].fence = 0;
            }
        }
    }
    return refused && book->front ? TQ_STALE : TQ_OK;
}

static int record_claims(tq_book *book, const struct tq_hold_request *requests, size_t count,
                         struct tq_hold *holds, struct tq_error *err)
{
    size_t granted = 0;
    for (size_t i = 0; i < count; i++) {
        granted += (size_t)tq__is_granted(&holds[i]);
    }
    if (!granted) {
        return TQ_OK;
    }
    struct tq_hold *claims = tq__alloc(&book->env, count, sizeof *claims);
    if (!claims) {
        tq__front_unclaim(book, holds, count);
        return tq__nomem(ORIGIN, err);
    }
    memcpy(claims, holds, count * sizeof *claims);
    struct record_job job = {book, requests, count, claims, holds};
    int rc = tq_ledger_run(book->ledger, record_body, &job, err);
    if (rc < 0) {
        withdraw(book, claims, count, rc);
    } else {
        rc = reconcile(book, claims, count, holds);
    }
    tq__release(&book->env, claims);
    return rc;
}

/* One attempt at all requests. TQ_OK, or TQ_STALE as tq__wait_try_fn says. */
static int acquire(tq_book *book, const struct tq_hold_request *requests, size_t count,
                   struct tq_hold *out_holds, struct tq_error *err)
{
    struct tq_hold *holds = tq__alloc(&book->env, count, sizeof *holds);
    if (!holds) {
        return tq__nomem(ORIGIN, err);
    }
    int rc = tq__front_claim(book, requests, count, holds, err);
    if (rc == TQ_OK && book->ledger) {
        rc = record_claims(book, requests, count, holds, err);
    }
    if (rc >= 0) {
        memcpy(out_holds, holds, count * sizeof *holds);
    }
    tq__release(&book->env, holds);
    return rc;
}

static int try_once(tq_book *book, const struct tq_hold_request *request, struct tq_hold *hold,
                    struct tq_error *err)
{
    return acquire(book, request, 1, hold, err);
}

int tq_hold_acquire(tq_book *book, const struct tq_hold_request *requests, size_t count,
                    struct tq_hold *out_holds, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, book));
    TQ_TRY(tq__check_requests(requests, count, out_holds, err));
    if (requests[0].wait_ms > 0 && tq__can_park(&book->env)) {
        return tq__wait(book, requests, try_once, out_holds, err);
    }
    int rc = acquire(book, requests, count, out_holds, err);
    return rc < 0 ? rc : TQ_OK;
}

struct change_job {
    tq_book *book;
    uint32_t verb;
    const struct tq_hold_ref *refs;
    size_t count;
    struct tq_hold_result *results;
};

static int change_body(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct change_job *job = arg;
    return tq__sql_hold_change(tx, &job->book->rules, job->verb, job->refs, job->count,
                               job->results, err);
}

/* What the front has to hear, by what the ledger said; 0: nothing. */
static uint32_t verb_to_tell(uint32_t verb, int status)
{
    switch (status) {
    case TQ_OK:
    case TQ_REPEAT:
        return verb;
    case TQ_EXPIRED:
        return TQ_HOLD_EXPIRE;
    case TQ_RELEASED:
        return TQ_HOLD_RELEASE;
    case TQ_SETTLED:
        return TQ_HOLD_SETTLE;
    default:
        return 0;
    }
}

/* Tells of the changes, those of one verb together. */
static void tell(const struct change_job *job)
{
    struct tq_hold_ref *refs = tq__alloc(&job->book->env, job->count, sizeof *refs);
    for (size_t i = 0; !refs && i < job->count; i++) {
        tq__book_doubt(job->book, job->refs[i].schedule);
    }
    for (uint32_t verb = TQ_HOLD_PIN; refs && verb <= TQ_HOLD_GIVE_BACK; verb++) {
        size_t count = 0;
        for (size_t i = 0; i < job->count; i++) {
            if (verb_to_tell(job->verb, job->results[i].status) == verb) {
                refs[count] = job->refs[i];
                refs[count++].fence = job->results[i].fence;
            }
        }
        if (count) {
            tq__front_tell(job->book, verb, refs, count, NULL);
        }
    }
    tq__release(&job->book->env, refs);
}

static void wake_waiters(const struct change_job *job)
{
    int is_freeing = job->verb == TQ_HOLD_RELEASE || job->verb == TQ_HOLD_GIVE_BACK;
    for (size_t i = 0; i < job->count; i++) {
        if (job->results[i].status == TQ_EXPIRED ||
            (is_freeing && job->results[i].status == TQ_OK)) {
            tq__waiters_freed(job->book, job->refs[i].schedule);
        }
    }
}

static int run_change(struct change_job *job, struct tq_error *err)
{
    tq_book *book = job->book;
    if (!book->ledger) {
        return tq__front_change(book, job->verb, 0, job->refs, job->count, job->results, err);
    }
    int rc = tq_ledger_run(book->ledger, change_body, job, err);
    if (rc == TQ_OK && book->front) {
        tell(job);
    } else if (rc == TQ_OK) {
        wake_waiters(job);
    }
    for (size_t i = 0; rc == TQ_E_UNKNOWN && i < job->count; i++) {
        tq__book_doubt(book, job->refs[i].schedule); /* who asks again may never come */
    }
    return rc;
}

static int change(tq_book *book, uint32_t verb, const struct tq_hold_ref *refs, size_t count,
                  struct tq_hold_result *out_results, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, book));
    TQ_TRY(tq__check_refs(refs, count, 1, err));
    TQ_TRY(tq__check_results(out_results, count, err));
    struct tq_hold_result *results = tq__alloc(&book->env, count, sizeof *results);
    if (!results) {
        return tq__nomem(ORIGIN, err);
    }
    memcpy(results, out_results, count * sizeof *results);
    struct change_job job = {book, verb, refs, count, results};
    int rc = run_change(&job, err);
    if (rc == TQ_OK) {
        memcpy(out_results, results, count * sizeof *results);
    }
    tq__release(&book->env, results);
    return rc;
}

int tq_hold_extend(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                   struct tq_hold_result *out_results, struct tq_error *err)
{
    return change(book, TQ_HOLD_EXTEND, refs, count, out_results, err);
}

int tq_hold_pin(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                struct tq_hold_result *out_results, struct tq_error *err)
{
    return change(book, TQ_HOLD_PIN, refs, count, out_results, err);
}

int tq_hold_settle(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                   struct tq_hold_result *out_results, struct tq_error *err)
{
    return change(book, TQ_HOLD_SETTLE, refs, count, out_results, err);
}

int tq_hold_release(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                    struct tq_hold_result *out_results, struct tq_error *err)
{
    return change(book, TQ_HOLD_RELEASE, refs, count, out_results, err);
}

int tq_hold_give_back(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                      struct tq_hold_result *out_results, struct tq_error *err)
{
    return change(book, TQ_HOLD_GIVE_BACK, refs, count, out_results, err);
}

int tq_hold_retake(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                   struct tq_hold_result *out_results, struct tq_error *err)
{
    return change(book, TQ_HOLD_RETAKE, refs, count, out_results, err);
}
