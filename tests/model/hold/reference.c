/* SPDX-License-Identifier: MIT */
/*
 * A plain reference of a book.
 */
#include "model/hold/reference.h"

#include <string.h>

void ref_begin(struct ref_book *ref, unsigned seats_limit, uint32_t life_max_ms, int64_t now_ms)
{
    int has_bug = ref->has_bug;
    memset(ref, 0, sizeof *ref);
    ref->has_bug = has_bug;
    ref->seats_limit = seats_limit;
    ref->life_max_ms = life_max_ms;
    ref->now_ms = now_ms;
    for (unsigned i = 0; i < REF_SEATS; i++) {
        ref->owner[i] = -1;
    }
}

int ref_is_live(const struct ref_hold *hold)
{
    return hold->state == REF_HOLD || hold->state == REF_PAYING || hold->state == REF_SOLD;
}

static int is_due(const struct ref_book *ref, const struct ref_hold *hold)
{
    return hold->state == REF_HOLD && hold->expires_ms <= ref->now_ms;
}

static void end(struct ref_book *ref, struct ref_hold *hold, enum ref_state state)
{
    hold->state = state;
    hold->is_unvisited = state == REF_EXPIRED;
    for (unsigned i = 0; i < hold->seats_count; i++) {
        ref->owner[hold->seats[i]] = -1;
    }
}

static void lapse(struct ref_book *ref, struct ref_hold *hold)
{
    if (is_due(ref, hold)) {
        end(ref, hold, REF_EXPIRED);
    }
}

static int status_of(const struct ref_hold *hold)
{
    switch (hold->state) {
    case REF_NONE:
        return TQ_GONE;
    case REF_SOLD:
        return TQ_SETTLED;
    case REF_RELEASED:
        return TQ_RELEASED;
    case REF_EXPIRED:
        return TQ_EXPIRED;
    default:
        return TQ_REPEAT;
    }
}

/* Which of the seats somebody has. */
static uint64_t taken_of(struct ref_book *ref, const unsigned *seats, unsigned count)
{
    uint64_t taken = 0;
    for (unsigned i = 0; i < count; i++) {
        if (ref->owner[seats[i]] >= 0) {
            lapse(ref, &ref->holds[ref->owner[seats[i]]]);
        }
        taken |= (uint64_t)(ref->owner[seats[i]] >= 0) << i;
    }
    return taken;
}

static int is_over_limit(struct ref_book *ref, unsigned holder, unsigned more)
{
    unsigned has = 0;
    for (unsigned key = 0; key < REF_KEYS; key++) {
        struct ref_hold *hold = &ref->holds[holder * REF_KEYS + key];
        if (ref_is_live(hold) && !is_due(ref, hold) &&
            !(ref->has_bug && hold->state == REF_PAYING)) {
            has += hold->seats_count;
        }
    }
    return ref->seats_limit && has + more > ref->seats_limit;
}

static void seat(struct ref_book *ref, unsigned number)
{
    for (unsigned i = 0; i < ref->holds[number].seats_count; i++) {
        ref->owner[ref->holds[number].seats[i]] = (int)number;
    }
}

int ref_acquire(struct ref_book *ref, const struct ref_wish *wish, uint64_t *out_taken)
{
    struct ref_hold *hold = &ref->holds[wish->hold];
    *out_taken = 0;
    if (hold->state != REF_NONE) {
        if (hold->seats_count != wish->seats_count ||
            memcmp(hold->seats, wish->seats, wish->seats_count * sizeof *wish->seats) != 0) {
            return TQ_REFUSED;
        }
        lapse(ref, hold);
        return status_of(hold);
    }
    *out_taken = taken_of(ref, wish->seats, wish->seats_count);
    if (*out_taken) {
        return TQ_TAKEN;
    }
    if (is_over_limit(ref, wish->hold / REF_KEYS, wish->seats_count)) {
        return TQ_FULL;
    }
    uint32_t ttl_ms = wish->ttl_ms < ref->life_max_ms ? wish->ttl_ms : ref->life_max_ms;
    hold->state = REF_HOLD;
    memcpy(hold->seats, wish->seats, sizeof hold->seats);
    hold->seats_count = wish->seats_count;
    hold->granted_ms = ref->now_ms;
    hold->expires_ms = ref->now_ms + ttl_ms;
    seat(ref, wish->hold);
    return TQ_OK;
}

