/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/hold.h
 * @brief Seat holds: some seats, one buyer, a limited time.
 *
 * At any instant a seat has at most one live holder; a hold of several seats is
 * all or nothing; it ends by itself; every grant carries a fence, a number that
 * only grows within a schedule, also when the store lost its memory.
 *
 *     AVAILABLE -> HOLD -> PAYING -> SOLD        acquire, pin, settle
 *                  HOLD -> AVAILABLE             release, expiry (sweep)
 *                  PAYING -> AVAILABLE           release only: no timer frees it
 *                  SOLD -> AVAILABLE             give_back: the ticket was refunded
 *
 * A book is opened on a front (memory, Redis), on a ledger (SQLite, PostgreSQL)
 * or on both. A front alone is a lease without durable authority: a restart
 * forgets it. With both, the front refuses cheaply and wakes those who wait, and the
 * ledger row is the authority: each transition is a conditional write on
 * (status, hold, fence).
 *
 * The verbs come in two forms. tq_hold_acquire(), tq_hold_pin(), ... do the
 * whole job in a transaction of their own. A host that changes rows of its own
 * together with the seat calls tq_hold_claim() (front only), then
 * tq_hold_record() and its sisters inside its own transaction, and after the
 * commit tq_hold_reflect() to tell the front; until told, the front is at worst
 * out of date, never believed against the ledger.
 *
 * A hold resolves once; whoever comes later is told which way: TQ_SETTLED,
 * TQ_RELEASED or TQ_EXPIRED. A request key belongs to its holder and schedule:
 * it is known as long as its hold lives or is sold, and TQ_HOLD_KEEP_MS after it
 * ended (a front forgets earlier when more than TQ_HOLD_KEEP_MAX holds of a
 * schedule ended meanwhile); from then on it is a new request.
 *
 * Time is the store's. Threads: [any].
 */
#ifndef TICKETQ_HOLD_H
#define TICKETQ_HOLD_H

#include <ticketq/ledger.h>
#include <ticketq/store.h>

typedef struct tq_book tq_book;

/** State of a seat, two bits in the seat map. */
enum tq_seat_state {
    TQ_SEAT_AVAILABLE = 0,
    TQ_SEAT_HOLD = 1,
    TQ_SEAT_PAYING = 2,
    TQ_SEAT_SOLD = 3
};

#define TQ_HOLD_TTL_DEFAULT_MS 300000   /**< Five minutes. */
#define TQ_HOLD_TTL_MIN_MS 100          /**< Shortest hold. */
#define TQ_HOLD_TTL_MAX_MS 3600000      /**< Longest hold at once. */
#define TQ_HOLD_LIFE_MAX_MS 7200000     /**< Longest life with all extensions. */
#define TQ_HOLD_KEEP_MS 600000          /**< How long an ended hold is remembered. */
#define TQ_HOLD_KEEP_MAX 65536          /**< Most ended holds of a schedule that a front keeps. */
#define TQ_SCHEDULE_SEATS_MAX 200000    /**< Most seats of a schedule. */

/** How to open a book. At least one of front and ledger is required. */
struct tq_book_options {
    size_t size;
    tq_store *front;       /**< A store with TQ_STORE_HOLD. A reference is kept. */
    tq_store *ledger;      /**< A store with TQ_STORE_LEDGER. A reference is kept. */
    uint32_t life_max_ms;  /**< Hard maximum of a hold's life, at least TQ_HOLD_TTL_MIN_MS.
                                Default TQ_HOLD_LIFE_MAX_MS. */
    uint32_t seats_limit;  /**< Most seats that one holder may have in HOLD, PAYING and SOLD
                                together in a schedule. Default: no limit. */
};

/** What to hold. */
struct tq_hold_request {
    size_t size;
    const char *schedule;     /**< Required. An id. Borrowed. */
    const char *holder;       /**< Required. An id. Borrowed. */
    const char *request_key;  /**< Required. An id; the same key gets the same answer. Borrowed. */
    const char *const *seats; /**< Required. Ids, all different. Borrowed. */
    size_t seats_count;       /**< 1 to TQ_HOLD_SEATS_MAX. */
    uint32_t ttl_ms;          /**< TQ_HOLD_TTL_MIN_MS to TQ_HOLD_TTL_MAX_MS. Default
                                   TQ_HOLD_TTL_DEFAULT_MS. Cut to the book's `life_max_ms`. */
    uint32_t wait_ms;         /**< Longest wait for taken seats. Only with a single request. */
};

