/* SPDX-License-Identifier: MIT */
/*
 * What librdkafka is told, and what it says when it cannot do that.
 */
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"
#include "transport/kafka/kafka.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static struct kafka_state state;

static int open_base(const char *query)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    state = (struct kafka_state){.env = &env};
    assert_status(tq__kafka_options_read(&state.options, "//127.0.0.1:1", query, &err), TQ_OK);
    return tq__kafka_conf_base(&state, query, &err);
}

static void close_base(void)
{
    rd_kafka_conf_destroy(state.base);
}

static void check_setting(const char *name, const char *expected)
{
    char value[128];
    size_t bytes = sizeof value;
    ck_assert_int_eq(rd_kafka_conf_get(state.base, name, value, &bytes), RD_KAFKA_CONF_OK);
    ck_assert_str_eq(value, expected);
}

START_TEST(secrets__go_to_librdkafka_as_they_are)
{
    assert_status(open_base("security=sasl_plaintext&sasl=SCRAM-SHA-256&user=shop&password=a%26b"),
                  TQ_OK);
    check_setting("security.protocol", "sasl_plaintext");
    check_setting("sasl.mechanisms", "SCRAM-SHA-256");
    check_setting("sasl.username", "shop");
    check_setting("bootstrap.servers", "127.0.0.1:1");
    close_base();
}
END_TEST

START_TEST(clients__begin_without_a_broker)
{
    rd_kafka_t *client = NULL;
    err = (struct tq_error)TQ_ERROR_INIT;
    assert_status(open_base(""), TQ_OK);
    ck_assert_str_eq(err.message, ""); /* an older librdkafka lacks some settings */
    assert_status(tq__kafka_producer_client(&state, 1000000, &client, &err), TQ_OK);
    rd_kafka_destroy(client);
    assert_status(tq__kafka_consumer_client(&state, "payment", &client, &err), TQ_OK);
    rd_kafka_destroy(client);
    close_base();
}
END_TEST

START_TEST(a_certificate_that_is_not_there__is_refused_with_the_reason)
{
    rd_kafka_t *client = NULL;
    assert_status(open_base("security=ssl&ca=/nowhere/ca.pem"), TQ_OK);
    int status = tq__kafka_producer_client(&state, 1000000, &client, &err);
    ck_assert(status == TQ_E_INVALID || status == TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "ssl.ca.location"));
    close_base();
}
END_TEST

START_TEST(server_side_rebalance__where_librdkafka_has_it)
{
    rd_kafka_t *client = NULL;
    assert_status(open_base("rebalance=server"), TQ_OK);
    int status = tq__kafka_consumer_client(&state, "payment", &client, &err);
    if (rd_kafka_version() >= 0x020400ff) {
        assert_status(status, TQ_OK);
        rd_kafka_destroy(client);
    } else {
        assert_status(status, TQ_E_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.message, "group.protocol"));
        ck_assert_ptr_nonnull(strstr(err.message, rd_kafka_version_str()));
    }
    close_base();
}
END_TEST

UNIT_MAIN("transport.kafka_conf", secrets__go_to_librdkafka_as_they_are,
          clients__begin_without_a_broker,
          a_certificate_that_is_not_there__is_refused_with_the_reason,
          server_side_rebalance__where_librdkafka_has_it)
