/* SPDX-License-Identifier: MIT */
/*
 * servers/gateway/epochs.c: epochs are learned, only grow, and survive nonsense.
 */
#include <string.h>

#include "core/json.h"
#include "gateway/gateway.h"
#include "lib/test_env.h"
#include "lib/unit.h"

struct world {
    struct test_env test;
    struct tq_env env;
    struct gateway_epochs epochs;
};

static void begin(struct world *world)
{
    struct tq_error err = TQ_ERROR_INIT;
    memset(world, 0, sizeof *world);
    test_env_init(&world->test, 1);
    world->env = test_env_of(&world->test);
    assert_status(gateway_epochs_init(&world->epochs, &world->env, &err), TQ_OK);
}

static void finish(struct world *world)
{
    gateway_epochs_done(&world->epochs);
    ck_assert_int_eq(world->test.live, 0);
}

static int learn(struct world *world, const char *text)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq__json *root = NULL;
    assert_status(tq__json_parse(&world->env, text, strlen(text), NULL, &root, &err), TQ_OK);
    int rc = gateway_epochs_read(&world->epochs, root, &err);
    tq__json_free(root);
    return rc;
}

START_TEST(epochs__only_grow)
{
    struct world world;
    begin(&world);
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "a"), 0);
    ck_assert_int_eq(learn(&world, "{\"rooms\":[{\"scheduleId\":\"a\",\"epoch\":3},"
                                   "{\"scheduleId\":\"b\",\"epoch\":2}]}"),
                     TQ_OK);
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "a"), 3);
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "b"), 2);
    ck_assert_int_eq(learn(&world, "{\"rooms\":[{\"scheduleId\":\"a\",\"epoch\":2}]}"), TQ_OK);
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "a"), 3);
    ck_assert_int_eq(learn(&world, "{\"rooms\":[]}"), TQ_OK);
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "b"), 2);
    finish(&world);
}
END_TEST

START_TEST(epochs__nonsense_changes_nothing)
{
    struct world world;
    begin(&world);
    ck_assert_int_eq(learn(&world, "{}"), TQ_E_CORRUPT);
    ck_assert_int_eq(learn(&world, "{\"rooms\":{}}"), TQ_E_CORRUPT);
    ck_assert_int_eq(learn(&world, "{\"rooms\":[{\"scheduleId\":\"a b\",\"epoch\":1}]}"),
                     TQ_E_CORRUPT);
    ck_assert_int_eq(learn(&world, "{\"rooms\":[{\"scheduleId\":\"a\"}]}"), TQ_E_CORRUPT);
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "a"), 0);
    finish(&world);
}
END_TEST

START_TEST(epochs__no_memory_leaves_them_whole)
{
    struct world world;
    struct tq_error err = TQ_ERROR_INIT;
    tq__json *root = NULL;
    const char *text = "{\"rooms\":[{\"scheduleId\":\"a\",\"epoch\":3}]}";
    begin(&world);
    assert_status(tq__json_parse(&world.env, text, strlen(text), NULL, &root, &err), TQ_OK);
    int rc = TQ_E_NOMEM;
    for (long n = 1; rc != TQ_OK; n++) {
        world.test.allocations = 0;
        world.test.fail_at = n;
        rc = gateway_epochs_read(&world.epochs, root, &err);
        ck_assert(rc == TQ_OK || rc == TQ_E_NOMEM);
    }
    ck_assert_int_eq(gateway_epoch_of(&world.epochs, "a"), 3);
    tq__json_free(root);
    finish(&world);
}
END_TEST

UNIT_MAIN("servers.gateway.epochs", epochs__only_grow, epochs__nonsense_changes_nothing,
          epochs__no_memory_leaves_them_whole)
