/* SPDX-License-Identifier: MIT */
/*
 * Who comes, when, and what is due next.
 *
 * All arrivals are fixed before the first request: the model is open, a slow
 * service does not slow the crowd down. Times are drawn around the opening:
 * some come before it and line up, the herd comes right behind it (half of it
 * in the first fifth), the rest trickles in. Each visitor has at most one thing
 * that is due or one request under way; what is due lies in a binary heap.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "herd.h"

static void swap(struct herd *herd, size_t a, size_t b)
{
    struct visitor *first = herd->timers[a];
    herd->timers[a] = herd->timers[b];
    herd->timers[b] = first;
    herd->timers[a]->timer = a + 1;
    herd->timers[b]->timer = b + 1;
}

static int is_before(const struct herd *herd, size_t a, size_t b)
{
    return herd->timers[a]->due_us < herd->timers[b]->due_us;
}

static void sink(struct herd *herd, size_t at)
{
    for (;;) {
        size_t least = at, left = at * 2 + 1;
        for (size_t child = left; child <= left + 1 && child < herd->timers_count; child++) {
            least = is_before(herd, child, least) ? child : least;
        }
        if (least == at) {
            return;
        }
        swap(herd, at, least);
        at = least;
    }
}

void crowd_at(struct visitor *visitor, int64_t due_us, void (*next)(struct visitor *))
{
    struct herd *herd = visitor->herd;
    size_t at = herd->timers_count++;
    visitor->due_us = due_us;
    visitor->next = next;
    visitor->timer = at + 1;
    herd->timers[at] = visitor;
    while (at > 0 && is_before(herd, at, (at - 1) / 2)) {
        swap(herd, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

void crowd_after(struct visitor *visitor, int64_t wait_ms, void (*next)(struct visitor *))
{
    crowd_at(visitor, clock_us() + wait_ms * 1000, next);
}

int64_t crowd_step(struct herd *herd, int64_t now_us)
{
    while (herd->timers_count > 0 && herd->timers[0]->due_us <= now_us) {
        struct visitor *visitor = herd->timers[0];
        swap(herd, 0, --herd->timers_count);
        visitor->timer = 0;
        sink(herd, 0);
        visitor->next(visitor);
    }
    return herd->timers_count ? herd->timers[0]->due_us : INT64_MAX;
}

void crowd_done(struct visitor *visitor, enum outcome outcome)
{
    struct herd *herd = visitor->herd;
    visitor->outcome = outcome;
    herd->outcomes[outcome]++;
    herd->done++;
    herd->last_done_us = clock_us();
    free(visitor->call.request);
    free(visitor->access);
    free(visitor->place);
    free(visitor->pass);
    visitor->call.request = visitor->access = visitor->place = visitor->pass = NULL;
}

/* Relative to the opening, in microseconds. */
static int64_t arrival(const struct scenario *scenario, struct chance *chance)
{
    double kind = chance_unit(chance);
    if (kind < scenario->early_share) {
        return -chance_between(chance, 0, scenario->early_ms * 1000);
    }
    if (kind < scenario->early_share + scenario->herd_share) {
        /* Half of an exponential lies within 0.69 of its mean. */
        double at = chance_exponential(chance, (double)scenario->herd_ms * 1000 / 5 / 0.69);
        return at < (double)scenario->herd_ms * 1000 ? (int64_t)at : scenario->herd_ms * 1000;
    }
    return scenario->herd_ms * 1000 + chance_between(chance, 0, scenario->tail_ms * 1000);
}

static uint32_t party_of(const struct scenario *scenario, struct chance *chance)
{
    double sum = 0, at = 0;
    for (int i = 0; i < SCENARIO_PARTY_MAX; i++) {
        sum += scenario->party[i];
    }
    double point = chance_unit(chance) * sum;
    for (uint32_t i = 0; i < SCENARIO_PARTY_MAX; i++) {
        at += scenario->party[i];
        if (point < at) {
            return i + 1;
        }
    }
    return 1;
}

static uint32_t flags_of(const struct scenario *scenario, struct chance *chance)
{
    uint32_t flags = 0;
    flags |= chance_is(chance, scenario->sign_up_share) ? SIGNS_UP : 0;
    flags |= chance_is(chance, scenario->no_show_share) ? IS_NO_SHOW : 0;
    flags |= chance_is(chance, scenario->leaver_share) ? IS_LEAVER : 0;
    flags |= chance_is(chance, scenario->refresher_share) ? IS_REFRESHER : 0;
    flags |= chance_is(chance, scenario->bot_share) ? IS_BOT : 0;
    flags |= chance_is(chance, scenario->decline_share) ? DECLINES : 0;
    flags |= chance_is(chance, scenario->abandon_share) ? ABANDONS : 0;
    flags |= chance_is(chance, scenario->release_share) ? RELEASES : 0;
    return flags;
}

int crowd_make(struct herd *herd)
{
    const struct scenario *scenario = &herd->scenario;
    herd->count = (size_t)scenario->visitors;
    herd->visitors = calloc(herd->count, sizeof *herd->visitors);
    herd->timers = calloc(herd->count, sizeof *herd->timers);
    if (!herd->visitors || !herd->timers) {
        fprintf(stderr, "herd: no memory for %zu visitors\n", herd->count);
        return -1;
    }
    int64_t opens_us = clock_us() + (herd->opens_ms - herd_now_ms()) * 1000;
    herd->begin_us = opens_us;
    for (size_t i = 0; i < herd->count; i++) {
        struct visitor *visitor = &herd->visitors[i];
        visitor->herd = herd;
        visitor->number = (uint32_t)i;
        visitor->chance = chance_of(herd->seed, i);
        visitor->flags = flags_of(scenario, &visitor->chance);
        visitor->wanted = party_of(scenario, &visitor->chance);
        snprintf(visitor->user, sizeof visitor->user, "herd-%s-%zu", herd->run, i);
        int64_t at_us = opens_us + arrival(scenario, &visitor->chance);
        visitor->leave_us = at_us + chance_between(&visitor->chance, scenario->leave_after_ms.low,
                                                   scenario->leave_after_ms.high) *
                                        1000;
        herd->begin_us = at_us < herd->begin_us ? at_us : herd->begin_us;
        crowd_at(visitor, at_us, line_begin);
    }
    return 0;
}
