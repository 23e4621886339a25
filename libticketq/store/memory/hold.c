/* SPDX-License-Identifier: MIT */
/*
 * The hold table of the memory driver: a front in this process, and the
 * reference for every other.
 *
 * One lock for all; each element of a batch is decided while it is held, so that
 * nobody ever sees half of a hold. What a claim may need is allocated for the
 * whole batch before anything changes: after that nothing can fail. Timers of
 * all schedules are one heap. A sweep lets go of the lock for each visit, with
 * the row copied, because the visitor may come back into the store.
 *
 * Threads: `lock` guards all. Watchers are told while it is held (driver/hold.h).
 */
#include "store/memory/hold.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "store/memory/memory.h"

int tq__memory_holds_open(struct memory_state *state, struct tq_error *err)
{
    struct memory_holds *holds = tq__alloc(state->env, 1, sizeof *holds);
    if (!holds) {
        return tq__nomem("store.memory", err);
    }
    state->holds = holds;
    holds->env = state->env;
    pthread_mutex_init(&holds->lock, NULL);
    tq__heap_init(&holds->timers, holds->env);
    return tq__map_init(&holds->schedules, holds->env, err);
}

void tq__memory_holds_close(struct memory_state *state)
{
    struct memory_holds *holds = state->holds;
    struct memory_schedule *schedule;
    size_t cursor = 0;
    if (!holds) {
        return;
    }
    while ((schedule = tq__map_next(&holds->schedules, &cursor))) {
        tq__memory_schedule_free(holds, schedule);
    }
    tq__map_done(&holds->schedules);
    tq__heap_done(&holds->timers);
    pthread_mutex_destroy(&holds->lock);
    tq__release(state->env, holds);
}

static struct memory_holds *enter(void *opaque)
{
    struct memory_holds *holds = ((struct memory_state *)opaque)->holds;
    pthread_mutex_lock(&holds->lock);
    return holds;
}

static void leave(struct memory_holds *holds)
{
    pthread_mutex_unlock(&holds->lock);
}

/* A schedule whose seats were loaded, or NULL. */
static struct memory_schedule *known(struct memory_holds *holds, const char *id)
{
    struct memory_schedule *schedule = tq__map_get(&holds->schedules, id);
    return schedule && schedule->is_known ? schedule : NULL;
}

static int front_load(void *opaque, const struct tq_front_load *load, struct tq_error *err)
{
    struct memory_holds *holds = enter(opaque);
    int rc = tq__memory_load(holds, load, err);
    leave(holds);
    return rc;
}

/* Allocates a lease for each claim and room in every table that it may enter. */
static int prepare(struct memory_holds *holds, const struct tq_front_claim *claims, size_t count,
                   struct memory_lease **spares, struct tq_error *err)
{
    TQ_TRY(tq__heap_reserve(&holds->timers, count, err));
    for (size_t i = 0; i < count; i++) {
        struct memory_schedule *schedule = known(holds, claims[i].schedule);
        if (!schedule) {
            continue;
        }
        size_t more = ++schedule->pending;
        spares[i] = tq__memory_lease_new(holds, schedule, claims[i].seats_count);
        if (!spares[i]) {
            return tq__nomem("store.memory", err);
        }
        TQ_TRY(tq__map_reserve(&schedule->leases, more, err));
        TQ_TRY(tq__map_reserve(&schedule->keys, more, err));
        TQ_TRY(tq__map_reserve(&schedule->holders, more, err));
    }
    return TQ_OK;
}

/* Frees the leases that were not granted. */
static void tidy(struct memory_holds *holds, const struct tq_front_claim *claims, size_t count,
                 struct memory_lease **spares)
{
    for (size_t i = 0; i < count; i++) {
        struct memory_schedule *schedule = known(holds, claims[i].schedule);
        if (schedule) {
            schedule->pending = 0;
        }
        if (spares[i]) {
            tq__release(holds->env, spares[i]);
        }
    }
}

static void describe(const struct memory_lease *lease, struct tq_hold *out)
{
    out->fence = lease->core.fence;
    out->granted_ms = lease->core.granted_ms;
    out->expires_ms = lease->core.state == TQ__LEASE_HOLD ? lease->core.expires_ms : 0;
    tq__id_copy(out->id, lease->id);
}

/* The answer to a request key that is known. */
static int answer_again(struct memory_holds *holds, struct memory_lease *lease,
                        const struct tq_front_claim *claim, int64_t now_ms, struct tq_hold *out)
{
    int is_same = lease->seats_count == claim->seats_count;
    for (size_t i = 0; is_same && i < lease->seats_count; i++) {
        is_same = strcmp(lease->seats[i]->id, claim->seats[i]) == 0;
    }
    if (!is_same) {
        return TQ_REFUSED;
    }
    tq__memory_lease_lapse(holds, lease, now_ms);
    describe(lease, out);
    return tq__lease_status(&lease->core);
}

