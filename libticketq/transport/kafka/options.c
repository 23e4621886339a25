/* SPDX-License-Identifier: MIT */
/*
 * Reads kafka://host:port,host:port?name=value&...
 *
 * What each option means stands in ticketq/transport.h.
 *
 * Every name is looked at, so that a typing error is refused and not passed over.
 * Values of security are never quoted. Threads: [pure].
 */
#include "transport/kafka/options.h"

#include <string.h>

#include "core/bytes.h"
#include "core/url.h"

#define ORIGIN "transport.kafka"

const struct kafka_secret tq__kafka_secrets[] = {
    {"security", "security.protocol", 0, 0}, {"sasl", "sasl.mechanisms", 1, 0},
    {"user", "sasl.username", 1, 0},         {"password", "sasl.password", 1, 0},
    {"ca", "ssl.ca.location", 0, 1},         {"certificate", "ssl.certificate.location", 0, 1},
    {"key", "ssl.key.location", 0, 1},       {"key_password", "ssl.key.password", 0, 1},
};
const size_t tq__kafka_secrets_count = sizeof tq__kafka_secrets / sizeof *tq__kafka_secrets;

static const struct tq__url_option known[] = {
    TQ__URL_NUMBER("create", struct kafka_options, is_creating, 0, 1, 1),
    TQ__URL_NUMBER("partitions", struct kafka_options, partitions, 1, 10000, 0),
    TQ__URL_NUMBER("replication", struct kafka_options, replication, 1, 32, 0),
    TQ__URL_NUMBER("timeout_ms", struct kafka_options, timeout_ms, 1000, 900000, 10000),
    TQ__URL_NUMBER("linger_ms", struct kafka_options, linger_ms, 0, 500, 2),
    TQ__URL_NUMBER("capacity", struct kafka_options, capacity, 1, 1048576, 16384),
    TQ__URL_NUMBER("message_bytes", struct kafka_options, message_bytes, 1000, 100000000, 1000000),
    TQ__URL_NUMBER("session_ms", struct kafka_options, session_ms, 1000, 300000, 20000),
    TQ__URL_NUMBER("poll_ms", struct kafka_options, poll_ms, 1000, 3600000, 60000),
    TQ__URL_TEXT("prefix", struct kafka_options, prefix),
    {.name = NULL},
};

static const char *const others[] = {"rebalance", "instance"};

/* In the order of enum kafka_rebalance. */
static const char *const rebalances[] = {"cooperative", "eager", "server", NULL};
static const char *const securities[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl", NULL};
static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL};

/* ---- brokers ---- */

static int is_host_byte(char c)
{
    return tq__is_id_byte(c) || strchr(".:[]", c);
}

/* host:port; of an IPv6 address [::1]:port. */
static int is_broker(const char *text, size_t bytes)
{
    const char *colon = memrchr(text, ':', bytes);
    size_t host_bytes = colon ? (size_t)(colon - text) : 0;
    for (size_t i = 0; i < host_bytes; i++) {
        if (!is_host_byte(text[i]) || (text[i] == ':' && text[0] != '[')) {
            return 0;
        }
    }
    return host_bytes > 0 && tq__text_number(colon + 1, bytes - host_bytes - 1, 65535) > 0;
}

static int read_brokers(struct kafka_options *options, const char *path, struct tq_error *err)
{
    int is_good = path[0] == '/' && path[1] == '/';
    for (const char *at = is_good ? path + 2 : ""; is_good;) {
        const char *end = strchrnul(at, ',');
        is_good = is_broker(at, (size_t)(end - at));
        if (!*end) {
            break;
        }
        at = end + 1;
    }
    if (!is_good) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "the URL is kafka://host:port,host:port?...");
    }
    strncpy(options->brokers, path + 2, sizeof options->brokers - 1);
    return TQ_OK;
}

/* ---- the query ---- */

static int is_other(const char *at, size_t bytes)
{
    int is = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        is |= tq__url_is_called(others[i], at, bytes);
    }
    for (size_t i = 0; i < tq__kafka_secrets_count; i++) {
        is |= tq__url_is_called(tq__kafka_secrets[i].name, at, bytes);
    }
    return is;
}

/* A word of the list: its place in `*out`, which keeps its value when the option is not there. */
static int read_word(const char *query, const char *name, const char *const *words, int *out,
                     struct tq_error *err)
{
    char text[32];
    int rc = tq__url_query(query, name, text, sizeof text, err);
    if (rc != TQ_OK) {
        return rc;
    }
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return TQ_OK;
        }
    }
    return tq__fail(err, TQ_E_INVALID, ORIGIN, "%s is %s, %s%s%s%s%s", name, words[0], words[1],
                    words[2] ? ", " : "", words[2] ? words[2] : "",
                    words[2] && words[3] ? ", " : "", words[2] && words[3] ? words[3] : "");
}

static int read_texts(struct kafka_options *options, const char *query, struct tq_error *err)
{
    int rebalance = KAFKA_COOPERATIVE;
    for (const char *at = options->prefix; *at; at++) {
        if (!tq__is_id_byte(*at) && *at != '.') {
            return tq__fail(err, TQ_E_INVALID, ORIGIN, "prefix has letters, digits, '.', '-', '_'");
        }
    }
    int rc = tq__url_query(query, "instance", options->instance, sizeof options->instance, err);
    TQ_TRY(rc);
    if (rc == TQ_OK) {
        TQ_TRY(tq__id_check(options->instance, "instance", ORIGIN, err));
    }
    TQ_TRY(read_word(query, "rebalance", rebalances, &rebalance, err));
    options->rebalance = (enum kafka_rebalance)rebalance;
    return TQ_OK;
}

/* What belongs to another kind of security would be passed over in silence. */
static int check_security(const char *query, struct tq_error *err)
{
    int security = 0, mechanism = 0, given[2] = {0};
    TQ_TRY(read_word(query, "security", securities, &security, err));
    TQ_TRY(read_word(query, "sasl", mechanisms, &mechanism, err));
    int is_sasl = security >= 2, is_ssl = security % 2;
    for (size_t i = 0; i < tq__kafka_secrets_count; i++) {
        const struct kafka_secret *secret = &tq__kafka_secrets[i];
        char value[TQ_URL_MAX + 1];
        int rc = tq__url_query(query, secret->name, value, sizeof value, err);
        TQ_TRY(rc);
        given[0] += rc == TQ_OK && secret->is_for_sasl;
        given[1] += rc == TQ_OK && secret->is_for_ssl;
    }
    if (given[0] != (is_sasl ? 3 : 0)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN,
                        "sasl, user and password go together with security=sasl_ssl or "
                        "security=sasl_plaintext");
    }
    if (given[1] && !is_ssl) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN,
                        "ca, certificate and key are for security=ssl or security=sasl_ssl");
    }
    return TQ_OK;
}

int tq__kafka_options_read(struct kafka_options *out_options, const char *path, const char *query,
                           struct tq_error *err)
{
    memset(out_options, 0, sizeof *out_options);
    TQ_TRY(read_brokers(out_options, path, err));
    TQ_TRY(tq__url_names_check(query, known, is_other, ORIGIN, err));
    TQ_TRY(tq__url_options_read(query, known, out_options, err));
    if (out_options->poll_ms < out_options->session_ms) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "poll_ms must not be below session_ms");
    }
    TQ_TRY(read_texts(out_options, query, err));
    return check_security(query, err);
}
