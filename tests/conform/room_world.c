/* SPDX-License-Identifier: MIT */
/*
 * A world for tests of rooms.
 */
#include "conform/room_world.h"

#include <stdio.h>
#include <string.h>

static void add_key(struct room_world *w, const char *id, uint32_t purpose)
{
    struct tq_error err = TQ_ERROR_INIT;
    char secret[32];
    memset(secret, (int)purpose, sizeof secret);
    assert_status(tq_keys_add(w->keys,
                              TQ_ARGS(tq_key, .id = id, .purpose = purpose, .secret = secret,
                                      .secret_bytes = sizeof secret),
                              &err),
                  TQ_OK);
}

void room_world_room(struct room_world *w, const struct tq_room_policy *policy)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_policy use = *policy;
    use.shards = fixture_shards();
    tq_room_close(w->room);
    w->room = NULL;
    assert_status(tq_room_open(w->store, w->keys, ROOM_ID, &use, &w->room, &err), TQ_OK);
}

static void open_store(struct room_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(tq_store_open(&w->world.env,
                                TQ_ARGS(tq_store_options, .url = w->world.url, .driver = w->driver),
                                &w->store, &err),
                  TQ_OK);
}

void room_world_open(struct room_world *w, uint64_t seed, const struct tq_room_policy *policy)
{
    struct tq_error err = TQ_ERROR_INIT;
    w->store = NULL;
    w->keys = NULL;
    w->room = NULL;
    world_open(&w->world);
    test_env_init(&w->world.test, seed);
    assert_status(tq_keys_new(&w->world.env, &w->keys, &err), TQ_OK);
    add_key(w, "place", TQ_PURPOSE_PLACE);
    add_key(w, "pass", TQ_PURPOSE_PASS);
    open_store(w);
    if (policy) {
        room_world_room(w, policy);
    }
}

void room_world_close(struct room_world *w)
{
    tq_room_close(w->room);
    tq_store_close(w->store);
    tq_keys_free(w->keys);
    world_close(&w->world);
}

void room_world_forget(struct room_world *w, const struct tq_room_policy *policy)
{
    tq_room_close(w->room);
    tq_store_close(w->store);
    w->room = NULL;
    world_forget(&w->world);
    open_store(w);
    room_world_room(w, policy);
}

void room_advance(struct room_world *w, uint32_t ms)
{
    world_advance(&w->world, ms);
}

int64_t room_now(struct room_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    int64_t now_ms = 0;
    assert_status(tq_store_now(w->store, &now_ms, &err), TQ_OK);
    return now_ms;
}

int room_is_late(struct room_world *w, int64_t since_ms, int64_t ms)
{
    return fixture_has_own_clock() && room_now(w) - since_ms >= ms;
}

struct tq_place room_enter(struct room_world *w, const char *id, const char *token)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_place place = TQ_INIT(tq_place);
    assert_status(
        tq_room_enter(w->room, TQ_ARGS(tq_visitor, .id = id, .token = token), 1, &place, &err),
        TQ_OK);
    return place;
}

struct tq_place room_place(struct room_world *w, const char *id)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_place place = TQ_INIT(tq_place);
    assert_status(tq_room_place(w->room, TQ_ARGS(tq_visitor, .id = id), 1, &place, &err), TQ_OK);
    return place;
}

int room_leave(struct room_world *w, const char *id)
{
    struct tq_error err = TQ_ERROR_INIT;
    int32_t status = TQ_E_INTERNAL;
    assert_status(tq_room_leave(w->room, TQ_ARGS(tq_visitor, .id = id), 1, &status, &err), TQ_OK);
    return status;
}

struct tq_room_tick room_tick(struct room_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    int rc = tq_room_tick(w->room, &tick, &err);
    int is_busy = tick.admitted || tick.skipped || tick.freed;
    ck_assert_msg(rc == (is_busy ? TQ_OK : TQ_EMPTY), "%s: %s", tq_status_name(rc), err.message);
    ck_assert_uint_ge(tick.next_ms, 1);
    ck_assert_uint_le(tick.next_ms, 1000);
    return tick;
}

struct tq_room_state room_state(struct room_world *w)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_state state = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(w->room, &state, &err), TQ_OK);
    return state;
}

int room_order(struct room_world *w, uint32_t order, int64_t value, const char *request_key)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_room_action action = TQ_INIT(tq_room_action);
    action.order = order;
    action.value = value;
    snprintf(action.actor, sizeof action.actor, "operator");
    snprintf(action.request_key, sizeof action.request_key, "%s", request_key ? request_key : "");
    snprintf(action.reason, sizeof action.reason, "because");
    int rc = tq_room_operate(w->room, &action, &err);
    ck_assert_msg(rc >= 0, "%s: %s", tq_status_name(rc), err.message);
    return rc;
}

void assert_next(int64_t number, int64_t told)
{
    ck_assert_int_gt(number, told);
    ck_assert_int_le(number, told + fixture_shards());
}

void assert_ahead(uint64_t told, uint64_t ahead)
{
    uint64_t shards = fixture_shards();
    ck_assert_uint_eq(told % shards, 0);
    ck_assert_uint_le(told / shards, ahead);
    ck_assert(shards > 1 || told == ahead);
}

const char *room_name(unsigned number)
{
    static char names[16][16];
    char *name = names[number % 16];
    snprintf(name, sizeof names[0], "v%u", number);
    return name;
}