/* Finds the seats and who is in the way: TQ_OK, TQ_GONE, TQ_TAKEN. */
static int find_seats(struct memory_holds *holds, struct memory_lease *lease,
                      const struct tq_front_claim *claim, int64_t now_ms, struct tq_hold *out)
{
    uint64_t unknown = 0, taken = 0;
    for (size_t i = 0; i < claim->seats_count; i++) {
        lease->seats[i] = tq__map_get(&lease->schedule->seats, claim->seats[i]);
        unknown |= (uint64_t)(lease->seats[i] == NULL) << i;
    }
    out->taken = unknown;
    for (size_t i = 0; !unknown && i < claim->seats_count; i++) {
        struct memory_lease *owner = lease->seats[i]->owner;
        if (owner && !tq__memory_lease_lapse(holds, owner, now_ms)) {
            taken |= 1ull << i;
            if (owner->core.state == TQ__LEASE_HOLD && owner->core.expires_ms > out->expires_ms) {
                out->expires_ms = owner->core.expires_ms;
            }
        }
    }
    out->taken |= taken;
    return unknown ? TQ_GONE : taken ? TQ_TAKEN : TQ_OK;
}

static void grant(struct memory_holds *holds, struct memory_lease *lease,
                  const struct tq_front_claim *claim, int64_t now_ms)
{
    tq__id_copy(lease->id, claim->id);
    tq__id_copy(lease->holder, claim->holder);
    tq__memory_key(lease->key, claim->holder, claim->request_key);
    lease->core.state = TQ__LEASE_HOLD;
    lease->core.fence = ++lease->schedule->fence;
    lease->core.granted_ms = now_ms;
    lease->core.expires_ms = now_ms + claim->ttl_ms;
    tq__memory_lease_link(lease);
    tq__memory_lease_begin(holds, lease);
}

/* One claim; `*spare` is taken when it is granted. */
static int claim_one(struct memory_holds *holds, const struct tq_front_claim *claim,
                     struct memory_lease **spare, struct tq_hold *out)
{
    char key[TQ__HOLD_KEY_SIZE];
    int64_t now_ms = tq__now_ms(holds->env);
    struct memory_lease *lease = *spare;
    if (!lease) {
        return TQ_GONE;
    }
    tq__memory_key(key, claim->holder, claim->request_key);
    struct memory_lease *earlier = tq__map_get(&lease->schedule->keys, key);
    if (earlier) {
        return answer_again(holds, earlier, claim, now_ms, out);
    }
    out->granted_ms = now_ms;
    int rc = find_seats(holds, lease, claim, now_ms, out);
    if (rc != TQ_OK) {
        return rc;
    }
    if (tq__memory_is_full(holds, lease->schedule, claim->holder, claim->seats_count,
                           claim->seats_limit, now_ms)) {
        return TQ_FULL;
    }
    grant(holds, lease, claim, now_ms);
    describe(lease, out);
    *spare = NULL;
    return TQ_OK;
}

static int front_claim(void *opaque, const struct tq_front_claim *claims, size_t count,
                       struct tq_hold *out_holds, struct tq_error *err)
{
    struct memory_holds *holds = enter(opaque);
    struct memory_lease **spares = tq__alloc(holds->env, count, sizeof(struct memory_lease *));
    int rc = spares ? prepare(holds, claims, count, spares, err) : tq__nomem("store.memory", err);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        struct tq_hold *out = &out_holds[i];
        out->taken = out->fence = 0;
        out->granted_ms = out->expires_ms = 0;
        out->id[0] = '\0';
        out->status = claim_one(holds, &claims[i], &spares[i], out);
    }
    if (spares) {
        tidy(holds, claims, count, spares);
        tq__release(holds->env, spares);
    }
    leave(holds);
    return rc;
}

/* Whether the seats of an ended lease can be had again; then there is a fence for it. */
static int may_retake(struct memory_holds *holds, struct memory_lease *lease,
                      const struct tq_front_change *change, struct tq__lease *next, int64_t now_ms)
{
    if (change->is_told) {
        return tq__memory_displace(holds, lease, next->fence, now_ms);
    }
    for (size_t i = 0; i < lease->seats_count; i++) {
        struct memory_lease *owner = lease->seats[i]->owner;
        if (owner && !tq__memory_lease_lapse(holds, owner, now_ms)) {
            return TQ_TAKEN;
        }
    }
    if (tq__memory_is_full(holds, lease->schedule, lease->holder, lease->seats_count,
                           change->seats_limit, now_ms)) {
        return TQ_FULL;
    }
    next->fence = ++lease->schedule->fence;
    return TQ_OK;
}

