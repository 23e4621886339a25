/* SPDX-License-Identifier: MIT */
/*
 * store/redis/scripts.c: every script has a text that Redis refuses as a whole,
 * and keys of one slot.
 */
#include "store/redis/scripts.h"

#include <string.h>

#include "lib/unit.h"

START_TEST(every_script__is_there)
{
    for (int i = 0; i < REDIS_SCRIPTS; i++) {
        const struct redis_script *script = &tq__redis_scripts[i];
        ck_assert_ptr_nonnull(script->parts[0]);
        ck_assert_msg(strncmp(script->parts[0], "#!lua\n", 6) == 0, "script %d", i);
        ck_assert_ptr_nonnull(script->stem);
        ck_assert_ptr_nonnull(script->endings);
        ck_assert_ptr_null(strchr(script->stem, '{'));
    }
}
END_TEST

START_TEST(a_room__declares_all_its_keys)
{
    const struct redis_script *script = &tq__redis_scripts[REDIS_ROOM_ENTER];
    size_t count = 0;
    while (script->endings[count]) {
        count++;
    }
    ck_assert_uint_eq(count, 9);
    ck_assert_str_eq(script->stem, "queue:");
    ck_assert_str_eq(script->endings[0], "");
}
END_TEST

START_TEST(a_desk__has_one_key_more)
{
    const struct redis_script *desk = &tq__redis_scripts[REDIS_DESK_TICK];
    const struct redis_script *room = &tq__redis_scripts[REDIS_ROOM_TICK];
    for (size_t i = 0; i < 9; i++) { /* KEYS of the prelude */
        ck_assert_str_eq(desk->endings[i], room->endings[i]);
    }
    ck_assert_str_eq(desk->endings[9], ":books");
    ck_assert_ptr_null(desk->endings[10]);
}
END_TEST

UNIT_MAIN("store.redis.scripts", every_script__is_there, a_room__declares_all_its_keys,
          a_desk__has_one_key_more)
