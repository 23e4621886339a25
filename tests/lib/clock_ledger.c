/* SPDX-License-Identifier: MIT */
/*
 * Only what tells a time is replaced; a connection is the inner driver's own.
 */
#include "lib/clock_ledger.h"

#include <stdlib.h>

#include "core/env.h"

struct clock_state {
    const struct tq_env *env;
    void *state;
};

static const struct tq_store_driver *around;
static struct tq_ledger_driver ledger;
static struct tq_store_driver driver;

static int tell(const struct clock_state *state, int status, int64_t *out_now_ms)
{
    if (status == TQ_OK) {
        *out_now_ms = tq__now_ms(state->env);
    }
    return status;
}

static int clock_begin(void *opaque, uint32_t mode, void **out_conn, int64_t *out_now_ms,
                       struct tq_error *err)
{
    struct clock_state *state = opaque;
    return tell(state, around->ledger->begin(state->state, mode, out_conn, out_now_ms, err),
                out_now_ms);
}

static int clock_adopt(void *opaque, void *native, void **out_conn, int64_t *out_now_ms,
                       struct tq_error *err)
{
    struct clock_state *state = opaque;
    return tell(state, around->ledger->adopt(state->state, native, out_conn, out_now_ms, err),
                out_now_ms);
}

static int clock_listen(void *opaque, uint32_t timeout_ms, uint64_t *out_news, struct tq_error *err)
{
    const struct clock_state *state = opaque;
    return around->ledger->listen(state->state, timeout_ms, out_news, err);
}

static void clock_rouse(void *opaque)
{
    const struct clock_state *state = opaque;
    around->ledger->rouse(state->state);
}

static uint64_t clock_life(void *opaque)
{
    const struct clock_state *state = opaque;
    return around->ledger->life(state->state);
}

static int clock_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct clock_state *state = opaque;
    state->env = config->env;
    state->state = calloc(1, around->state_size);
    return around->open(state->state, config, err);
}

static void clock_close(void *opaque)
{
    struct clock_state *state = opaque;
    around->close(state->state);
    free(state->state);
}

static int clock_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    struct clock_state *state = opaque;
    return tell(state, around->now(state->state, out_now_ms, err), out_now_ms);
}

const struct tq_store_driver *clock_ledger_around(const struct tq_store_driver *inner)
{
    around = inner;
    ledger = *inner->ledger;
    ledger.begin = clock_begin;
    ledger.adopt = clock_adopt;
    ledger.listen = clock_listen;
    ledger.rouse = clock_rouse;
    ledger.life = inner->ledger->life ? clock_life : NULL;
    driver = *inner;
    driver.state_size = sizeof(struct clock_state);
    driver.open = clock_open;
    driver.close = clock_close;
    driver.now = clock_now;
    driver.ledger = &ledger;
    return &driver;
}