static int retake(struct memory_holds *holds, struct memory_lease *lease,
                  const struct tq_front_change *change, struct tq__lease *next, int64_t now_ms)
{
    tq__memory_lease_recall(lease);
    int rc = may_retake(holds, lease, change, next, now_ms);
    if (rc != TQ_OK) {
        tq__memory_lease_retire(holds, lease, now_ms);
        return rc;
    }
    next->granted_ms = now_ms;
    lease->core = *next;
    tq__memory_lease_begin(holds, lease);
    return TQ_OK;
}

/* Stores a decision. */
static int apply(struct memory_holds *holds, struct memory_lease *lease,
                 const struct tq_front_change *change, struct tq__lease *next, int64_t now_ms)
{
    if (!tq__lease_is_live(&lease->core)) {
        return retake(holds, lease, change, next, now_ms);
    }
    if (tq__lease_is_live(next)) {
        tq__memory_lease_update(holds, lease, next);
    } else if (change->verb == TQ_HOLD_WITHDRAW) {
        tq__memory_lease_withdraw(holds, lease, now_ms);
    } else {
        lease->core.fence = next->fence;
        tq__memory_lease_end(holds, lease, next->state, now_ms);
    }
    return TQ_OK;
}

static int change_one(struct memory_holds *holds, const struct tq_front_change *change,
                      struct tq_hold_result *out)
{
    struct memory_schedule *schedule = known(holds, change->schedule);
    struct memory_lease *lease = schedule ? tq__map_get(&schedule->leases, change->id) : NULL;
    int64_t now_ms = tq__now_ms(holds->env);
    struct tq__lease_order order = {
        .verb = change->verb,
        .is_told = change->is_told != 0,
        .holder = change->holder,
        .fence = change->fence,
        .now_ms = now_ms,
        .extend_ms = change->extend_ms,
        .life_max_ms = change->life_max_ms,
    };
    struct tq__lease next;
    if (!lease) {
        return TQ_GONE;
    }
    if (!change->is_told) {
        tq__memory_lease_lapse(holds, lease, now_ms);
    }
    int rc = tq__lease_decide(&lease->core, &order, &next);
    if (rc == TQ_OK) {
        rc = apply(holds, lease, change, &next, now_ms);
    } else if (!tq__lease_is_live(&lease->core)) {
        lease->core = next; /* as what it has ended, under which fence */
    }
    if (change->is_told && change->fence > schedule->fence) {
        schedule->fence = change->fence;
    }
    if (rc != TQ_STALE && change->verb != TQ_HOLD_WITHDRAW) {
        out->fence = lease->core.fence;
        out->expires_ms = lease->core.state == TQ__LEASE_HOLD ? lease->core.expires_ms : 0;
    }
    return rc;
}

/* Room for the leases that come back to life. */
static int prepare_retakes(struct memory_holds *holds, const struct tq_front_change *changes,
                           size_t count, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct memory_schedule *schedule = known(holds, changes[i].schedule);
        if (schedule && changes[i].verb == TQ_HOLD_RETAKE) {
            TQ_TRY(tq__map_reserve(&schedule->holders, count, err));
        }
    }
    return TQ_OK;
}

static int front_change(void *opaque, const struct tq_front_change *changes, size_t count,
                        struct tq_hold_result *out_results, struct tq_error *err)
{
    struct memory_holds *holds = enter(opaque);
    int rc = prepare_retakes(holds, changes, count, err);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        struct tq_hold_result *out = &out_results[i];
        out->expires_ms = 0;
        out->fence = 0;
        out->status = change_one(holds, &changes[i], out);
    }
    leave(holds);
    return rc;
}

/* A row that stays valid when the lock is let go. */
struct swept {
    struct tq_hold_row row;
    const char *seats[TQ_HOLD_SEATS_MAX];
    char ids[TQ_HOLD_SEATS_MAX][TQ_ID_SIZE];
    char schedule[TQ_ID_SIZE];
    char id[TQ_ID_SIZE];
    char holder[TQ_ID_SIZE];
};

