/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/room.h
 * @brief The room table of a store driver: line, place, tick, leave, state.
 *
 * A driver keeps, per room: the policy; the next number, the epoch and the
 * counters; the line, which is visitors by number; who is inside; which numbers
 * are spent; the audit trail. Tokens, estimates and checks of arguments are the
 * core's: a driver gets valid ids, a policy without zeros that mean a default
 * (`burst` and the two times may be 0), and numbers within their limits.
 *
 * A visitor is absent, waiting or inside; a lease ends at its instant, by the
 * driver's clock, and whatever a slot answers is as if every lease that has
 * ended had been swept before:
 *
 *                 enter                place      leave     admitted   silence
 *     absent   -> waiting | inside *   TQ_GONE    TQ_GONE      -          -
 *     waiting     heard                heard   -> absent #  -> inside  -> absent
 *     inside      heard                heard   -> absent #     -       -> absent #
 *
 *     *  inside only with a pass (tq_room_arrival).   #  the number is spent.
 *
 * The line's order is that of the numbers. Every slot is one atomic step of its
 * room: a script, a transaction or a lock. Rooms are independent, and all keys
 * of one room may live in one shard. `room` names it in each call. A driver may ignore
 * `shards`; one that does not owes what ticketq/room.h promises of them, a step for each shard.
 */
#ifndef TICKETQ_DRIVER_ROOM_H
#define TICKETQ_DRIVER_ROOM_H

#include <ticketq/room.h>

/**
 * Numbers that are left out where a store may have forgotten the last that were issued:
 * more than are issued while a replica lags.
 */
#define TQ_ROOM_LOSS_GAP (INT64_C(1) << 20)

/** Somebody at the door, and the token that was shown. */
struct tq_room_arrival {
    const char *id;
    int64_t sequence; /**< The number it was given for. */
    int64_t epoch;    /**< The epoch in which it was given; 0: the token is no good. */
    uint32_t visit;   /**< TQ_VISIT_WAITING: a place. TQ_VISIT_ADMITTED: a pass. TQ_VISIT_NONE:
                           no token, or one whose time is over. */
    uint32_t reserved;
};

/** Where somebody stands. All zero unless `status` is TQ_OK. */
struct tq_room_spot {
    int32_t status;
    uint32_t visit; /**< enum tq_visit. */
    int64_t sequence;
    uint64_t ahead;     /**< Waiting with a smaller number; 0 inside. */
    int64_t expires_ms; /**< When the lease ends if nothing is heard: seen + `waiting_ms` in line;
                             inside the earlier of seen + `active_ms` and admitted + `pass_ms`. */
};

/** A room at one instant: what the core computes estimates and tokens from. */
struct tq_room_view {
    size_t size;
    struct tq_room_policy policy; /**< As orders have changed it. */
    struct tq_room_state state;   /**< `poll_after_ms` is the core's. */
    uint64_t recent_admitted;     /**< Let in during the last `recent_ms`. */
    uint64_t recent_gone;         /**< Skipped and left the line during the last `recent_ms`. */
    uint32_t recent_ms;           /**< 0: too young to tell; at least ten seconds otherwise. */
    uint32_t reserved;
};

/**
 * The table. All slots are required since ABI 1; may block for a round trip, and
 * are called at the same time, also for one room. Arrays have `count` elements,
 * 1 to TQ_BATCH_MAX; arguments are borrowed. Besides what each slot lists they
 * return TQ_GONE (the store does not know the room, or no longer: the core opens
 * it again), TQ_E_NOMEM, TQ_E_UNAVAILABLE (nothing was done), TQ_E_UNKNOWN, and TQ_E_CORRUPT
 * and TQ_E_INTERNAL where what is kept, or said, cannot be.
 */
struct tq_room_driver {
    size_t size;

