/* SPDX-License-Identifier: MIT */
/*
 * Waiting on a word while somebody hears the news of a store.
 */
#ifndef TQ_STORE_LISTEN_H
#define TQ_STORE_LISTEN_H

#include <pthread.h>

#include <ticketq/env.h>
#include <ticketq/status.h>

struct tq__listener;

/* Lent to a thread that waits: as the optional slots of driver/hold.h. */
typedef int tq__listen_fn(void *state, uint32_t timeout_ms, struct tq_error *err);
typedef void tq__rouse_fn(void *state);

/* Those who wait at a store. */
struct tq__listeners {
    tq__listen_fn *listen; /* NULL: there is nothing to be heard */
    tq__rouse_fn *rouse;
    void *state;
    pthread_mutex_t lock; /* a leaf; guards what follows */
    struct tq__listener *first;
    struct tq__listener *reader; /* whose thread is lent to the driver */
};

/* `listen` and `rouse`: both, or nothing is to be heard. */
void tq__listeners_init(struct tq__listeners *listeners, tq__listen_fn *listen, tq__rouse_fn *rouse,
                        void *state);
void tq__listeners_done(struct tq__listeners *listeners);
/* Park while the word is 0. May return early. */
void tq__listeners_park(struct tq__listeners *listeners, const struct tq_env *env, uint32_t *word,
                        uint32_t timeout_ms);
/* Set the word, and wake who parks on it. */
void tq__listeners_wake(struct tq__listeners *listeners, const struct tq_env *env, uint32_t *word);

#endif
