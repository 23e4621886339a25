/* SPDX-License-Identifier: MIT */
/*
 * The scripts: texts from the .lua files, and the keys that each declares.
 */
#include "store/redis/scripts.h"

#include <stddef.h>

#include "cache_lua.h"
#include "clock_lua.h"
#include "hold_ask_lua.h"
#include "hold_load_lua.h"
#include "hold_lua.h"
#include "hold_sweep_lua.h"
#include "room_lua.h"
#include "room_shards_lua.h"

static const char *const no_keys[] = {NULL};

/* room.lua says what each is. */
static const char *const room_keys[] = {"",        ":state", ":heard", ":oldest", ":spent",
                                        ":inside", ":seen",  ":since", ":trail",  NULL};

/* room_shards.lua. */
static const char *const desk_keys[] = {"",      ":state", ":heard", ":oldest", ":spent", ":inside",
                                        ":seen", ":since", ":trail", ":books",  NULL};

#define ROOM(...)                                                                                  \
    {                                                                                              \
        {LUA_room, __VA_ARGS__}, "queue:", room_keys                                               \
    }

#define DESK(...)                                                                                  \
    {                                                                                              \
        {LUA_room, __VA_ARGS__}, "queue:", desk_keys                                               \
    }

/* hold.lua says what each is; an id cannot begin with a slash, so no seat has such a key. */
static const char *const hold_keys[] = {"",         "/places", "/bits",  "/leases",
                                        "/holders", "/timers", "/ended", NULL};

#define HOLD(...)                                                                                  \
    {                                                                                              \
        {LUA_hold, __VA_ARGS__}, "seat:hold:", hold_keys, ":"                                      \
    }

#define LEASE(...) HOLD(LUA_lease, __VA_ARGS__)

static const char *const agenda_keys[] = {"", "/told", NULL};

/* Its one key is the call's own: the kind of the page. */
#define CACHE(text)                                                                                \
    {                                                                                              \
        {text}, "cache:", no_keys, ":"                                                             \
    }

const struct redis_script tq__redis_scripts[REDIS_SCRIPTS] = {
    [REDIS_CLOCK] = {{LUA_clock}, "", no_keys},
    [REDIS_ROOM_OPEN] = ROOM(LUA_history, LUA_inside, LUA_bucket, LUA_whole, LUA_room_open),
    [REDIS_ROOM_ENTER] =
        ROOM(LUA_plain, LUA_history, LUA_rush, LUA_seek, LUA_inside, LUA_room_enter),
    [REDIS_ROOM_RETURN] =
        ROOM(LUA_tokens, LUA_history, LUA_rush, LUA_seek, LUA_inside, LUA_room_enter),
    [REDIS_ROOM_PLACE] = ROOM(LUA_seek, LUA_room_place),
    [REDIS_ROOM_LEAVE] = ROOM(LUA_seek, LUA_room_leave),
    [REDIS_ROOM_TICK] = ROOM(LUA_history, LUA_inside, LUA_bucket, LUA_pace, LUA_room_tick),
    [REDIS_ROOM_VIEW] = ROOM(LUA_room_view),
    [REDIS_ROOM_OPERATE] = ROOM(LUA_inside, LUA_bucket, LUA_whole, LUA_room_operate),
    [REDIS_ROOM_AUDIT] = ROOM(LUA_room_audit),
    [REDIS_SHARD_FRONT] = ROOM(LUA_history, LUA_bucket, LUA_pace, LUA_shards, LUA_room_front),
    [REDIS_SHARD_SETTLE] =
        ROOM(LUA_history, LUA_inside, LUA_bucket, LUA_whole, LUA_pace, LUA_shards, LUA_room_settle),
    [REDIS_DESK_TICK] =
        DESK(LUA_history, LUA_bucket, LUA_whole, LUA_pace, LUA_shards, LUA_desk, LUA_room_desk),
    [REDIS_DESK_OPERATE] =
        DESK(LUA_history, LUA_bucket, LUA_whole, LUA_shards, LUA_desk, LUA_room_operate),
    [REDIS_HOLD_CLAIM] = HOLD(LUA_hold_grant, LUA_lease, LUA_limit, LUA_hold_claim),
    [REDIS_HOLD_CHANGE] = LEASE(LUA_no_retake, LUA_hold_change),
    [REDIS_HOLD_RETAKE] = LEASE(LUA_owners, LUA_limit, LUA_displace, LUA_retake, LUA_hold_change),
    [REDIS_HOLD_DEFINE] = HOLD(LUA_hold_define),
    [REDIS_HOLD_LOAD] = LEASE(LUA_owners, LUA_displace, LUA_hold_load),
    [REDIS_HOLD_UNTOLD] = HOLD(LUA_hold_untold),
    [REDIS_HOLD_FREE] = LEASE(LUA_hold_free),
    [REDIS_HOLD_KNOWN] = HOLD(LUA_hold_known),
    [REDIS_HOLD_SWEEP] = LEASE(LUA_hold_sweep),
    [REDIS_HOLD_RETURN] = HOLD(LUA_hold_return),
    [REDIS_HOLD_TIDY] = {{LUA_hold_tidy}, "seat:hold:", hold_keys, ":"},
    [REDIS_HOLD_SEATS] = LEASE(LUA_hold_seats),
    [REDIS_HOLD_MAP] = HOLD(LUA_hold_map),
    [REDIS_CACHE_TAKE] = CACHE(LUA_cache_take),
    [REDIS_CACHE_PUT] = CACHE(LUA_cache_put),
    [REDIS_CACHE_DROP] = CACHE(LUA_cache_drop),
    [REDIS_AGENDA] = {{LUA_agenda}, "seat:agenda:", agenda_keys},
};
