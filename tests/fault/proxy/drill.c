/* SPDX-License-Identifier: MIT */
/*
 * The first plays are without a fault: they show that the scenario is right and count its
 * requests. The smaller number is right, since what is done only once, or again because a
 * machine is busy, adds to the other.
 */
#include "fault/proxy/drill.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 60 /* on a busy machine some answers are late by themselves */
#define PAUSE_US 10000
#define BUDGET_MS 300 /* for the points of a fault, unless all are wanted */

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

/* The last request, which is often the one that counts, and some before it. */
static void strike(enum proxy_fault fault, long requests, long points, void (*play)(void))
{
    long stride = (requests + points - 1) / points;
    for (long n = requests; n >= 1; n -= 1 + random() % (2 * stride - 1)) {
        play_one(fault, n, play);
    }
}

static void strike_all(long requests, void (*play)(void))
{
    for (int fault = PROXY_DELAY; fault < PROXY_FAULTS_END; fault++) {
        strike(fault, requests, requests, play);
    }
}

/* Of those that are slow only one, and only once. */
static void strike_some(long requests, long cost_ms, void (*play)(void))
{
    static const enum proxy_fault slow[] = {PROXY_LATE, PROXY_BLACKHOLE, PROXY_MUTE};
    long points = BUDGET_MS / (cost_ms + 1) + 1;
    for (int fault = PROXY_DELAY; fault < PROXY_FAULTS_END; fault++) {
        if (!is_slow(fault)) {
            strike(fault, requests, points < requests ? points : requests, play);
        }
    }
    play_one(slow[random() % 3], 1 + random() % requests, play);
}

void drill(struct proxy *proxy, void (*play)(void), long least)
{
    struct timespec begun, over;
    now.proxy = proxy;
    play_one(PROXY_NONE, 0, play);
    long requests = now.n;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    play_one(PROXY_NONE, 0, play);
    clock_gettime(CLOCK_MONOTONIC, &over);
    requests = now.n < requests ? now.n : requests;
    long cost_ms = (over.tv_sec - begun.tv_sec) * 1000 + (over.tv_nsec - begun.tv_nsec) / 1000000;
    ck_assert_int_ge(requests, least);
    srandom((unsigned)over.tv_nsec);
    if (getenv("TICKETQ_ALL_POINTS")) {
        strike_all(requests, play);
    } else {
        strike_some(requests, cost_ms, play);
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
