/* SPDX-License-Identifier: MIT */
/*
 * Lends a driver the thread of one who waits, because the library has none of its own.
 *
 * Some fronts hear of freed seats over a socket, some ledgers of commits. Of those who wait at
 * such a store, in whatever book or relay, one is the reader: instead of parking it runs the
 * driver's `listen`, which wakes whoever may go on, itself among them. A reader that leaves
 * appoints the next by setting that one's word to APPOINTED. With a driver that has no
 * `listen`, waiting is tq_env.park and nothing else.
 *
 * Invariant: while anybody waits, somebody is the reader, or on the way to be. Threads: [any].
 */
#include "store/listen.h"

#include "core/env.h"

enum { WAITING = 0, WOKEN = 1, APPOINTED = 2 };

struct tq__listener {
    struct tq__listener *next;
    struct tq__listener *prev;
    uint32_t *word;
    pthread_t thread;
};

void tq__listeners_init(struct tq__listeners *listeners, tq__listen_fn *listen, tq__rouse_fn *rouse,
                        void *state)
{
    *listeners = (struct tq__listeners){.listen = listen, .rouse = rouse, .state = state};
    pthread_mutex_init(&listeners->lock, NULL);
}

void tq__listeners_done(struct tq__listeners *listeners)
{
    pthread_mutex_destroy(&listeners->lock);
}

static int has_news(const struct tq__listeners *listeners)
{
    return listeners->listen && listeners->rouse;
}

/* Changes the word if it is as expected; non-zero when it was. */
static int swap(uint32_t *word, uint32_t expected, uint32_t wanted)
{
    return __atomic_compare_exchange_n(word, &expected, wanted, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void enter(struct tq__listeners *listeners, struct tq__listener *me)
{
    pthread_mutex_lock(&listeners->lock);
    me->next = listeners->first;
    if (me->next) {
        me->next->prev = me;
    }
    listeners->first = me;
    if (!listeners->reader) {
        listeners->reader = me;
    }
    pthread_mutex_unlock(&listeners->lock);
}

static void leave(struct tq__listeners *listeners, const struct tq_env *env,
                  struct tq__listener *me)
{
    pthread_mutex_lock(&listeners->lock);
    *(me->prev ? &me->prev->next : &listeners->first) = me->next;
    if (me->next) {
        me->next->prev = me->prev;
    }
    if (listeners->reader == me) {
        struct tq__listener *heir = listeners->first;
        listeners->reader = heir;
        if (heir && swap(heir->word, WAITING, APPOINTED)) {
            env->unpark(env->ctx, heir->word);
        }
    }
    pthread_mutex_unlock(&listeners->lock);
    swap(me->word, APPOINTED, WAITING);
}

static int is_reader(struct tq__listeners *listeners, const struct tq__listener *me)
{
    pthread_mutex_lock(&listeners->lock);
    int is_mine = listeners->reader == me;
    pthread_mutex_unlock(&listeners->lock);
    return is_mine;
}

/* Waits once, in one way or the other. Non-zero: not for as long as it should. */
static int wait_once(struct tq__listeners *listeners, const struct tq_env *env,
                     struct tq__listener *me, uint32_t timeout_ms)
{
    if (is_reader(listeners, me)) {
        int rc = listeners->listen(listeners->state, timeout_ms, NULL);
        if (rc >= 0) {
            return rc == TQ_OK;
        }
    }
    env->park(env->ctx, me->word, WAITING, timeout_ms);
    return swap(me->word, APPOINTED, WAITING);
}

void tq__listeners_park(struct tq__listeners *listeners, const struct tq_env *env, uint32_t *word,
                        uint32_t timeout_ms)
{
    struct tq__listener me = {.word = word, .thread = pthread_self()};
    int64_t end_ms = tq__now_ms(env) + timeout_ms;
    if (!listeners || !has_news(listeners)) {
        env->park(env->ctx, word, WAITING, timeout_ms);
        return;
    }
    enter(listeners, &me);
    int64_t left_ms = timeout_ms;
    while (left_ms > 0 && __atomic_load_n(word, __ATOMIC_ACQUIRE) != WOKEN &&
           wait_once(listeners, env, &me, (uint32_t)left_ms)) {
        left_ms = end_ms - tq__now_ms(env);
    }
    leave(listeners, env, &me);
}

void tq__listeners_wake(struct tq__listeners *listeners, const struct tq_env *env, uint32_t *word)
{
    __atomic_store_n(word, WOKEN, __ATOMIC_RELEASE);
    if (listeners && has_news(listeners)) {
        pthread_mutex_lock(&listeners->lock);
        const struct tq__listener *reader = listeners->reader;
        if (reader && reader->word == word && !pthread_equal(reader->thread, pthread_self())) {
            listeners->rouse(listeners->state);
        }
        pthread_mutex_unlock(&listeners->lock);
    }
    env->unpark(env->ctx, word);
}
