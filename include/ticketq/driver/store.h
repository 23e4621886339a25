/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/store.h
 * @brief What somebody who writes a storage driver reads.
 *
 * A driver is one constant table. It fills the capability tables that it can
 * (room.h, hold.h, ledger.h in this folder) and leaves the others NULL; all of
 * them work on the one state that the core allocates for each open store.
 * There is no registry: hand the table to tq_store_open() in its options.
 *
 * Rules for every slot: `state` is the driver's own record; requests, keys and
 * strings are borrowed until the slot returns; outs are written on TQ_OK only;
 * no slot calls back into the library except through the callback it was given;
 * every status is one that the slot's comment lists.
 */
#ifndef TICKETQ_DRIVER_STORE_H
#define TICKETQ_DRIVER_STORE_H

#include <ticketq/driver/hold.h>
#include <ticketq/driver/ledger.h>
#include <ticketq/driver/room.h>
#include <ticketq/store.h>

/** Raised when a slot changes its meaning; slots are only ever appended otherwise. */
#define TQ_STORE_ABI 1u

/** What `open` gets. Borrowed during the call, but for `env`, which outlives the state. */
struct tq_store_config {
    size_t size;
    const struct tq_env *env;
    const char *scheme; /**< "sqlite" of "sqlite:/path?create=0". */
    const char *path;   /**< "/path", percent-decoded. */
    const char *query;  /**< "create=0", as it was; "" when there is none. */
    uint32_t busy_timeout_ms;
    uint32_t readers;
};

/** A storage driver. */
struct tq_store_driver {
    size_t size;       /**< sizeof, as the driver was compiled. */
    uint32_t abi;      /**< TQ_STORE_ABI. */
    uint32_t caps;     /**< TQ_STORE_DURABLE, _SHARED, _SERIAL; the tables speak for themselves. */
    const char *name;  /**< URL scheme; unique, lower case. */
    size_t state_size; /**< Bytes the core allocates, zeroed and aligned for any type. */

    /* Required since ABI 1. */

    /**
     * Make the state ready. May block for a connection. Called once per state.
     * After a failure `close` is called on what is there.
     * @return TQ_OK, TQ_E_INVALID, TQ_E_UNAVAILABLE, TQ_E_NOMEM, TQ_E_CORRUPT.
     */
    int (*open)(void *state, const struct tq_store_config *config, struct tq_error *err);
    /** Let go of everything. Accepts whatever `open` can leave behind. Called once, last. */
    void (*close)(void *state);
    /**
     * Read the clock by which this store decides every expiry. May block for one
     * round trip; may be called at the same time.
     * @return TQ_OK, TQ_E_UNAVAILABLE.
     */
    int (*now)(void *state, int64_t *out_now_ms, struct tq_error *err);

    const struct tq_room_driver *room;     /**< NULL: keeps no rooms. */
    const struct tq_hold_driver *hold;     /**< NULL: is no front. */
    const struct tq_ledger_driver *ledger; /**< NULL: has no transactions. */
};

#endif /* TICKETQ_DRIVER_STORE_H */
