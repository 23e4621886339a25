/* SPDX-License-Identifier: MIT */
/* The hold table of the memory driver. */
#include "store/memory/memory.h"

const struct tq_hold_driver tq__memory_hold = {.size = sizeof(struct tq_hold_driver)};

int tq__memory_holds_open(struct memory_state *state, struct tq_error *err)
{
    (void)state;
    (void)err;
    return TQ_OK;
}

void tq__memory_holds_close(struct memory_state *state)
{
    (void)state;
}
