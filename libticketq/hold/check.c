/* SPDX-License-Identifier: MIT */
/*
 * Checks what callers hand in, once, before anything is done: sizes, ids, limits.
 * What passes here needs no further check in a store. Threads: [pure].
 */
#include "hold/book.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/error.h"

#define ORIGIN "hold"

static int check_size(size_t size, size_t expected, const char *what, struct tq_error *err)
{
    return size == expected ? TQ_OK
                            : tq__fail(err, TQ_E_ABI, ORIGIN, "%s has size %zu, expected %zu", what,
                                       size, expected);
}

static int check_seats(const char *const *seats, size_t count, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        TQ_TRY(tq__id_check(seats[i], "seat", ORIGIN, err));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(seats[i], seats[j]) == 0) {
                return tq__fail(err, TQ_E_INVALID, ORIGIN, "seat %s stands twice", seats[i]);
            }
        }
    }
    return TQ_OK;
}

static int check_request(const struct tq_hold_request *request, size_t count, struct tq_error *err)
{
    TQ_TRY(check_size(request->size, sizeof *request, "requests", err));
    TQ_TRY(tq__id_check(request->schedule, "schedule", ORIGIN, err));
    TQ_TRY(tq__id_check(request->holder, "holder", ORIGIN, err));
    TQ_TRY(tq__id_check(request->request_key, "request_key", ORIGIN, err));
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, request->seats));
    TQ_TRY(tq__args_count(request->seats_count, TQ_HOLD_SEATS_MAX, "seats_count", ORIGIN, err));
    if (request->ttl_ms &&
        (request->ttl_ms < TQ_HOLD_TTL_MIN_MS || request->ttl_ms > TQ_HOLD_TTL_MAX_MS)) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "ttl_ms is %u, expected %d to %d", request->ttl_ms,
                        TQ_HOLD_TTL_MIN_MS, TQ_HOLD_TTL_MAX_MS);
    }
    if (request->wait_ms && count > 1) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "only a single request can wait");
    }
    return check_seats(request->seats, request->seats_count, err);
}

int tq__check_requests(const struct tq_hold_request *requests, size_t count,
                       const struct tq_hold *out_holds, struct tq_error *err)
{
    TQ_TRY(tq__args_count(count, TQ_BATCH_MAX, "count", ORIGIN, err));
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, requests, out_holds));
    for (size_t i = 0; i < count; i++) {
        TQ_TRY(check_request(&requests[i], count, err));
        TQ_TRY(check_size(out_holds[i].size, sizeof *out_holds, "out_holds", err));
    }
    return TQ_OK;
}

int tq__check_seats(const struct tq_env *env, const char *const *seats, size_t count,
                    struct tq_error *err)
{
    struct tq__map seen;
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, seats));
    TQ_TRY(tq__args_count(count, TQ_SCHEDULE_SEATS_MAX, "seats_count", ORIGIN, err));
    TQ_TRY(tq__map_init(&seen, env, err));
    int rc = tq__map_reserve(&seen, count, err);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        rc = tq__id_check(seats[i], "seat", ORIGIN, err);
        if (rc == TQ_OK && tq__map_get(&seen, seats[i])) {
            rc = tq__fail(err, TQ_E_INVALID, ORIGIN, "seat %s stands twice", seats[i]);
        }
        rc = rc == TQ_OK ? tq__map_put(&seen, seats[i], &seen, err) : rc;
    }
    tq__map_done(&seen);
    return rc;
}

int tq__check_refs(const struct tq_hold_ref *refs, size_t count, int needs_fence,
                   struct tq_error *err)
{
    TQ_TRY(tq__args_count(count, TQ_BATCH_MAX, "count", ORIGIN, err));
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, refs));
    for (size_t i = 0; i < count; i++) {
        const struct tq_hold_ref *ref = &refs[i];
        TQ_TRY(check_size(ref->size, sizeof *ref, "refs", err));
        TQ_TRY(tq__id_check(ref->schedule, "schedule", ORIGIN, err));
        TQ_TRY(tq__id_check(ref->id, "id", ORIGIN, err));
        TQ_TRY(needs_fence ? tq__id_check(ref->holder, "holder", ORIGIN, err) : TQ_OK);
        if (needs_fence && (ref->fence < 1 || ref->fence > INT64_MAX)) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN, "a fence is at least 1 and below 2^63");
        }
        if (ref->extend_ms &&
            (ref->extend_ms < TQ_HOLD_TTL_MIN_MS || ref->extend_ms > TQ_HOLD_TTL_MAX_MS)) {
            return tq__fail(err, TQ_E_LIMIT, ORIGIN, "extend_ms is %u, expected %d to %d",
                            ref->extend_ms, TQ_HOLD_TTL_MIN_MS, TQ_HOLD_TTL_MAX_MS);
        }
    }
    return TQ_OK;
}

int tq__check_results(const struct tq_hold_result *out_results, size_t count, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, out_results));
    for (size_t i = 0; i < count; i++) {
        TQ_TRY(check_size(out_results[i].size, sizeof *out_results, "out_results", err));
    }
    return TQ_OK;
}

uint32_t tq__hold_ttl(const tq_book *book, const struct tq_hold_request *request)
{
    uint32_t ttl_ms = request->ttl_ms ? request->ttl_ms : TQ_HOLD_TTL_DEFAULT_MS;
    return ttl_ms < book->rules.life_max_ms ? ttl_ms : book->rules.life_max_ms;
}

int tq__is_granted(const struct tq_hold *hold)
{
    return hold->status == TQ_OK || hold->status == TQ_REPEAT;
}
