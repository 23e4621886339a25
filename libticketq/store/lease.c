/* SPDX-License-Identifier: MIT */
/*
 * Decides what may happen to a hold. Only the pair (state, verb) matters, after
 * the holder and the fence were compared:
 *
 *              EXTEND     PIN       SETTLE    RELEASE     EXPIRE     RETAKE    GIVE_BACK
 *   HOLD       more time  ->PAYING  ->SOLD    ->RELEASED  ->EXPIRED  ->PAYING  STALE
 *   PAYING     REPEAT     REPEAT    ->SOLD    ->RELEASED  STALE      REPEAT    STALE
 *   SOLD       SETTLED    SETTLED   REPEAT    SETTLED     SETTLED    SETTLED   ->RELEASED
 *   RELEASED   RELEASED   RELEASED  RELEASED  REPEAT      RELEASED   ->PAYING  REPEAT
 *   EXPIRED    EXPIRED    EXPIRED   EXPIRED   EXPIRED     REPEAT     ->PAYING  EXPIRED
 *
 * WITHDRAW is a RELEASE that only a HOLD accepts, and after which a front forgets
 * the hold with its request key.
 *
 * A front is told what the ledger has decided in any order. Of a hold that ended here a RELEASE or
 * GIVE_BACK makes it RELEASED under its own fence, and a RETAKE up to the fence of a RELEASED
 * one is old news, which would bring back for good what nobody has.
 *
 * A store makes a HOLD at or past its time EXPIRED before it asks, except a front
 * that is told what the ledger has decided. Extending never shortens, and ends at
 * granted_ms + life_max_ms (TQ_FULL from there). A retake of a hold that ended
 * also needs its seats to be free and a new fence, which is the store's work.
 *
 * Invariants: the fence never falls; a hold ends once; SOLD has no way out but
 * GIVE_BACK. No I/O, no clock, no allocation: a store reads its record, asks
 * here and writes the answer under whatever makes its writes conditional.
 * Threads: [pure].
 */
#include "store/lease.h"

#include <string.h>

enum { STATES = TQ__LEASE_EXPIRED + 1, VERBS = TQ_HOLD_WITHDRAW + 1 };

/* A cell is the next state, or the status that refuses, negated. */
#define REFUSE(status) (-(status))

/* clang-format off */
static const int8_t cells[STATES][VERBS] = {
    [TQ__LEASE_HOLD] = {
        [TQ_HOLD_EXTEND] = TQ__LEASE_HOLD,
        [TQ_HOLD_PIN] = TQ__LEASE_PAYING,
        [TQ_HOLD_SETTLE] = TQ__LEASE_SOLD,
        [TQ_HOLD_RELEASE] = TQ__LEASE_RELEASED,
        [TQ_HOLD_EXPIRE] = TQ__LEASE_EXPIRED,
        [TQ_HOLD_RETAKE] = TQ__LEASE_PAYING,
        [TQ_HOLD_GIVE_BACK] = REFUSE(TQ_STALE),
        [TQ_HOLD_WITHDRAW] = TQ__LEASE_RELEASED,
    },
    [TQ__LEASE_PAYING] = {
        [TQ_HOLD_EXTEND] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_PIN] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_SETTLE] = TQ__LEASE_SOLD,
        [TQ_HOLD_RELEASE] = TQ__LEASE_RELEASED,
        [TQ_HOLD_EXPIRE] = REFUSE(TQ_STALE),
        [TQ_HOLD_RETAKE] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_GIVE_BACK] = REFUSE(TQ_STALE),
        [TQ_HOLD_WITHDRAW] = REFUSE(TQ_STALE),
    },
    [TQ__LEASE_SOLD] = {
        [TQ_HOLD_EXTEND] = REFUSE(TQ_SETTLED),
        [TQ_HOLD_PIN] = REFUSE(TQ_SETTLED),
        [TQ_HOLD_SETTLE] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_RELEASE] = REFUSE(TQ_SETTLED),
        [TQ_HOLD_EXPIRE] = REFUSE(TQ_SETTLED),
        [TQ_HOLD_RETAKE] = REFUSE(TQ_SETTLED),
        [TQ_HOLD_GIVE_BACK] = TQ__LEASE_RELEASED,
        [TQ_HOLD_WITHDRAW] = REFUSE(TQ_SETTLED),
    },
    [TQ__LEASE_RELEASED] = {
        [TQ_HOLD_EXTEND] = REFUSE(TQ_RELEASED),
        [TQ_HOLD_PIN] = REFUSE(TQ_RELEASED),
        [TQ_HOLD_SETTLE] = REFUSE(TQ_RELEASED),
        [TQ_HOLD_RELEASE] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_EXPIRE] = REFUSE(TQ_RELEASED),
        [TQ_HOLD_RETAKE] = TQ__LEASE_PAYING,
        [TQ_HOLD_GIVE_BACK] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_WITHDRAW] = REFUSE(TQ_RELEASED),
    },
    [TQ__LEASE_EXPIRED] = {
        [TQ_HOLD_EXTEND] = REFUSE(TQ_EXPIRED),
        [TQ_HOLD_PIN] = REFUSE(TQ_EXPIRED),
        [TQ_HOLD_SETTLE] = REFUSE(TQ_EXPIRED),
        [TQ_HOLD_RELEASE] = REFUSE(TQ_EXPIRED),
        [TQ_HOLD_EXPIRE] = REFUSE(TQ_REPEAT),
        [TQ_HOLD_RETAKE] = TQ__LEASE_PAYING,
        [TQ_HOLD_GIVE_BACK] = REFUSE(TQ_EXPIRED),
        [TQ_HOLD_WITHDRAW] = REFUSE(TQ_EXPIRED),
    },
};
/* clang-format on */