    /**
     * Make the room known: create it with `policy`, or replace the policy of one
     * that exists and raise its next number and its epoch to what the policy
     * begins with. Must not touch visitors, counters, pause or drain, nor give
     * the bucket more than it has. A new bucket is full. A room that is created with
     * numbers from above 1 recovers: for `recovery_ms` its ticks let nobody in, and its
     * state says that it opens then.
     * @param policy  NULL: keep what is there.
     * @return TQ_OK; TQ_GONE only where `policy` is NULL.
     */
    int (*open)(void *state, const char *room, const struct tq_room_policy *policy,
                struct tq_error *err);

    /**
     * Let everybody line up, in the order of the array; the same id may stand in
     * it twice. For one who is absent:
     *
     * 1. A token of an older epoch than the room's: TQ_REFUSED.
     * 2. A pass whose number is neither spent nor another's: inside with it,
     *    whatever cap, times and orders say; the number is spent, and counts for
     *    `serving`, as it was let in once.
     * 3. The room is closed: TQ_CLOSED.
     * 4. A place whose number is neither spent nor another's: waiting with it.
     * 5. The room drains: TQ_CLOSED; the line is as long as `capacity`: TQ_FULL.
     * 6. Otherwise waiting with the next number.
     *
     * The next number is above every number that was seen, and where the store may have
     * forgotten the last ones (a replica was promoted, a file was read) TQ_ROOM_LOSS_GAP
     * above that; then the room also recovers, like one that is created so. Must be all or
     * nothing where it fails, but a repetition after TQ_E_UNKNOWN finds everybody there.
     * @return TQ_OK.
     */
    int (*enter)(void *state, const char *room, const struct tq_room_arrival *arrivals,
                 size_t count, struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                 struct tq_error *err);

    /**
     * Tell where everybody stands, and hear from them: TQ_OK or TQ_GONE each.
     * @return TQ_OK.
     */
    int (*place)(void *state, const char *room, const char *const *visitors, size_t count,
                 struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                 struct tq_error *err);

    /**
     * Take everybody out and spend their numbers: TQ_OK or TQ_GONE each.
     * @return TQ_OK.
     */
    int (*leave)(void *state, const char *room, const char *const *visitors, size_t count,
                 int32_t *out_statuses, struct tq_error *err);

    /**
     * Sweep the leases that have ended, then let in from the front of the line
     * while the room is open, not closed and not paused, fewer than `max_active`
     * are inside, and the bucket holds an admission. The bucket gains `rate`
     * admissions in `rate_per_ms`, exactly, and holds at most `burst` (`rate` when
     * that is 0). Whoever is let in begins a lease inside. May stop after
     * TQ_BATCH_MAX admissions.
     * @param out_tick  `next_ms` is the time until another call is of use, 1 to 1000.
     * @return TQ_OK: somebody was let in, skipped or freed. TQ_EMPTY: nobody.
     */
    int (*tick)(void *state, const char *room, struct tq_room_tick *out_tick,
                struct tq_error *err);

    /**
     * Show the room.
     * @return TQ_OK.
     */
    int (*view)(void *state, const char *room, struct tq_room_view *out_view,
                struct tq_error *err);

    /**
     * Carry out an order as enum tq_room_order says and append it, with time and
     * number, to the audit trail, of which the newest TQ_ROOM_AUDIT_MAX are kept.
     * SET_RATE leaves in the bucket what it holds, cut to the burst. A reset
     * takes everybody out, forgets which numbers are spent, and adds one to the
     * epoch; numbers, counters, bucket, pause and drain stay.
     * @return TQ_OK; TQ_REPEAT: the request key is in the trail, nothing was done.
     */
    int (*operate)(void *state, const char *room, const struct tq_room_action *action,
                   struct tq_error *err);

    /**
     * Copy actions behind number `after`, oldest first.
     * @param out_count  How many there were, at most `room_for`; 0 at the end.
     * @return TQ_OK.
     */
    int (*audit)(void *state, const char *room, uint64_t after, struct tq_room_action *out_actions,
                 size_t room_for, size_t *out_count, struct tq_error *err);
};

#endif /* TICKETQ_DRIVER_ROOM_H */
