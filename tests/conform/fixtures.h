/* SPDX-License-Identifier: MIT */
/*
 * The frame of a conformance suite: promises written once, run on every driver.
 *
 *     START_TEST(promise__in_words)
 *     {
 *         struct world world;
 *         world_open(&world);
 *         tq_store *store = world_store(&world);
 *         ...
 *         tq_store_close(store);
 *         world_close(&world);
 *     }
 *     END_TEST
 *     CONFORM_MAIN("ledger.run", promise__in_words)
 *
 * The program's first argument names the fixture. A driver joins in two lines:
 * its row in fixtures.c, and its name in the meson.build of each table it has.
 */
#ifndef TESTS_CONFORM_FIXTURES_H
#define TESTS_CONFORM_FIXTURES_H

#include <ticketq/store.h>
#include <ticketq/transport.h>

#include "lib/folder.h"
#include "lib/test_env.h"
#include "lib/unit.h"

struct fixture {
    const char *name;
    const char *url;          /* of a store; `%s` stands for a folder of the world's own */
    const char *front;        /* URL of a second store, in front of a ledger; NULL: none */
    const char *transport;    /* URL of a transport; NULL: none */
    const char *server;       /* variable with the URL of a server; unset: skipped */
    const char *front_server; /* the same, for the second store */
    const char *options;      /* of that URL */
    int has_own_server;       /* started with the program, with the world's clock; or skipped */
    int is_postgres;          /* a schema of its own there, whose clock tests move */
    const char *broker;       /* variable with the URL of a transport; unset: skipped */
    const char *topics;       /* options of that URL */
    int has_own_clock;        /* the server's, which nobody moves; otherwise the world's */
    unsigned shards;          /* of its rooms; 0: one */
};

#define WORLD_URL_SIZE 1024

/* A clean place for one test. */
struct world {
    struct test_env test;
    struct tq_env env;
    char folder[FOLDER_SIZE];
    char url[WORLD_URL_SIZE];
    char transport[WORLD_URL_SIZE];
    char front_url[WORLD_URL_SIZE]; /* of the front that was opened last */
};

/*
 * Choose the fixture for all worlds of this process. Ends the program for an unknown name, and,
 * with a TAP plan that says so, when the server that it needs is not there.
 */
void fixture_choose(const char *name);
/* True when the store's time cannot be moved, only waited for. */
int fixture_has_own_clock(void);
/*
 * Of its rooms. With more than one, numbers have gaps, how many are ahead is that many times
 * those of one's own shard, and each shard takes its part of the capacity; who comes after another
 * is still behind.
 */
unsigned fixture_shards(void);
/* True when each call is a round trip to a server: long tests do less. */
int fixture_is_remote(void);
/* The same of who keeps rooms, or holds where there is a front. */
int fixture_front_is_remote(void);
/* How the fixture's store is opened: options with its URL and driver. */
struct tq_store_options world_store_options(const struct world *world);

void world_open(struct world *world);
/* A store on the world's URL, which several may share when the driver says so. */
tq_store *world_store(struct world *world);
/* The store in front, or NULL. Each that is opened is one of its own. */
tq_store *world_front(struct world *world);
tq_transport *world_transport(struct world *world);
/* Let that much time pass for the store. */
void world_advance(struct world *world, uint32_t ms);
/* A store that outlives its handles forgets; whatever was opened on it has to be closed. */
void world_forget(struct world *world);
/* Removes the folder; whatever was opened has to be closed and all memory given back. */
void world_close(struct world *world);

#define CONFORM_MAIN(name, ...)                                                                    \
    int main(int arguments_count, char **arguments)                                                \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        fixture_choose(arguments_count > 1 ? arguments[1] : "");                                   \
        return unit_main(name, tests, sizeof tests / sizeof *tests);                               \
    }

#endif
