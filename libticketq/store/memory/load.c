/* SPDX-License-Identifier: MIT */
/*
 * How a schedule comes into the memory front: its seats, and after a loss the
 * holds that the ledger has.
 *
 * The ledger's rows are the truth of the moment at which they were read; what was
 * granted here since is younger. So a row is taken over unless this front knows
 * that its hold went on: it has ended here under the same fence, or is in a later
 * state. Whoever sits on its seats yields if he is a HOLD (a claim that the ledger
 * may not even know) or has a lower fence. A row that ended ends its hold here too.
 * Of a ledger that went back (`is_past`) each row is taken over: what this front knows
 * beyond it is no longer so.
 * With `is_truth`, what has no timer and is not among the rows is freed, because nothing
 * else ever would.
 *
 * A load that stops for want of memory leaves what it has done: every part of it
 * is true by itself. Cost: O(seats + rows). Threads: the lock of memory_holds is
 * held.
 */
#include "store/memory/hold.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

static int init_maps(struct memory_holds *holds, struct memory_schedule *schedule,
                     struct tq_error *err)
{
    TQ_TRY(tq__map_init(&schedule->seats, holds->env, err));
    TQ_TRY(tq__map_init(&schedule->leases, holds->env, err));
    TQ_TRY(tq__map_init(&schedule->keys, holds->env, err));
    return tq__map_init(&schedule->holders, holds->env, err);
}

struct memory_schedule *tq__memory_schedule(struct memory_holds *holds, const char *id,
                                            struct tq_error *err)
{
    struct memory_schedule *schedule = tq__map_get(&holds->schedules, id);
    if (schedule) {
        return schedule;
    }
    schedule = tq__alloc(holds->env, 1, sizeof *schedule);
    if (!schedule) {
        tq__nomem("store.memory", err);
        return NULL;
    }
    tq__id_copy(schedule->id, id);
    schedule->fence = schedule->version = (uint64_t)tq__now_ms(holds->env) << 10;
    if (init_maps(holds, schedule, err) < 0 ||
        tq__map_put(&holds->schedules, schedule->id, schedule, err) < 0) {
        tq__memory_schedule_free(holds, schedule);
        return NULL;
    }
    return schedule;
}

void tq__memory_schedule_free(struct memory_holds *holds, struct memory_schedule *schedule)
{
    struct memory_lease *lease;
    size_t cursor = 0;
    while (schedule->leases.env && (lease = tq__map_next(&schedule->leases, &cursor))) {
        tq__release(holds->env, lease);
    }
    for (struct memory_block *at = schedule->blocks, *next; at; at = next) {
        next = at->next;
        tq__release(holds->env, at);
    }
    for (struct memory_watcher *at = schedule->watchers, *next; at; at = next) {
        next = at->next;
        tq__release(holds->env, at);
    }
    tq__map_done(&schedule->seats);
    tq__map_done(&schedule->leases);
    tq__map_done(&schedule->keys);
    tq__map_done(&schedule->holders);
    tq__release(holds->env, schedule->bits);
    tq__release(holds->env, schedule);
}

static size_t count_new(const struct memory_schedule *schedule, const struct tq_front_load *load)
{
    size_t count = 0;
    for (size_t i = 0; i < load->seats_count; i++) {
        count += tq__map_get(&schedule->seats, load->seats[i]) == NULL;
    }
    return count;
}

/* Room for `more` seats in the map and in the bits. */
static int make_room(struct memory_holds *holds, struct memory_schedule *schedule, size_t more,
                     struct tq_error *err)
{
    size_t before = (schedule->seats_count + 3u) / 4,
           after = (schedule->seats_count + more + 3) / 4;
    if (schedule->seats_count + more > TQ_SCHEDULE_SEATS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.memory", "a schedule has at most %d seats",
                        TQ_SCHEDULE_SEATS_MAX);
    }
    TQ_TRY(tq__map_reserve(&schedule->seats, more, err));
    uint8_t *bits = tq__resize(holds->env, schedule->bits, after, 1);
    if (!bits) {
        return tq__nomem("store.memory", err);
    }
    memset(bits + before, 0, after - before);
    schedule->bits = bits;
    return TQ_OK;
}

