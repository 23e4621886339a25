/* SPDX-License-Identifier: MIT */
/*
 * Three brokers, of which each in turn is killed, or stops answering and wakes up again, while
 * events flow: the other two go on, be it the leader of partitions that is away, the group's
 * coordinator or the controller. Each event is applied once and in order, and nobody is blamed.
 *
 * Not part of the full run, which has one broker; tests/README.md has the command.
 */
#include <stdio.h>

#include "lib/kafka_world.h"

#define KEYS 12
#define BROKERS 3
#define SALES 8       /* rounds of events while a broker is away */
#define SALE_STEPS 50 /* a second at most */
#define LONG 6000     /* two minutes */

static struct kafka_world world;
static struct handler_plan plan;
static tq_relay *relay;
static tq_inbox *inbox;
static int sold; /* events of each key */

static void catch_up(void)
{
    kafka_world_run(&world, relay, inbox, &plan, KEYS * sold, LONG);
    ck_assert_int_eq(plan.told, KEYS * sold);
    ck_assert_int_eq(outbox_pending(world.store), 0);
}

static void sell(int times)
{
    for (int i = 0; i < times; i++) {
        sold++;
        kafka_world_put(&world, KEYS, sold, sold);
        kafka_world_run(&world, relay, inbox, &plan, KEYS * sold, SALE_STEPS);
    }
}

static void lose_each(const char *away, const char *back)
{
    sold = 0;
    plan = (struct handler_plan){.key = ""};
    kafka_world_open_at(&world, getenv("TICKETQ_TEST_KAFKA_CLUSTER"), "partitions=3&replication=3");
    inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    relay = outbox_relay(world.store, world.transport, "r1");
    sell(1);
    catch_up();
    for (int i = 1; i <= BROKERS; i++) {
        char broker[16];
        snprintf(broker, sizeof broker, "brokers.%d", i);
        kafka_world_ctl_of(away, broker);
        sell(SALES);
        catch_up(); /* without it */
        kafka_world_ctl_of(back, broker);
        sell(SALES);
        catch_up();
    }
    kafka_world_check(&world, "payment", KEYS, sold);
    kafka_world_check_blameless(&world);
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}

START_TEST(each_is_killed__the_others_go_on)
{
    lose_each("kill", "start");
}
END_TEST

START_TEST(each_falls_asleep__the_others_go_on)
{
    lose_each("pause", "resume");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_is_killed__the_others_go_on,
        each_falls_asleep__the_others_go_on,
    };
    kafka_world_need_brokers();
    return unit_main("fault.kafka_brokers", tests, sizeof tests / sizeof *tests);
}
