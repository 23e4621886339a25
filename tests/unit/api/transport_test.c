/* SPDX-License-Identifier: MIT */
/*
 * transport.h.
 */
#include <ticketq/driver/transport.h>
#include <ticketq/transport.h>

#include "api/api.h"

static struct test_env test;
static struct tq_env env;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
}

static int with_options(const void *argument)
{
    tq_transport *transport = NULL;
    int rc = tq_transport_open(&env, argument, &transport, &err);
    ck_assert_int_eq(transport != NULL, rc == TQ_OK);
    tq_transport_close(transport);
    return rc;
}

static int with_url(const char *url)
{
    return with_options(TQ_ARGS(tq_transport_options, .url = url));
}

START_TEST(nothing__is_no_argument)
{
    const struct tq_transport_options *options = TQ_ARGS(tq_transport_options, .url = "inproc:");
    tq_transport *transport = NULL;
    setup();
    REFUSED(tq_transport_open(NULL, options, &transport, &err), TQ_E_INVALID, "env");
    REFUSED(tq_transport_open(&env, NULL, &transport, &err), TQ_E_INVALID, "options");
    REFUSED(tq_transport_open(&env, options, NULL, &err), TQ_E_INVALID, "out_transport");
    ck_assert(!transport);
    IGNORED(tq_transport_close(NULL));
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(options__are_as_long_as_they_say)
{
    const struct tq_transport_options good = {.size = sizeof good, .url = "inproc:"};
    setup();
    check_sized(&(struct sized){"options", SIZED_IN, sizeof good, &good, with_options});
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(urls__are_understood_or_refused)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "inproc",
                                      "nothing:",
                                      "inproc:?capacity=0",
                                      "inproc:?capacity=-1",
                                      "inproc:?capacity=1048577",
                                      "inproc:?capacity=18446744073709551617",
                                      "inproc:?capacity=",
                                      "inproc:?capacity=1x",
                                      "inproc:?other=1"};
    setup();
    for (size_t i = 0; i < COUNT(bad); i++) {
        int rc = with_url(bad[i]);
        ck_assert_msg(rc == TQ_E_INVALID || rc == TQ_E_LIMIT, "%s: %s", bad[i] ? bad[i] : "NULL",
                      tq_status_name(rc));
        ck_assert(err.message[0]);
    }
    ACCEPTED(with_url("inproc:?capacity=1"), TQ_OK);
    ACCEPTED(with_url("inproc:?capacity=1048576"), TQ_OK);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(drivers__are_looked_at_before_they_are_called)
{
    struct tq_transport_driver driver = {
        .size = sizeof driver, .abi = TQ_TRANSPORT_ABI, .name = "own"};
    const struct tq_transport_options options = {
        .size = sizeof options, .url = "own:", .driver = &driver};
    setup();
    REFUSED(with_options(&options), TQ_E_ABI, "slot");
    driver.abi++;
    REFUSED(with_options(&options), TQ_E_ABI, "ABI");
    driver.size = 0;
    REFUSED(with_options(&options), TQ_E_ABI, "size");
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("api.transport", nothing__is_no_argument, options__are_as_long_as_they_say,
          urls__are_understood_or_refused, drivers__are_looked_at_before_they_are_called)
