/* SPDX-License-Identifier: MIT */
/*
 * Four relays, each a process of its own, on one ledger: killed, put to sleep beyond their leases,
 * cut off from the database. No event is lost, each is applied once and in the order of its key.
 *
 * A relay is this program with other arguments, with a transport of its own. In the process it is
 * followed by an inbox; through Kafka the inbox is the test's, because a member of a group that is
 * killed costs its session (fault/kafka/group_test.c). The first argument is the engine: a row of
 * the table `engines`, skipped where what it needs is not there.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/folder.h"
#include "lib/outbox_world.h"
#ifdef TQ_WITH_POSTGRES
#include "lib/postgres_schema.h"
#endif

#define KEYS 24
#define EACH 5 /* events of a key in a transaction */
#define ROUNDS 20
#define RELAYS 4
#define SOON 5 /* events whose way is timed */

static struct tq_error err = TQ_ERROR_INIT;
static const char *program;

/* What the relays stand on. The test itself goes to PostgreSQL directly. */
static const struct engine {
    const char *name;
    const char *needs[2]; /* variables */
    const char *pooler;   /* the variable of one */
    const char *broker;
    const char *lease_ms;
    int is_postgres;
} engines[] = {
    {.name = "sqlite", .lease_ms = "1000"},
#ifdef TQ_WITH_POSTGRES
    {.name = "postgres", .needs = {"TICKETQ_TEST_POSTGRES"}, .lease_ms = "1000", .is_postgres = 1},
    {.name = "pgbouncer",
     .needs = {"TICKETQ_TEST_POSTGRES", "TICKETQ_TEST_PGBOUNCER"},
     .pooler = "TICKETQ_TEST_PGBOUNCER",
     .lease_ms = "1000",
     .is_postgres = 1},
    {.name = "postgres-kafka",
     .needs = {"TICKETQ_TEST_POSTGRES", "TICKETQ_TEST_KAFKA"},
     .broker = "TICKETQ_TEST_KAFKA",
     .lease_ms = "4000", /* beyond what the transport may take to publish */
     .is_postgres = 1},
#endif
};
static const struct engine *engine;

/* ---- a relay ---- */

static volatile sig_atomic_t is_over;
static char **relay_words; /* URLs of store and transport, owner, lease, longest wait */

static void on_term(int number)
{
    (void)number;
    is_over = 1;
}

/* One that comes before the relay listens to it waits until then. */
static void block_term(int how)
{
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(how, &term, NULL);
}

static int is_bearable(int status)
{
    return status >= 0 || status == TQ_E_BUSY || status == TQ_E_UNAVAILABLE ||
           status == TQ_E_UNKNOWN;
}

/* A session may be cut off before the store is open; then another one opens it. */
static tq_store *open_store(const struct tq_env *env, const char *url)
{
    struct tq_error why = TQ_ERROR_INIT;
    tq_store *store = NULL;
    int status;
    do {
        status = tq_store_open(env, TQ_ARGS(tq_store_options, .url = url), &store, &why);
    } while (status < 0 && is_bearable(status));
    ck_assert_msg(status == TQ_OK, "%s: %s", why.origin, why.message);
    return store;
}

START_TEST(a_relay)
{
    struct tq_error why = TQ_ERROR_INIT;
    struct handler_plan plan = {.key = ""};
    struct tq_env env = tq_system_env();
    uint32_t wait_ms = (uint32_t)atoi(relay_words[4]);
    tq_relay *relay = NULL;
    tq_inbox *inbox = NULL;
    int is_idle = 0;
    signal(SIGTERM, on_term);
    block_term(SIG_UNBLOCK);
    tq_store *store = open_store(&env, relay_words[0]);
    tq_transport *transport = outbox_transport(&env, relay_words[1]);
    if (!outbox_takes_a_moment(transport)) {
        inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    }
    assert_status(tq_relay_open(store, transport,
                                TQ_ARGS(tq_relay_options, .owner = relay_words[2], .batch = 32,
                                        .lease_ms = (uint32_t)atoi(relay_words[3])),
                                &relay, &err),
                  TQ_OK);
    while (!is_over) {
        int relayed = tq_relay_step(relay, is_idle ? wait_ms : 0, NULL, &why);
        ck_assert_msg(is_bearable(relayed), "%s: %s", why.origin, why.message);
        int applied = inbox ? tq_inbox_step(inbox, 0, NULL, &why) : TQ_EMPTY;
        ck_assert_msg(is_bearable(applied), "%s: %s", why.origin, why.message);
        is_idle = relayed == TQ_EMPTY && applied == TQ_EMPTY;
    }
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
}
END_TEST

