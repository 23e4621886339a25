/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share about an open book.
 */
#ifndef TQ_HOLD_BOOK_H
#define TQ_HOLD_BOOK_H

#include <pthread.h>
#include <stdatomic.h>

#include <ticketq/driver/hold.h>

#include "core/map.h"
#include "hold/wait.h"
#include "store/sql/hold.h"
#include "store/store.h"

struct tq_book {
    struct tq_env env;
    tq_store *front;                     /* NULL: none */
    tq_store *ledger;                    /* NULL: none */
    const struct tq_hold_driver *driver; /* of the front */
    void *state;                         /* of the front */
    struct tq__hold_rules rules;
    struct tq__waiters waiters;
    pthread_mutex_t rebuild_lock; /* one rebuild at a time */
    pthread_mutex_t doubts_lock;  /* guards `doubts` */
    struct tq__map doubts;        /* rebuild.c */
    atomic_uint doubts_raised;
};

/* check.c: what callers hand in. */

int tq__check_requests(const struct tq_hold_request *requests, size_t count,
                       const struct tq_hold *out_holds, struct tq_error *err);
int tq__check_refs(const struct tq_hold_ref *refs, size_t count, int needs_fence,
                   struct tq_error *err);
int tq__check_results(const struct tq_hold_result *out_results, size_t count, struct tq_error *err);
/* The seats of a whole schedule. */
int tq__check_seats(const struct tq_env *env, const char *const *seats, size_t count,
                    struct tq_error *err);
/* The request's time, defaults resolved. */
uint32_t tq__hold_ttl(const tq_book *book, const struct tq_hold_request *request);
/* A claim or a hold that was granted, now or before. */
int tq__is_granted(const struct tq_hold *hold);

/* front.c: the front's half of every verb. */

/* Claims; a schedule that a front has lost comes back from the ledger on the way. */
int tq__front_claim(tq_book *book, const struct tq_hold_request *requests, size_t count,
                    struct tq_hold *holds, struct tq_error *err);
/* Give a claim back. Best effort: time does the rest. */
void tq__front_give_up(tq_book *book, const struct tq_hold *claim);
/* Give those back that were granted just now. */
void tq__front_unclaim(tq_book *book, const struct tq_hold *claims, size_t count);
int tq__front_change(tq_book *book, uint32_t verb, int is_told, const struct tq_hold_ref *refs,
                     size_t count, struct tq_hold_result *results, struct tq_error *err);
/* Tell what the ledger has decided, and doubt a front that contradicts. */
int tq__front_tell(tq_book *book, uint32_t verb, const struct tq_hold_ref *refs, size_t count,
                   struct tq_error *err);

/* rebuild.c: a front that lost its memory, or contradicted the ledger. */

enum tq__rebuild {
    TQ__REBUILD_GONE, /* only if it is not there */
    TQ__REBUILD_ANEW,
    TQ__REBUILD_PAST, /* from a ledger that may have gone back */
};
/* Load the schedule from the ledger: TQ_OK or TQ_GONE. */
int tq__book_rebuild(tq_book *book, const char *schedule, enum tq__rebuild how,
                     struct tq_error *err);
void tq__book_doubt(tq_book *book, const char *schedule);
/* Doubt the schedule if its front may have gone back to an earlier state. */
void tq__book_notice(tq_book *book, const char *schedule);
/* Rebuild what is in doubt, unless that was done a moment ago. */
void tq__book_settle_doubts(tq_book *book);
void tq__book_doubts_done(tq_book *book);

/* record.c */

/* tq_hold_record() after the checks. */
int tq__record(tq_tx *tx, tq_book *book, const struct tq_hold_request *requests, size_t count,
               struct tq_hold *holds, struct tq_error *err);

#endif
