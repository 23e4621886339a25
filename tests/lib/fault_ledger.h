/* SPDX-License-Identifier: MIT */
/*
 * A store driver around another one whose ledger fails on purpose.
 *
 *     tq_store *store = fault_ledger_open(&env);
 *     fault_plan_set(FAULT_AFTER, 1u << FAULT_COMMIT, 1);   the first commit: applied, answer lost
 */
#ifndef TESTS_LIB_FAULT_LEDGER_H
#define TESTS_LIB_FAULT_LEDGER_H

#include <stdatomic.h>

#include <ticketq/driver/store.h>

/* Calls that can fail. */
enum fault_slot {
    FAULT_BEGIN,
    FAULT_EXEC,
    FAULT_SCRIPT,
    FAULT_SAVEPOINT,
    FAULT_RELEASE,
    FAULT_ROLLBACK_TO,
    FAULT_COMMIT,
    FAULT_SLOTS_COUNT
};
#define FAULT_ANY ((1u << FAULT_SLOTS_COUNT) - 1)

/* How it fails. */
enum fault_kind {
    FAULT_NONE,
    FAULT_BEFORE, /* refused with `status`, nothing was done; the connection lives */
    FAULT_CRASH,  /* nothing was done and the connection is gone */
    FAULT_AFTER,  /* done, but the answer is lost with the connection */
};

/* One plan for the process. */
struct fault_plan {
    const struct tq_store_driver *inner; /* NULL: SQLite */
    atomic_int kind;
    atomic_int status; /* of FAULT_BEFORE; 0: TQ_E_UNAVAILABLE */
    atomic_uint slots; /* a set of 1u << enum fault_slot: calls of these are numbered */
    atomic_long at;    /* the number of the call that fails, from 1 */
    atomic_long numbered;
    atomic_long calls[FAULT_SLOTS_COUNT];
};

extern struct fault_plan fault_plan;
extern const struct tq_store_driver fault_ledger_driver;

/* Set a plan and put all counts to zero. */
void fault_plan_set(int kind, unsigned slots, long at);
/* A new SQLite store in memory behind the driver, for now without faults. */
tq_store *fault_ledger_open(const struct tq_env *env);
/* What may be told of a fault, or of a lack of memory: an outcome, not applied, perhaps applied. */
int fault_is_lawful(int status);

#endif
