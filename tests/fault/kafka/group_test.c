/* SPDX-License-Identifier: MIT */
/*
 * Members of a group come, leave, are killed and sleep while events flow: each event is
 * applied once and in order, with both ways of sharing partitions (IN-02, IN-03, IN-05).
 *
 * Each member is a process of its own, this program with other arguments, on the one
 * ledger. It ends by SIGTERM in good order.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/kafka_world.h"

#define KEYS 16
#define LONG 3000 /* rounds: a minute */
#define STOPS 10

static struct kafka_world world;
static tq_relay *relay;
static const char *program;

/* ---- a member ---- */

static volatile sig_atomic_t is_over;
static const char *member_of[2]; /* URLs of store and transport */

static void on_term(int number)
{
    (void)number;
    is_over = 1;
}

START_TEST(a_member)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct handler_plan plan = {.key = ""};
    struct tq_env env = tq_system_env();
    signal(SIGTERM, on_term);
    tq_store *store = outbox_store(&env, member_of[0]);
    tq_transport *transport = outbox_transport(&env, member_of[1]);
    tq_inbox *inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    while (!is_over) {
        int status = tq_inbox_step(inbox, 20, NULL, &err);
        ck_assert_msg(status >= 0 || status == TQ_E_BUSY || status == TQ_E_UNAVAILABLE ||
                          status == TQ_E_UNKNOWN,
                      "%s: %s", err.origin, err.message);
    }
    tq_inbox_close(inbox);
    tq_transport_close(transport);
    tq_store_close(store);
}
END_TEST

static int be_a_member(char **arguments)
{
    const TTest *const tests[] = {a_member};
    member_of[0] = arguments[2];
    member_of[1] = arguments[3];
    setenv("CK_FORK", "no", 1);
    setpgid(0, 0);                      /* Check's own handler would end the whole group */
    dup2(STDERR_FILENO, STDOUT_FILENO); /* the plan is its parent's */
    return unit_main("member", tests, 1);
}

static pid_t begin_member(void)
{
    pid_t member = fork();
    if (member == 0) {
        execl(program, program, "member", world.store_url, world.transport_url, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(member, 0);
    return member;
}

static void end_member(pid_t member, int number)
{
    int status;
    kill(member, number);
    ck_assert_int_eq(waitpid(member, &status, 0), member);
    if (number == SIGTERM) {
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
}

static int write_nothing(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)tx, (void)arg, (void)failure;
    return TQ_OK;
}

/* Puts it to sleep, but not within a transaction: that would keep SQLite's file from everybody. */
static void stop_member(pid_t member)
{
    struct tq_error err = TQ_ERROR_INIT;
    int status = TQ_E_BUSY;
    for (int i = 0; i < STOPS && status == TQ_E_BUSY; i++) {
        kill(member, SIGCONT);
        usleep(10000);
        kill(member, SIGSTOP);
        status = tq_ledger_run(world.store, write_nothing, NULL, &err);
    }
    assert_status(status, TQ_OK);
}

/* ---- the test ---- */

static int64_t applied(void)
{
    return ask_number(world.store, "SELECT count(*) FROM applied", NULL);
}

/* One event of each key, relayed as it comes; about a tenth of a second. */
static void flow(int *n, int count)
{
    struct handler_plan nobody = {.key = ""};
    for (int i = 0; i < count; i++) {
        ++*n;
        kafka_world_put(&world, KEYS, *n, *n);
        kafka_world_run(&world, relay, NULL, &nobody, 1, 4);
    }
}

static void finish(int n)
{
    struct handler_plan nobody = {.key = ""};
    for (int i = 0; i < LONG && applied() < KEYS * n; i++) {
        kafka_world_run(&world, relay, NULL, &nobody, 0, 1);
        usleep(20000);
    }
    kafka_world_check(&world, "payment", KEYS, n);
    kafka_world_check_blameless(&world);
}

static void come_and_go(const char *options)
{
    int n = 0;
    kafka_world_open(&world, options);
    relay = outbox_relay(world.store, world.transport, "r1");
    pid_t first = begin_member();
    flow(&n, 10);
    pid_t second = begin_member();
    flow(&n, 15);
    pid_t third = begin_member();
    flow(&n, 10);
    end_member(second, SIGKILL);
    flow(&n, 15);
    end_member(first, SIGTERM);
    second = begin_member();
    flow(&n, 10);
    /* It sleeps past its session, somebody else goes on, it wakes up with messages in hand. */
    stop_member(third);
    flow(&n, 90);
    kill(third, SIGCONT);
    flow(&n, 10);
    finish(n);
    end_member(second, SIGTERM);
    end_member(third, SIGTERM);
    tq_relay_close(relay);
    kafka_world_close(&world);
}

START_TEST(in_05_cooperative__every_event_once_and_in_order)
{
    come_and_go("partitions=6&session_ms=6000&poll_ms=6000");
}
END_TEST

START_TEST(in_05_eager__every_event_once_and_in_order)
{
    come_and_go("partitions=6&session_ms=6000&poll_ms=6000&rebalance=eager");
}
END_TEST

int main(int count, char **arguments)
{
    const TTest *const tests[] = {
        in_05_cooperative__every_event_once_and_in_order,
        in_05_eager__every_event_once_and_in_order,
    };
    if (count > 3 && strcmp(arguments[1], "member") == 0) {
        return be_a_member(arguments);
    }
    kafka_world_need_broker();
    program = "/proc/self/exe";
    return unit_main("fault.kafka_group", tests, sizeof tests / sizeof *tests);
}
