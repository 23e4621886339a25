/* SPDX-License-Identifier: MIT */
/*
 * The life of one lease in the memory front.
 *
 *   new -> linked (found by id and key) -> begun (has seats, counts for its holder,
 *   ticks if it is a HOLD) -> ended (remembered, oldest forgotten first) -> freed
 *
 * A lease that expired stays in the heap of timers until a sweep has visited it,
 * so that each is visited once, also when a claim ended it first. Ended leases
 * are forgotten at most two for each one that ends, so memory is bounded and no
 * call pays for many. Cost: O(seats of the lease + log n).
 *
 * Invariants: seat.owner == lease for exactly the seats of live leases; the bits
 * and counts of the seat map say the same; a holder's list has its live leases.
 * Threads: the lock of memory_holds is held.
 */
#include "store/memory/hold.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/env.h"

void tq__memory_key(char target[TQ__HOLD_KEY_SIZE], const char *holder, const char *request_key)
{
    snprintf(target, TQ__HOLD_KEY_SIZE, "%s %s", holder, request_key);
}

struct memory_lease *tq__memory_lease_new(struct memory_holds *holds,
                                          struct memory_schedule *schedule, size_t seats_count)
{
    struct memory_lease *lease =
        tq__alloc(holds->env, 1, sizeof *lease + seats_count * sizeof(struct memory_seat *));
    if (lease) {
        lease->schedule = schedule;
        lease->seats_count = (uint32_t)seats_count;
        lease->core.holder = lease->holder;
    }
    return lease;
}

/* The maps have room: these puts cannot fail. */
static void put_surely(struct tq__map *map, const char *key, void *value)
{
    int rc = tq__map_put(map, key, value, NULL);
    (void)rc;
}

void tq__memory_lease_link(struct memory_lease *lease)
{
    put_surely(&lease->schedule->leases, lease->id, lease);
    put_surely(&lease->schedule->keys, lease->key, lease);
}

static void show(struct memory_schedule *schedule, const struct memory_seat *seat, uint32_t state)
{
    uint8_t *byte = &schedule->bits[seat->place / 4];
    unsigned shift = seat->place % 4 * 2;
    schedule->counts[*byte >> shift & 3]--;
    schedule->counts[state]++;
    *byte = (uint8_t)((*byte & ~(3u << shift)) | state << shift);
}

static void show_all(struct memory_lease *lease, struct memory_lease *owner, uint32_t state)
{
    for (size_t i = 0; i < lease->seats_count; i++) {
        lease->seats[i]->owner = owner;
        show(lease->schedule, lease->seats[i], state);
    }
    lease->schedule->version++;
}

static void join_holder(struct memory_lease *lease)
{
    struct tq__map *holders = &lease->schedule->holders;
    lease->holder_prev = NULL;
    lease->holder_next = tq__map_get(holders, lease->holder);
    if (lease->holder_next) {
        lease->holder_next->holder_prev = lease;
    }
    put_surely(holders, lease->holder, lease);
}

static void leave_holder(struct memory_lease *lease)
{
    struct tq__map *holders = &lease->schedule->holders;
    if (lease->holder_next) {
        lease->holder_next->holder_prev = lease->holder_prev;
    }
    if (lease->holder_prev) {
        lease->holder_prev->holder_next = lease->holder_next;
    } else if (lease->holder_next) {
        put_surely(holders, lease->holder_next->holder, lease->holder_next);
    } else {
        tq__map_remove(holders, lease->holder);
    }
}

static void set_timer(struct memory_holds *holds, struct memory_lease *lease)
{
    if (lease->core.state == TQ__LEASE_HOLD) {
        tq__heap_put(&holds->timers, &lease->timer, lease->core.expires_ms);
    } else {
        tq__heap_remove(&holds->timers, &lease->timer);
    }
}

static void leave_ended(struct memory_lease *lease)
{
    struct memory_schedule *schedule = lease->schedule;
    *(lease->ended_prev ? &lease->ended_prev->ended_next : &schedule->ended_first) =
        lease->ended_next;
    *(lease->ended_next ? &lease->ended_next->ended_prev : &schedule->ended_last) =
        lease->ended_prev;
    lease->ended_next = lease->ended_prev = NULL;
    schedule->ended_count--;
}