int tq__lease_is_due(const struct tq__lease *lease, int64_t now_ms)
{
    return lease->state == TQ__LEASE_HOLD && lease->expires_ms <= now_ms;
}

int tq__lease_is_live(const struct tq__lease *lease)
{
    return lease->state <= TQ__LEASE_SOLD;
}

int tq__lease_status(const struct tq__lease *lease)
{
    switch (lease->state) {
    case TQ__LEASE_SOLD:
        return TQ_SETTLED;
    case TQ__LEASE_RELEASED:
        return TQ_RELEASED;
    case TQ__LEASE_EXPIRED:
        return TQ_EXPIRED;
    default:
        return TQ_REPEAT;
    }
}

/* A retake may name the fence from before or after it; everybody else the current one. */
static int fence_fits(const struct tq__lease *lease, const struct tq__lease_order *order)
{
    if (order->fence > lease->fence) {
        return order->is_told;
    }
    return order->fence == lease->fence || (order->verb == TQ_HOLD_RETAKE && order->fence > 0);
}

static int is_freeing(uint32_t verb)
{
    return verb == TQ_HOLD_RELEASE || verb == TQ_HOLD_GIVE_BACK;
}

static int is_old_news(const struct tq__lease *lease, const struct tq__lease_order *order)
{
    return order->is_told && order->verb == TQ_HOLD_RETAKE && lease->state == TQ__LEASE_RELEASED &&
           order->fence <= lease->fence;
}

static int extend(const struct tq__lease_order *order, struct tq__lease *next)
{
    int64_t most = next->granted_ms + order->life_max_ms;
    int64_t wanted = order->now_ms + order->extend_ms;
    if (next->expires_ms >= most) {
        return TQ_FULL;
    }
    if (wanted <= next->expires_ms) {
        return TQ_REPEAT;
    }
    next->expires_ms = wanted < most ? wanted : most;
    return TQ_OK;
}

int tq__lease_decide(const struct tq__lease *lease, const struct tq__lease_order *order,
                     struct tq__lease *next)
{
    *next = *lease;
    if (strcmp(lease->holder, order->holder) != 0 || !fence_fits(lease, order)) {
        return TQ_STALE;
    }
    int cell = cells[lease->state][order->verb];
    if (order->is_told && !tq__lease_is_live(lease) && is_freeing(order->verb)) {
        next->state = TQ__LEASE_RELEASED;
        next->fence = order->fence;
        return -cell;
    }
    if (is_old_news(lease, order)) {
        return TQ_RELEASED;
    }
    if (cell < 0) {
        return -cell;
    }
    if (order->fence > next->fence) {
        next->fence = order->fence;
    }
    if (order->verb == TQ_HOLD_EXTEND) {
        return extend(order, next);
    }
    next->state = (uint32_t)cell;
    next->expires_ms = 0;
    return TQ_OK;
}
