/* SPDX-License-Identifier: MIT */
/*
 * transport/inproc/group.c: the table of its first comment, row by row, and that a
 * busy partition starves no other.
 */
#include "transport/inproc/group.h"

#include "lib/test_env.h"
#include "lib/unit.h"

#define ONE ((const struct inproc_consumer *)1)
#define TWO ((const struct inproc_consumer *)2)

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct inproc_group *group;
static struct inproc_delivery deliveries[32];
static struct inproc_delivery *taken[32];

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    group = tq__inproc_group_make(&env, "g");
    ck_assert_ptr_nonnull(group);
}

static void teardown(void)
{
    tq__inproc_group_free(&env, group);
    ck_assert_int_eq(test.live, 0);
}

static void put(size_t place, uint32_t partition)
{
    deliveries[place] = (struct inproc_delivery){.partition = partition};
    tq__inproc_group_put(group, &deliveries[place]);
}

START_TEST(what_one_holds__others_skip_until_it_is_dealt_with)
{
    setup();
    put(0, 5);
    put(1, 5);
    ck_assert_uint_eq(tq__inproc_group_take(group, ONE, taken, 1), 1);
    ck_assert_ptr_eq(taken[0], &deliveries[0]);
    ck_assert_uint_eq(tq__inproc_group_take(group, TWO, taken, 9), 0);
    tq__inproc_group_remove(&deliveries[0]);
    ck_assert_uint_eq(tq__inproc_group_take(group, TWO, taken, 9), 1);
    ck_assert_ptr_eq(taken[0], &deliveries[1]);
    ck_assert_uint_eq(tq__inproc_group_take(group, ONE, taken, 9), 0);
    teardown();
}
END_TEST

START_TEST(what_is_returned__waits_in_its_old_order_without_the_gaps)
{
    setup();
    for (size_t i = 0; i < 4; i++) {
        put(i, 7);
    }
    ck_assert_uint_eq(tq__inproc_group_take(group, ONE, taken, 3), 3);
    tq__inproc_group_remove(&deliveries[1]);
    tq__inproc_group_return(group, TWO);
    ck_assert_uint_eq(tq__inproc_group_take(group, TWO, taken, 9), 0);
    tq__inproc_group_return(group, ONE);
    ck_assert_uint_eq(tq__inproc_group_take(group, TWO, taken, 9), 3);
    ck_assert_ptr_eq(taken[0], &deliveries[0]);
    ck_assert_ptr_eq(taken[1], &deliveries[2]);
    ck_assert_ptr_eq(taken[2], &deliveries[3]);
    teardown();
}
END_TEST

START_TEST(a_busy_partition__starves_no_other)
{
    setup();
    for (size_t i = 0; i < 10; i++) {
        put(i, 0);
    }
    put(10, 63);
    ck_assert_uint_eq(tq__inproc_group_take(group, ONE, taken, 4), 4);
    ck_assert_uint_eq(tq__inproc_group_take(group, ONE, taken, 4), 4);
    ck_assert_ptr_eq(taken[0], &deliveries[10]);
    teardown();
}
END_TEST

START_TEST(a_subscription__is_kept_once)
{
    setup();
    ck_assert(!tq__inproc_group_wants(group, "a.b"));
    assert_status(tq__inproc_group_subscribe(&env, group, "a.b", &err), TQ_OK);
    long live = test.live;
    assert_status(tq__inproc_group_subscribe(&env, group, "a.b", &err), TQ_OK);
    ck_assert_int_eq(test.live, live);
    ck_assert(tq__inproc_group_wants(group, "a.b"));
    test.allocations = 0;
    test.fail_at = 1;
    assert_status(tq__inproc_group_subscribe(&env, group, "c.d", &err), TQ_E_NOMEM);
    ck_assert(!tq__inproc_group_wants(group, "c.d"));
    teardown();
}
END_TEST

UNIT_MAIN("transport.inproc.group", what_one_holds__others_skip_until_it_is_dealt_with,
          what_is_returned__waits_in_its_old_order_without_the_gaps,
          a_busy_partition__starves_no_other, a_subscription__is_kept_once)
