/* SPDX-License-Identifier: MIT */
/*
 * A cluster is begun by hand: each node is given a third of the slots and meets the first; it is
 * ready when each of them knows the doors of all. Its nodes keep nothing, and have a folder
 * only because each writes down its name.
 */
#include "fault/proxy/redis_place.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <hiredis/hiredis.h>

#include "lib/folder.h"

#define NODES 3
#define SLOTS 16384
#define WAIT_STEP_US 20000
#define WAIT_STEPS 1500

/* Short, but longer than a busy machine needs for an answer. */
#define OPTIONS "connect_ms=300&timeout_ms=300&wait_ms=500"

static struct {
    int is_cluster;
    char folder[FOLDER_SIZE];
    pid_t nodes[NODES];
    unsigned ports[NODES];
} chosen;

void redis_place_choose(const char *name)
{
    chosen.is_cluster = strcmp(name, "cluster") == 0;
    if (chosen.is_cluster && system("command -v redis-server >/dev/null")) {
        printf("1..0 # SKIP there is no redis-server\n");
        exit(EXIT_SUCCESS);
    }
    if (!chosen.is_cluster && !getenv("TICKETQ_TEST_REDIS")) {
        printf("1..0 # SKIP there is no TICKETQ_TEST_REDIS\n");
        exit(EXIT_SUCCESS);
    }
}

/* ---- a cluster ---- */

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void be_a_node(unsigned port, unsigned bus, unsigned door)
{
    char numbers[3][16], file[32];
    snprintf(numbers[0], sizeof numbers[0], "%u", port);
    snprintf(numbers[1], sizeof numbers[1], "%u", bus);
    snprintf(numbers[2], sizeof numbers[2], "%u", door);
    snprintf(file, sizeof file, "nodes-%u.conf", port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    execlp("redis-server", "redis-server", "--port", numbers[0], "--cluster-port", numbers[1],
           "--cluster-announce-port", numbers[2], "--cluster-announce-ip", "127.0.0.1", "--bind",
           "127.0.0.1", "--cluster-enabled", "yes", "--cluster-config-file", file, "--dir",
           chosen.folder, "--save", "", "--appendonly", "no", NULL);
    _exit(127);
}

static redisContext *reach(unsigned port)
{
    redisContext *context = NULL;
    for (int i = 0; i < WAIT_STEPS && !context; i++) {
        context = redisConnect("127.0.0.1", (int)port);
        if (context->err) {
            redisFree(context);
            context = NULL;
            usleep(WAIT_STEP_US);
        }
    }
    ck_assert_ptr_nonnull(context);
    return context;
}

static void tell(redisContext *node, const char *command)
{
    redisReply *reply = redisCommand(node, command);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", command, reply->str);
    freeReplyObject(reply);
}

static int knows_everything(redisContext *node)
{
    redisReply *info = redisCommand(node, "CLUSTER INFO");
    redisReply *slots = redisCommand(node, "CLUSTER SLOTS");
    int is_so = strstr(info->str, "cluster_state:ok") && slots->elements == NODES;
    freeReplyObject(info);
    freeReplyObject(slots);
    return is_so;
}

static void start_nodes(const struct proxy_door *doors, unsigned *buses)
{
    folder_make(chosen.folder);
    for (int i = 0; i < NODES; i++) {
        chosen.nodes[i] = fork();
        if (chosen.nodes[i] == 0) {
            be_a_node(doors[i].server_port, buses[i], doors[i].port);
        }
    }
}

static void join(const struct proxy_door *doors, const unsigned *buses)
{
    redisContext *nodes[NODES];
    char command[96];
    for (int i = 0; i < NODES; i++) {
        nodes[i] = reach(doors[i].server_port);
        snprintf(command, sizeof command, "CLUSTER ADDSLOTSRANGE %d %d", i * SLOTS / NODES,
                 (i + 1) * SLOTS / NODES - 1);
        tell(nodes[i], command);
        if (i > 0) {
            snprintf(command, sizeof command, "CLUSTER MEET 127.0.0.1 %u %u", doors[0].server_port,
                     buses[0]);
            tell(nodes[i], command);
        }
    }
    for (int i = 0, steps = 0; i < NODES; i++) {
        while (!knows_everything(nodes[i])) {
            ck_assert_int_lt(++steps, WAIT_STEPS);
            usleep(WAIT_STEP_US);
        }
        redisFree(nodes[i]);
    }
}

static void stop_nodes(void)
{
    for (int i = 0; i < NODES; i++) {
        kill(chosen.nodes[i], SIGKILL);
        waitpid(chosen.nodes[i], NULL, 0);
    }
    folder_remove(chosen.folder);
}

/* ---- a place ---- */

static void open_cluster(struct redis_place *place)
{
    struct proxy_door doors[NODES];
    unsigned buses[NODES];
    for (int i = 0; i < NODES; i++) {
        doors[i] = (struct proxy_door){.server_port = free_port()};
        buses[i] = free_port();
    }
    place->proxy = proxy_start(PROXY_REDIS, doors, NODES);
    start_nodes(doors, buses);
    join(doors, buses);
    for (int i = 0; i < NODES; i++) {
        chosen.ports[i] = doors[i].port;
    }
}

void redis_place_open(struct redis_place *place)
{
    if (chosen.is_cluster) {
        open_cluster(place);
        return;
    }
    const char *colon = strrchr(getenv("TICKETQ_TEST_REDIS"), ':');
    struct proxy_door door = {.server_port = (unsigned)strtoul(colon + 1, NULL, 10)};
    place->proxy = proxy_start(PROXY_REDIS, &door, 1);
    chosen.ports[0] = door.port;
}

void redis_place_close(struct redis_place *place)
{
    proxy_stop(place->proxy);
    if (chosen.is_cluster) {
        stop_nodes();
    }
}

void redis_place_new(struct redis_place *place)
{
    static unsigned made;
    struct timespec now;
    char base[192], others[64] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (chosen.is_cluster) {
        snprintf(others, sizeof others, ",127.0.0.1:%u,127.0.0.1:%u", chosen.ports[1],
                 chosen.ports[2]);
    }
    snprintf(
        base, sizeof base, "redis://127.0.0.1:%u%s?cluster=%d&prefix=%x-%llx-%x:", chosen.ports[0],
        others, chosen.is_cluster, (unsigned)getpid(),
        (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000, made++);
    snprintf(place->onlooker, sizeof place->onlooker, "%s", base);
    snprintf(place->url, sizeof place->url, "%s&" OPTIONS, base);
}
