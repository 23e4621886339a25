/* SPDX-License-Identifier: MIT */
/*
 * The first play is without a fault: it counts the requests and shows that the
 * scenario is right.
 */
#include "fault/proxy/drill.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 12
#define PAUSE_US 10000

/* Points of a fault that costs little, and of one that costs a driver its whole patience. */
#define POINTS 8
#define POINTS_OF_SLOW 1

static struct {
    struct proxy *proxy;
    enum proxy_fault fault;
    long n;
    int failures, unknowns;
    char name[64];
} now;

static int is_slow(enum proxy_fault fault)
{
    return fault == PROXY_LATE || fault == PROXY_BLACKHOLE || fault == PROXY_MUTE;
}

static void play_one(enum proxy_fault fault, long n, void (*play)(void))
{
    now.fault = fault;
    now.n = n;
    now.failures = now.unknowns = 0;
    snprintf(now.name, sizeof now.name, "%s at request %ld", proxy_fault_name(fault), n);
    play();
}

/* From one point to the next one before it: each, or about every `stride`-th. */
static long step(enum proxy_fault fault, long requests)
{
    long points = is_slow(fault) ? POINTS_OF_SLOW : POINTS;
    long stride = getenv("TICKETQ_ALL_POINTS") ? 1 : (requests + points - 1) / points;
    return 1 + random() % (2 * stride - 1);
}

void drill(struct proxy *proxy, void (*play)(void), long least)
{
    now.proxy = proxy;
    srandom((unsigned)time(NULL));
    play_one(PROXY_NONE, 0, play);
    long requests = now.n;
    ck_assert_int_ge(requests, least);
    for (int fault = PROXY_DELAY; fault < PROXY_FAULTS_END; fault++) {
        for (long n = requests; n >= 1; n -= step(fault, requests)) {
            play_one(fault, n, play);
        }
    }
}

void drill_begin(void)
{
    proxy_set(now.proxy, now.fault, now.n);
}

void drill_end(void)
{
    if (now.fault == PROXY_NONE) {
        now.n = proxy_requests(now.proxy);
    }
    proxy_set(now.proxy, PROXY_NONE, 0);
    proxy_settle(now.proxy);
}

void drill_look(void)
{
    proxy_look_away(now.proxy, 1);
}

void drill_go_on(void)
{
    proxy_look_away(now.proxy, 0);
}

int drill_again(int status, const struct tq_error *err)
{
    if (status >= 0) {
        return 0;
    }
    ck_assert_msg(status == TQ_E_UNAVAILABLE || status == TQ_E_UNKNOWN, "%s: %s (%s: %s)", now.name,
                  tq_status_name(status), err->origin, err->message);
    now.unknowns += status == TQ_E_UNKNOWN;
    ck_assert_msg(++now.failures <= TRIES_MAX, "%s: no way back to the server (%s: %s)", now.name,
                  err->origin, err->message);
    usleep(PAUSE_US);
    return 1;
}

int drill_failures(void)
{
    return now.failures;
}

int drill_unknowns(void)
{
    return now.unknowns;
}

const char *drill_name(void)
{
    return now.name;
}