static int be_a_relay(char **words)
{
    const TTest *const tests[] = {a_relay};
    relay_words = words;
    setenv("CK_FORK", "no", 1);
    setpgid(0, 0);                      /* Check's own handler would end the whole group */
    dup2(STDERR_FILENO, STDOUT_FILENO); /* the plan is its parent's */
    return unit_main("relay", tests, 1);
}

/* ---- the world ---- */

static struct world {
    char folder[FOLDER_SIZE];
    char url[512]; /* for relays */
    char transport_url[512];
    tq_store *store;
    tq_transport *transport; /* with a broker only, as the inbox */
    tq_inbox *inbox;
    struct handler_plan plan;
    int appended; /* of each key */
    struct {
        pid_t pid;
        char owner[16];
    } relays[RELAYS];
    int relays_begun;
#ifdef TQ_WITH_POSTGRES
    struct postgres_place place;
    char since[64]; /* our own sessions are older */
#endif
} world;

#ifdef TQ_WITH_POSTGRES
static void ask_server(const char *sql, char *out_field, size_t room)
{
    PGconn *pg = postgres_place_connect(&world.place);
    postgres_run(pg, sql, out_field, room);
    PQfinish(pg);
}
#endif

#ifdef TQ_WITH_POSTGRES
static void open_postgres(const char *options)
{
    struct postgres_place *place = &world.place;
    postgres_place_open(place, options);
    snprintf(world.url, sizeof world.url, "%s", place->url);
    if (engine->pooler) {
        snprintf(world.url, sizeof world.url, "postgres://%s:secret@%s?prepared=0&%sschema=%s",
                 place->name, strrchr(getenv(engine->pooler), '@') + 1, options, place->name);
    }
    if (engine->broker) {
        snprintf(world.transport_url, sizeof world.transport_url,
                 "%s?partitions=6&timeout_ms=1000&prefix=%s.", getenv(engine->broker), place->name);
    }
}
#endif

/* Gives the URL of the test's own store. */
static const char *open_place(const char *options)
{
    (void)options;
    folder_make(world.folder);
    snprintf(world.url, sizeof world.url, "sqlite:%s/service.db", world.folder);
    snprintf(world.transport_url, sizeof world.transport_url, "inproc:");
#ifdef TQ_WITH_POSTGRES
    if (engine->is_postgres) {
        open_postgres(options);
        return world.place.url;
    }
#endif
    return world.url;
}

static void setup(const char *options)
{
    struct tq_env env = tq_system_env();
    memset(&world, 0, sizeof world);
    world.store = outbox_store(&env, open_place(options));
    outbox_prepare(world.store);
    ck_assert_int_eq(outbox_pending(world.store), 0);
    if (engine->broker) {
        world.transport = outbox_transport(&env, world.transport_url);
        world.inbox = outbox_inbox(world.store, world.transport, "payment", &world.plan, 0);
    }
#ifdef TQ_WITH_POSTGRES
    if (engine->is_postgres) {
        ask_server("SELECT clock_timestamp()", world.since, sizeof world.since);
    }
#endif
}

static void teardown(void)
{
    tq_inbox_close(world.inbox);
    tq_transport_close(world.transport);
    tq_store_close(world.store);
#ifdef TQ_WITH_POSTGRES
    if (engine->is_postgres) {
        postgres_place_close(&world.place);
    }
#endif
    folder_remove(world.folder);
}