/* TQ_OK when a seat was new, else TQ_REPEAT. */
static int add_seats(struct memory_holds *holds, struct memory_schedule *schedule,
                     const struct tq_front_load *load, struct tq_error *err)
{
    size_t more = count_new(schedule, load);
    if (!more) {
        return TQ_REPEAT;
    }
    TQ_TRY(make_room(holds, schedule, more, err));
    struct memory_block *block =
        tq__alloc(holds->env, 1, sizeof *block + more * sizeof(struct memory_seat));
    if (!block) {
        return tq__nomem("store.memory", err);
    }
    block->next = schedule->blocks;
    schedule->blocks = block;
    struct memory_seat *seat = block->seats;
    for (size_t i = 0; i < load->seats_count; i++) {
        if (!tq__map_get(&schedule->seats, load->seats[i])) {
            tq__id_copy(seat->id, load->seats[i]);
            seat->place = schedule->seats_count++;
            TQ_TRY(tq__map_put(&schedule->seats, seat->id, seat, err));
            seat++;
        }
    }
    schedule->counts[TQ_SEAT_AVAILABLE] += (uint32_t)more;
    schedule->version++;
    return TQ_OK;
}

int tq__memory_displace(struct memory_holds *holds, struct memory_lease *lease, uint64_t fence,
                        int64_t now_ms)
{
    for (size_t i = 0; i < lease->seats_count; i++) {
        const struct memory_lease *owner = lease->seats[i]->owner;
        if (owner && owner != lease && owner->core.state != TQ__LEASE_HOLD &&
            owner->core.fence >= fence) {
            return TQ_TAKEN;
        }
    }
    for (size_t i = 0; i < lease->seats_count; i++) {
        struct memory_lease *owner = lease->seats[i]->owner;
        if (!owner || owner == lease || tq__memory_lease_lapse(holds, owner, now_ms)) {
            continue;
        }
        if (owner->core.state == TQ__LEASE_HOLD) {
            tq__memory_lease_withdraw(holds, owner, now_ms);
        } else {
            tq__memory_lease_end(holds, owner, TQ__LEASE_RELEASED, now_ms);
        }
    }
    return TQ_OK;
}

/* A lease for a row that is not known here, not linked yet. */
static int make_lease(struct memory_holds *holds, struct memory_schedule *schedule,
                      const struct tq_front_lease *row, struct memory_lease **out_lease,
                      struct tq_error *err)
{
    struct memory_lease *lease = tq__memory_lease_new(holds, schedule, row->seats_count);
    if (!lease) {
        return tq__nomem("store.memory", err);
    }
    tq__id_copy(lease->id, row->id);
    tq__id_copy(lease->holder, row->holder);
    tq__memory_key(lease->key, row->holder, row->request_key);
    for (size_t i = 0; i < row->seats_count; i++) {
        lease->seats[i] = tq__map_get(&schedule->seats, row->seats[i]);
        if (!lease->seats[i]) {
            tq__release(holds->env, lease);
            return tq__fail(err, TQ_E_CORRUPT, "store.memory", "a hold has an unknown seat %s",
                            row->seats[i]);
        }
    }
    *out_lease = lease;
    return TQ_OK;
}

/* Give the lease what the row says; its seats go to it if it has none. */
static void take_over(struct memory_holds *holds, struct memory_lease *lease, int is_live,
                      const struct tq_front_lease *row)
{
    struct tq__lease next = lease->core;
    next.state = row->state;
    next.fence = row->fence;
    next.granted_ms = row->granted_ms;
    next.expires_ms = row->expires_ms;
    if (is_live) {
        tq__memory_lease_update(holds, lease, &next);
    } else {
        lease->core = next;
        tq__memory_lease_begin(holds, lease);
    }
}

/* This front knows more of the hold than the row. A timer of ours proves nothing to the ledger. */
static int is_ahead(const struct memory_lease *lease, const struct tq_front_lease *row)
{
    const struct tq__lease *core = &lease->core;
    if (core->fence != row->fence || tq__lease_is_live(core)) {
        return core->fence > row->fence || (core->fence == row->fence && core->state > row->state);
    }
    return core->state == TQ__LEASE_RELEASED ||
           (row->state == TQ_SEAT_HOLD && row->expires_ms <= core->expires_ms);
}

/* One that is known here ends, and under the row's fence it has ended as the row says. */
static void end_as(struct memory_holds *holds, struct memory_lease *lease, uint32_t state,
                   uint64_t fence, int64_t now_ms)
{
    struct tq__lease *core = &lease->core;
    if (tq__lease_is_live(core)) {
        tq__memory_lease_end(holds, lease, state, now_ms);
    } else if (core->fence != fence || state == TQ__LEASE_RELEASED) {
        core->state = state;
    }
    core->fence = fence;
}

