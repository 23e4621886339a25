/* SPDX-License-Identifier: MIT */
/*
 * The connection layer: lanes, the map of the slots, and waiting.
 *
 * A caller takes the lane with the least to do. In each lane core/combine merges
 * those who come at the same time: one leads, writes everybody's commands in one
 * pipeline and reads the answers (lane.c). So there is no thread of ours, few
 * connections, and the longer a round trip takes, the more it carries. With two
 * lanes the server works on one pipeline while the other's answers are read.
 *
 * What had no effect and may succeed soon (no connection, a server that is loading or
 * being replaced, a slot between two servers) is tried again by its caller, after
 * pauses that grow and are spread by chance, `wait_ms` altogether; then it is
 * TQ_E_UNAVAILABLE. What may have had an effect is never repeated here.
 *
 * Threads: [any]. `lock` guards the map; a lane's connections belong to its leader.
 */
#include "store/redis/client.h"

#include <string.h>

#include "core/backoff.h"
#include "core/env.h"
#include "core/error.h"
#include "store/redis/check.h"
#include "store/redis/lane.h"

#define PAUSE_FIRST_MS 4
#define PAUSE_MAX_MS 250

static const char clock_tag[] = "clock";

void tq__redis_doubt(struct redis_client *client)
{
    atomic_store(&client->is_doubtful, 1);
}

const struct tq_env *tq__redis_env(const struct redis_client *client)
{
    return client->env;
}

const struct redis_target *tq__redis_target(const struct redis_client *client)
{
    return &client->target;
}

/* Before there is a map: every slot is at the first seed, and the others are known. */
static void begin_map(struct redis_client *client)
{
    const struct redis_target *target = &client->target;
    tq__redis_slots_single(&client->slots, &target->seeds[0]);
    for (size_t i = 1; i < target->seeds_count; i++) {
        tq__redis_slots_node(&client->slots, &target->seeds[i]);
    }
}

/* The first seed that answers says what server it is. */
static int check_server(struct redis_client *client, struct tq_error *err)
{
    static const char *const words[] = {"INFO"};
    redisReply *reply = NULL;
    for (size_t i = 0; !reply && i < client->target.seeds_count; i++) {
        struct redis_conn *conn = tq__redis_lane_conn(&client->lanes[0], (uint16_t)i, err);
        reply = conn ? tq__redis_conn_ask(conn, words, 1, err) : NULL;
    }
    if (!reply) {
        return err ? err->status : TQ_E_UNAVAILABLE;
    }
    int rc = tq__redis_check(reply->type == REDIS_REPLY_STRING ? reply->str : "", &client->target,
                             client->env, err);
    freeReplyObject(reply);
    return rc;
}

static int get_ready(struct redis_client *client, struct tq_error *err)
{
    TQ_TRY(check_server(client, err));
    if (tq__redis_lane_survey(&client->lanes[0])) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "nobody knows who has the slots");
    }
    return TQ_OK;
}

typedef struct redis_client redis_client;
TQ_AUTO_DEFINE(redis_client, tq__redis_client_close)

int tq__redis_client_open(const struct tq_env *env, const struct redis_target *target,
                          struct redis_client **out_client, struct tq_error *err)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    struct tq_error own = TQ_ERROR_INIT, *why = err ? err : &own;
    uint32_t left_ms = target->wait_ms;
    TQ_AUTO(redis_client) *client =
        tq__alloc(env, 1, sizeof(struct redis_client) + target->lanes * sizeof(struct redis_lane));
    if (!client) {
        return tq__nomem("store.redis", err);
    }
    client->env = env;
    client->target = *target;
    pthread_mutex_init(&client->lock, NULL);
    for (size_t i = 0; i < target->lanes; i++) {
        tq__redis_lane_init(&client->lanes[i], client);
    }
    begin_map(client);
    int rc = get_ready(client, why);
    while (rc == TQ_E_UNAVAILABLE && tq__backoff_wait(&backoff, env, &left_ms)) {
        rc = get_ready(client, why);
    }
    TQ_TRY(rc);
    atomic_store(&client->has_changed, 0);
    *out_client = tq__take(&client);
    return TQ_OK;
}