static int extend(struct ref_book *ref, struct ref_hold *hold, uint32_t extend_ms)
{
    int64_t most = hold->granted_ms + ref->life_max_ms, wanted = ref->now_ms + extend_ms;
    if (hold->state == REF_PAYING) {
        return TQ_REPEAT;
    }
    if (hold->expires_ms >= most) {
        return TQ_FULL;
    }
    if (wanted <= hold->expires_ms) {
        return TQ_REPEAT;
    }
    hold->expires_ms = wanted < most ? wanted : most;
    return TQ_OK;
}

static int retake(struct ref_book *ref, unsigned number)
{
    struct ref_hold *hold = &ref->holds[number];
    if (taken_of(ref, hold->seats, hold->seats_count)) {
        return TQ_TAKEN;
    }
    if (is_over_limit(ref, number / REF_KEYS, hold->seats_count)) {
        return TQ_FULL;
    }
    hold->state = REF_PAYING;
    hold->is_unvisited = 0;
    hold->granted_ms = ref->now_ms;
    seat(ref, number);
    return TQ_OK;
}

int ref_change(struct ref_book *ref, unsigned number, uint32_t verb, int is_other,
               uint32_t extend_ms)
{
    struct ref_hold *hold = &ref->holds[number];
    if (hold->state == REF_NONE) {
        return TQ_GONE;
    }
    lapse(ref, hold);
    if (is_other) {
        return TQ_STALE;
    }
    int is_held = hold->state == REF_HOLD, is_paying = hold->state == REF_PAYING;
    switch (verb) {
    case TQ_HOLD_EXTEND:
        return is_held || is_paying ? extend(ref, hold, extend_ms) : status_of(hold);
    case TQ_HOLD_PIN:
        hold->state = is_held ? REF_PAYING : hold->state;
        return is_held ? TQ_OK : status_of(hold);
    case TQ_HOLD_SETTLE:
        if (is_held || is_paying) {
            hold->state = REF_SOLD;
            return TQ_OK;
        }
        return hold->state == REF_SOLD ? TQ_REPEAT : status_of(hold);
    case TQ_HOLD_RELEASE:
        if (is_held || is_paying) {
            end(ref, hold, REF_RELEASED);
            return TQ_OK;
        }
        return hold->state == REF_RELEASED ? TQ_REPEAT : status_of(hold);
    case TQ_HOLD_RETAKE:
        hold->state = is_held ? REF_PAYING : hold->state;
        return is_held ? TQ_OK : ref_is_live(hold) ? status_of(hold) : retake(ref, number);
    default: /* TQ_HOLD_GIVE_BACK */
        if (hold->state == REF_SOLD) {
            end(ref, hold, REF_RELEASED);
            return TQ_OK;
        }
        return is_held || is_paying          ? TQ_STALE
               : hold->state == REF_RELEASED ? TQ_REPEAT
                                             : status_of(hold);
    }
}

unsigned ref_sweep(struct ref_book *ref)
{
    unsigned visited = 0;
    for (unsigned i = 0; i < REF_HOLDS; i++) {
        lapse(ref, &ref->holds[i]);
        visited += (unsigned)ref->holds[i].is_unvisited;
        ref->holds[i].is_unvisited = 0;
    }
    return visited;
}

int ref_may_show(const struct ref_book *ref, unsigned number, uint32_t state)
{
    const struct ref_hold *hold = ref->owner[number] < 0 ? NULL : &ref->holds[ref->owner[number]];
    uint32_t is = hold ? (uint32_t)hold->state : TQ_SEAT_AVAILABLE;
    if (state == is || (hold && is_due(ref, hold) && state == TQ_SEAT_AVAILABLE)) {
        return 1;
    }
    /* Ended on the way by one store of two, or by the reference only. */
    for (unsigned i = 0; !hold && state == TQ_SEAT_HOLD && i < REF_HOLDS; i++) {
        for (unsigned j = 0; ref->holds[i].is_unvisited && j < ref->holds[i].seats_count; j++) {
            if (ref->holds[i].seats[j] == number) {
                return 1;
            }
        }
    }
    return 0;
}