/** A granted hold. Plain value. */
struct tq_hold {
    size_t size;
    int32_t status;              /**< See tq_hold_acquire(). */
    uint32_t seats_count;        /**< As requested. */
    uint64_t taken;              /**< TQ_TAKEN: bit i is set when seats[i] was taken. TQ_GONE: when
                                      it is not known; 0 when the schedule is not. */
    uint64_t fence;              /**< Grows with every grant of the schedule; never 0. */
    int64_t granted_ms;          /**< Store's clock. With TQ_TAKEN: the time of the answer. */
    int64_t expires_ms;          /**< Store's clock; 0: no timer. TQ_TAKEN: when the last of the
                                      taken seats is free again, if nothing is done about it. */
    char id[TQ_ID_SIZE];         /**< Names the hold. */
    char schedule[TQ_ID_SIZE];
    char holder[TQ_ID_SIZE];
};

/** Names a hold in the verbs that follow a grant; made from a tq_hold or from the host's rows. */
struct tq_hold_ref {
    size_t size;
    const char *schedule; /**< Required. Borrowed. */
    const char *id;       /**< Required. Borrowed. */
    const char *holder;   /**< Required: another holder is refused. Borrowed. */
    uint64_t fence;       /**< Required: an older one is refused. */
    uint32_t extend_ms;   /**< Only for extend: new time from now on. Default as for acquire. */
    uint32_t reserved;
};

/** What became of a verb. */
struct tq_hold_result {
    size_t size;
    int32_t status;       /**< See each verb. */
    uint32_t reserved;
    int64_t expires_ms;   /**< Of the hold now; 0 when it has no timer. */
    uint64_t fence;       /**< Of the hold now; a retake raises it. */
};

/** What can happen to a hold, for tq_hold_reflect() and for drivers. */
enum tq_hold_verb {
    TQ_HOLD_PIN = 1,       /**< HOLD becomes PAYING. */
    TQ_HOLD_SETTLE = 2,    /**< HOLD or PAYING becomes SOLD. */
    TQ_HOLD_RELEASE = 3,   /**< HOLD or PAYING ends. */
    TQ_HOLD_EXTEND = 4,    /**< HOLD gets more time. */
    TQ_HOLD_EXPIRE = 5,    /**< HOLD ended by time: what tq_hold_record_sweep() visited. */
    TQ_HOLD_RETAKE = 6,    /**< A hold that ended lives again, as PAYING. */
    TQ_HOLD_GIVE_BACK = 7, /**< SOLD ends. */
    TQ_HOLD_WITHDRAW = 8,  /**< A claim that is not in the ledger: as if it had never been. */
};

/** The seat map of a schedule. */
struct tq_seat_map {
    size_t size;
    uint64_t version;     /**< Grows with every change. */
    uint32_t seats_count; /**< Seats, in the order in which they were defined. */
    uint32_t reserved;
    uint32_t counts[4];   /**< Seats per enum tq_seat_state. */
    size_t bits_bytes;    /**< In: room behind `bits`. Out: needed, seats_count / 4, rounded up. */
    uint8_t *bits;        /**< Seat i at bits (i%4)*2 of byte i/4. Written. Optional. */
};

/** A hold that was swept, or is read. */
struct tq_hold_row {
    size_t size;
    int32_t ended;        /**< TQ_OK while it lives or is sold; TQ_EXPIRED or TQ_RELEASED. */
    uint32_t state;       /**< enum tq_seat_state of its seats; TQ_SEAT_AVAILABLE when it ended. */
    uint64_t fence;
    int64_t granted_ms;
    int64_t expires_ms;   /**< 0: no timer. */
    const char *schedule; /**< This and what follows is borrowed during the call. */
    const char *id;
    const char *holder;
    const char *const *seats; /**< In the order of the request. */
    size_t seats_count;
};

