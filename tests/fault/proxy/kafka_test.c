/* SPDX-License-Identifier: MIT */
/*
 * Events go through a relay, Kafka behind the proxy and an inbox, while each request in turn is
 * struck: of clients that are in the middle of it, and of clients that have only begun. Every
 * event is applied once and in order, none is lost, and nobody is blamed for the line.
 *
 * The proxy stands where TICKETQ_TEST_KAFKA_PROXY says, because a broker tells its clients where
 * to go on; skipped without.
 */
#include <stdio.h>
#include <string.h>

#include "fault/proxy/drill.h"
#include "lib/kafka_world.h"

#define KEYS 3
#define LONG 3000 /* rounds: a minute */
#define AFTERWARDS 5
#define OPTIONS "partitions=2&timeout_ms=2000&session_ms=6000&poll_ms=6000"

static struct proxy *proxy;
static struct kafka_world world;
static struct handler_plan plan;
static tq_relay *relay;
static tq_inbox *inbox;
static int events; /* of each key, so far */

static unsigned port_of(const char *variable)
{
    return (unsigned)strtoul(strrchr(getenv(variable), ':') + 1, NULL, 10);
}

static void begin_proxy(void)
{
    char url[64];
    struct proxy_door door = {.server_port = port_of("TICKETQ_TEST_KAFKA_INNER"),
                              .port = port_of("TICKETQ_TEST_KAFKA_PROXY")};
    proxy = proxy_start(PROXY_KAFKA, &door, 1);
    snprintf(url, sizeof url, "kafka://127.0.0.1:%u", door.port);
    setenv("TICKETQ_TEST_KAFKA", url, 1);
}

static void open_clients(void)
{
    kafka_world_open(&world, OPTIONS);
    plan = (struct handler_plan){.key = ""};
    events = 0;
    inbox = outbox_inbox(world.store, world.transport, "payment", &plan, 1);
    relay = outbox_relay(world.store, world.transport, "r1");
}

static void close_clients(void)
{
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    kafka_world_close(&world);
}

/* An event of each key, and the moment in which its position is committed. */
static void pass_on(void)
{
    struct handler_plan nobody = {.key = ""};
    events++;
    kafka_world_put(&world, KEYS, events, events);
    kafka_world_run(&world, relay, inbox, &plan, KEYS * events, LONG);
    kafka_world_run(&world, relay, inbox, &nobody, 1, AFTERWARDS);
}

static void check(void)
{
    ck_assert_msg(plan.told == KEYS * events, "%s: %d events of %d", drill_name(), plan.told,
                  KEYS * events);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    kafka_world_check(&world, "payment", KEYS, events);
    kafka_world_check_blameless(&world);
}

static void go_on(void)
{
    drill_begin();
    pass_on();
    drill_end();
    check();
}

START_TEST(clients_at_work__lose_and_double_nothing)
{
    begin_proxy();
    open_clients();
    pass_on();
    drill(proxy, go_on, 3);
    close_clients();
    proxy_stop(proxy);
}
END_TEST

static void begin_and_go_on(void)
{
    drill_begin();
    open_clients();
    pass_on();
    drill_end();
    pass_on();
    check();
    close_clients();
}

START_TEST(clients_that_begin__lose_and_double_nothing)
{
    begin_proxy();
    drill(proxy, begin_and_go_on, 12);
    proxy_stop(proxy);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {clients_at_work__lose_and_double_nothing,
                                  clients_that_begin__lose_and_double_nothing};
    if (!getenv("TICKETQ_TEST_KAFKA_PROXY") || !getenv("TICKETQ_TEST_KAFKA_INNER")) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_KAFKA_PROXY\n");
        return EXIT_SUCCESS;
    }
    return unit_main("fault.proxy.kafka", tests, sizeof tests / sizeof *tests);
}