static int is_remembered(const struct memory_lease *lease)
{
    return lease->ended_prev || lease->schedule->ended_first == lease;
}

void tq__memory_lease_recall(struct memory_lease *lease)
{
    if (is_remembered(lease)) {
        leave_ended(lease);
    }
}

void tq__memory_lease_begin(struct memory_holds *holds, struct memory_lease *lease)
{
    tq__memory_lease_recall(lease);
    show_all(lease, lease, lease->core.state);
    join_holder(lease);
    set_timer(holds, lease);
}

void tq__memory_lease_update(struct memory_holds *holds, struct memory_lease *lease,
                             const struct tq__lease *next)
{
    int is_shown = lease->core.state == next->state;
    lease->core = *next;
    if (!is_shown) {
        show_all(lease, lease, next->state);
    }
    set_timer(holds, lease);
}

static void forget(struct memory_holds *holds, struct memory_lease *lease)
{
    leave_ended(lease);
    tq__map_remove(&lease->schedule->leases, lease->id);
    if (tq__map_get(&lease->schedule->keys, lease->key) == lease) {
        tq__map_remove(&lease->schedule->keys, lease->key);
    }
    tq__heap_remove(&holds->timers, &lease->timer);
    tq__release(holds->env, lease);
}

static void remember(struct memory_holds *holds, struct memory_lease *lease, int64_t now_ms)
{
    struct memory_schedule *schedule = lease->schedule;
    lease->ended_ms = now_ms;
    lease->ended_prev = schedule->ended_last;
    *(schedule->ended_last ? &schedule->ended_last->ended_next : &schedule->ended_first) = lease;
    schedule->ended_last = lease;
    schedule->ended_count++;
    for (int i = 0; i < 2; i++) {
        struct memory_lease *oldest = schedule->ended_first;
        if (oldest != lease && (schedule->ended_count > TQ_HOLD_KEEP_MAX ||
                                oldest->ended_ms + TQ_HOLD_KEEP_MS <= now_ms)) {
            forget(holds, oldest);
        }
    }
}

static void tell_watchers(const struct memory_lease *lease)
{
    const char *seats[TQ_HOLD_SEATS_MAX];
    for (size_t i = 0; i < lease->seats_count; i++) {
        seats[i] = lease->seats[i]->id;
    }
    for (struct memory_watcher *at = lease->schedule->watchers; at; at = at->next) {
        at->freed(at->arg, lease->schedule->id, seats, lease->seats_count);
    }
}

void tq__memory_lease_retire(struct memory_holds *holds, struct memory_lease *lease, int64_t now_ms)
{
    if (!is_remembered(lease)) {
        remember(holds, lease, now_ms);
    }
}

void tq__memory_lease_end(struct memory_holds *holds, struct memory_lease *lease, uint32_t state,
                          int64_t now_ms)
{
    show_all(lease, NULL, TQ_SEAT_AVAILABLE);
    leave_holder(lease);
    lease->core.state = state;
    if (state != TQ__LEASE_EXPIRED) {
        tq__heap_remove(&holds->timers, &lease->timer);
    }
    tell_watchers(lease);
    remember(holds, lease, now_ms);
}

void tq__memory_lease_withdraw(struct memory_holds *holds, struct memory_lease *lease,
                               int64_t now_ms)
{
    tq__memory_lease_end(holds, lease, TQ__LEASE_RELEASED, now_ms);
    forget(holds, lease);
}

int tq__memory_lease_lapse(struct memory_holds *holds, struct memory_lease *lease, int64_t now_ms)
{
    if (!tq__lease_is_due(&lease->core, now_ms)) {
        return 0;
    }
    tq__memory_lease_end(holds, lease, TQ__LEASE_EXPIRED, now_ms);
    return 1;
}

int tq__memory_is_full(struct memory_holds *holds, struct memory_schedule *schedule,
                       const char *holder, size_t more, uint32_t limit, int64_t now_ms)
{
    struct memory_lease *lease = limit ? tq__map_get(&schedule->holders, holder) : NULL, *next;
    size_t count = more;
    for (; lease; lease = next) {
        next = lease->holder_next;
        if (!tq__memory_lease_lapse(holds, lease, now_ms)) {
            count += lease->seats_count;
        }
    }
    return limit && count > limit;
}
