/* SPDX-License-Identifier: MIT */
/*
 * A plain reference of a book: one schedule of a few seats, a few holders with a
 * few request keys each. Arrays and loops, no index, no memory management, so
 * that it can be checked by reading.
 */
#ifndef TESTS_MODEL_HOLD_REFERENCE_H
#define TESTS_MODEL_HOLD_REFERENCE_H

#include <ticketq/hold.h>

#define REF_SEATS 8
#define REF_HOLDERS 3
#define REF_KEYS 12
#define REF_HOLDS (REF_HOLDERS * REF_KEYS)
#define REF_TAKES 3 /* seats of one hold at most */

enum ref_state { REF_NONE, REF_HOLD, REF_PAYING, REF_SOLD, REF_RELEASED, REF_EXPIRED };

/* The hold of one request key: there is at most one. */
struct ref_hold {
    enum ref_state state;
    int is_unvisited; /* ran out, and no sweep has told it yet */
    unsigned seats[REF_TAKES];
    unsigned seats_count;
    int64_t granted_ms;
    int64_t expires_ms;
};

struct ref_book {
    struct ref_hold holds[REF_HOLDS]; /* number = holder * REF_KEYS + key */
    int owner[REF_SEATS];             /* number of a hold, or -1 */
    unsigned seats_limit;
    uint32_t life_max_ms;
    int64_t now_ms;
    int has_bug; /* a planted one, to show that it would be found */
};

struct ref_wish {
    unsigned hold; /* number */
    unsigned seats[REF_TAKES];
    unsigned seats_count;
    uint32_t ttl_ms;
};

void ref_begin(struct ref_book *ref, unsigned seats_limit, uint32_t life_max_ms, int64_t now_ms);
/* The status, and with TQ_TAKEN which. */
int ref_acquire(struct ref_book *ref, const struct ref_wish *wish, uint64_t *out_taken);
/* `is_other`: another holder, or a fence that does not fit. */
int ref_change(struct ref_book *ref, unsigned hold, uint32_t verb, int is_other,
               uint32_t extend_ms);
/* How many a sweep of everything visits. */
unsigned ref_sweep(struct ref_book *ref);
/* True when the seat may be shown in this state: who ran out may be shown until swept. */
int ref_may_show(const struct ref_book *ref, unsigned seat, uint32_t state);
int ref_is_live(const struct ref_hold *hold);

#endif
