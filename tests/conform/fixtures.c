/* SPDX-License-Identifier: MIT */
/*
 * How to make a clean place for each driver.
 */
#include "conform/fixtures.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/redis_server.h"

#ifdef TQ_WITH_POSTGRES
#include "lib/clock_ledger.h"
#include "lib/postgres_schema.h"
#include "store/builtin.h"
#endif

static const struct fixture fixtures[] = {
    {.name = "memory", .url = "memory:"},
    {.name = "redis-still", .server = "TICKETQ_TEST_REDIS_STILL", .has_own_server = 1},
    {.name = "redis", .server = "TICKETQ_TEST_REDIS", .has_own_clock = 1},
    {.name = "redis-cluster",
     .server = "TICKETQ_TEST_REDIS_CLUSTER",
     .options = "cluster=1&",
     .has_own_clock = 1},
    {.name = "redis-still-shards",
     .server = "TICKETQ_TEST_REDIS_STILL",
     .has_own_server = 1,
     .shards = 3},
    {.name = "redis-shards", .server = "TICKETQ_TEST_REDIS", .has_own_clock = 1, .shards = 3},
    {.name = "redis-cluster-shards",
     .server = "TICKETQ_TEST_REDIS_CLUSTER",
     .options = "cluster=1&",
     .has_own_clock = 1,
     .shards = 4},
    {.name = "redis-still-sqlite",
     .url = "sqlite::memory:",
     .front_server = "TICKETQ_TEST_REDIS_STILL",
     .has_own_server = 1},
    {.name = "redis-sqlite",
     .url = "sqlite:%s/ledger.db",
     .front_server = "TICKETQ_TEST_REDIS",
     .has_own_clock = 1},
    {.name = "redis-cluster-sqlite",
     .url = "sqlite:%s/ledger.db",
     .front_server = "TICKETQ_TEST_REDIS_CLUSTER",
     .options = "cluster=1&",
     .has_own_clock = 1},
    {.name = "sqlite", .url = "sqlite:%s/ledger.db"},
    {.name = "sqlite-memory", .url = "sqlite::memory:"},
    {.name = "memory-sqlite", .url = "sqlite:%s/ledger.db", .front = "memory:"},
    {.name = "memory-sqlite-memory", .url = "sqlite::memory:", .front = "memory:"},
#ifdef TQ_WITH_POSTGRES
    {.name = "postgres", .server = "TICKETQ_TEST_POSTGRES", .is_postgres = 1},
    {.name = "memory-postgres",
     .server = "TICKETQ_TEST_POSTGRES",
     .is_postgres = 1,
     .front = "memory:"},
    {.name = "redis-still-postgres",
     .server = "TICKETQ_TEST_POSTGRES",
     .is_postgres = 1,
     .front_server = "TICKETQ_TEST_REDIS_STILL",
     .has_own_server = 1},
    {.name = "postgres-inproc",
     .server = "TICKETQ_TEST_POSTGRES",
     .is_postgres = 1,
     .transport = "inproc:"},
    {.name = "postgres-kafka",
     .server = "TICKETQ_TEST_POSTGRES",
     .is_postgres = 1,
     .broker = "TICKETQ_TEST_KAFKA",
     .topics = "partitions=4&"},
    {.name = "postgres18", .server = "TICKETQ_TEST_POSTGRES18", .is_postgres = 1},
    {.name = "pgbouncer",
     .server = "TICKETQ_TEST_PGBOUNCER",
     .is_postgres = 1,
     .options = "prepared=0&"},
#endif
    {.name = "inproc", .url = "", .transport = "inproc:"},
    {.name = "sqlite-inproc", .url = "sqlite:%s/ledger.db", .transport = "inproc:"},
    {.name = "kafka", .url = "", .broker = "TICKETQ_TEST_KAFKA", .topics = "partitions=4&"},
    {.name = "kafka-eager",
     .url = "",
     .broker = "TICKETQ_TEST_KAFKA",
     .topics = "partitions=4&rebalance=eager&"},
    {.name = "sqlite-kafka",
     .url = "sqlite:%s/ledger.db",
     .broker = "TICKETQ_TEST_KAFKA",
     .topics = "partitions=4&"},
};

static const struct fixture *chosen;

static void start_server(void)
{
    char url[64];
    unsigned port = redis_server_start(STILL_CLOCK);
    if (port) {
        snprintf(url, sizeof url, "redis://127.0.0.1:%u", port);
        setenv(chosen->front_server ? chosen->front_server : chosen->server, url, 1);
    }
}

static void skip_without(const char *variable)
{
    if (variable && !getenv(variable)) {
        printf("1..0 # SKIP there is no %s\n", variable);
        exit(EXIT_SUCCESS);
    }
}