static void copy_row(const struct memory_lease *lease, struct swept *out)
{
    tq__id_copy(out->schedule, lease->schedule->id);
    tq__id_copy(out->id, lease->id);
    tq__id_copy(out->holder, lease->holder);
    for (size_t i = 0; i < lease->seats_count; i++) {
        tq__id_copy(out->ids[i], lease->seats[i]->id);
        out->seats[i] = out->ids[i];
    }
    out->row = (struct tq_hold_row){
        .size = sizeof out->row,
        .ended = tq__lease_status(&lease->core),
        .state = TQ_SEAT_AVAILABLE,
        .fence = lease->core.fence,
        .granted_ms = lease->core.granted_ms,
        .expires_ms = lease->core.expires_ms,
        .schedule = out->schedule,
        .id = out->id,
        .holder = out->holder,
        .seats = out->seats,
        .seats_count = lease->seats_count,
    };
}

/* Ends the earliest lease that is due and copies it. Zero when there is none. */
static int sweep_one(struct memory_holds *holds, struct swept *out, uint32_t *out_next_ms)
{
    struct tq__heap_item *first = tq__heap_first(&holds->timers);
    int64_t now_ms = tq__now_ms(holds->env);
    *out_next_ms = UINT32_MAX;
    if (!first) {
        return 0;
    }
    if (first->due_ms > now_ms) {
        int64_t wait_ms = first->due_ms - now_ms;
        *out_next_ms = wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX - 1;
        return 0;
    }
    struct memory_lease *lease = (struct memory_lease *)first;
    tq__memory_lease_lapse(holds, lease, now_ms);
    tq__heap_remove(&holds->timers, &lease->timer);
    copy_row(lease, out);
    *out_next_ms = 0;
    return 1;
}

static int front_sweep(void *opaque, size_t limit, tq_hold_row_fn *visit, void *arg,
                       uint32_t *out_next_ms, struct tq_error *err)
{
    size_t count = 0;
    (void)err;
    for (;;) {
        struct swept swept;
        struct memory_holds *holds = enter(opaque);
        int is_swept = count < limit && sweep_one(holds, &swept, out_next_ms);
        leave(holds);
        if (!is_swept) {
            return count ? TQ_OK : TQ_EMPTY;
        }
        count++;
        int rc = visit ? visit(arg, &swept.row) : 0;
        if (rc) {
            return rc;
        }
    }
}

static int front_map(void *opaque, const char *schedule_id, struct tq_seat_map *map,
                     struct tq_error *err)
{
    struct memory_holds *holds = enter(opaque);
    const struct memory_schedule *schedule = known(holds, schedule_id);
    (void)err;
    if (schedule) {
        size_t bytes = (schedule->seats_count + 3u) / 4;
        size_t room = map->bits ? map->bits_bytes : 0;
        map->version = schedule->version;
        map->seats_count = schedule->seats_count;
        memcpy(map->counts, schedule->counts, sizeof map->counts);
        if (room && bytes) {
            memcpy(map->bits, schedule->bits, bytes < room ? bytes : room);
        }
        map->bits_bytes = bytes;
    }
    leave(holds);
    return schedule ? TQ_OK : TQ_GONE;
}

static int front_subscribe(void *opaque, const char *schedule_id, tq_front_freed_fn *freed,
                           void *arg, struct tq_error *err)
{
    struct memory_holds *holds = enter(opaque);
    struct memory_schedule *schedule = tq__memory_schedule(holds, schedule_id, err);
    struct memory_watcher *watcher = schedule ? tq__alloc(holds->env, 1, sizeof *watcher) : NULL;
    if (watcher) {
        *watcher = (struct memory_watcher){schedule->watchers, freed, arg};
        schedule->watchers = watcher;
    }
    leave(holds);
    return watcher ? TQ_OK : tq__nomem("store.memory", err);
}

static void front_unsubscribe(void *opaque, const char *schedule_id, tq_front_freed_fn *freed,
                              void *arg)
{
    struct memory_holds *holds = enter(opaque);
    struct memory_schedule *schedule = tq__map_get(&holds->schedules, schedule_id);
    for (struct memory_watcher **at = schedule ? &schedule->watchers : NULL; at && *at;
         at = &(*at)->next) {
        struct memory_watcher *watcher = *at;
        if (watcher->freed == freed && watcher->arg == arg) {
            *at = watcher->next;
            tq__release(holds->env, watcher);
            break;
        }
    }
    leave(holds);
}

const struct tq_hold_driver tq__memory_hold = {
    .size = sizeof(struct tq_hold_driver),
    .load = front_load,
    .claim = front_claim,
    .change = front_change,
    .sweep = front_sweep,
    .map = front_map,
    .subscribe = front_subscribe,
    .unsubscribe = front_unsubscribe,
};
