/* SPDX-License-Identifier: MIT */
/*
 * core/map.c: agrees with a plain array over a long random history, keeps what
 * it has when there is no memory, never fails after a reservation.
 */
#include "core/map.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

#define KEYS 600

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static char keys[KEYS][24];

static void begin(struct tq__map *map)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "%.*s%d", i % 12, "visitor-long", i);
    }
    assert_status(tq__map_init(map, &env, &err), TQ_OK);
}

START_TEST(map__agrees_with_a_plain_array)
{
    struct tq__map map;
    void *model[KEYS] = {NULL};
    size_t count = 0;
    begin(&map);
    for (int step = 0; step < 40000; step++) {
        size_t i = test_random(&test, KEYS);
        if (test_random(&test, 5) < 2) {
            void *value = &keys[test_random(&test, KEYS)];
            assert_status(tq__map_put(&map, keys[i], value, &err), TQ_OK);
            count += model[i] == NULL;
            model[i] = value;
        } else {
            ck_assert_ptr_eq(tq__map_remove(&map, keys[i]), model[i]);
            count -= model[i] != NULL;
            model[i] = NULL;
        }
        i = test_random(&test, KEYS);
        ck_assert_ptr_eq(tq__map_get(&map, keys[i]), model[i]);
        ck_assert_uint_eq(map.count, count);
    }
    ck_assert_uint_le(map.room, 4096);
    tq__map_done(&map);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(walk__sees_each_entry_once_and_may_remove_it)
{
    struct tq__map map;
    size_t cursor = 0, seen = 0;
    int marks[KEYS] = {0};
    begin(&map);
    ck_assert_ptr_null(tq__map_next(&map, &cursor));
    for (int i = 0; i < KEYS; i++) {
        assert_status(tq__map_put(&map, keys[i], keys[i], &err), TQ_OK);
    }
    for (char *key; (key = tq__map_next(&map, &cursor)) != NULL; seen++) {
        marks[(key - keys[0]) / (long)sizeof keys[0]]++;
        ck_assert_ptr_eq(tq__map_remove(&map, key), key);
    }
    ck_assert_uint_eq(seen, KEYS);
    for (int i = 0; i < KEYS; i++) {
        ck_assert_int_eq(marks[i], 1);
    }
    ck_assert_uint_eq(map.count, 0);
    tq__map_done(&map);
}
END_TEST

START_TEST(empty_map__answers)
{
    struct tq__map map;
    begin(&map);
    ck_assert_ptr_null(tq__map_get(&map, "a"));
    ck_assert_ptr_null(tq__map_remove(&map, "a"));
    tq__map_done(&map);
}
END_TEST

START_TEST(every_allocation__may_fail_without_loss)
{
    for (long n = 1; n <= 8; n++) {
        struct tq__map map;
        begin(&map);
        test.fail_at = test.allocations + n;
        for (int i = 0; i < KEYS; i++) {
            int rc = tq__map_put(&map, keys[i], keys[i], &err);
            ck_assert(rc == TQ_OK || rc == TQ_E_NOMEM);
            if (rc == TQ_E_NOMEM) {
                ck_assert_ptr_null(tq__map_get(&map, keys[i]));
                assert_status(tq__map_put(&map, keys[i], keys[i], &err), TQ_OK);
            }
        }
        for (int i = 0; i < KEYS; i++) {
            ck_assert_ptr_eq(tq__map_get(&map, keys[i]), keys[i]);
        }
        tq__map_done(&map);
        ck_assert_int_eq(test.live, 0);
    }
}
END_TEST

START_TEST(after_a_reservation__puts_cannot_fail)
{
    struct tq__map map;
    begin(&map);
    for (int round = 0; round < 50; round++) { /* with tombstones of the rounds before */
        assert_status(tq__map_reserve(&map, KEYS, &err), TQ_OK);
        long before = test.allocations;
        for (int i = 0; i < KEYS; i++) {
            assert_status(tq__map_put(&map, keys[i], keys[i], &err), TQ_OK);
        }
        ck_assert_int_eq(test.allocations, before);
        for (int i = 0; i < KEYS; i++) {
            ck_assert_ptr_nonnull(tq__map_remove(&map, keys[i]));
        }
    }
    ck_assert_uint_le(map.room, 2048);
    tq__map_done(&map);
}
END_TEST

UNIT_MAIN("core.map", map__agrees_with_a_plain_array, walk__sees_each_entry_once_and_may_remove_it,
          empty_map__answers, every_allocation__may_fail_without_loss,
          after_a_reservation__puts_cannot_fail)
