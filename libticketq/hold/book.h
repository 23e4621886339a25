/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share about an open book.
 */
#ifndef TQ_HOLD_BOOK_H
#define TQ_HOLD_BOOK_H

#include <pthread.h>

#include <ticketq/driver/hold.h>

#include "core/map.h"
#include "hold/wait.h"
#include "store/store.h"

struct tq_book {
    struct tq_env env;
    tq_store *front;                     /* NULL: none */
    tq_store *ledger;                    /* NULL: none */
    const struct tq_hold_driver *driver; /* of the front */
    void *state;                         /* of the front */
    uint32_t life_max_ms;
    uint32_t seats_limit;
    struct tq__waiters waiters;
    pthread_mutex_t rebuild_lock; /* one rebuild at a time; guards `doubts` */
    struct tq__map doubts;        /* schedules whose front contradicted the ledger (rebuild.c) */
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

/* front.c: the front's half of every verb. */

int tq__front_claim(tq_book *book, const struct tq_hold_request *requests, size_t count,
                    struct tq_hold *holds, struct tq_error *err);
int tq__front_change(tq_book *book, uint32_t verb, int is_told, const struct tq_hold_ref *refs,
                     size_t count, struct tq_hold_result *results, struct tq_error *err);

#endif
