/* SPDX-License-Identifier: MIT */
/*
 * Waiting on a word while somebody hears the news of a front.
 */
#ifndef TQ_STORE_LISTEN_H
#define TQ_STORE_LISTEN_H

#include <pthread.h>

#include <ticketq/driver/hold.h>

struct tq__listener;

/* Those who wait at a store. */
struct tq__listeners {
    const struct tq_hold_driver *driver;
    void *state;
    pthread_mutex_t lock; /* a leaf; guards what follows */
    struct tq__listener *first;
    struct tq__listener *reader; /* whose thread is lent to the driver */
};

void tq__listeners_init(struct tq__listeners *listeners, const struct tq_hold_driver *driver,
                        void *state);
void tq__listeners_done(struct tq__listeners *listeners);
/* Park while the word is 0. May return early. */
void tq__listeners_park(struct tq__listeners *listeners, const struct tq_env *env, uint32_t *word,
                        uint32_t timeout_ms);
/* Set the word, and wake who parks on it. */
void tq__listeners_wake(struct tq__listeners *listeners, const struct tq_env *env, uint32_t *word);

#endif
