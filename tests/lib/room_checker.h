/* SPDX-License-Identifier: MIT */
/*
 * Watches a room from outside and says when a promise is broken. It knows
 * nothing of how rooms work: only what visitors, tickers and operators were told.
 */
#ifndef TESTS_LIB_ROOM_CHECKER_H
#define TESTS_LIB_ROOM_CHECKER_H

#include <ticketq/room.h>

#define CHECKER_VISITORS 4096
#define CHECKER_TICKS 16384

struct room_seen {
    int64_t sequence;
    uint64_t ahead;
    uint64_t in_line_since; /* step; 0: not in line */
    uint64_t seen_waiting;  /* last step */
    uint64_t seen_inside;   /* first step; 0: not inside */
};

struct room_checker {
    uint32_t rate, rate_per_ms, max_active;
    uint64_t burst; /* the largest there was */
    uint64_t step;
    uint64_t returned; /* the last step at which an old number came back */
    int64_t now_ms;
    uint64_t capacity; /* what the rate gave until now, in 1/rate_per_ms */
    size_t ticks;
    uint64_t given[CHECKER_TICKS];    /* capacity at each tick that let somebody in */
    uint64_t admitted[CHECKER_TICKS]; /* let in before it */
    uint64_t admitted_sum;
    unsigned known; /* visitors that were ever told of */
    struct room_seen seen[CHECKER_VISITORS];
};

/* Each returns NULL, or what was broken. Tell it of every event, in order. */
void checker_begin(struct room_checker *checker, const struct tq_room_policy *policy,
                   int64_t now_ms);
void checker_clock(struct room_checker *checker, int64_t now_ms);
void checker_rate(struct room_checker *checker, uint32_t rate);
void checker_cap(struct room_checker *checker, uint32_t max_active);
/* Somebody came back with an old number: places behind it may grow once. */
void checker_return(struct room_checker *checker);
/* The visitor is out: left, skipped, thrown out. */
void checker_out(struct room_checker *checker, unsigned visitor);
const char *checker_tick(struct room_checker *checker, uint32_t admitted, uint64_t active);
const char *checker_place(struct room_checker *checker, unsigned visitor,
                          const struct tq_place *place);

#endif