static void begin(int i, const char *lease_ms, const char *wait_ms)
{
    snprintf(world.relays[i].owner, sizeof world.relays[i].owner, "relay-%d", world.relays_begun++);
    pid_t pid = fork();
    if (pid == 0) {
        block_term(SIG_BLOCK);
        execl(program, program, "relay", world.url, world.transport_url, world.relays[i].owner,
              lease_ms, wait_ms, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(pid, 0);
    world.relays[i].pid = pid;
}

static void end(int i, int number)
{
    int status;
    kill(world.relays[i].pid, number);
    ck_assert_int_eq(waitpid(world.relays[i].pid, &status, 0), world.relays[i].pid);
    if (number == SIGTERM) {
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
}

/* The sessions of all relays end, wherever they are. */
static void cut_off(void)
{
#ifdef TQ_WITH_POSTGRES
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity"
             " WHERE usename = '%s' AND backend_start > '%s'",
             world.place.name, world.since);
    ask_server(sql, NULL, 0);
#endif
}

static void append_round(void)
{
    char key[8];
    for (int k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "k%d", k);
        assert_status(outbox_put(world.store, key, world.appended + 1, world.appended + EACH),
                      TQ_OK);
    }
    world.appended += EACH;
}

static int64_t count(const char *sql, const char *text)
{
    return ask_number(world.store, sql, text);
}

static int64_t applied(void)
{
    return count("SELECT count(*) FROM applied", NULL);
}

static void pass_time(void)
{
    if (world.inbox) {
        int status = tq_inbox_step(world.inbox, 20, NULL, &err);
        ck_assert_msg(is_bearable(status), "%s: %s", err.origin, err.message);
    } else {
        usleep(20000);
    }
}

/* Asks again and again: it is true sooner or later, or the test is killed. */
#define AWAIT(condition)                                                                           \
    while (!(condition)) {                                                                         \
        pass_time();                                                                               \
    }

static void finish(void)
{
    char key[8];
    AWAIT(applied() >= (int64_t)KEYS * world.appended && outbox_pending(world.store) == 0);
    for (int k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "k%d", k);
        outbox_check_key(world.store, "payment", key, world.appended);
    }
    ck_assert_int_eq(count("SELECT count(*) FROM outbox_blocked", NULL), 0);
}

static const char held_by[] = "SELECT count(*) FROM outbox_partitions WHERE owner = $1";

/* ---- the tests ---- */

/* OB-05, OB-06, OB-14, OB-22: a successor has another name, so it waits for the lease. */
START_TEST(ob_14_killed_or_cut_off__loses_nothing_and_keeps_the_order)
{
    struct test_env chance;
    test_env_init(&chance, (uint64_t)getpid());
    setup("");
    for (int i = 0; i < RELAYS; i++) {
        begin(i, engine->lease_ms, "50");
    }
    for (int round = 0; round < ROUNDS; round++) {
        append_round();
        if (engine->is_postgres && test_random(&chance, 3) == 0) {
            cut_off();
        } else if (test_random(&chance, 2) == 0) {
            int victim = (int)test_random(&chance, RELAYS);
            end(victim, SIGKILL);
            begin(victim, engine->lease_ms, "50");
        }
        usleep((useconds_t)test_random(&chance, 50000));
    }
    finish();
    for (int i = 0; i < RELAYS; i++) {
        end(i, SIGTERM);
        ck_assert_int_eq(count(held_by, world.relays[i].owner), 0);
    }
    teardown();
}
END_TEST

/* OB-07: nobody has a partition twice, and nobody goes without. */
START_TEST(ob_07_four_at_once__share_and_the_rest_takes_over)
{
    setup("");
    for (int i = 0; i < RELAYS; i++) {
        begin(i, engine->lease_ms, "50");
    }
    for (int i = 0; i < RELAYS; i++) {
        AWAIT(count(held_by, world.relays[i].owner) == 64 / RELAYS);
    }
    append_round();
    end(0, SIGKILL);
    end(1, SIGTERM);
    for (int i = 2; i < RELAYS; i++) {
        AWAIT(count(held_by, world.relays[i].owner) == 32);
    }
    append_round();
    finish();
    end(2, SIGTERM);
    end(3, SIGTERM);
    teardown();
}
END_TEST

static int nothing(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)tx;
    (void)arg;
    (void)failure;
    return TQ_OK;
}

/* Somewhere outside a transaction on SQLite, whose file it would keep for itself. */
static void put_to_sleep(int i)
{
    struct tq_env env = tq_system_env();
    tq_store *probe = NULL;
    assert_status(tq_store_open(&env,
                                TQ_ARGS(tq_store_options, .url = world.url, .busy_timeout_ms = 200),
                                &probe, &err),
                  TQ_OK);
    kill(world.relays[i].pid, SIGSTOP);
    while (tq_ledger_run(probe, nothing, NULL, &err) != TQ_OK) {
        kill(world.relays[i].pid, SIGCONT);
        usleep(5000);
        kill(world.relays[i].pid, SIGSTOP);
    }
    tq_store_close(probe);
}

