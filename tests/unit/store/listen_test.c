/* SPDX-License-Identifier: MIT */
/*
 * store/listen.c: one of those who wait is the reader, the next takes over, and
 * nobody misses a wake-up.
 */
#include "store/listen.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/unit.h"

enum { CROWD = 20 };

/* A front whose news is a word: who is listening sleeps on it. */
static struct front {
    uint32_t news;
    int readers, most_readers, listened;
    int result; /* of listen */
} front;

static struct tq_env env;
static struct tq__listeners listeners;

static int listen_to(void *state, uint32_t timeout_ms, struct tq_error *err)
{
    struct front *mine = state;
    int readers = __atomic_add_fetch(&mine->readers, 1, __ATOMIC_SEQ_CST);
    mine->most_readers = readers > mine->most_readers ? readers : mine->most_readers;
    __atomic_add_fetch(&mine->listened, 1, __ATOMIC_SEQ_CST);
    (void)err;
    if (mine->result == TQ_OK) {
        env.park(env.ctx, &mine->news, 0, timeout_ms);
    }
    int is_heard = __atomic_exchange_n(&mine->news, 0, __ATOMIC_SEQ_CST) != 0;
    __atomic_sub_fetch(&mine->readers, 1, __ATOMIC_SEQ_CST);
    return mine->result < 0 ? mine->result : is_heard ? TQ_OK : TQ_EMPTY;
}

static void rouse(void *state)
{
    struct front *mine = state;
    __atomic_store_n(&mine->news, 1, __ATOMIC_SEQ_CST);
    env.unpark(env.ctx, &mine->news);
}

/* NULL: there is nothing to be heard. */
static void begin(tq__listen_fn *ear)
{
    env = tq_system_env();
    memset(&front, 0, sizeof front);
    tq__listeners_init(&listeners, ear, ear ? rouse : NULL, &front);
}

struct waiter {
    pthread_t thread;
    uint32_t word;
    uint32_t timeout_ms;
};

static void *wait_until_woken(void *arg)
{
    struct waiter *waiter = arg;
    while (__atomic_load_n(&waiter->word, __ATOMIC_SEQ_CST) != 1) {
        tq__listeners_park(&listeners, &env, &waiter->word, waiter->timeout_ms);
    }
    return NULL;
}

/* Wakes one after the other, first the reader, then last to first; all come back. */
static void wake_crowd(tq__listen_fn *ear)
{
    struct waiter crowd[CROWD];
    begin(ear);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct waiter){.timeout_ms = 60000};
        ck_assert_int_eq(pthread_create(&crowd[i].thread, NULL, wait_until_woken, &crowd[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        struct waiter *waiter = &crowd[i ? CROWD - i : 0];
        tq__listeners_wake(&listeners, &env, &waiter->word);
        pthread_join(waiter->thread, NULL);
    }
    ck_assert_int_le(front.most_readers, 1);
    tq__listeners_done(&listeners);
}

START_TEST(each_who_is_woken__comes_back_and_one_reads)
{
    int64_t begun_ms = tq_system_now_ms(NULL);
    wake_crowd(listen_to);
    ck_assert_int_ge(front.listened, 1);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 30000);
}
END_TEST

START_TEST(without_the_slots__everybody_parks)
{
    wake_crowd(NULL);
    ck_assert_int_eq(front.listened, 0);
}
END_TEST

START_TEST(a_reader_that_leaves__appoints_the_next)
{
    struct waiter first = {.timeout_ms = 60000}, second = {.timeout_ms = 60000};
    begin(listen_to);
    pthread_create(&first.thread, NULL, wait_until_woken, &first);
    while (__atomic_load_n(&front.readers, __ATOMIC_SEQ_CST) != 1) {
        usleep(1000);
    }
    pthread_create(&second.thread, NULL, wait_until_woken, &second);
    usleep(20000);
    tq__listeners_wake(&listeners, &env, &first.word);
    pthread_join(first.thread, NULL);
    while (__atomic_load_n(&front.listened, __ATOMIC_SEQ_CST) < 2) { /* the second has begun */
        usleep(1000);
    }
    tq__listeners_wake(&listeners, &env, &second.word);
    pthread_join(second.thread, NULL);
    ck_assert_ptr_null(listeners.reader);
    tq__listeners_done(&listeners);
}
END_TEST

START_TEST(the_time__ends_it_in_both_ways)
{
    uint32_t word = 0;
    begin(listen_to);
    int64_t begun_ms = tq_system_now_ms(NULL);
    tq__listeners_park(&listeners, &env, &word, 30);
    front.result = TQ_E_UNAVAILABLE; /* a front that cannot be heard is no reason to spin */
    tq__listeners_park(&listeners, &env, &word, 30);
    ck_assert_int_ge(tq_system_now_ms(NULL) - begun_ms, 55);
    ck_assert_uint_eq(word, 0);
    ck_assert_int_le(front.listened, 4);
    tq__listeners_done(&listeners);
}
END_TEST

UNIT_MAIN("store.listen", each_who_is_woken__comes_back_and_one_reads,
          without_the_slots__everybody_parks, a_reader_that_leaves__appoints_the_next,
          the_time__ends_it_in_both_ways)
