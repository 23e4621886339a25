/* SPDX-License-Identifier: MIT */
/*
 * The memory driver: rooms and holds inside this process, the embedded default
 * and the reference for every other driver.
 *
 * Its clock is the host's. Nothing survives the process; places survive by
 * their tokens, holds by the ledger. The two tables share nothing but the
 * environment, so each has a lock of its own (room.c, hold.c).
 */
#include "store/memory/memory.h"

#include "core/env.h"
#include "core/error.h"
#include "store/builtin.h"

static int memory_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct memory_state *state = opaque;
    state->env = config->env;
    if (config->path[0] || config->query[0]) {
        return tq__fail(err, TQ_E_INVALID, "store.memory", "the URL of a memory store is memory:");
    }
    TQ_TRY(tq__memory_rooms_open(state, err));
    return tq__memory_holds_open(state, err);
}

static void memory_close(void *opaque)
{
    struct memory_state *state = opaque;
    tq__memory_rooms_close(state);
    tq__memory_holds_close(state);
}

static int memory_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    struct memory_state *state = opaque;
    (void)err;
    *out_now_ms = tq__now_ms(state->env);
    return TQ_OK;
}

const struct tq_store_driver tq__memory_driver = {
    .size = sizeof(struct tq_store_driver),
    .abi = TQ_STORE_ABI,
    .name = "memory",
    .state_size = sizeof(struct memory_state),
    .open = memory_open,
    .close = memory_close,
    .now = memory_now,
    .room = &tq__memory_room,
    .hold = &tq__memory_hold,
};
