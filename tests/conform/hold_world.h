/* SPDX-License-Identifier: MIT */
/*
 * A world for tests of holds: a book in one of its three arrangements (the front
 * alone, the ledger alone, both), and short forms of what buyers do. Every short
 * form asserts that the call succeeds and answers with the status.
 */
#ifndef TESTS_CONFORM_HOLD_WORLD_H
#define TESTS_CONFORM_HOLD_WORLD_H

#include <ticketq/driver/store.h>
#include <ticketq/hold.h>

#include "conform/fixtures.h"

#define HOLD_SCHEDULE "show-1"
#define HOLD_SEATS 16

struct hold_world {
    struct world world;
    struct tq_book_options options;              /* without the stores */
    const struct tq_store_driver *front_driver;  /* NULL: the fixture's */
    const struct tq_store_driver *ledger_driver; /* NULL: the fixture's */
    tq_store *front;
    tq_store *ledger;
    tq_book *book;
};

/* On the fixture that was chosen, with seats "s0" to "s15" defined. */
void hold_world_open(struct hold_world *w, const struct tq_book_options *options);
/* The same with other drivers, where the arrangement has such a store. */
void hold_world_open_on(struct hold_world *w, const struct tq_store_driver *front,
                        const struct tq_store_driver *ledger);
void hold_world_close(struct hold_world *w);
/* The front forgets everything. Only with a ledger; nothing is defined anew. */
void hold_world_lose_front(struct hold_world *w);
/* Another book on the same stores. */
tq_book *hold_world_book(struct hold_world *w);

/* A request for seats named in one string, "s1 s2"; good for the next 15 calls. */
struct tq_hold_request hold_request(const char *holder, const char *key, const char *seats);
struct tq_hold hold_ask(struct hold_world *w, const struct tq_hold_request *request);
/* For a minute. */
struct tq_hold hold_take(struct hold_world *w, const char *holder, const char *key,
                         const char *seats);
struct tq_hold_ref hold_ref(const struct tq_hold *hold);
/* `verb` is an enum tq_hold_verb; extends by a minute. */
struct tq_hold_result hold_do(struct hold_world *w, uint32_t verb, const struct tq_hold *hold);
/* Sweeps until there is nothing left; returns how many were visited. */
unsigned hold_sweep_all(struct hold_world *w);

/* The whole map; `bits` of the state is checked against the counts. */
struct hold_map {
    uint64_t version;
    uint32_t counts[4];
    uint32_t seats[HOLD_SEATS];
};
struct hold_map hold_map_of(struct hold_world *w);

/*
 * First in a test that lets minutes pass: servers with a clock of their own are left to the
 * fixture whose server has the test's.
 */
#define HOLD_MOVES_TIME()                                                                          \
    do {                                                                                           \
        if (fixture_has_own_clock()) {                                                             \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define assert_named(status, expected)                                                             \
    do {                                                                                           \
        int assert_rc = (status);                                                                  \
        ck_assert_msg(assert_rc == (expected), "%s:%d: %s, expected %s", __FILE__, __LINE__,       \
                      tq_status_name(assert_rc), tq_status_name(expected));                        \
    } while (0)

#endif
