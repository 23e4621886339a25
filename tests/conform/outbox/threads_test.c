/* SPDX-License-Identifier: MIT */
/*
 * Many threads append, two relays publish and two inboxes of one group apply, all
 * at once: every event once and in order, and a relay that waits is woken by a
 * commit and by an acknowledgement, not by its timeout.
 */
#include <pthread.h>
#include <stdio.h>

#include "conform/fixtures.h"
#include "lib/outbox_world.h"

#define APPENDERS 4
#define EVENTS 60
#define WAIT_MS 60000 /* would be noticed */

static struct world world;
static tq_store *store;
static tq_transport *transport;
static struct handler_plan plan;
static atomic_int is_over;

static void setup(void)
{
    world_open(&world);
    store = world_store(&world);
    transport = world_transport(&world);
    outbox_prepare(store);
    plan = (struct handler_plan){.key = ""};
    is_over = 0;
}

static void teardown(void)
{
    tq_transport_close(transport);
    tq_store_close(store);
    world_close(&world);
}

static void *append(void *arg)
{
    for (int n = 1; n <= EVENTS; n++) {
        ck_assert_int_eq(outbox_put(store, arg, n, n), TQ_OK);
    }
    return NULL;
}

static void *relay_events(void *arg)
{
    struct tq_error err = TQ_ERROR_INIT;
    while (!is_over) {
        assert_step(tq_relay_step(arg, 50, NULL, &err));
    }
    return NULL;
}

static void *apply_events(void *arg)
{
    struct tq_error err = TQ_ERROR_INIT;
    while (!is_over) {
        assert_step(tq_inbox_step(arg, 50, NULL, &err));
        if (plan.told == APPENDERS * EVENTS && outbox_pending(store) == 0) {
            is_over = 1;
        }
    }
    return NULL;
}

START_TEST(all_at_once__every_event_once_and_in_order)
{
    static char keys[APPENDERS][TQ_ID_SIZE];
    pthread_t threads[APPENDERS + 4];
    setup();
    tq_inbox *inboxes[] = {outbox_inbox(store, transport, "payment", &plan, 0),
                           outbox_inbox(store, transport, "payment", &plan, 0)};
    tq_relay *relays[] = {outbox_relay(store, transport, "r1"),
                          outbox_relay(store, transport, "r2")};
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[2 * i], NULL, relay_events, relays[i]);
        pthread_create(&threads[2 * i + 1], NULL, apply_events, inboxes[i]);
    }
    for (int i = 0; i < APPENDERS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        pthread_create(&threads[4 + i], NULL, append, keys[i]);
    }
    for (int i = 0; i < APPENDERS + 4; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < APPENDERS; i++) {
        outbox_check_key(store, "payment", keys[i], EVENTS);
    }
    ck_assert_int_eq(plan.called, APPENDERS * EVENTS);
    for (int i = 0; i < 2; i++) {
        tq_relay_close(relays[i]);
        tq_inbox_close(inboxes[i]);
    }
    teardown();
}
END_TEST

static void *wait_for_one(void *arg)
{
    struct tq_error err = TQ_ERROR_INIT;
    while (plan.told == 0) {
        assert_step(tq_inbox_step(arg, WAIT_MS, NULL, &err));
    }
    return NULL;
}

static void *relay_one(void *arg)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_relay_stats stats = TQ_INIT(tq_relay_stats);
    while (stats.published == 0) {
        assert_step(tq_relay_step(arg, WAIT_MS, &stats, &err));
    }
    return NULL;
}

START_TEST(waiting__is_ended_by_a_commit_and_by_an_acknowledgement)
{
    pthread_t applier, relayer;
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    pthread_create(&applier, NULL, wait_for_one, inbox);
    pthread_create(&relayer, NULL, relay_one, relay);
    append((void *)(uintptr_t) "k1");
    pthread_join(applier, NULL);
    pthread_join(relayer, NULL);
    outbox_finish(store, relay, inbox, &plan, EVENTS);
    outbox_check_key(store, "payment", "k1", EVENTS);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

static void *wake_both(void *arg)
{
    void *const *parts = arg;
    tq_relay_wake(parts[0]);
    tq_inbox_wake(parts[1]);
    return NULL;
}

/* Two waits each: one that was ended before it began, one that is ended by another thread. */
START_TEST(waiting__is_ended_by_a_wake_also_when_that_came_first)
{
    pthread_t thread;
    struct tq_error err = TQ_ERROR_INIT;
    setup();
    void *parts[] = {outbox_relay(store, transport, "r1"),
                     outbox_inbox(store, transport, "payment", &plan, 0)};
    ck_assert_int_eq(tq_relay_step(parts[0], 0, NULL, &err), TQ_EMPTY);
    wake_both(parts);
    ck_assert_int_eq(tq_relay_step(parts[0], WAIT_MS, NULL, &err), TQ_EMPTY);
    ck_assert_int_eq(tq_inbox_step(parts[1], WAIT_MS, NULL, &err), TQ_EMPTY);
    pthread_create(&thread, NULL, wake_both, parts);
    ck_assert_int_eq(tq_relay_step(parts[0], WAIT_MS, NULL, &err), TQ_EMPTY);
    ck_assert_int_eq(tq_inbox_step(parts[1], WAIT_MS, NULL, &err), TQ_EMPTY);
    pthread_join(thread, NULL);
    tq_relay_wake(NULL);
    tq_inbox_wake(NULL);
    tq_relay_close(parts[0]);
    tq_inbox_close(parts[1]);
    teardown();
}
END_TEST

CONFORM_MAIN("outbox.threads", all_at_once__every_event_once_and_in_order,
             waiting__is_ended_by_a_commit_and_by_an_acknowledgement,
             waiting__is_ended_by_a_wake_also_when_that_came_first)
