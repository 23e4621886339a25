/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/hold.h
 * @brief The hold table of a store driver: a front for seat holds.
 *
 * A front keeps, per schedule: its seats in order, who has each, the holds with
 * their timers and request keys, a fence and a version that only grow, and who
 * wants to know of freed seats. The core has checked every argument, resolved
 * every default and made the ids of new holds, so that a driver needs neither
 * chance nor a clock of the caller: it decides by its own clock, atomically per
 * element, and looks at nothing outside the element's schedule. On Redis an
 * element is one script on one slot and an array is one pipeline.
 *
 * What may happen to a hold is one table for all stores (state × verb: see
 * libticketq/store/lease.c). Rules that every front keeps:
 * - Fence and version begin at the clock's milliseconds × 1024 when a schedule is
 *   loaded first, or where the ledger stands if that is higher, and grow by at
 *   least one with every grant and every change; where the store may go back to an
 *   earlier state, at least to the clock's milliseconds × 1024. So a front that lost
 *   its memory goes on above what it gave before: surely with a ledger, in practice
 *   without.
 * - A hold past its time is in nobody's way: whoever wants its seats or names it
 *   ends it. It is still handed out by `sweep`, once.
 * - An ended hold and its request key are remembered for TQ_HOLD_KEEP_MS, the
 *   latest TQ_HOLD_KEEP_MAX of a schedule at most, and forgotten in small steps.
 */
#ifndef TICKETQ_DRIVER_HOLD_H
#define TICKETQ_DRIVER_HOLD_H

#include <ticketq/hold.h>

/** What the ledger knows of a schedule, or only its seats. */
struct tq_front_load {
    size_t size;
    const char *schedule;
    const char *const *seats; /**< All different, in order; those not yet known are appended. */
    size_t seats_count;
    const struct tq_front_lease *leases; /**< Every hold of the ledger that has its seats, and the
                                              latest that ended, oldest first. */
    size_t leases_count;
    uint64_t fence;    /**< The highest that the ledger has accepted; 0: none. */
    uint32_t is_truth; /**< `leases` is all that the ledger has: see `load`. */
    uint32_t is_past;  /**< It may have had more, and have gone back. */
};

/** A hold as the ledger has it. */
struct tq_front_lease {
    size_t size;
    const char *id;
    const char *holder;
    const char *request_key;
    const char *const *seats;
    uint32_t seats_count;
    uint32_t state; /**< enum tq_seat_state; TQ_SEAT_AVAILABLE when it ended. */
    uint64_t fence;
    int64_t granted_ms;
    int64_t expires_ms; /**< 0: no timer. */
    int32_t ended;      /**< TQ_OK, TQ_RELEASED or TQ_EXPIRED. */
    uint32_t reserved;
};

/** Seats that are wanted. */
struct tq_front_claim {
    size_t size;
    const char *schedule;
    const char *holder;
    const char *request_key;
    const char *id;           /**< For the hold, if it is granted. */
    const char *const *seats; /**< All different. */
    uint32_t seats_count;
    uint32_t ttl_ms;
    uint32_t seats_limit; /**< Of the holder: HOLD, PAYING and SOLD together; 0: none. */
    uint32_t reserved;
};

/** What shall happen to a hold. */
struct tq_front_change {
    size_t size;
    const char *schedule;
    const char *id;
    const char *holder;
    uint64_t fence;
    uint32_t verb;    /**< enum tq_hold_verb. */
    uint32_t is_told; /**< The ledger has decided so: only the state table objects, a higher
                           fence is taken over, and claims in the way of a retake yield. */
    uint32_t extend_ms;
    uint32_t life_max_ms;
    uint32_t seats_limit; /**< For a retake. */
    uint32_t reserved;
};

/**
 * Called for seats that became free. May be called under the driver's locks and
 * from any thread that is inside the driver; never calls the driver.
 * @param seats  NULL: any of the schedule.
 */
typedef void tq_front_freed_fn(void *arg, const char *schedule, const char *const *seats,
                               size_t seats_count);

/**
 * A front for seat holds. Unless its comment says otherwise a slot is required since ABI 1. All
 * may be called at the same time, also for one schedule; arguments are borrowed. Besides what each
 * lists they return TQ_E_CORRUPT and TQ_E_INTERNAL where what is kept, or said, cannot be.
 */
struct tq_hold_driver {
    size_t size; /**< sizeof, as the driver was compiled. */

    /**
     * Make a schedule known, append seats, take over what the ledger knows.
     * A lease that is unknown here, or known with a lower fence or an earlier state,
     * is put in place and displaces a HOLD or a lower fence on its seats; one that
     * ended here with the same fence stays ended. One that ended there ends here, unless it has a
     * higher fence, and is remembered with fence and key. With `is_truth`, what is PAYING or
     * SOLD here, with a fence up to `fence`, and is not among the leases, is freed (a HOLD ends by
     * its timer). With `is_past` each lease is put in place, whatever is known here, and what is
     * not among them is freed whatever its fence, and forgotten, so that a later load may bring
     * it back. Not atomic: may be split, may stop half way, and can be repeated. May
     * block for a round trip a slice.
     * @return TQ_OK (a seat was new), TQ_REPEAT, TQ_E_LIMIT (over TQ_SCHEDULE_SEATS_MAX; nothing
     *         was done), TQ_E_CORRUPT (a lease names an unknown seat), TQ_E_NOMEM,
     *         TQ_E_UNAVAILABLE, TQ_E_UNKNOWN.
     */
    int (*load)(void *state, const struct tq_front_load *load, struct tq_error *err);

