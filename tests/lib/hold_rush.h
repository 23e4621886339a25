/* SPDX-License-Identifier: MIT */
/*
 * A rush for seats: threads hold, pay, give up and give back seats of one schedule through a
 * front on a real server and a ledger, while the server is mistreated. Each asks again until
 * it is told what became of its request.
 *
 * What is always checked, from what the buyers were told:
 *     no seat has two owners at once, in HOLD, PAYING or SOLD
 *     the fences of a seat grow from owner to owner
 *     nobody is told anything that cannot be
 */
#ifndef TESTS_LIB_HOLD_RUSH_H
#define TESTS_LIB_HOLD_RUSH_H

#include <stdatomic.h>

#include <ticketq/hold.h>

#define HOLD_RUSH_SCHEDULE "show"
#define HOLD_RUSH_SEATS 48
#define HOLD_RUSH_THREADS 8

struct hold_rush {
    tq_store *front, *ledger;
    tq_book *book;
    atomic_int is_over;
    atomic_uint rounds, granted, unavailable, unknown; /* what the buyers have met */
    atomic_uint doubled, fallen, wrong;                /* what must not be */
    atomic_int wrong_status;                           /* the last of it */
    atomic_uint owner[HOLD_RUSH_SEATS];                /* 0: nobody, else a buyer, from 1 on */
    atomic_ullong fence[HOLD_RUSH_SEATS];              /* of the last owner */
};

/* A front and a ledger by their URLs, and the schedule defined on them. */
void hold_rush_begin(struct hold_rush *rush, const char *front_url, const char *ledger_url);
void hold_rush_end(struct hold_rush *rush);
/* Lets buyers loose, calls `disturb` when they are at it, and stops them a while after it. */
void hold_rush_run(struct hold_rush *rush, void (*disturb)(void));
/*
 * The books agree: the ledger has what the buyers were told and nothing else; without anybody
 * defining anything the front comes to the same, and each free seat can be had through it.
 */
void hold_rush_check(struct hold_rush *rush);

#endif
