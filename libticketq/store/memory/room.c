/* SPDX-License-Identifier: MIT */
/* The room table of the memory driver. */
#include "store/memory/memory.h"

const struct tq_room_driver tq__memory_room = {.size = sizeof(struct tq_room_driver)};

int tq__memory_rooms_open(struct memory_state *state, struct tq_error *err)
{
    (void)state;
    (void)err;
    return TQ_OK;
}

void tq__memory_rooms_close(struct memory_state *state)
{
    (void)state;
}
