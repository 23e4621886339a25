/* SPDX-License-Identifier: MIT */
/*
 * From a commit to another service's commit, when nothing goes wrong: once, in
 * order, to every consumer, and nothing that was rolled back.
 */
#include <stdio.h>

#include "conform/fixtures.h"
#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_store *store;
static tq_transport *transport;

static void setup(void)
{
    world_open(&world);
    store = world_store(&world);
    transport = world_transport(&world);
    outbox_prepare(store);
}

static void teardown(void)
{
    tq_transport_close(transport);
    tq_store_close(store);
    world_close(&world);
}

START_TEST(every_event__is_applied_once_and_in_order)
{
    struct handler_plan plan = {.key = ""};
    char key[16];
    setup();
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    tq_relay *relay = outbox_relay(store, transport, "r1");
    for (int n = 1; n <= 5; n++) {
        for (int k = 0; k < 30; k++) {
            snprintf(key, sizeof key, "k%d", k);
            assert_status(outbox_put(store, key, n, n), TQ_OK);
        }
    }
    ck_assert_int_eq(outbox_pending(store), 150);
    outbox_finish(store, relay, inbox, &plan, 150);
    for (int k = 0; k < 30; k++) {
        snprintf(key, sizeof key, "k%d", k);
        outbox_check_key(store, "payment", key, 5);
    }
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

CONFORM_MAIN("outbox.flow", every_event__is_applied_once_and_in_order)
