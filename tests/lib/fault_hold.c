/* SPDX-License-Identifier: MIT */
/*
 * Fails the n-th call to the hold table of the driver that the URL names, before or
 * after it took effect, where a driver with a network could.
 */
#include "lib/fault_hold.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/builtin.h"

static struct {
    enum fault_hold_kind kind;
    long at;
    atomic_long calls;
    struct tq_front_change last;
    void (*before_load)(void);
    void (*after_claim)(void);
} plan;

struct fault_state {
    void *inner;
};

void fault_hold_set(enum fault_hold_kind kind, long at)
{
    plan.kind = kind;
    plan.at = at;
    plan.calls = 0;
}

long fault_hold_calls(void)
{
    return plan.calls;
}

void fault_hold_before_load(void (*happen)(void))
{
    plan.before_load = happen;
}

void fault_hold_after_claim(void (*happen)(void))
{
    plan.after_claim = happen;
}

struct tq_front_change fault_hold_last_change(void)
{
    return plan.last;
}

/* One process has fronts of one kind at a time. */
static const struct tq_store_driver *inner_driver = &tq__memory_driver;

static const struct tq_hold_driver *inner(void)
{
    return inner_driver->hold;
}

/* One call of the inner slot, with the fault that is due. */
#define CALL(slot, ...)                                                                            \
    ({                                                                                             \
        enum fault_hold_kind kind = ++plan.calls == plan.at ? plan.kind : FAULT_HOLD_NONE;         \
        int rc = kind == FAULT_HOLD_BEFORE                                                         \
                     ? tq__fail(err, TQ_E_UNAVAILABLE, "fault", "refused on purpose")              \
                     : inner()->slot(((struct fault_state *)state)->inner, __VA_ARGS__, err);      \
        if (rc >= 0 && kind == FAULT_HOLD_AFTER) {                                                 \
            rc = tq__fail(err, TQ_E_UNKNOWN, "fault", "the answer is lost on purpose");            \
        }                                                                                          \
        rc;                                                                                        \
    })

static void happen_once(void (**happen)(void))
{
    void (*happens)(void) = *happen;
    *happen = NULL;
    if (happens) {
        happens();
    }
}

static int fault_load(void *state, const struct tq_front_load *load, struct tq_error *err)
{
    happen_once(&plan.before_load);
    return CALL(load, load);
}

static int fault_claim(void *state, const struct tq_front_claim *claims, size_t count,
                       struct tq_hold *out_holds, struct tq_error *err)
{
    int status = CALL(claim, claims, count, out_holds);
    happen_once(&plan.after_claim);
    return status;
}

static int fault_change(void *state, const struct tq_front_change *changes, size_t count,
                        struct tq_hold_result *out_results, struct tq_error *err)
{
    plan.last = changes[count - 1];
    return CALL(change, changes, count, out_results);
}

static int fault_sweep(void *state, size_t limit, tq_hold_row_fn *visit, void *arg,
                       uint32_t *out_next_ms, struct tq_error *err)
{
    return CALL(sweep, limit, visit, arg, out_next_ms);
}

/* Reading has no effect that could come before the loss. */
static int fault_map(void *state, const char *schedule, struct tq_seat_map *map,
                     struct tq_error *err)
{
    if (++plan.calls == plan.at && plan.kind) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "fault", "refused on purpose");
    }
    return inner()->map(((struct fault_state *)state)->inner, schedule, map, err);
}

static int fault_subscribe(void *state, const char *schedule, tq_front_freed_fn *freed, void *arg,
                           struct tq_error *err)
{
    if (++plan.calls == plan.at && plan.kind) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "fault", "refused on purpose");
    }
    return inner()->subscribe(((struct fault_state *)state)->inner, schedule, freed, arg, err);
}

static void fault_unsubscribe(void *state, const char *schedule, tq_front_freed_fn *freed,
                              void *arg)
{
    inner()->unsubscribe(((struct fault_state *)state)->inner, schedule, freed, arg);
}

static const struct tq_hold_driver fault_hold = {
    .size = sizeof(struct tq_hold_driver),
    .load = fault_load,
    .claim = fault_claim,
    .change = fault_change,
    .sweep = fault_sweep,
    .map = fault_map,
    .subscribe = fault_subscribe,
    .unsubscribe = fault_unsubscribe,
};

static void choose_inner(const char *scheme)
{
#ifdef TQ_WITH_REDIS
    inner_driver = strcmp(scheme, "redis") == 0 ? &tq__redis_driver : &tq__memory_driver;
#else
    (void)scheme;
#endif
}

static int fault_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct fault_state *state = opaque;
    choose_inner(config->scheme);
    state->inner = calloc(1, inner_driver->state_size);
    return state->inner ? inner_driver->open(state->inner, config, err)
                        : tq__fail(err, TQ_E_NOMEM, "fault", "no memory");
}

static void fault_close(void *opaque)
{
    struct fault_state *state = opaque;
    if (state->inner) {
        inner_driver->close(state->inner);
        free(state->inner);
    }
}

static int fault_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    return inner_driver->now(((struct fault_state *)opaque)->inner, out_now_ms, err);
}

const struct tq_store_driver fault_hold_driver = {
    .size = sizeof(struct tq_store_driver),
    .abi = TQ_STORE_ABI,
    .name = "memory",
    .state_size = sizeof(struct fault_state),
    .open = fault_open,
    .close = fault_close,
    .now = fault_now,
    .hold = &fault_hold,
};
