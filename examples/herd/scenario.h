/* SPDX-License-Identifier: MIT */
/*
 * What the crowd is like: the scenario file (README.md describes its members).
 */
#ifndef HERD_SCENARIO_H
#define HERD_SCENARIO_H

#include <stdint.h>

#define SCENARIO_PARTY_MAX 8

struct range {
    int64_t low;
    int64_t high;
};

struct scenario {
    int64_t visitors;
    /* Arrivals around the opening; what is in no share comes in the tail. */
    double early_share;
    int64_t early_ms;
    double herd_share;
    int64_t herd_ms;
    int64_t tail_ms;
    /* Kinds of visitors, as shares of all. */
    double sign_up_share;
    double no_show_share;
    double leaver_share;
    struct range leave_after_ms;
    double refresher_share;
    double bot_share;
    int64_t bot_poll_ms;
    /* In the shop. */
    double party[SCENARIO_PARTY_MAX]; /* weight of wanting 1, 2, ... seats */
    double zipf;                      /* how strongly all want the same seats; 0: not at all */
    struct range think_seats_ms;
    struct range think_payment_ms;
    double decline_share;
    double again_share; /* of those whose card was declined */
    double abandon_share;
    double release_share;
    struct range look_again_ms;
    int64_t linger_ms;   /* for seats to come back when none is free */
    int64_t patience_ms; /* for being beaten to seats */
};

/* 0, or -1 with a line on stderr that names what is wrong. */
int scenario_load(struct scenario *scenario, const char *path);

#endif
