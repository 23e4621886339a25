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

#define ROOM(script)                                                                               \
    {                                                                                              \
        {LUA_room, LUA_##script, NULL}, "queue:", room_keys                                        \
    }

const struct redis_script tq__redis_scripts[REDIS_SCRIPTS] = {
    [REDIS_CLOCK] = {{LUA_clock, NULL}, "", no_keys},
    [REDIS_ROOM_OPEN] = ROOM(room_open),
    [REDIS_ROOM_ENTER] = ROOM(room_enter),
    [REDIS_ROOM_PLACE] = ROOM(room_place),
    [REDIS_ROOM_LEAVE] = ROOM(room_leave),
    [REDIS_ROOM_TICK] = ROOM(room_tick),
    [REDIS_ROOM_VIEW] = ROOM(room_view),
    [REDIS_ROOM_OPERATE] = ROOM(room_operate),
    [REDIS_ROOM_AUDIT] = ROOM(room_audit),
};