static void find_servers(void)
{
    if (chosen->has_own_server) {
        start_server();
    }
    skip_without(chosen->server);
    skip_without(chosen->broker);
    skip_without(chosen->front_server);
}

void fixture_choose(const char *name)
{
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        if (strcmp(fixtures[i].name, name) == 0) {
            chosen = &fixtures[i];
            find_servers();
            return;
        }
    }
    printf("Bail out! there is no fixture '%s'\n", name);
    exit(EXIT_FAILURE);
}

int fixture_has_own_clock(void)
{
    return chosen->has_own_clock;
}

unsigned fixture_shards(void)
{
    return chosen->shards ? chosen->shards : 1;
}

int fixture_is_remote(void)
{
    return chosen->server || chosen->front_server;
}

int fixture_front_is_remote(void)
{
    return chosen->front_server || (chosen->server && !chosen->is_postgres);
}

/* A prefix of the world's own, so that many may share a server. */
static void fill_server_url(char url[WORLD_URL_SIZE], const char *server, const char *options,
                            char end)
{
    static unsigned worlds;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(url, WORLD_URL_SIZE, "%s?%sprefix=%x-%llx-%x%c", getenv(server),
             options ? options : "", (unsigned)getpid(),
             (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
             worlds++, end);
}

/* The URL with the folder in it, or with a place of its own on the server. */
static void fill_url(struct world *world)
{
#ifdef TQ_WITH_POSTGRES
    if (chosen->is_postgres) {
        postgres_schema_url(world->url, sizeof world->url, getenv(chosen->server),
                            chosen->options ? chosen->options : "");
        return;
    }
#endif
    if (chosen->server) {
        fill_server_url(world->url, chosen->server, chosen->options, ':');
        return;
    }
    const char *mark = strstr(chosen->url, "%s");
    int before = mark ? (int)(mark - chosen->url) : (int)strlen(chosen->url);
    snprintf(world->url, sizeof world->url, "%.*s%s%s", before, chosen->url,
             mark ? world->folder : "", mark ? mark + 2 : "");
}

/* Topics and groups of the world's own, too. */
static void fill_transport(struct world *world)
{
    if (chosen->broker) {
        fill_server_url(world->transport, chosen->broker, chosen->topics, '.');
    } else if (chosen->transport) {
        snprintf(world->transport, WORLD_URL_SIZE, "%s", chosen->transport);
    }
}

void world_open(struct world *world)
{
    test_env_init(&world->test, 1);
    world->env = test_env_of(&world->test);
    if (chosen->has_own_clock) { /* leases and tokens are of one time */
        world->env.now_ms = tq_system_now_ms;
    }
    folder_make(world->folder);
    fill_url(world);
    fill_transport(world);
    world_advance(world, 0);
}

static tq_store *open_store(struct world *world, const struct tq_store_options *options)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_store *store = NULL;
    assert_status(tq_store_open(&world->env, options, &store, &err), TQ_OK);
    return store;
}

/* A server's ledger is told the time, which tests move. */
struct tq_store_options world_store_options(const struct world *world)
{
    struct tq_store_options options = {.size = sizeof options, .url = world->url};
#ifdef TQ_WITH_POSTGRES
    options.driver = chosen->is_postgres ? clock_ledger_around(&tq__postgres_driver) : NULL;
#endif
    return options;
}

tq_store *world_store(struct world *world)
{
    struct tq_store_options options = world_store_options(world);
    return open_store(world, &options);
}

tq_store *world_front(struct world *world)
{
    if (!chosen->front && !chosen->front_server) {
        return NULL;
    }
    if (chosen->front) {
        snprintf(world->front_url, sizeof world->front_url, "%s", chosen->front);
    } else {
        fill_server_url(world->front_url, chosen->front_server, chosen->options, ':');
    }
    return open_store(world, TQ_ARGS(tq_store_options, .url = world->front_url));
}

void world_forget(struct world *world)
{
    fill_url(world);
}

void world_advance(struct world *world, uint32_t ms)
{
    if (chosen->has_own_clock) {
        usleep(ms * 1000);
    } else {
        world->test.now_ms += ms;
    }
    if (chosen->has_own_server) {
        redis_server_set_clock(world->test.now_ms);
    }
}

tq_transport *world_transport(struct world *world)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_transport *transport = NULL;
    assert_status(tq_transport_open(&world->env,
                                    TQ_ARGS(tq_transport_options, .url = world->transport),
                                    &transport, &err),
                  TQ_OK);
    return transport;
}

void world_close(struct world *world)
{
    ck_assert_int_eq(world->test.live, 0);
#ifdef TQ_WITH_POSTGRES
    if (chosen->is_postgres) {
        postgres_schema_drop(getenv(chosen->server), world->url);
    }
#endif
    folder_remove(world->folder);
}
