/* SPDX-License-Identifier: MIT */
/*
 * A store driver around that of the URL whose front for holds fails on purpose.
 *
 *     fault_hold_set(FAULT_HOLD_AFTER, 2);   the second call: done, but the answer is lost
 *     tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:",
 *                                 .driver = &fault_hold_driver), &store, &err);
 */
#ifndef TESTS_LIB_FAULT_HOLD_H
#define TESTS_LIB_FAULT_HOLD_H

#include <ticketq/driver/store.h>

enum fault_hold_kind {
    FAULT_HOLD_NONE,
    FAULT_HOLD_BEFORE, /* TQ_E_UNAVAILABLE, nothing was done */
    FAULT_HOLD_AFTER,  /* done, TQ_E_UNKNOWN */
};

extern const struct tq_store_driver fault_hold_driver;

/* The call number `at` from here on, 1 is the next, fails; one plan for the process. */
void fault_hold_set(enum fault_hold_kind kind, long at);
/* Calls since the plan was set. */
long fault_hold_calls(void);
/* Run before the next load reaches the front, once. */
void fault_hold_before_load(void (*happen)(void));
/* Run once behind the next claim, before its caller hears what came of it. */
void fault_hold_after_claim(void (*happen)(void));
/* The last change that was asked for; strings as long as the caller's. */
struct tq_front_change fault_hold_last_change(void);

#endif
