/* SPDX-License-Identifier: MIT */
/*
 * outbox/processed.c: claims in batches, for hosts with a transport of their own,
 * and the limits of cleaning.
 */
#include <stdio.h>
#include <string.h>

#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;

static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

struct claim {
    const char *consumer;
    const char *const *ids;
    size_t count;
    uint8_t *fresh;
};

static int claim_in(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct claim *claim = arg;
    return tq_inbox_claim(tx, claim->consumer, claim->ids, claim->count, claim->fresh, failure);
}

static int claim(const char *consumer, const char *const *ids, size_t count, uint8_t *fresh)
{
    struct claim request = {consumer, ids, count, fresh};
    return tq_ledger_run(store, claim_in, &request, &err);
}

START_TEST(claims__are_fresh_once_per_consumer)
{
    static const char *const ids[] = {"e1", "e2", "e1", "e3"};
    uint8_t fresh[4];
    setup();
    assert_status(claim("payment", ids, 1, fresh), TQ_OK);
    ck_assert_int_eq(fresh[0], 1);
    assert_status(claim("payment", ids, 4, fresh), TQ_OK);
    ck_assert(!fresh[0] && fresh[1] && !fresh[2] && fresh[3]);
    assert_status(claim("queue", ids, 4, fresh), TQ_OK);
    ck_assert(fresh[0] && fresh[1] && !fresh[2] && fresh[3]);
    teardown();
}
END_TEST

/* Whoever keeps claims for a shorter time than events can come again applies them again. */
START_TEST(in_07_after_its_retention__a_duplicate_is_fresh_and_no_younger_one)
{
    static const char *const ids[] = {"e1", "e2"};
    uint8_t fresh[2];
    setup();
    assert_status(claim("payment", ids, 1, fresh), TQ_OK);
    test.now_ms += 1000;
    assert_status(claim("payment", ids + 1, 1, fresh), TQ_OK);
    test.now_ms += 1000;
    assert_status(tq_inbox_clean(store, 2000, 10, &err), TQ_EMPTY);
    assert_status(tq_inbox_clean(store, 1999, 10, &err), TQ_OK);
    assert_status(claim("payment", ids, 2, fresh), TQ_OK);
    ck_assert(fresh[0] && !fresh[1]);
    teardown();
}
END_TEST

START_TEST(what_cannot_be_claimed__is_refused)
{
    static const char *ids[TQ_BATCH_MAX + 1];
    static char texts[TQ_BATCH_MAX + 1][16];
    static uint8_t fresh[TQ_BATCH_MAX + 1];
    static const char *const bad[] = {"no id"};
    setup();
    for (size_t i = 0; i <= TQ_BATCH_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "e%zu", i);
        ids[i] = texts[i];
    }
    assert_status(claim("payment", ids, 0, fresh), TQ_E_LIMIT);
    assert_status(claim("payment", ids, TQ_BATCH_MAX + 1, fresh), TQ_E_LIMIT);
    assert_status(claim("payment", ids, TQ_BATCH_MAX, fresh), TQ_OK);
    assert_status(claim("no id", ids, 1, fresh), TQ_E_INVALID);
    assert_status(claim("payment", bad, 1, fresh), TQ_E_INVALID);
    assert_status(claim("payment", NULL, 1, fresh), TQ_E_INVALID);
    assert_status(claim("payment", ids, 1, NULL), TQ_E_INVALID);
    assert_status(tq_inbox_clean(store, -1, 1, &err), TQ_E_LIMIT);
    assert_status(tq_inbox_clean(store, 0, 0, &err), TQ_E_LIMIT);
    assert_status(tq_inbox_clean(store, 0, (size_t)INT32_MAX + 1, &err), TQ_E_LIMIT);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.processed", claims__are_fresh_once_per_consumer,
          in_07_after_its_retention__a_duplicate_is_fresh_and_no_younger_one,
          what_cannot_be_claimed__is_refused)
