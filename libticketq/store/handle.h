/* SPDX-License-Identifier: MIT */
/*
 * An open store; only store.c makes one.
 */
#ifndef TQ_STORE_HANDLE_H
#define TQ_STORE_HANDLE_H

#include <stdatomic.h>

#include "store/store.h"

struct tq_store {
    struct tq_env env;
    struct tq_store_driver driver;
    struct tq_room_driver room;
    struct tq_hold_driver hold;
    struct tq_ledger_driver ledger;
    struct tq__listeners listeners;
    atomic_uint references;
    void *attachment;
    void *state;
};

#endif
