/* SPDX-License-Identifier: MIT */
/*
 * The front's half of every verb: resolves defaults, makes the ids of new holds,
 * and hands the whole batch to the driver in one call. A book without a front
 * grants every claim tentatively; its ledger decides.
 *
 * What the ledger has decided is told to the front. An answer that cannot be, had
 * the front known all that was told before, puts the schedule in doubt, and so
 * does a front that cannot be reached; rebuild.c settles it. Threads: [any].
 */
#include "hold/book.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

#define LOST_TRIES 3

static int prepare_holds(tq_book *book, const struct tq_hold_request *requests, size_t count,
                         struct tq_hold *holds, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct tq_hold *hold = &holds[i];
        *hold = (struct tq_hold){.size = sizeof *hold,
                                 .seats_count = (uint32_t)requests[i].seats_count};
        tq__id_copy(hold->schedule, requests[i].schedule);
        tq__id_copy(hold->holder, requests[i].holder);
        TQ_TRY(tq__uuid7(&book->env, tq__now_ms(&book->env), hold->id, err));
    }
    return TQ_OK;
}

static int claim(tq_book *book, const struct tq_hold_request *requests, size_t count,
                 struct tq_hold *holds, struct tq_error *err)
{
    TQ_TRY(prepare_holds(book, requests, count, holds, err));
    if (!book->front) {
        return TQ_OK;
    }
    char(*ids)[TQ_ID_SIZE] = tq__alloc(&book->env, count, sizeof *ids);
    struct tq_front_claim *claims = tq__alloc(&book->env, count, sizeof *claims);
    int rc = ids && claims ? TQ_OK : tq__nomem("hold", err);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        memcpy(ids[i], holds[i].id, sizeof ids[i]);
        claims[i] = (struct tq_front_claim){
            .size = sizeof claims[i],
            .schedule = requests[i].schedule,
            .holder = requests[i].holder,
            .request_key = requests[i].request_key,
            .id = ids[i],
            .seats = requests[i].seats,
            .seats_count = (uint32_t)requests[i].seats_count,
            .ttl_ms = tq__hold_ttl(book, &requests[i]),
            .seats_limit = book->rules.seats_limit,
        };
    }
    rc = rc == TQ_OK ? book->driver->claim(book->state, claims, count, holds, err) : rc;
    tq__release(&book->env, ids);
    tq__release(&book->env, claims);
    return rc;
}

static int is_lost(const struct tq_hold *hold)
{
    return hold->status == TQ_GONE && !hold->taken;
}

/* Claims again what failed because the front does not know a schedule that the ledger knows. */
static int claim_lost(tq_book *book, const struct tq_hold_request *requests, size_t count,
                      struct tq_hold *holds, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = TQ_OK;
        for (int tries = 0; rc == TQ_OK && is_lost(&holds[i]); tries++) {
            rc = tries < LOST_TRIES
                     ? tq__book_rebuild(book, requests[i].schedule, TQ__REBUILD_GONE, err)
                     : tq__fail(err, TQ_E_UNAVAILABLE, "hold",
                                "the front forgets as fast as it is told");
            rc = rc == TQ_OK ? claim(book, &requests[i], 1, &holds[i], err) : rc;
        }
        TQ_TRY(rc);
    }
    return TQ_OK;
}

int tq__front_claim(tq_book *book, const struct tq_hold_request *requests, size_t count,
                    struct tq_hold *holds, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        tq__book_notice(book, requests[i].schedule);
    }
    tq__book_settle_doubts(book);
    TQ_TRY(claim(book, requests, count, holds, err));
    if (!book->front || !book->ledger) {
        return TQ_OK;
    }
    int rc = claim_lost(book, requests, count, holds, err);
    if (rc < 0) {
        tq__front_unclaim(book, holds, count);
    }
    return rc;
}

void tq__front_give_up(tq_book *book, const struct tq_hold *claim)
{
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = claim->schedule,
                                    .id = claim->id,
                                    .holder = claim->holder,
                                    .fence = claim->fence};
    if (book->front) {
        tq__front_change(book, TQ_HOLD_WITHDRAW, 1, &ref, 1, &result, NULL);
    }
}

void tq__front_unclaim(tq_book *book, const struct tq_hold *claims, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (claims[i].status == TQ_OK) {
            tq__front_give_up(book, &claims[i]);
        }
    }
}

int tq__front_change(tq_book *book, uint32_t verb, int is_told, const struct tq_hold_ref *refs,
                     size_t count, struct tq_hold_result *results, struct tq_error *err)
{
    struct tq_front_change *changes = tq__alloc(&book->env, count, sizeof *changes);
    if (!changes) {
        return tq__nomem("hold", err);
    }
    for (size_t i = 0; i < count; i++) {
        changes[i] = (struct tq_front_change){
            .size = sizeof changes[i],
            .schedule = refs[i].schedule,
            .id = refs[i].id,
            .holder = refs[i].holder,
            .fence = refs[i].fence,
            .verb = verb,
            .is_told = (uint32_t)is_told,
            .extend_ms = refs[i].extend_ms ? refs[i].extend_ms : TQ_HOLD_TTL_DEFAULT_MS,
            .life_max_ms = book->rules.life_max_ms,
            .seats_limit = book->rules.seats_limit,
        };
    }
    int rc = book->driver->change(book->state, changes, count, results, err);
    tq__release(&book->env, changes);
    return rc;
}

/*
 * Whether a front that had heard all before could say so. One that does not know what has no
 * timer may be about to hear of it, from who read the ledger a moment too early.
 */
static int is_plausible(uint32_t verb, int status)
{
    switch (verb) {
    case TQ_HOLD_RELEASE:
    case TQ_HOLD_GIVE_BACK:
        return status != TQ_SETTLED && status != TQ_STALE && status != TQ_GONE;
    case TQ_HOLD_EXPIRE:
    case TQ_HOLD_WITHDRAW:
        return status != TQ_SETTLED && status != TQ_STALE;
    default:
        return status == TQ_OK || status == TQ_REPEAT || status == TQ_SETTLED;
    }
}

int tq__front_tell(tq_book *book, uint32_t verb, const struct tq_hold_ref *refs, size_t count,
                   struct tq_error *err)
{
    struct tq_hold_result *results = tq__alloc(&book->env, count, sizeof *results);
    int rc = results ? tq__front_change(book, verb, 1, refs, count, results, err)
                     : tq__nomem("hold", err);
    for (size_t i = 0; i < count; i++) {
        if (rc < 0 || !is_plausible(verb, results[i].status)) {
            tq__book_doubt(book, refs[i].schedule);
        }
    }
    tq__release(&book->env, results);
    return rc;
}
