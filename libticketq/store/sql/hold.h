/* SPDX-License-Identifier: MIT */
/*
 * Holds on any ledger. Everything runs in the caller's transaction.
 */
#ifndef TQ_STORE_SQL_HOLD_H
#define TQ_STORE_SQL_HOLD_H

#include <ticketq/hold.h>
#include <ticketq/ledger.h>

#include "store/sql/rows.h"

/* What the book lays down. */
struct tq__hold_rules {
    uint32_t life_max_ms;
    uint32_t seats_limit; /* 0: none */
};

/* define.c */

int tq__sql_hold_migrate(tq_store *ledger, struct tq_error *err);
/* TQ_OK: seats were added; TQ_REPEAT. */
int tq__sql_hold_define(tq_tx *tx, const char *schedule, const char *const *seats,
                        size_t seats_count, struct tq_error *err);
/* TQ_OK or TQ_GONE. */
int tq__sql_hold_map(tq_tx *tx, const char *schedule, struct tq_seat_map *map,
                     struct tq_error *err);

/* Everything that a front needs. */
struct tq__hold_snapshot {
    struct tq__hold_rows rows; /* those that ended, then those that have seats */
    struct tq__buf seats_text; /* each ends in NUL */
    const char **seats;
    size_t seats_count;
    uint64_t fence;
};
/* TQ_OK or TQ_GONE. Free it also after a failure. */
int tq__sql_hold_snapshot(tq_tx *tx, const char *schedule, struct tq__hold_snapshot *out_snapshot,
                          struct tq_error *err);
void tq__hold_snapshot_done(struct tq__hold_snapshot *snapshot);

/* record.c: the requests' times are resolved. */
int tq__sql_hold_record(tq_tx *tx, const struct tq__hold_rules *rules,
                        const struct tq_hold_request *requests, size_t count, struct tq_hold *holds,
                        struct tq_error *err);

/* change.c: PIN, SETTLE, RELEASE, EXTEND, RETAKE, GIVE_BACK. */
int tq__sql_hold_change(tq_tx *tx, const struct tq__hold_rules *rules, uint32_t verb,
                        const struct tq_hold_ref *refs, size_t count,
                        struct tq_hold_result *results, struct tq_error *err);

/* sweep.c: ends up to `limit` due holds and adds them to `swept`; forgets old ones. */
int tq__sql_hold_sweep(tq_tx *tx, size_t limit, struct tq__hold_rows *swept, struct tq_error *err);
/* Milliseconds until the next is due; UINT32_MAX: none. */
int tq__sql_hold_next(tq_tx *tx, uint32_t *out_next_ms, struct tq_error *err);

/* hold.c: what these share. */

/* TQ_OK or TQ_GONE. */
int tq__sql_hold_by_id(tq_tx *tx, const char *schedule, const char *id, struct tq__hold_record *out,
                       struct tq_error *err);
int tq__sql_hold_by_key(tq_tx *tx, const char *schedule, const char *holder,
                        const char *request_key, struct tq__hold_record *out, struct tq_error *err);
/*
 * Lock a schedule for the rest of the transaction, raise its version and issue
 * `fences` fences, the last of which is at least `least`. TQ_OK or TQ_GONE.
 */
int tq__sql_hold_touch(tq_tx *tx, const char *schedule, uint64_t least, size_t fences,
                       uint64_t *out_last, struct tq_error *err);
/* The same for every schedule in a list that may name them more than once, in one order. */
int tq__sql_hold_touch_all(tq_tx *tx, const char *const *schedules, size_t count,
                           struct tq_error *err);
/* End a hold that is past its time; its row stays to be swept. */
int tq__sql_hold_lapse(tq_tx *tx, const char *schedule, const char *id, struct tq_error *err);
int tq__sql_hold_free_seats(tq_tx *tx, const char *id, struct tq_error *err);

/* Who stands in the way of seats. */
struct tq__hold_blockers {
    uint64_t unknown; /* bit i: no such seat */
    uint64_t taken;
    int64_t expires_ms; /* of the last of them that has a timer */
};
/* Ends those past their time on the way. */
int tq__sql_hold_blockers(tq_tx *tx, const char *schedule, const char *const *seats,
                          size_t seats_count, struct tq__hold_blockers *out, struct tq_error *err);
/* TQ_OK, or TQ_FULL when the holder would have more than the limit. */
int tq__sql_hold_check_limit(tq_tx *tx, const struct tq__hold_rules *rules, const char *schedule,
                             const char *holder, size_t more, struct tq_error *err);
/* Give free seats to a hold. TQ_E_INTERNAL when one was not free. */
int tq__sql_hold_take_seats(tq_tx *tx, const char *schedule, const char *const *seats,
                            size_t seats_count, const char *id, struct tq_error *err);

#endif
