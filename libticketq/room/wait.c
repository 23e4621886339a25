/* SPDX-License-Identifier: MIT */
/*
 * How long a visitor will wait, as a range, and when to ask again.
 *
 * Somebody with n before is let in when n + 1 have left the front of the line.
 * Three rates are known: what the policy allows; what was measured lately, while
 * there was a line; and the turnover that the cap forces at worst, when everybody
 * inside stays as long as allowed. The optimistic end takes the fastest that can
 * be, people giving up in front included; the cautious end the slowest that was
 * seen, and a quarter on top. A room that is paused or closed knows nothing.
 *
 * Who asks, asks about four times in the wait that is left, within the limits of
 * the policy, and at least three times in a lease, so that one lost answer costs
 * no place. The last quarter of the pause is chance: visitors who came in one
 * instant do not come back in one, also where the limits leave no other choice.
 * [pure]
 */
#include "room/wait.h"

#define ASKS_PER_WAIT 4
#define ASKS_PER_LEASE 3
#define MEASURE_MIN 5 /* admissions that the policy allows in the time measured */

static double fastest(double a, double b)
{
    return a > b ? a : b;
}

static double slowest(double a, double b)
{
    return a < b ? a : b;
}

static int is_known(const struct tq_room_state *state)
{
    int is_closed = state->close_ms && state->now_ms >= state->close_ms;
    return !state->is_paused && !is_closed;
}

/* What was measured counts if the room was open all the while, and if it says something. */
static int is_measured(const struct tq_room_view *view, double allowed)
{
    int was_open = view->state.now_ms - view->state.open_ms >= view->recent_ms;
    return was_open && allowed * view->recent_ms >= MEASURE_MIN;
}

static int64_t whole_ms(double ms)
{
    return ms < 9e15 ? (int64_t)ms : -1;
}

struct tq__wait tq__wait_of(const struct tq_room_view *view, uint64_t ahead)
{
    const struct tq_room_policy *policy = &view->policy;
    const struct tq_room_state *state = &view->state;
    if (!is_known(state)) {
        return (struct tq__wait){-1, -1};
    }
    double allowed = (double)policy->rate / policy->rate_per_ms;
    double fast = allowed, slow = allowed;
    if (is_measured(view, allowed)) {
        double admitted = (double)view->recent_admitted / view->recent_ms;
        double gone = (double)view->recent_gone / view->recent_ms;
        double turnover = (double)policy->max_active / policy->pass_ms;
        fast = fastest(allowed, admitted) + gone;
        slow = slowest(allowed, fastest(admitted, turnover));
    }
    double closed = state->open_ms > state->now_ms ? (double)(state->open_ms - state->now_ms) : 0;
    uint64_t burst = policy->burst ? policy->burst : policy->rate;
    double left = ahead >= burst ? (double)(ahead - burst) : 0;
    double cautious = ((double)ahead + 1) / slow * 1.25;
    return (struct tq__wait){whole_ms(closed + left / fast), whole_ms(closed + cautious)};
}

static uint32_t within(double value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : (uint32_t)value;
}

uint32_t tq__poll_after_ms(const struct tq_room_view *view, const struct tq_room_spot *spot,
                           const struct tq__wait *wait, uint32_t chance)
{
    const struct tq_room_policy *policy = &view->policy;
    int is_waiting = spot->visit == TQ_VISIT_WAITING;
    uint32_t lease = (is_waiting ? policy->waiting_ms : policy->active_ms) / ASKS_PER_LEASE;
    uint32_t max = policy->poll_max_ms < lease ? policy->poll_max_ms : lease ? lease : 1;
    uint32_t min = policy->poll_min_ms < max - max / 4 ? policy->poll_min_ms : max - max / 4;
    double middle = is_waiting && wait->low_ms >= 0
                        ? ((double)wait->low_ms + (double)wait->high_ms) / 2
                        : (double)max * ASKS_PER_WAIT;
    uint32_t pause = within(middle / ASKS_PER_WAIT, min, max);
    uint32_t spread = pause / 4;
    uint32_t least = pause - spread > min ? pause - spread : min;
    return least + (uint32_t)((uint64_t)chance * (spread + 1) >> 32);
}
