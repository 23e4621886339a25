/* SPDX-License-Identifier: MIT */
/*
 * Fails the n-th call to the room table of the memory driver, before or after it
 * took effect.
 */
#include "lib/fault_room.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/builtin.h"

static struct {
    enum fault_room_kind kind;
    long at;
    atomic_long calls;
} plan;

struct fault_state {
    struct tq_store_config config;
    void *inner;
};

void fault_room_set(enum fault_room_kind kind, long at)
{
    plan.kind = kind;
    plan.at = at;
    plan.calls = 0;
}

long fault_room_calls(void)
{
    return plan.calls;
}

static const struct tq_room_driver *room_of(void)
{
    return tq__memory_driver.room;
}

static enum fault_room_kind next_fault(void)
{
    long call = ++plan.calls;
    int is_due = call == plan.at || (plan.kind == FAULT_ROOM_DEAF && call > plan.at);
    return is_due ? plan.kind : FAULT_ROOM_NONE;
}

static int forget_all(struct fault_state *state, struct tq_error *err)
{
    memset(state->inner, 0, tq__memory_driver.state_size);
    return tq__memory_driver.open(state->inner, &state->config, err);
}

/* What is due before a call; TQ_OK: go on with it. */
static int before(struct fault_state *state, enum fault_room_kind kind, struct tq_error *err)
{
    switch (kind) {
    case FAULT_ROOM_BEFORE:
        return tq__fail(err, TQ_E_UNAVAILABLE, "fault", "refused on purpose");
    case FAULT_ROOM_LOST:
        tq__memory_driver.close(state->inner);
        return forget_all(state, err);
    case FAULT_ROOM_DEAF:
        return TQ_GONE;
    default:
        return TQ_OK;
    }
}

/* One call of the inner slot, with the fault that is due. */
#define CALL(err, slot, ...)                                                                       \
    ({                                                                                             \
        enum fault_room_kind kind = next_fault();                                                  \
        int rc = before(state, kind, err);                                                         \
        if (rc == TQ_OK) {                                                                         \
            rc = room_of()->slot(((struct fault_state *)state)->inner, __VA_ARGS__, err);          \
        }                                                                                          \
        if (rc >= 0 && kind == FAULT_ROOM_AFTER) {                                                 \
            rc = tq__fail(err, TQ_E_UNKNOWN, "fault", "the answer is lost on purpose");            \
        }                                                                                          \
        rc;                                                                                        \
    })

static int fault_open(void *state, const char *room, const struct tq_room_policy *policy,
                      struct tq_error *err)
{
    if (plan.kind == FAULT_ROOM_DEAF) { /* opens, and has forgotten it by the next call */
        return TQ_OK;
    }
    return CALL(err, open, room, policy);
}

static int fault_enter(void *state, const char *room, const struct tq_room_arrival *arrivals,
                       size_t count, struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                       struct tq_error *err)
{
    return CALL(err, enter, room, arrivals, count, out_spots, out_view);
}

static int fault_place(void *state, const char *room, const char *const *visitors, size_t count,
                       struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                       struct tq_error *err)
{
    return CALL(err, place, room, visitors, count, out_spots, out_view);
}

static int fault_leave(void *state, const char *room, const char *const *visitors, size_t count,
                       int32_t *out_statuses, struct tq_error *err)
{
    return CALL(err, leave, room, visitors, count, out_statuses);
}

static int fault_tick(void *state, const char *room, struct tq_room_tick *out_tick,
                      struct tq_error *err)
{
    return CALL(err, tick, room, out_tick);
}

static int fault_view(void *state, const char *room, struct tq_room_view *out_view,
                      struct tq_error *err)
{
    return CALL(err, view, room, out_view);
}

static int fault_operate(void *state, const char *room, const struct tq_room_action *action,
                         struct tq_error *err)
{
    return CALL(err, operate, room, action);
}

static int fault_audit(void *state, const char *room, uint64_t after,
                       struct tq_room_action *out_actions, size_t room_for, size_t *out_count,
                       struct tq_error *err)
{
    return CALL(err, audit, room, after, out_actions, room_for, out_count);
}

static const struct tq_room_driver fault_room = {
    .size = sizeof(struct tq_room_driver),
    .open = fault_open,
    .enter = fault_enter,
    .place = fault_place,
    .leave = fault_leave,
    .tick = fault_tick,
    .view = fault_view,
    .operate = fault_operate,
    .audit = fault_audit,
};

static int fault_store_open(void *opaque, const struct tq_store_config *config,
                            struct tq_error *err)
{
    struct fault_state *state = opaque;
    state->config = *config;
    state->config.scheme = "memory";
    state->config.path = state->config.query = "";
    state->inner = calloc(1, tq__memory_driver.state_size);
    if (!state->inner) {
        return tq__fail(err, TQ_E_NOMEM, "fault", "out of memory");
    }
    return forget_all(state, err);
}

static void fault_store_close(void *opaque)
{
    struct fault_state *state = opaque;
    if (state->inner) {
        tq__memory_driver.close(state->inner);
        free(state->inner);
    }
}

static int fault_store_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    return tq__memory_driver.now(((struct fault_state *)opaque)->inner, out_now_ms, err);
}

const struct tq_store_driver fault_room_driver = {
    .size = sizeof(struct tq_store_driver),
    .abi = TQ_STORE_ABI,
    .name = "memory",
    .state_size = sizeof(struct fault_state),
    .open = fault_store_open,
    .close = fault_store_close,
    .now = fault_store_now,
    .room = &fault_room,
};
