/* SPDX-License-Identifier: MIT */
/*
 * One message alone for a partition until that has taken one.
 */
#include "transport/kafka/trial.h"

#include "lib/test_env.h"
#include "lib/unit.h"

#define PARTITIONS 3

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static struct kafka_trial trial;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    trial = (struct kafka_trial){.stages = NULL};
}

static void teardown(void)
{
    tq__trial_reset(&trial, &env);
    ck_assert_int_eq(test.live, 0);
}

static int begin(const char *key, int32_t *out_partition)
{
    return tq__trial_begin(&trial, &env, NULL, key, out_partition);
}

/* As librdkafka does it for a message without a partition. */
static int32_t choose(const char *key)
{
    return tq__trial_partitioner(NULL, key, strlen(key), PARTITIONS, &trial, NULL);
}

/* The first of the topic is back. */
static void introduce(const char *key)
{
    int32_t partition;
    assert_status(begin(key, &partition), TQ_OK);
    ck_assert_int_eq(partition, RD_KAFKA_PARTITION_UA);
    tq__trial_pass(&trial, &env, choose(key));
}

START_TEST(the_first_of_a_topic__is_alone)
{
    int32_t partition;
    setup();
    assert_status(begin("k1", &partition), TQ_OK);
    ck_assert_int_eq(partition, RD_KAFKA_PARTITION_UA);
    assert_status(begin("k2", &partition), TQ_FULL);
    int32_t first = choose("k1");
    assert_status(begin("k2", &partition), TQ_FULL);
    tq__trial_pass(&trial, &env, first);
    assert_status(begin("k1", &partition), TQ_OK);
    ck_assert_int_eq(partition, first);
    assert_status(begin("k1", &partition), TQ_OK);
    teardown();
}
END_TEST

START_TEST(each_partition__is_tried_by_one)
{
    char key[8];
    int32_t partition;
    int passed[PARTITIONS] = {0}, refused = 0;
    setup();
    introduce("k0");
    passed[choose("k0")] = 1;
    for (int i = 1; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        int is_known = passed[choose(key)];
        int status = begin(key, &partition);
        ck_assert_int_eq(status, is_known != 2 ? TQ_OK : TQ_FULL);
        refused += status == TQ_FULL;
        passed[choose(key)] += !is_known * 2;
    }
    ck_assert_int_gt(refused, 0);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        tq__trial_pass(&trial, &env, i);
    }
    for (int i = 1; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_status(begin(key, &partition), TQ_OK);
        ck_assert_int_eq(partition, choose(key));
    }
    teardown();
}
END_TEST

START_TEST(what_did_not_go__is_nobodys_trial)
{
    int32_t partition;
    setup();
    assert_status(begin("k1", &partition), TQ_OK);
    tq__trial_undo(&trial, partition);
    introduce("k1");
    const char *other = choose("k2") != choose("k1") ? "k2" : "k3";
    ck_assert_int_ne(choose(other), choose("k1"));
    assert_status(begin(other, &partition), TQ_OK);
    assert_status(begin(other, &partition), TQ_FULL);
    tq__trial_undo(&trial, choose(other));
    assert_status(begin(other, &partition), TQ_OK);
    assert_status(begin("k1", &partition), TQ_OK);
    tq__trial_undo(&trial, partition);
    assert_status(begin("k1", &partition), TQ_OK);
    teardown();
}
END_TEST

START_TEST(without_memory__is_told_and_passes)
{
    int32_t partition;
    setup();
    test.fail_at = test.allocations + 1;
    introduce("k1");
    test.fail_at = test.allocations + 1;
    assert_status(begin("k1", &partition), TQ_E_NOMEM);
    test.fail_at = 0;
    assert_status(begin("k1", &partition), TQ_OK);
    assert_status(begin("k1", &partition), TQ_FULL);
    teardown();
}
END_TEST

UNIT_MAIN("transport.kafka_trial", the_first_of_a_topic__is_alone, each_partition__is_tried_by_one,
          what_did_not_go__is_nobodys_trial, without_memory__is_told_and_passes)
