/* SPDX-License-Identifier: MIT */
/*
 * The verbs of a book.
 *
 *   acquire   check -> claim on the front -> (wait and claim again)
 *
 * Threads: [any].
 */
#include "hold/book.h"

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

static int try_once(tq_book *book, const struct tq_hold_request *request, struct tq_hold *hold,
                    struct tq_error *err)
{
    return tq__front_claim(book, request, 1, hold, err);
}

int tq_hold_acquire(tq_book *book, const struct tq_hold_request *requests, size_t count,
                    struct tq_hold *out_holds, struct tq_error *err)
{
    TQ_TRY(tq__check_requests(requests, count, out_holds, err));
    if (requests[0].wait_ms > 0 && tq__can_park(&book->env)) {
        return tq__wait(book, requests, try_once, out_holds, err);
    }
    return tq__front_claim(book, requests, count, out_holds, err);
}

static int change(tq_book *book, uint32_t verb, const struct tq_hold_ref *refs, size_t count,
                  struct tq_hold_result *out_results, struct tq_error *err)
{
    TQ_TRY(tq__check_refs(refs, count, 1, err));
    TQ_TRY(tq__check_results(out_results, count, err));
    return tq__front_change(book, verb, 0, refs, count, out_results, err);
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

int tq_hold_sweep(tq_book *book, size_t limit, tq_hold_row_fn *visit, void *arg,
                  uint32_t *out_next_ms, struct tq_error *err)
{
    uint32_t next_ms = UINT32_MAX;
    if (limit < 1 || limit > TQ_BATCH_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "hold", "limit is %zu, expected 1 to %d", limit,
                        TQ_BATCH_MAX);
    }
    int rc = book->driver->sweep(book->state, limit, visit, arg, &next_ms, err);
    if (rc >= 0 && out_next_ms) {
        *out_next_ms = next_ms;
    }
    return rc;
}
