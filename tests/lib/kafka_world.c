/* SPDX-License-Identifier: MIT */
/*
 * A service on SQLite and a real Kafka. See the header.
 */
#include "lib/kafka_world.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ticketq/system.h>

#define ROUND_MS 20

static struct tq_error err = TQ_ERROR_INIT;

static void need(const char *variable)
{
    if (!getenv(variable) || !getenv("TICKETQ_TEST_SERVICES")) {
        printf("1..0 # SKIP there is no %s of tests/services/run.sh\n", variable);
        exit(EXIT_SUCCESS);
    }
}

void kafka_world_need_broker(void)
{
    need("TICKETQ_TEST_KAFKA");
}

void kafka_world_need_brokers(void)
{
    need("TICKETQ_TEST_KAFKA_CLUSTER");
}

void kafka_world_url(char *url, size_t room, const char *options)
{
    kafka_world_url_at(getenv("TICKETQ_TEST_KAFKA"), url, room, options);
}

void kafka_world_url_at(const char *broker, char *url, size_t room, const char *options)
{
    static unsigned worlds;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(url, room, "%s%cprefix=%x-%llx-%x.&%s", broker, strchr(broker, '?') ? '&' : '?',
             (unsigned)getpid(),
             (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
             worlds++, options);
}

void kafka_world_open(struct kafka_world *world, const char *options)
{
    kafka_world_open_at(world, getenv("TICKETQ_TEST_KAFKA"), options);
}

void kafka_world_open_at(struct kafka_world *world, const char *broker, const char *options)
{
    test_env_init(&world->test, 1);
    world->env = test_env_of(&world->test);
    world->env.now_ms = tq_system_now_ms;
    folder_make(world->folder);
    snprintf(world->store_url, sizeof world->store_url, "sqlite:%s/ledger.db", world->folder);
    kafka_world_url_at(broker, world->transport_url, sizeof world->transport_url, options);
    world->store = outbox_store(&world->env, world->store_url);
    world->transport = outbox_transport(&world->env, world->transport_url);
    outbox_prepare(world->store);
}

void kafka_world_close(struct kafka_world *world)
{
    tq_transport_close(world->transport);
    tq_store_close(world->store);
    ck_assert_int_eq(world->test.live, 0);
    folder_remove(world->folder);
}

void kafka_world_ctl_of(const char *action, const char *server)
{
    char command[512];
    snprintf(command, sizeof command, "%s %s %s >&2", TESTS_CTL, action, server);
    ck_assert_int_eq(system(command), 0);
}

void kafka_world_ctl(const char *action)
{
    kafka_world_ctl_of(action, "kafka");
}

static int is_outage(int status)
{
    ck_assert_msg(status >= 0 || status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN, "%s: %s",
                  err.origin, err.message);
    return status < 0;
}

int kafka_world_run(struct kafka_world *world, tq_relay *relay, tq_inbox *inbox,
                    const struct handler_plan *plan, int told, int rounds)
{
    int outages = 0;
    for (int i = 0; i < rounds; i++) {
        outages += relay && is_outage(tq_relay_step(relay, inbox ? 0 : ROUND_MS, NULL, &err));
        outages += inbox && is_outage(tq_inbox_step(inbox, ROUND_MS, NULL, &err));
        if (plan->told >= told && outbox_pending(world->store) == 0) {
            break;
        }
    }
    return outages;
}

void kafka_world_put(struct kafka_world *world, int keys, int first, int last)
{
    char key[16];
    for (int i = 0; i < keys; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_status(outbox_put(world->store, key, first, last), TQ_OK);
    }
}

void kafka_world_check(struct kafka_world *world, const char *consumer, int keys, int count)
{
    char key[16];
    for (int i = 0; i < keys; i++) {
        snprintf(key, sizeof key, "k%d", i);
        outbox_check_key(world->store, consumer, key, count);
    }
}

void kafka_world_check_blameless(struct kafka_world *world)
{
    ck_assert_int_eq(
        ask_number(world->store, "SELECT COALESCE(SUM(attempts), 0) FROM outbox_events", NULL), 0);
    ck_assert_int_eq(ask_number(world->store, "SELECT count(*) FROM outbox_blocked", NULL), 0);
    ck_assert_int_eq(ask_number(world->store,
                                "SELECT count(*) FROM processed_events"
                                " WHERE dead_reason IS NOT NULL",
                                NULL),
                     0);
}
