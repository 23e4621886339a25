/* SPDX-License-Identifier: MIT */
/*
 * Waits for seats without spinning.
 *
 *   join the line of the schedule (the first subscribes to the front) -> try
 *   -> park until woken, or, being the first in line for all of its seats, until
 *   those in the way run out or a second has passed -> try again -> ... -> leave
 *
 * A try comes after the subscription is certain, so nothing freed after the try
 * is missed; a wake-up that is lost on the way costs the first in line at most
 * STEP_MAX_MS. Freed seats wake the first in line for each of them and nobody
 * else; one who tried and left a free seat alone passes the wake-up on to those
 * behind it. So those who wait in one book are served in the order in which they
 * came, and a release costs as many tries as there are seats, not as there are
 * waiters.
 *
 * Locks: topics_lock, then the driver's, then `lock`. The front tells of freed
 * seats while it holds its own. A waiter lives on its thread's stack and is in a
 * line only while that thread is in tq__wait(). Threads: [any].
 */
#include "hold/wait.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "hold/book.h"

#define STEP_MAX_MS 1000
#define JITTER_MS 16

struct waiter {
    struct waiter *next;
    struct waiter *prev;
    const struct tq_hold_request *request;
    uint32_t word;    /* parked on while 0 */
    uint32_t left_ms; /* of its patience */
    int64_t seen_ms;  /* what the clock said when `left_ms` was counted */
};

struct topic {
    tq_book *book;
    struct waiter *first;
    struct waiter *last;
    char schedule[TQ_ID_SIZE];
};

int tq__waiters_init(struct tq__waiters *waiters, const struct tq_env *env, struct tq_error *err)
{
    pthread_mutex_init(&waiters->topics_lock, NULL);
    pthread_mutex_init(&waiters->lock, NULL);
    pthread_cond_init(&waiters->idle, NULL);
    return tq__map_init(&waiters->topics, env, err);
}

void tq__waiters_done(struct tq__waiters *waiters)
{
    tq__map_done(&waiters->topics);
    pthread_cond_destroy(&waiters->idle);
    pthread_mutex_destroy(&waiters->lock);
    pthread_mutex_destroy(&waiters->topics_lock);
}

/* Who waits at a front may lend it the thread: store/listen.c. */
static struct tq__listeners *listeners_of(const tq_book *book)
{
    return book->front ? tq__store_listeners(book->front) : NULL;
}

static void wake(const tq_book *book, struct waiter *waiter)
{
    tq__listeners_wake(listeners_of(book), &book->env, &waiter->word);
}

/* Takes the seats that the waiter wants off the list; non-zero when there was one. */
static int wants(const struct waiter *waiter, const char **seats, size_t *seats_count)
{
    const struct tq_hold_request *request = waiter->request;
    int is_wanted = 0;
    for (size_t i = 0; i < request->seats_count; i++) {
        for (size_t j = 0; j < *seats_count; j++) {
            if (strcmp(request->seats[i], seats[j]) == 0) {
                seats[j] = seats[--*seats_count];
                is_wanted = 1;
                break;
            }
        }
    }
    return is_wanted;
}

/* Wakes, from `at` on, the first for each seat; `lock` is held. */
static void wake_first(const struct topic *topic, struct waiter *at, const char **seats,
                       size_t seats_count)
{
    for (; at && seats_count > 0; at = at->next) {
        if (wants(at, seats, &seats_count)) {
            wake(topic->book, at);
        }
    }
}

static void freed(void *arg, const char *schedule, const char *const *seats, size_t seats_count)
{
    struct topic *topic = arg;
    const char *left[TQ_HOLD_SEATS_MAX];
    (void)schedule;
    pthread_mutex_lock(&topic->book->waiters.lock);
    if (seats && seats_count <= TQ_HOLD_SEATS_MAX) {
        memcpy(left, seats, seats_count * sizeof *left);
        wake_first(topic, topic->first, left, seats_count);
    } else {
        for (struct waiter *at = topic->first; at; at = at->next) {
            wake(topic->book, at);
        }
    }
    pthread_mutex_unlock(&topic->book->waiters.lock);
}

/* Lets those behind the waiter try for seats that it leaves alone. */
static void pass_on(struct topic *topic, const struct waiter *waiter, uint64_t except)
{
    const char *left[TQ_HOLD_SEATS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < waiter->request->seats_count; i++) {
        if (!(except >> i & 1)) {
            left[count++] = waiter->request->seats[i];
        }
    }
    if (count > 0) {
        pthread_mutex_lock(&topic->book->waiters.lock);
        wake_first(topic, waiter->next, left, count);
        pthread_mutex_unlock(&topic->book->waiters.lock);
    }
}

