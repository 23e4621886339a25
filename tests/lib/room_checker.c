/* SPDX-License-Identifier: MIT */
/*
 * The promises of admission, as somebody outside can see them:
 *
 *   order   who was seen waiting while an earlier number was in line, and is now
 *           inside, while that number still waits, was let in out of order
 *   rate    between any two ticks, no more were let in than the rate gave in
 *           that time and the burst
 *   cap     a tick that lets somebody in leaves no more than the cap inside
 *   place   a number never changes, and nobody gets between, unless an old
 *           number came back
 */
#include "lib/room_checker.h"

#include <string.h>

static uint64_t burst_of(const struct tq_room_policy *policy)
{
    return policy->burst ? policy->burst : policy->rate;
}

void checker_begin(struct room_checker *checker, const struct tq_room_policy *policy,
                   int64_t now_ms)
{
    memset(checker, 0, sizeof *checker);
    checker->rate = policy->rate;
    checker->rate_per_ms = policy->rate_per_ms;
    checker->max_active = policy->max_active;
    checker->burst = burst_of(policy);
    checker->now_ms = now_ms;
}

void checker_clock(struct room_checker *checker, int64_t now_ms)
{
    checker->capacity += (uint64_t)(now_ms - checker->now_ms) * checker->rate;
    checker->now_ms = now_ms;
}

void checker_rate(struct room_checker *checker, uint32_t rate)
{
    checker->rate = rate;
    checker->burst = rate > checker->burst ? rate : checker->burst;
}

void checker_cap(struct room_checker *checker, uint32_t max_active)
{
    checker->max_active = max_active;
}

void checker_return(struct room_checker *checker)
{
    checker->returned = ++checker->step;
}

void checker_out(struct room_checker *checker, unsigned visitor)
{
    memset(&checker->seen[visitor], 0, sizeof checker->seen[visitor]);
}

const char *checker_tick(struct room_checker *checker, uint32_t admitted, uint64_t active)
{
    if (admitted == 0) {
        return NULL;
    }
    if (active > checker->max_active) {
        return "cap: a tick let in above it";
    }
    if (checker->ticks == CHECKER_TICKS) {
        return "checker: too many ticks";
    }
    checker->given[checker->ticks] = checker->capacity;
    checker->admitted[checker->ticks++] = checker->admitted_sum;
    checker->admitted_sum += admitted;
    for (size_t i = 0; i < checker->ticks; i++) {
        uint64_t let_in = checker->admitted_sum - checker->admitted[i];
        uint64_t gave = checker->capacity - checker->given[i];
        if (let_in * checker->rate_per_ms > gave + checker->burst * checker->rate_per_ms) {
            return "rate: more were let in than it gives with the burst";
        }
    }
    return NULL;
}

/* Was somebody behind `seen` let in before, while `seen` was in line? */
static int is_overtaken(const struct room_checker *checker, const struct room_seen *seen)
{
    for (unsigned i = 0; i < checker->known; i++) {
        const struct room_seen *other = &checker->seen[i];
        if (other->seen_inside && other->sequence > seen->sequence &&
            other->seen_waiting > seen->in_line_since) {
            return 1;
        }
    }
    return 0;
}

static const char *see_waiting(struct room_checker *checker, struct room_seen *seen,
                               const struct tq_place *place)
{
    int is_new = seen->in_line_since == 0;
    if (!is_new && seen->sequence != place->sequence) {
        return "place: the number changed";
    }
    if (!is_new && place->ahead > seen->ahead && checker->returned <= seen->seen_waiting) {
        return "place: it moved back";
    }
    seen->in_line_since = is_new ? checker->step : seen->in_line_since;
    seen->seen_waiting = checker->step;
    seen->seen_inside = 0;
    seen->sequence = place->sequence;
    seen->ahead = place->ahead;
    return is_overtaken(checker, seen) ? "order: somebody behind was let in before" : NULL;
}

const char *checker_place(struct room_checker *checker, unsigned visitor,
                          const struct tq_place *place)
{
    struct room_seen *seen = &checker->seen[visitor];
    checker->step++;
    checker->known = visitor >= checker->known ? visitor + 1 : checker->known;
    if (place->status != TQ_OK) {
        checker_out(checker, visitor);
        return NULL;
    }
    if (place->poll_after_ms == 0 || place->wait_low_ms > place->wait_high_ms) {
        return "place: an estimate that cannot be";
    }
    if (place->visit == TQ_VISIT_WAITING) {
        return see_waiting(checker, seen, place);
    }
    if (seen->sequence && seen->sequence != place->sequence) {
        return "place: the number changed on the way in";
    }
    seen->sequence = place->sequence;
    seen->in_line_since = 0;
    seen->seen_inside = seen->seen_inside ? seen->seen_inside : checker->step;
    return NULL;
}
