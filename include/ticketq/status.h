/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/status.h
 * @brief What a call can come to, and the caller's record of a failure.
 *
 * A positive status is an outcome that the domain expects; the direct caller
 * decides on it and does not pass it up blindly. A negative status is a failure
 * and is passed up unchanged. Two failures that are often mixed up are apart:
 * TQ_E_UNAVAILABLE (certainly not applied) and TQ_E_UNKNOWN (perhaps applied:
 * ask again with the same request key, never guess).
 */
#ifndef TICKETQ_STATUS_H
#define TICKETQ_STATUS_H

#include <ticketq/base.h>

/** Results of every function. Numbers are never reused. */
enum tq_status {
    TQ_OK = 0,
    TQ_TAKEN = 1,   /**< Somebody else has it. Nothing changed. */
    TQ_WAIT = 2,    /**< Not yet: ask again later. */
    TQ_GONE = 3,    /**< It does not exist, or no longer. */
    TQ_STALE = 4,   /**< The caller's fence, version or epoch is out of date. */
    TQ_REPEAT = 5,  /**< Already done before; the earlier answer stands. */
    TQ_EMPTY = 6,   /**< There was nothing to do. */
    TQ_CLOSED = 7,  /**< Not open yet, already closed, or paused by an operator. */
    TQ_FULL = 8,    /**< A capacity or a limit of the policy is reached. */
    TQ_REFUSED = 9, /**< Refused for a reason of the business, or a token that is no good. */
    TQ_EXPIRED = 10, /**< Its time ran out. */
    TQ_SETTLED = 11, /**< Already settled: the seat is sold. */
    TQ_RELEASED = 12, /**< Already released. */

    TQ_E_INVALID = -1,     /**< A required field is missing or malformed. Nothing was done. */
    TQ_E_ABI = -2,         /**< A struct of another release that cannot be understood. */
    TQ_E_UNSUPPORTED = -3, /**< This driver or this build cannot do that. */
    TQ_E_LIMIT = -4,       /**< A field or a count is out of its range. Nothing was done. */
    TQ_E_NOMEM = -5,       /**< Out of memory. Nothing was done. */
    TQ_E_BUSY = -6,        /**< Not applied: contention. Try again. */
    TQ_E_UNAVAILABLE = -7, /**< Not applied: the store or the transport is not there. */
    TQ_E_UNKNOWN = -8,     /**< Perhaps applied. Ask again with the same request key. */
    TQ_E_CORRUPT = -9,     /**< Stored data that cannot be right. */
    TQ_E_INTERNAL = -10    /**< A fault of the library or of a driver. */
};

/** The operation may be tried again as it is. */
#define TQ_ERROR_RETRY 1u
/** The operation may have been applied. */
#define TQ_ERROR_MAYBE_APPLIED 2u

/** A failure in detail: flat, caller-owned, nothing to free. Written on negative results only. */
struct tq_error {
    size_t size;       /**< TQ_ERROR_INIT. */
    int32_t status;    /**< The same as the result. */
    uint32_t flags;    /**< A set of TQ_ERROR_... */
    int64_t native;    /**< errno, SQLite code, ...; 0 if none. */
    char origin[24];   /**< Where it was seen first: "hold", "store.sqlite". */
    char message[208]; /**< One sentence without secrets or newline. */
};
#define TQ_ERROR_INIT                                                                              \
    {                                                                                              \
        sizeof(struct tq_error), 0, 0, 0, {0}, {0}                                                 \
    }

TQ_BEGIN_DECLS

/**
 * Name a status.
 *
 * Threads: [pure].
 * @param status  Any value.
 * @return A static string such as "TQ_TAKEN"; "TQ_?" for an unknown value.
 * @since 0.1
 */
TQ_API const char *tq_status_name(int status);

/**
 * Describe a status in a sentence.
 *
 * Threads: [pure].
 * @param status  Any value.
 * @return A static English sentence without a full stop.
 * @since 0.1
 */
TQ_API const char *tq_status_text(int status);

TQ_END_DECLS
#endif /* TICKETQ_STATUS_H */
