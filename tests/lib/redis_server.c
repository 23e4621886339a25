/* SPDX-License-Identifier: MIT */
/*
 * Starts redis-server on a free port in a folder of its own, with still_clock.c
 * preloaded. The clock is a file that both sides map.
 */
#include "lib/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/folder.h"

#define WAIT_STEP_US 5000
#define WAIT_STEPS 2000

static struct {
    pid_t owner, pid;
    unsigned port;
    const char *still_clock;
    char folder[32];
    char clock[48];
    volatile int64_t *clock_ms;
} server;

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static unsigned free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int is_bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                   getsockname(fd, (struct sockaddr *)&address, &bytes) == 0;
    close(fd);
    return is_bound ? ntohs(address.sin_port) : 0;
}

static int is_listening(unsigned port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return rc == 0;
}

/* Only who started it ends it: a test that was forked does not. */
/* Also where the program ends, where nothing can be asserted any more. */
void redis_server_stop(void)
{
    if (server.owner == getpid()) {
        server.owner = 0;
        kill(server.pid, SIGKILL);
        waitpid(server.pid, NULL, 0);
        folder_try_remove(server.folder);
    }
}

static void map_clock(void)
{
    int fd = open(server.clock, O_RDWR | O_CREAT, 0600);
    void *page = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof *server.clock_ms) == 0) {
        page = mmap(NULL, sizeof *server.clock_ms, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (page == MAP_FAILED) {
        abort();
    }
    close(fd);
    server.clock_ms = page;
    *server.clock_ms = 1000;
}

static void run(void)
{
    char number[16];
    snprintf(number, sizeof number, "%u", server.port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGXFSZ, SIG_IGN);
    if (server.still_clock) {
        setenv("LD_PRELOAD", server.still_clock, 1);
        setenv("STILL_CLOCK_FILE", server.clock, 1);
    }
    int quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, STDOUT_FILENO);
    execlp("redis-server", "redis-server", "--port", number, "--bind", "127.0.0.1", "--save", "",
           "--appendonly", "no", "--dir", server.folder, "--maxmemory-policy", "noeviction",
           "--enable-debug-command", "local", NULL);
    _exit(127);
}

/* Returns when it listens; -1: it ended instead. */
static int start(void)
{
    server.pid = fork();
    if (server.pid == 0) {
        run();
    }
    for (int i = 0; i < WAIT_STEPS && waitpid(server.pid, NULL, WNOHANG) == 0; i++) {
        if (is_listening(server.port)) {
            return 0;
        }
        usleep(WAIT_STEP_US);
    }
    return -1;
}

unsigned redis_server_start(const char *still_clock)
{
    server.port = free_port();
    server.still_clock = still_clock;
    snprintf(server.folder, sizeof server.folder, "/tmp/ticketq-redis-XXXXXX");
    if (!mkdtemp(server.folder)) {
        return 0;
    }
    snprintf(server.clock, sizeof server.clock, "%s/clock", server.folder);
    map_clock();
    server.owner = getpid();
    atexit(redis_server_stop);
    return start() == 0 ? server.port : 0;
}

void redis_server_kill(void)
{
    kill(server.pid, SIGKILL);
    waitpid(server.pid, NULL, 0);
}

void redis_server_again(void)
{
    if (start()) {
        abort();
    }
}

void redis_server_pause(void)
{
    kill(server.pid, SIGSTOP);
}

void redis_server_resume(void)
{
    kill(server.pid, SIGCONT);
}

/* To the kernel it is not a disk, but a limit on the length of a file. */
void redis_server_fill_disk(int is_full)
{
    struct rlimit limit = {.rlim_max = RLIM_INFINITY};
    limit.rlim_cur = is_full ? 1 : RLIM_INFINITY;
    if (prlimit(server.pid, RLIMIT_FSIZE, &limit, NULL)) {
        abort();
    }
}

void redis_server_set_clock(int64_t now_ms)
{
    *server.clock_ms = now_ms;
}
