/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/news.c: what is told with a commit is heard by others, once it is committed and
 * only then; an ear that was lost tells that it may have missed something.
 */
#include <pthread.h>
#include <string.h>

#include <ticketq/system.h>

#include "lib/postgres_schema.h"
#include "store/ledger.h"
#include "store/postgres/postgres.h"

#define WAIT_MS 60000
#define ALL UINT64_MAX

static struct tq_error err = TQ_ERROR_INIT;
static struct postgres_place place;
static tq_store *teller, *hearer;

static void setup(const char *options)
{
    postgres_place_open(&place, options);
    teller = postgres_place_store(&place, 0);
    hearer = postgres_place_store(&place, 0);
}

static void teardown(void)
{
    tq_store_close(teller);
    tq_store_close(hearer);
    postgres_place_close(&place);
}

struct telling {
    uint64_t news;
    int result;
};

static int tell_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct telling *telling = arg;
    tq__tx_tell(tx, telling->news);
    return telling->result < 0 ? tq__fail(failure, telling->result, "test", "on purpose") : TQ_OK;
}

static void tell(uint64_t news, int result)
{
    struct telling telling = {news, result};
    assert_status(tq_ledger_run(teller, tell_in, &telling, &err), result);
}

static int hear(uint32_t timeout_ms, uint64_t *out_news)
{
    *out_news = 0;
    return tq__postgres_listen(tq__store_state(hearer), timeout_ms, out_news, &err);
}

/* Until bits have come, since a connection's first bits and its last are not one packet. */
static uint64_t hear_some(void)
{
    uint64_t news;
    assert_status(hear(WAIT_MS, &news), TQ_OK);
    return news;
}

START_TEST(told__is_heard_and_what_was_undone_is_not)
{
    uint64_t news;
    setup("");
    ck_assert_uint_eq(hear_some(), ALL);
    assert_status(hear(0, &news), TQ_EMPTY);
    tell(5, TQ_E_LIMIT);
    tell(1ull << 63, TQ_OK);
    ck_assert_uint_eq(hear_some(), 1ull << 63);
    tell(1, TQ_OK);
    tell(2, TQ_OK);
    uint64_t both = hear_some();
    ck_assert_uint_eq(both | (both == 3 ? 0 : hear_some()), 3);
    assert_status(hear(0, &news), TQ_EMPTY);
    teardown();
}
END_TEST

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(wanted_here__is_not_sent_elsewhere)
{
    struct tq__commit_watch watch = {.on_commit = nothing, .wanted = 6};
    setup("");
    ck_assert_uint_eq(hear_some(), ALL);
    tq__ledger_watch(teller, &watch);
    tell(2, TQ_OK);
    tell(12, TQ_OK);
    ck_assert_uint_eq(hear_some(), 8);
    tq__ledger_unwatch(teller, &watch);
    teardown();
}
END_TEST

START_TEST(a_lost_ear__is_told_and_the_next_one_may_have_missed_all)
{
    uint64_t news;
    setup("");
    ck_assert_uint_eq(hear_some(), ALL);
    PGconn *pg = postgres_place_connect(&place);
    postgres_run(pg,
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE"
                 " 'LISTEN%' AND usename = current_schema",
                 NULL, 0);
    int status;
    while ((status = hear(WAIT_MS, &news)) == TQ_OK) {
        ck_assert_uint_eq(news, 0);
    }
    assert_status(status, TQ_E_UNAVAILABLE);
    tell(1, TQ_OK);
    ck_assert_uint_eq(hear_some(), ALL);
    PQfinish(pg);
    teardown();
}
END_TEST

static void *rouse(void *store)
{
    tq__postgres_rouse(tq__store_state(store));
    return NULL;
}

START_TEST(roused__returns_with_no_news_also_when_that_came_first)
{
    uint64_t news;
    pthread_t thread;
    setup("");
    ck_assert_uint_eq(hear_some(), ALL);
    rouse(hearer);
    assert_status(hear(WAIT_MS, &news), TQ_OK);
    ck_assert_uint_eq(news, 0);
    pthread_create(&thread, NULL, rouse, hearer);
    assert_status(hear(WAIT_MS, &news), TQ_OK);
    pthread_join(thread, NULL);
    teardown();
}
END_TEST

static void check_deaf(const char *options)
{
    uint64_t news;
    setup(options);
    assert_status(hear(WAIT_MS, &news), TQ_E_UNSUPPORTED);
    tell(1, TQ_OK);
    tell(1, TQ_OK);
    teardown();
}

START_TEST(told_not_to__nobody_tells_or_listens)
{
    check_deaf("listen=0&");
    check_deaf("prepared=0&");
}
END_TEST

/* As a pooler hands out a server on which somebody has listened. */
START_TEST(heard_by_who_did_not_listen__is_dropped)
{
    setup("");
    tell(1, TQ_OK);
    struct postgres_state *state = tq__store_state(teller);
    struct postgres_wire *wire = &state->conns[0].wire;
    char sql[TQ__POSTGRES_NAME_SIZE + 16];
    ck_assert_int_eq(tq__postgres_wire_is_alive(wire), 1);
    snprintf(sql, sizeof sql, "LISTEN \"%s\"", state->news.channel);
    tq__postgres_ask_text(wire, sql);
    tq__postgres_ask_end(wire);
    ck_assert_int_eq(tq__postgres_answers_end(wire), 1);
    tell(1, TQ_OK);
    tell(1, TQ_OK);
    ck_assert_int_eq(tq__postgres_wire_is_alive(wire), 1);
    ck_assert_ptr_null(PQnotifies(wire->pg));
    teardown();
}
END_TEST

struct waiter {
    struct tq__commit_watch watch;
    int told;
    pthread_t thread;
};

static void note(void *arg)
{
    __atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void *wait_until_told(void *arg)
{
    struct waiter *waiter = arg;
    while (!__atomic_load_n(&waiter->told, __ATOMIC_SEQ_CST)) {
        tq__ledger_wait(hearer, &waiter->watch, WAIT_MS);
        tq__ledger_attend(&waiter->watch);
    }
    return NULL;
}

/* Two wait, of whom one lends its thread; each is told of what it wants. */
START_TEST(who_waits__is_told_of_another_store_s_commits)
{
    struct waiter waiters[2];
    setup("");
    ck_assert_uint_eq(hear_some(), ALL);
    for (int i = 0; i < 2; i++) {
        waiters[i] = (struct waiter){.told = 0};
        waiters[i].watch = (struct tq__commit_watch){
            .on_commit = note, .arg = &waiters[i].told, .wanted = 1ull << i};
        tq__ledger_watch(hearer, &waiters[i].watch);
        pthread_create(&waiters[i].thread, NULL, wait_until_told, &waiters[i]);
    }
    for (int i = 0; i < 2; i++) {
        tell(1ull << i, TQ_OK);
        pthread_join(waiters[i].thread, NULL);
        ck_assert_int_eq(waiters[1].told, i);
        tq__ledger_unwatch(hearer, &waiters[i].watch);
    }
    teardown();
}
END_TEST

POSTGRES_MAIN("store.postgres.news", told__is_heard_and_what_was_undone_is_not,
              wanted_here__is_not_sent_elsewhere,
              a_lost_ear__is_told_and_the_next_one_may_have_missed_all,
              roused__returns_with_no_news_also_when_that_came_first,
              told_not_to__nobody_tells_or_listens, who_waits__is_told_of_another_store_s_commits,
              heard_by_who_did_not_listen__is_dropped)