void tq__redis_client_close(struct redis_client *client)
{
    if (!client) {
        return;
    }
    for (size_t i = 0; i < client->target.lanes; i++) {
        tq__redis_lane_done(&client->lanes[i]);
    }
    pthread_mutex_destroy(&client->lock);
    tq__release(client->env, client);
}

static struct redis_lane *choose_lane(struct redis_client *client)
{
    struct redis_lane *best = &client->lanes[0];
    for (size_t i = 1; i < client->target.lanes && atomic_load(&best->load); i++) {
        struct redis_lane *lane = &client->lanes[i];
        best = atomic_load(&lane->load) < atomic_load(&best->load) ? lane : best;
    }
    return best;
}

static void submit(struct redis_client *client, struct redis_call *calls, size_t count)
{
    struct redis_lane *lane = choose_lane(client);
    atomic_fetch_add(&lane->load, (unsigned)count);
    tq__combine_submit_many(&lane->combine, calls, sizeof *calls, count);
    atomic_fetch_sub(&lane->load, (unsigned)count);
}

static int is_any_again(const struct redis_call *calls, size_t count)
{
    int is_any = 0;
    for (size_t i = 0; i < count; i++) {
        is_any |= calls[i].is_again;
    }
    return is_any;
}

static int first_failure(const struct redis_call *calls, size_t count, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i].status < 0) {
            return tq__fail_native(err, calls[i].status, calls[i].err.native, calls[i].err.origin,
                                   "%s", calls[i].err.message);
        }
    }
    return count == 1 ? calls[0].status : TQ_OK;
}

int tq__redis_run(struct redis_client *client, struct redis_call *calls, size_t count,
                  struct tq_error *err)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    uint32_t left_ms = client->target.wait_ms;
    for (size_t i = 0; i < count; i++) {
        calls[i].err = (struct tq_error)TQ_ERROR_INIT;
    }
    submit(client, calls, count);
    while (is_any_again(calls, count) && tq__backoff_wait(&backoff, client->env, &left_ms)) {
        for (size_t i = 0; i < count; i++) {
            if (calls[i].is_again) {
                submit(client, &calls[i], 1);
            }
        }
    }
    return first_failure(calls, count, err);
}

int tq__redis_nonsense(struct redis_call *call)
{
    return tq__fail(&call->err, TQ_E_INTERNAL, "store.redis", "an answer that makes no sense");
}

/* Milliseconds. */
static int read_time(struct redis_call *call, struct redis_answer *answer)
{
    if (answer->reply->type != REDIS_REPLY_INTEGER) {
        return tq__redis_nonsense(call);
    }
    *(int64_t *)call->out = answer->reply->integer;
    return TQ_OK;
}

int tq__redis_now(struct redis_client *client, int64_t *out_now_ms, struct tq_error *err)
{
    struct redis_call call = {
        .script = REDIS_CLOCK, .tag = clock_tag, .read = read_time, .out = out_now_ms};
    return tq__redis_run(client, &call, 1, err);
}

void tq__redis_find(struct redis_client *client, const char *tag, struct redis_address *out_address)
{
    uint16_t slot = tq__redis_slot(tag);
    pthread_mutex_lock(&client->lock);
    uint16_t node = client->slots.node_of[slot];
    *out_address = client->slots.nodes[node < REDIS_NODES_MAX ? node : 0];
    pthread_mutex_unlock(&client->lock);
}

uint64_t tq__redis_life(struct redis_client *client, const char *tag)
{
    if (!atomic_load(&client->has_changed)) {
        return 0;
    }
    uint16_t slot = tq__redis_slot(tag);
    pthread_mutex_lock(&client->lock);
    uint16_t node = client->slots.node_of[slot];
    uint64_t life = node < REDIS_NODES_MAX ? client->lives[node] + node : 0;
    pthread_mutex_unlock(&client->lock);
    return life | 1;
}

int tq__redis_subscriber(struct redis_client *client, const char *tag, struct redis_conn *out_conn,
                         struct tq_error *err)
{
    struct redis_address address;
    tq__redis_find(client, tag, &address);
    tq__redis_conn_init(out_conn, client->env, &client->target, &address);
    out_conn->has_scripts = 0;
    int rc = tq__redis_conn_ready(out_conn, err);
    if (rc < 0) {
        tq__redis_doubt(client);
        tq__redis_conn_done(out_conn);
    }
    return rc;
}
