/* SPDX-License-Identifier: MIT */
/*
 * Ends holds whose time ran out: in the ledger where there is one, then on the
 * front, which also has claims that were never recorded. Bounded by the caller's
 * limit; the stores keep an agenda, so nothing is scanned. Threads: [any].
 */
#include "hold/book.h"

#include "core/args.h"
#include "core/env.h"
#include "core/error.h"

struct sweep_job {
    size_t limit;
    struct tq__hold_rows rows;
    uint32_t next_ms;
};

static int sweep_body(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct sweep_job *job = arg;
    tq__hold_rows_done(&job->rows);
    TQ_TRY(tq__sql_hold_sweep(tx, job->limit, &job->rows, err));
    return tq__sql_hold_next(tx, &job->next_ms, err);
}

static void tell_front(tq_book *book, const struct tq__hold_rows *rows)
{
    struct tq_hold_ref *refs = tq__alloc(&book->env, rows->count, sizeof *refs);
    for (size_t i = 0; i < rows->count; i++) {
        const struct tq_hold_row *row = &rows->rows[i];
        if (refs) {
            refs[i] = (struct tq_hold_ref){.size = sizeof refs[i],
                                           .schedule = row->schedule,
                                           .id = row->id,
                                           .holder = row->holder,
                                           .fence = row->fence};
        } else {
            tq__book_doubt(book, row->schedule);
        }
    }
    if (refs && rows->count) {
        tq__front_tell(book, TQ_HOLD_EXPIRE, refs, rows->count, NULL);
    }
    tq__release(&book->env, refs);
}

static int sweep_ledger(tq_book *book, struct sweep_job *job, tq_hold_row_fn *visit, void *arg,
                        struct tq_error *err)
{
    TQ_TRY(tq_ledger_run(book->ledger, sweep_body, job, err));
    if (book->front) {
        tell_front(book, &job->rows);
    }
    for (size_t i = 0; !book->front && i < job->rows.count; i++) {
        tq__waiters_freed(book, job->rows.rows[i].schedule);
    }
    for (size_t i = 0; visit && i < job->rows.count; i++) {
        int rc = visit(arg, &job->rows.rows[i]);
        if (rc) {
            return rc;
        }
    }
    return job->rows.count ? TQ_OK : TQ_EMPTY;
}

/*
 * With both, what the front ends by itself is in no ledger: there is nothing to
 * visit, and a front that fails is no failure of the sweep.
 */
static int sweep_both(tq_book *book, struct sweep_job *job, tq_hold_row_fn *visit, void *arg,
                      struct tq_error *err)
{
    uint32_t next_ms = UINT32_MAX;
    int rc = sweep_ledger(book, job, visit, arg, err);
    if (rc == TQ_OK || rc == TQ_EMPTY) {
        int is_swept = book->driver->sweep(book->state, job->limit, NULL, NULL, &next_ms, NULL);
        job->next_ms = is_swept >= 0 && next_ms < job->next_ms ? next_ms : job->next_ms;
    }
    return rc;
}

int tq_hold_sweep(tq_book *book, size_t limit, tq_hold_row_fn *visit, void *arg,
                  uint32_t *out_next_ms, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE("hold", err, book));
    struct sweep_job job = {.limit = limit, .rows = {.env = &book->env}, .next_ms = UINT32_MAX};
    int rc;
    TQ_TRY(tq__args_count(limit, TQ_BATCH_MAX, "limit", "hold", err));
    if (!book->ledger) {
        rc = book->driver->sweep(book->state, limit, visit, arg, &job.next_ms, err);
    } else if (!book->front) {
        rc = sweep_ledger(book, &job, visit, arg, err);
    } else {
        rc = sweep_both(book, &job, visit, arg, err);
    }
    tq__hold_rows_done(&job.rows);
    if (rc >= 0 && out_next_ms) {
        *out_next_ms = job.next_ms;
    }
    return rc;
}