/* The topic of the schedule, made and subscribed if it is not there; topics_lock is held. */
static int find_topic(tq_book *book, const char *schedule, struct topic **out_topic,
                      struct tq_error *err)
{
    struct tq__waiters *waiters = &book->waiters;
    struct topic *topic = tq__map_get(&waiters->topics, schedule);
    if (topic) {
        *out_topic = topic;
        return TQ_OK;
    }
    topic = tq__alloc(&book->env, 1, sizeof *topic);
    if (!topic) {
        return tq__nomem("hold", err);
    }
    topic->book = book;
    tq__id_copy(topic->schedule, schedule);
    int rc = book->front ? book->driver->subscribe(book->state, topic->schedule, freed, topic, err)
                         : TQ_OK;
    if (rc == TQ_OK) {
        pthread_mutex_lock(&waiters->lock);
        rc = tq__map_put(&waiters->topics, topic->schedule, topic, err);
        pthread_mutex_unlock(&waiters->lock);
        if (rc < 0 && book->front) {
            book->driver->unsubscribe(book->state, topic->schedule, freed, topic);
        }
    }
    if (rc < 0) {
        tq__release(&book->env, topic);
        return rc;
    }
    *out_topic = topic;
    return TQ_OK;
}

static int join(tq_book *book, struct waiter *waiter, struct topic **out_topic,
                struct tq_error *err)
{
    struct tq__waiters *waiters = &book->waiters;
    pthread_mutex_lock(&waiters->topics_lock);
    int rc = find_topic(book, waiter->request->schedule, out_topic, err);
    if (rc == TQ_OK) {
        struct topic *topic = *out_topic;
        pthread_mutex_lock(&waiters->lock);
        waiter->prev = topic->last;
        *(topic->last ? &topic->last->next : &topic->first) = waiter;
        topic->last = waiter;
        pthread_mutex_unlock(&waiters->lock);
    }
    pthread_mutex_unlock(&waiters->topics_lock);
    return rc;
}

static void leave(tq_book *book, struct topic *topic, struct waiter *waiter)
{
    struct tq__waiters *waiters = &book->waiters;
    pthread_mutex_lock(&waiters->topics_lock);
    pthread_mutex_lock(&waiters->lock);
    *(waiter->prev ? &waiter->prev->next : &topic->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &topic->last) = waiter->prev;
    int is_last = topic->first == NULL;
    if (is_last) {
        tq__map_remove(&waiters->topics, topic->schedule);
    }
    pthread_mutex_unlock(&waiters->lock);
    if (is_last) {
        if (book->front) {
            book->driver->unsubscribe(book->state, topic->schedule, freed, topic);
        }
        tq__release(&book->env, topic);
    }
    pthread_mutex_unlock(&waiters->topics_lock);
}

static int is_closed(struct tq__waiters *waiters)
{
    pthread_mutex_lock(&waiters->lock);
    int closed = waiters->is_closed;
    pthread_mutex_unlock(&waiters->lock);
    return closed;
}

/*
 * How long to park at most, in 1..STEP_MAX_MS, with some jitter where the time of
 * who is in the way is the reason; `hold` is the refusal, or NULL.
 */
static uint32_t pause_of(const tq_book *book, const struct tq_hold *hold, uint32_t left_ms)
{
    int64_t pause_ms = STEP_MAX_MS;
    uint8_t jitter = 0;
    if (hold && hold->expires_ms > 0 && hold->expires_ms - hold->granted_ms < pause_ms) {
        pause_ms = hold->expires_ms - hold->granted_ms;
        if (tq__random(&book->env, &jitter, sizeof jitter, NULL) == TQ_OK) {
            pause_ms += jitter % JITTER_MS;
        }
    }
    pause_ms = pause_ms < left_ms ? pause_ms : left_ms;
    return pause_ms > 0 ? (uint32_t)pause_ms : 1;
}

