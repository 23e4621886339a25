/* SPDX-License-Identifier: MIT */
/*
 * A broker that is away for long, while sales go on (OB-10): no event is lost, none is
 * counted against, the outbox keeps what nobody takes, and order is kept. For
 * TICKETQ_OUTAGE_S seconds; tests/README.md has the command for ten minutes.
 */
#include <stdio.h>

#include "lib/kafka_world.h"

#define KEYS 12
#define OUTAGE_S 3
#define ROUNDS_OF_A_SECOND 50
#define LONG 30000 /* rounds: ten minutes */

static struct kafka_world world;
static struct handler_plan plan;

static int seconds(void)
{
    const char *text = getenv("TICKETQ_OUTAGE_S");
    return text ? atoi(text) : OUTAGE_S;
}

/* One more event of each key, and a second's work of relay and inbox. */
static int sell(tq_relay *relay, tq_inbox *inbox, int n)
{
    kafka_world_put(&world, KEYS, n, n);
    return kafka_world_run(&world, relay, inbox, &plan, KEYS * n, ROUNDS_OF_A_SECOND);
}

START_TEST(ob_10_away_for_long__nothing_is_lost_and_nobody_blamed)
{
    kafka_world_open(&world, "partitions=3&timeout_ms=2000");
    plan = (struct handler_plan){.key = ""};
    tq_inbox *inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    tq_relay *relay = outbox_relay(world.store, world.transport, "r1");
    int n = 1, outages = 0;
    kafka_world_put(&world, KEYS, n, n);
    kafka_world_run(&world, relay, inbox, &plan, KEYS, LONG);
    ck_assert_int_eq(plan.told, KEYS);
    kafka_world_ctl("kill");
    while (n <= seconds()) {
        outages += sell(relay, inbox, ++n);
    }
    ck_assert_int_gt(outages, 0);
    ck_assert_int_eq(outbox_pending(world.store), KEYS * (n - 1));
    kafka_world_check_blameless(&world);
    kafka_world_ctl("start");
    kafka_world_run(&world, relay, inbox, &plan, KEYS * n, LONG);
    ck_assert_int_eq(plan.told, KEYS * n);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    kafka_world_check(&world, "payment", KEYS, n);
    kafka_world_check_blameless(&world);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {ob_10_away_for_long__nothing_is_lost_and_nobody_blamed};
    kafka_world_need_broker();
    return unit_main("fault.kafka_outage", tests, sizeof tests / sizeof *tests);
}
