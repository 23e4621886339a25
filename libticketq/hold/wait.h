/* SPDX-License-Identifier: MIT */
/*
 * Who waits for seats, per book.
 */
#ifndef TQ_HOLD_WAIT_H
#define TQ_HOLD_WAIT_H

#include <pthread.h>

#include <ticketq/hold.h>

#include "core/map.h"

struct tq__waiters {
    pthread_mutex_t topics_lock; /* taken before the driver's locks */
    pthread_mutex_t lock;        /* taken after them; guards lists and what follows */
    pthread_cond_t idle;
    struct tq__map topics; /* schedule -> who waits there; guarded by both locks */
    size_t count;          /* callers inside */
    int is_closed;
};

/*
 * Tries once: the hold's status is the outcome, a negative result ends the waiting.
 * TQ_STALE instead of TQ_OK: a claim was granted and given back, which woke ourselves.
 */
typedef int tq__wait_try_fn(tq_book *book, const struct tq_hold_request *request,
                            struct tq_hold *hold, struct tq_error *err);

int tq__waiters_init(struct tq__waiters *waiters, const struct tq_env *env, struct tq_error *err);
void tq__waiters_done(struct tq__waiters *waiters);
/* Wake everybody for good and return when they have left. */
void tq__waiters_close(tq_book *book);
/* Seats of the schedule became free; for books that have no front to say so. */
void tq__waiters_freed(tq_book *book, const char *schedule);
/* Try until it is granted, refused for good, or `wait_ms` are over. Touches the book last. */
int tq__wait(tq_book *book, const struct tq_hold_request *request, tq__wait_try_fn *try_once,
             struct tq_hold *hold, struct tq_error *err);

#endif