/* OB-08: what it holds in the database PostgreSQL takes from it. */
START_TEST(ob_08_asleep_beyond_its_lease__changes_nothing_and_joins_again)
{
    setup(engine->is_postgres ? "idle_ms=2000&" : "");
    begin(0, engine->lease_ms, "50");
    begin(1, engine->lease_ms, "50");
    AWAIT(count(held_by, world.relays[0].owner) == 32 &&
          count(held_by, world.relays[1].owner) == 32);
    int64_t epochs = count("SELECT sum(epoch) FROM outbox_partitions", NULL);
    for (int round = 0; round < 3; round++) {
        append_round();
    }
    put_to_sleep(0);
    append_round();
    AWAIT(count(held_by, world.relays[1].owner) == 64);
    ck_assert_int_ge(count("SELECT sum(epoch) FROM outbox_partitions", NULL), epochs + 32);
    finish();
    append_round();
    kill(world.relays[0].pid, SIGCONT);
    append_round();
    finish();
    AWAIT(count(held_by, world.relays[0].owner) == 32);
    append_round();
    finish();
    end(0, SIGTERM);
    end(1, SIGTERM);
    teardown();
}
END_TEST

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int is_later(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/*
 * Milliseconds from a commit here until it is applied there: of some that come one after the
 * other the one in the middle, since the machine may be away for one of them.
 */
static int64_t time_the_way(const char *options)
{
    int64_t ways_ms[SOON];
    setup(options);
    begin(0, "30000", "1000");
    AWAIT(count(held_by, world.relays[0].owner) == 64);
    assert_status(outbox_put(world.store, "k0", 1, 1), TQ_OK);
    AWAIT(applied() == 1 && outbox_pending(world.store) == 0);
    for (int n = 2; n <= 1 + SOON; n++) {
        usleep(100000); /* it rests */
        int64_t begun_ms = clock_ms();
        assert_status(outbox_put(world.store, "k0", n, n), TQ_OK);
        while (applied() < n) {
            usleep(1000);
        }
        ways_ms[n - 2] = clock_ms() - begun_ms;
    }
    end(0, SIGTERM);
    teardown();
    qsort(ways_ms, SOON, sizeof *ways_ms, is_later);
    return ways_ms[SOON / 2];
}

/* OB-16: without news a relay looks once a second, with them at once. */
START_TEST(ob_16_news__end_a_wait_and_without_them_it_ends_by_itself)
{
    int64_t without_ms = time_the_way(engine->is_postgres ? "listen=0&" : "");
    if (engine->is_postgres) {
        int64_t with_ms = time_the_way("");
        ck_assert_msg(2 * with_ms < without_ms, "%lld ms with news, %lld ms without",
                      (long long)with_ms, (long long)without_ms);
    }
}
END_TEST

static int has_all_it_needs(void)
{
    for (size_t i = 0; i < 2 && engine->needs[i]; i++) {
        if (!getenv(engine->needs[i])) {
            printf("1..0 # SKIP there is no %s\n", engine->needs[i]);
            return 0;
        }
    }
    return 1;
}

int main(int words_count, char **words)
{
    const TTest *const tests[] = {
        ob_14_killed_or_cut_off__loses_nothing_and_keeps_the_order,
        ob_08_asleep_beyond_its_lease__changes_nothing_and_joins_again,
        ob_07_four_at_once__share_and_the_rest_takes_over,
        ob_16_news__end_a_wait_and_without_them_it_ends_by_itself,
    };
    size_t tests_count = sizeof tests / sizeof *tests;
    program = words[0];
    if (words_count == 7 && strcmp(words[1], "relay") == 0) {
        return be_a_relay(words + 2);
    }
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        engine = words_count == 2 && strcmp(words[1], engines[i].name) == 0 ? &engines[i] : engine;
    }
    if (!engine || !has_all_it_needs()) {
        return engine ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    /* Where leases and waits are PostgreSQL's own, they need not be seen twice. */
    int is_further = engine->pooler || engine->broker;
    return unit_main("fault.outbox.relays", tests, is_further ? 2 : tests_count);
}