/** Called per hold; a non-zero result stops. */
typedef int tq_hold_row_fn(void *arg, const struct tq_hold_row *row);

TQ_BEGIN_DECLS

/**
 * Open a book. Creates or migrates the tables when there is a ledger.
 * @param env       Copied.
 * @param options   Borrowed.
 * @param out_book  Written on TQ_OK.
 * @param err       Optional.
 * @return TQ_OK             Open.
 * @return TQ_E_INVALID      Neither front nor ledger.
 * @return TQ_E_LIMIT        `life_max_ms` is too short.
 * @return TQ_E_UNSUPPORTED  A store lacks the table.
 * @return another failure of the stores.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_book_open(const struct tq_env *env,
                                      const struct tq_book_options *options, tq_book **out_book,
                                      struct tq_error *err);

/**
 * Close a book. Whoever waits in it is woken and gets TQ_CLOSED.
 * @param book  Taken. NULL is allowed.
 * @since 0.1
 */
TQ_API void tq_book_close(tq_book *book);

/**
 * Make the seats of a schedule known, in the order of the seat map. Idempotent;
 * new seats are appended. With a ledger and a front, also loads the front from
 * the ledger, so call it after every start.
 *
 * @param book         Borrowed.
 * @param schedule     An id. Borrowed.
 * @param seats        Ids, all different. Borrowed.
 * @param seats_count  1 to TQ_SCHEDULE_SEATS_MAX.
 * @param err          Optional.
 * @return TQ_OK      Seats were added.
 * @return TQ_REPEAT  All were known.
 * @return a failure; after TQ_E_UNKNOWN define again.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_book_define(tq_book *book, const char *schedule,
                                        const char *const *seats, size_t seats_count,
                                        struct tq_error *err);

/**
 * Hold seats, all or nothing.
 *
 * `status` of each hold: TQ_OK: yours until `expires_ms`; TQ_REPEAT: the same
 * request key was granted before, this is that hold; TQ_TAKEN: see `taken`, where a
 * seat that the holder has under another key counts as taken; TQ_FULL: over the
 * holder's limit; TQ_GONE: a seat or the schedule is not known; TQ_EXPIRED,
 * TQ_RELEASED, TQ_SETTLED: the same key was granted before and has ended that way;
 * TQ_REFUSED: the same key was granted for other seats; TQ_CLOSED: the book was
 * closed while waiting. A hold whose time ran out is in nobody's way, swept or not.
 *
 * A request that waits is tried again when a seat may have become free, in order of arrival
 * within the book, and from time to time, so that a wake-up that was lost delays
 * it and no more. Without tq_env.park there is no waiting.
 *
 * @param book       Borrowed.
 * @param requests   Borrowed.
 * @param count      1 to TQ_BATCH_MAX; 1 when one of them waits.
 * @param out_holds  `count` elements with `size` set. Written on TQ_OK.
 * @param err        Optional.
 * @return TQ_OK  Each hold has its own status.
 * @return a failure: with TQ_E_UNKNOWN ask again with the same request keys.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_acquire(tq_book *book, const struct tq_hold_request *requests,
                                         size_t count, struct tq_hold *out_holds,
                                         struct tq_error *err);

/**
 * Extend holds that have a timer, up to the book's hard maximum.
 *
 * `status` of each result, here and below: TQ_OK; TQ_REPEAT: was so already;
 * TQ_STALE: fence or holder do not match; TQ_EXPIRED, TQ_RELEASED, TQ_SETTLED:
 * it has ended that way; TQ_GONE: never heard of; TQ_FULL: the maximum is reached.
 *
 * @param book         Borrowed.
 * @param refs         Borrowed.
 * @param count        1 to TQ_BATCH_MAX.
 * @param out_results  `count` elements with `size` set. Written on TQ_OK.
 * @param err          Optional.
 * @return TQ_OK or a failure.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_extend(tq_book *book, const struct tq_hold_ref *refs,
                                        size_t count, struct tq_hold_result *out_results,
                                        struct tq_error *err);
/** A payment has begun: HOLD becomes PAYING, no timer frees it. See tq_hold_extend(). @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_pin(tq_book *book, const struct tq_hold_ref *refs, size_t count,
                                     struct tq_hold_result *out_results, struct tq_error *err);
/** Paid: HOLD or PAYING becomes SOLD for good. See tq_hold_extend(). @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_settle(tq_book *book, const struct tq_hold_ref *refs,
                                        size_t count, struct tq_hold_result *out_results,
                                        struct tq_error *err);
/** Given up: HOLD or PAYING becomes AVAILABLE. See tq_hold_extend(). @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_release(tq_book *book, const struct tq_hold_ref *refs,
                                         size_t count, struct tq_hold_result *out_results,
                                         struct tq_error *err);
/** A ticket was refunded: SOLD becomes AVAILABLE. See tq_hold_extend(). @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_give_back(tq_book *book, const struct tq_hold_ref *refs,
                                           size_t count, struct tq_hold_result *out_results,
                                           struct tq_error *err);
/**
 * Paid after the hold had ended: take all of its seats again, as PAYING and under
 * a new fence, which is in the result; one that has not ended yet is pinned.
 * `status`: TQ_OK; TQ_REPEAT: it is PAYING; TQ_TAKEN: one of them has another holder,
 * nothing changed; TQ_FULL: over the holder's limit; otherwise as tq_hold_extend().
 * The fence of the ref may be the old one or the new one.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_retake(tq_book *book, const struct tq_hold_ref *refs,
                                        size_t count, struct tq_hold_result *out_results,
                                        struct tq_error *err);

/**
 * End holds whose time ran out. Pinned ones are left alone. Also visits those that
 * were ended meanwhile because somebody wanted their seats: each hold that ran out
 * is visited once, by one caller.
 *
 * @param book      Borrowed.
 * @param limit     Most holds in this call, 1 to TQ_BATCH_MAX.
 * @param visit     Optional. Called for each after it was freed.
 * @param arg       Handed to `visit`.
 * @param out_next_ms  Optional. When the next one may be due, in milliseconds from now;
 *                  UINT32_MAX: there is none.
 * @param err       Optional.
 * @return TQ_OK     Some were visited.
 * @return TQ_EMPTY  None was due.
 * @return a failure of a store.
 * @return what `visit` returned, when that was not 0; those visited are freed.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_sweep(tq_book *book, size_t limit, tq_hold_row_fn *visit,
                                       void *arg, uint32_t *out_next_ms, struct tq_error *err);

/**
 * Read the seat map.
 *
 * @param book      Borrowed.
 * @param schedule  Borrowed.
 * @param map       `size`, `bits` and `bits_bytes` set. Written on TQ_OK.
 * @param err       Optional.
 * @return TQ_OK       Read. When `bits_bytes` grew past the room given, call again with more.
 * @return TQ_GONE     No such schedule.
 * @return a failure.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_book_map(tq_book *book, const char *schedule, struct tq_seat_map *map,
                                     struct tq_error *err);

/**
 * Claim seats on the front only, the first half of a hold whose record() is in the
 * host's transaction. On a book without a front every claim succeeds tentatively
 * and record() decides. Parameters and results are those of tq_hold_acquire(), but
 * nothing waits. Not from inside a transaction: it may have to read the ledger.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_claim(tq_book *book, const struct tq_hold_request *requests,
                                       size_t count, struct tq_hold *holds, struct tq_error *err);

/**
 * Write claims into the ledger, in the caller's transaction, each for itself.
 *
 * Sets the times of a hold to those of the ledger's clock, by which it ends when the claim
 * does, and may raise its `fence`. The status of one that the
 * ledger refuses becomes what tq_hold_acquire() would say, and TQ_REPEAT may come
 * with another `id`: the hold that the key has already. After the commit there is
 * nothing to reflect for what was recorded as claimed; a claim that was refused or
 * got another id is taken back from the front with tq_hold_reflect() and
 * TQ_HOLD_WITHDRAW, and so are all if the transaction failed (but not on
 * TQ_E_UNKNOWN); one that nobody withdraws ends by its time. Keep the claims apart
 * and begin each run of the body with a copy of them: the body may be run again, and
 * what is withdrawn is named by the claim, not by what was written over it.
 *
 * @param tx        A transaction on the book's ledger. Borrowed.
 * @param book      Borrowed.
 * @param requests  The requests of the claims. Borrowed.
 * @param count     1 to TQ_BATCH_MAX.
 * @param holds     The claims; those not TQ_OK or TQ_REPEAT are left alone. Written.
 * @param err       Optional.
 * @return TQ_OK or a failure, after which the transaction must fail.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_record(tq_tx *tx, tq_book *book,
                                        const struct tq_hold_request *requests, size_t count,
                                        struct tq_hold *holds, struct tq_error *err);
/** tq_hold_extend() in the caller's transaction. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_record_extend(tq_tx *tx, tq_book *book,
                                               const struct tq_hold_ref *refs, size_t count,
                                               struct tq_hold_result *out_results,
                                               struct tq_error *err);
/** tq_hold_pin() in the caller's transaction. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_record_pin(tq_tx *tx, tq_book *book,
                                            const struct tq_hold_ref *refs, size_t count,
                                            struct tq_hold_result *out_results,
                                            struct tq_error *err);
/** tq_hold_settle() in the caller's transaction. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_record_settle(tq_tx *tx, tq_book *book,
                                               const struct tq_hold_ref *refs, size_t count,
                                               struct tq_hold_result *out_results,
                                               struct tq_error *err);
/** tq_hold_release() in the caller's transaction. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_record_free(tq_tx *tx, tq_book *book,
                                             const struct tq_hold_ref *refs, size_t count,
                                             struct tq_hold_result *out_results,
                                             struct tq_error *err);
/** tq_hold_give_back() in the caller's transaction. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_record_give_back(tq_tx *tx, tq_book *book,
                                                  const struct tq_hold_ref *refs, size_t count,
                                                  struct tq_hold_result *out_results,
                                                  struct tq_error *err);
/** tq_hold_retake() in the caller's transaction. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_hold_record_retake(tq_tx *tx, tq_book *book,
                                               const struct tq_hold_ref *refs, size_t count,
                                               struct tq_hold_result *out_results,
                                               struct tq_error *err);
/**
 * End due holds in the caller's transaction, so that its own rows end with them.
 * Parameters and results are those of tq_hold_sweep(), but `visit` is called before
 * the commit and its negative result must fail the transaction; reflect
 * TQ_HOLD_EXPIRE for them afterwards. There is no `out_next_ms`.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_record_sweep(tq_tx *tx, tq_book *book, size_t limit,
                                              tq_hold_row_fn *visit, void *arg,
                                              struct tq_error *err);

/**
 * Read one hold from the ledger, live, sold or ended and not yet forgotten.
 *
 * @param tx     A transaction on the book's ledger, also one that only reads. Borrowed.
 * @param book   Borrowed.
 * @param ref    `schedule` and `id`. Borrowed.
 * @param visit  Optional. Called once.
 * @param arg    Handed to `visit`.
 * @param err    Optional.
 * @return TQ_OK    Visited.
 * @return TQ_GONE  No such hold.
 * @return what `visit` returned, when that was not 0.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_hold_read(tq_tx *tx, tq_book *book, const struct tq_hold_ref *ref,
                                      tq_hold_row_fn *visit, void *arg, struct tq_error *err);

/**
 * Tell the front what was committed to the ledger. Never fails the caller's work:
 * a front that cannot be told, or that contradicts, is rebuilt from the ledger
 * before it is asked again.
 *
 * @param book   Borrowed.
 * @param verb   enum tq_hold_verb.
 * @param refs   With the fence of the result, which a retake has raised. Borrowed.
 * @param count  1 to TQ_BATCH_MAX.
 * @param err    Optional.
 * @return TQ_OK or a failure, which may be ignored.
 * @since 0.1
 */
TQ_API int tq_hold_reflect(tq_book *book, uint32_t verb, const struct tq_hold_ref *refs,
                           size_t count, struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_HOLD_H */
