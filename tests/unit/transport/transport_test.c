/* SPDX-License-Identifier: MIT */
/*
 * transport/transport.c: which URLs and drivers are refused, what a topic is, and
 * that the last reference closes.
 */
#include "transport/transport.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "transport/builtin.h"

static struct test_env test;
static struct tq_error err = TQ_ERROR_INIT;

static int open_with(const char *url, const struct tq_transport_driver *driver,
                     tq_transport **out_transport)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    return tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = url, .driver = driver),
                             out_transport, &err);
}

START_TEST(urls__name_a_driver_that_is_there)
{
    static const struct {
        const char *url;
        int status;
    } cases[] = {
        {"inproc:", TQ_OK},
        {"inproc:?capacity=1", TQ_OK},
        {"inproc:?capacity=1048576", TQ_OK},
        {"inproc:?capacity=0", TQ_E_INVALID},
        {"inproc:?capacity=1048577", TQ_E_INVALID},
        {"inproc:path", TQ_E_INVALID},
        {"pigeon:", TQ_E_INVALID},
        {"inproc", TQ_E_INVALID},
        {NULL, TQ_E_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tq_transport *transport = NULL;
        assert_status(open_with(cases[i].url, NULL, &transport), cases[i].status);
        ck_assert_int_eq(transport != NULL, cases[i].status == TQ_OK);
        tq_transport_close(transport);
        ck_assert_int_eq(test.live, 0);
    }
}
END_TEST

START_TEST(drivers__are_refused_by_release_and_by_missing_slots)
{
    struct tq_transport_driver driver = tq__inproc_driver;
    tq_transport *transport = NULL;
    driver.abi = TQ_TRANSPORT_ABI + 1;
    assert_status(open_with("own:", &driver, &transport), TQ_E_ABI);
    driver = tq__inproc_driver;
    driver.wake = NULL;
    assert_status(open_with("own:", &driver, &transport), TQ_E_ABI);
    driver = tq__inproc_driver;
    driver.size = sizeof driver - 1;
    assert_status(open_with("own:", &driver, &transport), TQ_E_ABI);
    ck_assert_ptr_null(transport);
    assert_status(open_with("own:", &tq__inproc_driver, &transport), TQ_OK);
    tq_transport_close(transport);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(the_last_reference__closes)
{
    tq_transport *transport = NULL;
    assert_status(open_with("inproc:", NULL, &transport), TQ_OK);
    ck_assert_ptr_eq(tq__transport_ref(transport), transport);
    tq_transport_close(transport);
    ck_assert_int_gt(test.live, 0);
    tq_transport_close(transport);
    ck_assert_int_eq(test.live, 0);
    tq_transport_close(NULL);
}
END_TEST

START_TEST(topics__are_ids_joined_by_dots_up_to_their_limit)
{
    char topic[TQ_TOPIC_MAX + 2];
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a/b", NULL};
    assert_status(tq__topic_check("dlq.reservation", "topic", "t", &err), TQ_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(tq__topic_check(bad[i], "topic", "t", &err), TQ_E_INVALID);
        ck_assert_str_eq(err.message, "topic must be ids joined by dots");
    }
    memset(topic, 'a', sizeof topic);
    topic[60] = '.';
    topic[TQ_TOPIC_MAX - 1] = '\0';
    assert_status(tq__topic_check(topic, "topic", "t", &err), TQ_OK);
    topic[TQ_TOPIC_MAX - 1] = 'a';
    topic[TQ_TOPIC_MAX] = '\0';
    assert_status(tq__topic_check(topic, "topic", "t", &err), TQ_OK);
    topic[TQ_TOPIC_MAX] = 'a';
    topic[TQ_TOPIC_MAX + 1] = '\0';
    assert_status(tq__topic_check(topic, "topic", "t", &err), TQ_E_LIMIT);
    memset(topic, 'a', 65);
    topic[65] = '\0';
    assert_status(tq__topic_check(topic, "topic", "t", &err), TQ_E_INVALID);
}
END_TEST

START_TEST(a_header__is_found_by_its_whole_name_and_the_first_counts)
{
    static const struct tq_header headers[] = {{"kind", "a"}, {"kin", "b"}, {"kin", "c"}};
    ck_assert_str_eq(tq__header(headers, 3, "kin"), "b");
    ck_assert_str_eq(tq__header(headers, 1, "kin"), "");
    ck_assert_str_eq(tq__header(NULL, 0, "kin"), "");
}
END_TEST

UNIT_MAIN("transport.transport", urls__name_a_driver_that_is_there,
          drivers__are_refused_by_release_and_by_missing_slots, the_last_reference__closes,
          topics__are_ids_joined_by_dots_up_to_their_limit,
          a_header__is_found_by_its_whole_name_and_the_first_counts)