static int shares_a_seat(const struct tq_hold_request *one, const struct tq_hold_request *other)
{
    for (size_t i = 0; i < one->seats_count; i++) {
        for (size_t j = 0; j < other->seats_count; j++) {
            if (strcmp(one->seats[i], other->seats[j]) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* Nobody who came earlier wants any of its seats. */
static int is_first(const struct topic *topic, const struct waiter *waiter)
{
    const struct waiter *at;
    pthread_mutex_lock(&topic->book->waiters.lock);
    for (at = topic->first; at != waiter; at = at->next) {
        if (shares_a_seat(at->request, waiter->request)) {
            break;
        }
    }
    pthread_mutex_unlock(&topic->book->waiters.lock);
    return at == waiter;
}

/* Counted from look to look: a clock that jumps back lengthens it by one park at most. */
static uint32_t left_ms_of(const tq_book *book, struct waiter *waiter)
{
    int64_t now_ms = tq__now_ms(&book->env), spent_ms = now_ms - waiter->seen_ms;
    waiter->seen_ms = now_ms;
    if (spent_ms > 0) {
        waiter->left_ms -= spent_ms < waiter->left_ms ? (uint32_t)spent_ms : waiter->left_ms;
    }
    return waiter->left_ms;
}

/* Parks until it is this waiter's turn to try, or its patience ends. */
static void park(const tq_book *book, const struct topic *topic, struct waiter *waiter,
                 const struct tq_hold *hold)
{
    const struct tq_env *env = &book->env;
    int is_turn = 0;
    while (!is_turn && !is_closed(&topic->book->waiters)) {
        uint32_t left_ms = left_ms_of(book, waiter);
        if (left_ms == 0) {
            return;
        }
        is_turn = is_first(topic, waiter);
        tq__listeners_park(listeners_of(book), env, &waiter->word,
                           pause_of(book, is_turn ? hold : NULL, left_ms));
        is_turn = is_turn || __atomic_load_n(&waiter->word, __ATOMIC_ACQUIRE);
    }
}

/* One round: try, and park unless that settled it. Non-zero: go on. */
static int wait_once(tq_book *book, struct topic *topic, struct waiter *waiter,
                     tq__wait_try_fn *try_once, struct tq_hold *hold, int *out_rc,
                     struct tq_error *err)
{
    if (is_closed(&book->waiters)) {
        hold->status = TQ_CLOSED;
        return 0;
    }
    __atomic_store_n(&waiter->word, 0, __ATOMIC_RELEASE);
    *out_rc = try_once(book, waiter->request, hold, err);
    if (*out_rc < 0 || hold->status != TQ_TAKEN) {
        return 0;
    }
    if (left_ms_of(book, waiter) == 0) {
        return 0;
    }
    if (*out_rc == TQ_STALE) {
        __atomic_store_n(&waiter->word, 0, __ATOMIC_RELEASE);
    }
    pass_on(topic, waiter, hold->taken);
    park(book, topic, waiter, hold);
    return 1;
}

static int wait_in_line(tq_book *book, const struct tq_hold_request *request,
                        tq__wait_try_fn *try_once, struct tq_hold *hold, struct tq_error *err)
{
    struct waiter waiter = {
        .request = request, .left_ms = request->wait_ms, .seen_ms = tq__now_ms(&book->env)};
    struct topic *topic = NULL;
    int rc = join(book, &waiter, &topic, err);
    if (rc < 0) {
        return rc;
    }
    while (wait_once(book, topic, &waiter, try_once, hold, &rc, err)) {
    }
    if (rc < 0 || (hold->status != TQ_OK && hold->status != TQ_REPEAT)) {
        pass_on(topic, &waiter, 0);
    }
    leave(book, topic, &waiter);
    return rc < 0 ? rc : TQ_OK;
}

int tq__wait(tq_book *book, const struct tq_hold_request *request, tq__wait_try_fn *try_once,
             struct tq_hold *hold, struct tq_error *err)
{
    struct tq__waiters *waiters = &book->waiters;
    pthread_mutex_lock(&waiters->lock);
    waiters->count++;
    pthread_mutex_unlock(&waiters->lock);
    int rc = wait_in_line(book, request, try_once, hold, err);
    pthread_mutex_lock(&waiters->lock);
    if (--waiters->count == 0) {
        pthread_cond_signal(&waiters->idle);
    }
    pthread_mutex_unlock(&waiters->lock);
    return rc;
}

void tq__waiters_freed(tq_book *book, const char *schedule)
{
    struct tq__waiters *waiters = &book->waiters;
    pthread_mutex_lock(&waiters->lock);
    struct topic *topic = tq__map_get(&waiters->topics, schedule);
    for (struct waiter *at = topic ? topic->first : NULL; at; at = at->next) {
        wake(book, at);
    }
    pthread_mutex_unlock(&waiters->lock);
}

void tq__waiters_close(tq_book *book)
{
    struct tq__waiters *waiters = &book->waiters;
    struct topic *topic;
    size_t cursor = 0;
    pthread_mutex_lock(&waiters->lock);
    waiters->is_closed = 1;
    while ((topic = tq__map_next(&waiters->topics, &cursor))) {
        for (struct waiter *at = topic->first; at; at = at->next) {
            wake(book, at);
        }
    }
    while (waiters->count > 0) {
        pthread_cond_wait(&waiters->idle, &waiters->lock);
    }
    pthread_mutex_unlock(&waiters->lock);
}
