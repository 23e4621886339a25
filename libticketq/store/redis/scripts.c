/* SPDX-License-Identifier: MIT */
/*
 * The scripts: texts from the .lua files, and the keys that each declares.
 */
#include "store/redis/scripts.h"

#include <stddef.h>

#include "clock_lua.h"
#include "room_lua.h"

static const char *const no_keys[] = {NULL};

/* room.lua says what each is. */
static const char *const room_keys[] = {"",        ":state", ":heard", ":oldest", ":spent",
                                        ":inside", ":seen",  ":since", ":trail",  NULL};

#define ROOM(...)                                                                                  \
    {                                                                                              \
        {LUA_room, __VA_ARGS__}, "queue:", room_keys                                               \
    }

const struct redis_script tq__redis_scripts[REDIS_SCRIPTS] = {
    [REDIS_CLOCK] = {{LUA_clock}, "", no_keys},
    [REDIS_ROOM_OPEN] = ROOM(LUA_inside, LUA_bucket, LUA_room_open),
    [REDIS_ROOM_ENTER] = ROOM(LUA_plain, LUA_rush, LUA_seek, LUA_inside, LUA_room_enter),
    [REDIS_ROOM_RETURN] = ROOM(LUA_tokens, LUA_rush, LUA_seek, LUA_inside, LUA_room_enter),
    [REDIS_ROOM_PLACE] = ROOM(LUA_seek, LUA_room_place),
    [REDIS_ROOM_LEAVE] = ROOM(LUA_seek, LUA_room_leave),
    [REDIS_ROOM_TICK] = ROOM(LUA_inside, LUA_bucket, LUA_room_tick),
    [REDIS_ROOM_VIEW] = ROOM(LUA_room_view),
    [REDIS_ROOM_OPERATE] = ROOM(LUA_inside, LUA_bucket, LUA_room_operate),
    [REDIS_ROOM_AUDIT] = ROOM(LUA_room_audit),
};
