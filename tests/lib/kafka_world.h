/* SPDX-License-Identifier: MIT */
/*
 * A service on SQLite and a real Kafka, for tests that kill the one or parts of the other.
 * The broker is the one that tests/services/run.sh has started.
 */
#ifndef TESTS_LIB_KAFKA_WORLD_H
#define TESTS_LIB_KAFKA_WORLD_H

#include "lib/folder.h"
#include "lib/outbox_world.h"

struct kafka_world {
    struct test_env test;
    struct tq_env env; /* with the system's clock */
    char folder[FOLDER_SIZE];
    char store_url[256];
    char transport_url[512];
    tq_store *store;
    tq_transport *transport;
};

/* Ends the program with a plan that says so when there is no broker, or none to be killed. */
void kafka_world_need_broker(void);
/* The same without three of them. */
void kafka_world_need_brokers(void);
/* The broker's URL, with topics of its own each time. */
void kafka_world_url(char *url, size_t room, const char *options);
/* The same at a URL of your own, which may have options already. */
void kafka_world_url_at(const char *broker, char *url, size_t room, const char *options);
/* A clean ledger, and topics of its own. `options` of the URL. */
void kafka_world_open(struct kafka_world *world, const char *options);
void kafka_world_open_at(struct kafka_world *world, const char *broker, const char *options);
void kafka_world_close(struct kafka_world *world);

/* kill, start, pause or resume the broker. */
void kafka_world_ctl(const char *action);
/* The same with one of several: brokers.1 to brokers.3. */
void kafka_world_ctl_of(const char *action, const char *server);

/*
 * Steps of both for some rounds, or until the plan was told of so many and nothing is pending;
 * outages are no failure. Returns how many steps ended in one.
 */
int kafka_world_run(struct kafka_world *world, tq_relay *relay, tq_inbox *inbox,
                    const struct handler_plan *plan, int told, int rounds);
/* Keys "k0" to "k<keys - 1>": events `first` to `last` of each. */
void kafka_world_put(struct kafka_world *world, int keys, int first, int last);
void kafka_world_check(struct kafka_world *world, const char *consumer, int keys, int count);
/* Nobody was blamed for anything. */
void kafka_world_check_blameless(struct kafka_world *world);

#endif
