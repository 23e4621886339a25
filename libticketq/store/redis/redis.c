/* SPDX-License-Identifier: MIT */
/*
 * The Redis driver: rooms and holds on a Redis 7 server or cluster, shared by any number of
 * processes. address.c has the URL, check.c what the server must be.
 *
 * Every slot of a table is one script on one slot of the cluster, but for rooms with shards. The
 * clock is the server's. What is here survives this process; whether it survives the server is the
 * server's configuration, so the driver does not claim TQ_STORE_DURABLE.
 */
#include "store/redis/redis.h"

#include "core/error.h"
#include "store/builtin.h"
#include "store/redis/client.h"
#include "store/redis/ears.h"
#include "store/redis/shards.h"

static int redis_open(void *opaque, const struct tq_store_config *config, struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_target target;
    TQ_TRY(tq__redis_target_read(&target, config->path, config->query, err));
    TQ_TRY(tq__redis_client_open(config->env, &target, &state->client, err));
    TQ_TRY(tq__redis_shards_open(config->env, &state->shards, err));
    return tq__redis_ears_open(state->client, &state->ears, err);
}

static void redis_close(void *opaque)
{
    struct redis_state *state = opaque;
    tq__redis_ears_close(state->ears);
    tq__redis_shards_close(state->shards);
    tq__redis_client_close(state->client);
}

static int redis_now(void *opaque, int64_t *out_now_ms, struct tq_error *err)
{
    struct redis_state *state = opaque;
    return tq__redis_now(state->client, out_now_ms, err);
}

const struct tq_store_driver tq__redis_driver = {
    .size = sizeof(struct tq_store_driver),
    .abi = TQ_STORE_ABI,
    .caps = TQ_STORE_SHARED,
    .name = "redis",
    .state_size = sizeof(struct redis_state),
    .open = redis_open,
    .close = redis_close,
    .now = redis_now,
    .room = &tq__redis_room,
    .hold = &tq__redis_hold,
};
