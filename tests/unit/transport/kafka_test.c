/* SPDX-License-Identifier: MIT */
/*
 * Opening by URL, and the relay's question how long a publication may take.
 */
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "transport/transport.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;

static int open_url(const char *url, tq_transport **out_transport)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    return tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = url), out_transport, &err);
}

START_TEST(opened__connects_to_nobody)
{
    tq_transport *transport = NULL;
    assert_status(open_url("kafka://127.0.0.1:1,127.0.0.1:2?prefix=shop.", &transport), TQ_OK);
    ck_assert_uint_eq(tq__transport_driver(transport)->caps,
                      TQ_TRANSPORT_DURABLE | TQ_TRANSPORT_SHARED);
    tq_transport_close(transport);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_bad_url__is_refused_and_leaves_nothing)
{
    static const char *const urls[] = {"kafka:", "kafka://", "kafka://h", "kafka://h:9092?x=1",
                                       "kafka://h:9092?security=ssl3"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        tq_transport *transport = NULL;
        assert_status(open_url(urls[i], &transport), TQ_E_INVALID);
        ck_assert_int_eq(test.live, 0);
    }
}
END_TEST

START_TEST(the_longest_time_to_a_report__follows_the_url)
{
    tq_transport *transport = NULL;
    assert_status(open_url("kafka://127.0.0.1:1?timeout_ms=5000", &transport), TQ_OK);
    ck_assert_uint_eq(tq__transport_driver(transport)->report_ms(tq__transport_state(transport)),
                      6000);
    tq_transport_close(transport);
}
END_TEST

START_TEST(whether_it_can_be_reached__is_told_with_the_reason)
{
    tq_transport *transport = NULL;
    assert_status(open_url("kafka://127.0.0.1:1", &transport), TQ_OK);
    const struct tq_transport_driver *driver = tq__transport_driver(transport);
    assert_status(driver->reach(tq__transport_state(transport), 300, &err), TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1:1"));
    tq_transport_close(transport);
    assert_status(open_url("inproc:", &transport), TQ_OK);
    driver = tq__transport_driver(transport);
    assert_status(driver->reach(tq__transport_state(transport), 300, &err), TQ_OK);
    tq_transport_close(transport);
}
END_TEST

UNIT_MAIN("transport.kafka", opened__connects_to_nobody, a_bad_url__is_refused_and_leaves_nothing,
          the_longest_time_to_a_report__follows_the_url,
          whether_it_can_be_reached__is_told_with_the_reason)
