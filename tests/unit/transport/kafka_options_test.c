/* SPDX-License-Identifier: MIT */
/*
 * The URL of a Kafka transport: every option, both sides of its limits, and what is
 * refused instead of being passed over.
 */
#include "transport/kafka/options.h"

#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct kafka_options options;

static int read_query(const char *query)
{
    return tq__kafka_options_read(&options, "//h:9092", query, &err);
}

START_TEST(without_options__has_the_defaults)
{
    assert_status(read_query(""), TQ_OK);
    ck_assert_str_eq(options.brokers, "h:9092");
    ck_assert_str_eq(options.prefix, "");
    ck_assert_str_eq(options.instance, "");
    ck_assert_int_eq(options.rebalance, KAFKA_COOPERATIVE);
    ck_assert(options.is_creating);
    ck_assert_uint_eq(options.partitions, 0);
    ck_assert_uint_eq(options.replication, 0);
    ck_assert_uint_eq(options.timeout_ms, 10000);
    ck_assert_uint_eq(options.linger_ms, 2);
    ck_assert_uint_eq(options.capacity, 16384);
    ck_assert_uint_eq(options.message_bytes, 1000000);
    ck_assert_uint_eq(options.session_ms, 20000);
    ck_assert_uint_eq(options.poll_ms, 60000);
}
END_TEST

START_TEST(every_option__is_read)
{
    assert_status(read_query("partitions=12&replication=3&prefix=shop.a_b-&timeout_ms=5000&"
                             "linger_ms=9&capacity=7&message_bytes=2000&rebalance=eager&"
                             "instance=pod-1&session_ms=6000&poll_ms=7000&security=sasl_ssl&"
                             "sasl=SCRAM-SHA-512&user=u&password=p%26&ca=/ca.pem&"
                             "certificate=/c.pem&key=/k.pem&key_password=x"),
                  TQ_OK);
    ck_assert_str_eq(options.prefix, "shop.a_b-");
    ck_assert_str_eq(options.instance, "pod-1");
    ck_assert_int_eq(options.rebalance, KAFKA_EAGER);
    ck_assert_uint_eq(options.partitions, 12);
    ck_assert_uint_eq(options.replication, 3);
    ck_assert_uint_eq(options.timeout_ms, 5000);
    ck_assert_uint_eq(options.linger_ms, 9);
    ck_assert_uint_eq(options.capacity, 7);
    ck_assert_uint_eq(options.message_bytes, 2000);
    ck_assert_uint_eq(options.session_ms, 6000);
    ck_assert_uint_eq(options.poll_ms, 7000);
    assert_status(read_query("create=0"), TQ_OK);
    ck_assert(!options.is_creating);
    assert_status(read_query("create=1"), TQ_OK);
    ck_assert(options.is_creating);
    assert_status(read_query("rebalance=server"), TQ_OK);
    ck_assert_int_eq(options.rebalance, KAFKA_SERVER);
}
END_TEST

START_TEST(brokers__are_hosts_with_ports)
{
    static const char *const good[] = {"//a:1", "//a.b-c_d:65535", "//10.0.0.1:9092,b:9093",
                                       "//[::1]:9092"};
    static const char *const bad[] = {"",        "a:1",     "//",      "//a",
                                      "//a:",    "//:1",    "//a:0",   "//a:65536",
                                      "//a:1,",  "//a:1,b", "//a:1/x", "//u@a:1",
                                      "//a b:1", "//::1:9", "/a:1",    "//a:99999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_status(tq__kafka_options_read(&options, good[i], "", &err), TQ_OK);
        ck_assert_str_eq(options.brokers, good[i] + 2);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(tq__kafka_options_read(&options, bad[i], "", &err) == TQ_E_INVALID, "%s",
                      bad[i]);
    }
}
END_TEST

START_TEST(numbers__have_limits)
{
    static const struct {
        const char *name;
        unsigned min, max;
    } rows[] = {{"partitions", 1, 10000},     {"replication", 1, 32},
                {"timeout_ms", 1000, 900000}, {"linger_ms", 0, 500},
                {"capacity", 1, 1048576},     {"message_bytes", 1000, 100000000},
                {"poll_ms", 20000, 3600000}};
    char query[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const long values[] = {rows[i].min, rows[i].max, (long)rows[i].min - 1,
                               (long)rows[i].max + 1};
        for (size_t k = 0; k < 4; k++) {
            snprintf(query, sizeof query, "%s=%ld", rows[i].name, values[k]);
            ck_assert_msg(read_query(query) == (k < 2 ? TQ_OK : TQ_E_INVALID), "%s", query);
        }
    }
    assert_status(read_query("session_ms=1000"), TQ_OK);
    assert_status(read_query("session_ms=60000"), TQ_OK);
    assert_status(read_query("session_ms=60001"), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "poll_ms"));
}
END_TEST

START_TEST(what_is_not_known__is_refused_and_named)
{
    assert_status(read_query("partition=4"), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "\"partition\""));
    assert_status(read_query("partitions=4&acks=1"), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "\"acks\""));
    assert_status(read_query("partitions"), TQ_E_INVALID);
    assert_status(read_query("=4"), TQ_E_INVALID);
    assert_status(read_query("rebalance=sticky"), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "cooperative, eager, server"));
    assert_status(read_query("create=no"), TQ_E_INVALID);
    assert_status(read_query("create=2"), TQ_E_INVALID);
    assert_status(read_query("instance=a.b"), TQ_E_INVALID);
    assert_status(read_query("prefix=a/b"), TQ_E_INVALID);
}
END_TEST

START_TEST(a_prefix__has_at_most_64_bytes)
{
    char query[128] = "prefix=";
    memset(query + 7, 'x', 64);
    query[71] = '\0';
    assert_status(read_query(query), TQ_OK);
    ck_assert_uint_eq(strlen(options.prefix), 64);
    query[71] = 'x';
    query[72] = '\0';
    assert_status(read_query(query), TQ_E_INVALID);
}
END_TEST

START_TEST(security__is_whole_or_refused)
{
    static const char *const good[] = {
        "security=plaintext", "security=ssl&ca=/ca.pem",
        "security=sasl_plaintext&sasl=PLAIN&user=u&password=p",
        "security=sasl_ssl&sasl=SCRAM-SHA-256&user=u&password=p&ca=/ca.pem"};
    static const char *const bad[] = {
        "security=tls",
        "security=SSL",
        "ca=/ca.pem",
        "user=u&password=p",
        "security=sasl_ssl",
        "security=sasl_ssl&sasl=PLAIN&user=u",
        "security=sasl_ssl&sasl=GSSAPI&user=u&password=p",
        "security=ssl&sasl=PLAIN&user=u&password=p",
        "security=sasl_plaintext&sasl=PLAIN&user=u&password=p&ca=/ca.pem"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_status(read_query(good[i]), TQ_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(read_query(bad[i]) == TQ_E_INVALID, "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("transport.kafka_options", without_options__has_the_defaults, every_option__is_read,
          brokers__are_hosts_with_ports, numbers__have_limits,
          what_is_not_known__is_refused_and_named, a_prefix__has_at_most_64_bytes,
          security__is_whole_or_refused)