    /**
     * Grant each claim for itself, all of its seats or none, in the order of the array.
     * Must not wait for a seat. May block for one round trip.
     * @param out_holds  Written on TQ_OK, but for `size`, `seats_count`, `schedule` and `holder`,
     *                   which are the core's: status TQ_OK; TQ_REPEAT, TQ_SETTLED, TQ_RELEASED,
     *                   TQ_EXPIRED (the key is known; id, fence and times are those of its hold);
     *                   TQ_REFUSED; TQ_GONE; TQ_TAKEN; TQ_FULL. See struct tq_hold.
     * @return TQ_OK, TQ_E_NOMEM and TQ_E_UNAVAILABLE (none was granted), TQ_E_UNKNOWN.
     */
    int (*claim)(void *state, const struct tq_front_claim *claims, size_t count,
                 struct tq_hold *out_holds, struct tq_error *err);

    /**
     * Carry out each change for itself, in the order of the array. A withdrawn hold is
     * forgotten with its request key. May block for one round trip.
     * @param out_results  Written on TQ_OK, but for `size`: status as the state table says,
     *                     TQ_GONE, and for a retake TQ_TAKEN or TQ_FULL.
     * @return TQ_OK, TQ_E_NOMEM and TQ_E_UNAVAILABLE (none was carried out), TQ_E_UNKNOWN.
     */
    int (*change)(void *state, const struct tq_front_change *changes, size_t count,
                  struct tq_hold_result *out_results, struct tq_error *err);

    /**
     * End up to `limit` holds whose time ran out, of any schedule, earliest first within
     * each, and visit them and those ended on the way since (see above); each once, whoever
     * calls, but that after TQ_E_UNKNOWN some may have ended without a visit.
     * Must not scan: the cost grows with what is due. `visit` is called with no lock held, so
     * that it may call the core; what it returns, when not 0, stops and is returned. May block
     * for some round trips a schedule.
     * @param visit        May be NULL.
     * @param out_next_ms  Milliseconds until the next is due; UINT32_MAX: there is none.
     * @return TQ_OK, TQ_EMPTY, TQ_E_NOMEM and TQ_E_UNAVAILABLE (no more was done), TQ_E_UNKNOWN.
     */
    int (*sweep)(void *state, size_t limit, tq_hold_row_fn *visit, void *arg, uint32_t *out_next_ms,
                 struct tq_error *err);

    /**
     * Read the seat map: version, counts and bits of one instant. `bits` is written as far
     * as `bits_bytes` has room. May block for one round trip.
     * @return TQ_OK, TQ_GONE, TQ_E_NOMEM, TQ_E_UNAVAILABLE.
     */
    int (*map)(void *state, const char *schedule, struct tq_seat_map *map, struct tq_error *err);

    /**
     * From now on call `freed` whenever seats of the schedule become free, known or not yet.
     * Returns when it is certain (on Redis: after the acknowledgement), so that whoever tries
     * after it misses nothing. (freed, arg, schedule) is subscribed once at a time. May block for
     * some round trips.
     * @return TQ_OK, TQ_E_NOMEM, TQ_E_UNAVAILABLE.
     */
    int (*subscribe)(void *state, const char *schedule, tq_front_freed_fn *freed, void *arg,
                     struct tq_error *err);
    /**
     * Stop. When it returns, `freed` is not running and will not be called. Never fails. May block
     * for `freed`, not for the network.
     */
    void (*unsubscribe)(void *state, const char *schedule, tq_front_freed_fn *freed, void *arg);

    /**
     * Optional, together with `rouse`: for a driver that hears of freed seats over a socket.
     * Hear what comes for up to `timeout_ms` and call `freed` for it. The core lends it the
     * thread of one who waits for seats. Returns as soon as it has heard something. A channel
     * that was lost is subscribed to anew, and then any seat of the schedule may be free.
     * Blocks. Not called at the same time as itself, but as all others.
     * @return TQ_OK (heard, or roused), TQ_EMPTY (the time is over), TQ_E_UNAVAILABLE, TQ_E_NOMEM.
     */
    int (*listen)(void *state, uint32_t timeout_ms, struct tq_error *err);
    /** Make `listen` return, or the next one. Never blocks, takes no lock. From any thread. */
    void (*rouse)(void *state);

    /**
     * Optional: for a driver whose store may go back to an earlier state, as a replica does that
     * takes the place of a master. A number that is another one when the latest changes of the
     * schedule may have been lost: another server answers for it, or the same one after a start;
     * 0 as long as that has not happened since the store was opened. The core then loads the
     * schedule from the ledger, where there is one. Never blocks.
     */
    uint64_t (*life)(void *state, const char *schedule);
};

#endif /* TICKETQ_DRIVER_HOLD_H */