/* A hold that the ledger has ended: its key has to be known here, its seats are free. */
static int load_ended(struct memory_holds *holds, struct memory_schedule *schedule,
                      const struct tq_front_lease *row, int is_past, struct tq_error *err)
{
    int64_t now_ms = tq__now_ms(holds->env);
    uint32_t state = row->ended == TQ_EXPIRED ? TQ__LEASE_EXPIRED : TQ__LEASE_RELEASED;
    struct memory_lease *lease = tq__map_get(&schedule->leases, row->id);
    if (lease) {
        if (is_past || lease->core.fence <= row->fence) {
            end_as(holds, lease, state, row->fence, now_ms);
        }
        return TQ_OK;
    }
    TQ_TRY(tq__map_reserve(&schedule->leases, 1, err));
    TQ_TRY(tq__map_reserve(&schedule->keys, 1, err));
    TQ_TRY(make_lease(holds, schedule, row, &lease, err));
    lease->core.state = state;
    lease->core.fence = row->fence;
    lease->core.granted_ms = row->granted_ms;
    lease->core.expires_ms = row->expires_ms;
    tq__memory_lease_link(lease);
    tq__memory_lease_retire(holds, lease, now_ms);
    return TQ_OK;
}

static int load_lease(struct memory_holds *holds, struct memory_schedule *schedule,
                      const struct tq_front_lease *row, int is_past, struct tq_error *err)
{
    if (row->ended) {
        return load_ended(holds, schedule, row, is_past, err);
    }
    int64_t now_ms = tq__now_ms(holds->env);
    struct memory_lease *lease = tq__map_get(&schedule->leases, row->id);
    int is_known = lease != NULL, is_live = is_known && tq__lease_is_live(&lease->core);
    if (is_known && !is_past && is_ahead(lease, row)) {
        lease->round = schedule->round;
        return TQ_OK;
    }
    TQ_TRY(tq__map_reserve(&schedule->leases, 1, err));
    TQ_TRY(tq__map_reserve(&schedule->keys, 1, err));
    TQ_TRY(tq__map_reserve(&schedule->holders, 1, err));
    TQ_TRY(tq__heap_reserve(&holds->timers, 1, err));
    if (!is_known) {
        TQ_TRY(make_lease(holds, schedule, row, &lease, err));
    }
    tq__memory_lease_recall(lease);
    if (!is_live && tq__memory_displace(holds, lease, row->fence, now_ms) != TQ_OK) {
        if (is_known) {
            tq__memory_lease_retire(holds, lease, now_ms);
        } else {
            tq__release(holds->env, lease);
        }
        return TQ_OK;
    }
    if (!is_known) {
        tq__memory_lease_link(lease);
    }
    take_over(holds, lease, is_live, row);
    lease->round = schedule->round;
    if (schedule->fence < row->fence) {
        schedule->fence = row->fence;
    }
    return TQ_OK;
}

/*
 * Free what nothing else would: no timer, not in the ledger. What was above the fence of a
 * ledger that went back is forgotten, since that one may yet show that it has it.
 */
static void free_untold(struct memory_holds *holds, struct memory_schedule *schedule,
                        const struct tq_front_load *load)
{
    uint64_t fence = load->is_past ? UINT64_MAX : load->fence;
    struct memory_lease *lease;
    size_t cursor = 0;
    int64_t now_ms = tq__now_ms(holds->env);
    while ((lease = tq__map_next(&schedule->leases, &cursor))) {
        int is_untold =
            lease->round != schedule->round && lease->core.fence <= fence &&
            (lease->core.state == TQ__LEASE_PAYING || lease->core.state == TQ__LEASE_SOLD);
        if (is_untold && load->is_past) {
            tq__memory_lease_withdraw(holds, lease, now_ms);
        } else if (is_untold) {
            tq__memory_lease_end(holds, lease, TQ__LEASE_RELEASED, now_ms);
        }
    }
}

int tq__memory_load(struct memory_holds *holds, const struct tq_front_load *load,
                    struct tq_error *err)
{
    struct memory_schedule *schedule = tq__memory_schedule(holds, load->schedule, err);
    if (!schedule) {
        return TQ_E_NOMEM;
    }
    int rc = add_seats(holds, schedule, load, err);
    TQ_TRY(rc);
    schedule->round++;
    for (size_t i = 0; i < load->leases_count; i++) {
        TQ_TRY(load_lease(holds, schedule, &load->leases[i], load->is_past != 0, err));
    }
    if (load->is_truth) {
        free_untold(holds, schedule, load);
    }
    if (schedule->fence < load->fence) {
        schedule->fence = load->fence;
    }
    schedule->is_known = 1;
    return rc;
}
