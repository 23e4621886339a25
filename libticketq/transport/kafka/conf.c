/* SPDX-License-Identifier: MIT */
/*
 * How librdkafka is set up, and what it says beside its work.
 *
 * Three tables of settings: for both kinds of client, for producers, for consumers.
 * Settings that the library at hand may be too old for are taken where it knows them.
 * zstd, because releases before 2.11 judge the other codecs by an ancient request and
 * leave them out in silence where a broker or a proxy no longer knows it.
 *
 * Everything that librdkafka has to tell comes as an event on a queue that we poll: no
 * thread of its calls us, but for a partitioner (trial.c). Its memory comes from malloc, because it
 * has no other. Threads: [any]; the base is constant after open.
 */
#include "transport/kafka/kafka.h"

#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/url.h"

struct setting {
    const char *name, *value;
    int is_recent; /* passed over where librdkafka does not know it */
};

static const struct setting common[] = {
    {"client.id", "ticketq", 0},
    {"log.queue", "true", 0},
    {"socket.nagle.disable", "true", 0},
    {"socket.keepalive.enable", "true", 0},
    {"reconnect.backoff.ms", "50", 0},
    {"reconnect.backoff.max.ms", "1000", 0},
    {"topic.metadata.refresh.interval.ms", "10000", 0},
    {"enable.metrics.push", "false", 1}, /* 2.5: tells the broker about its clients */
};

static const struct setting producing[] = {
    {"enable.idempotence", "true", 0},
    {"enable.gapless.guarantee", "true", 0}, /* nothing passes a message that failed */
    {"acks", "all", 0},
    {"socket.timeout.ms", "10000", 0}, /* brokers wait for one that is away before they answer */
    {"max.in.flight", "1", 0},         /* nothing passes one that was refused: see producer.c */
    {"compression.type", "zstd", 0},
    {"compression.level", "1", 0}, /* a batch clears its tables first: a tenth of level 3 */
    {"queue.buffering.max.kbytes", "65536", 0},
};

static const struct setting consuming[] = {
    {"enable.auto.commit", "false", 0},
    {"socket.timeout.ms", "4000", 0}, /* time enough in a session to ask another for the group */
    {"enable.auto.offset.store", "false", 0},
    {"auto.offset.reset", "earliest", 0},
    {"isolation.level", "read_committed", 0},
    {"fetch.wait.max.ms", "100", 0},
    {"queued.min.messages", "10000", 0},
    {"queued.max.messages.kbytes", "16384", 0},
};

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct tq_error *err)
{
    char reason[160];
    switch (rd_kafka_conf_set(conf, name, value, reason, sizeof reason)) {
    case RD_KAFKA_CONF_OK:
        return TQ_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return tq__fail(err, TQ_E_UNSUPPORTED, KAFKA_ORIGIN, "librdkafka %s has no %s",
                        rd_kafka_version_str(), name);
    default:
        return tq__fail(err, TQ_E_INVALID, KAFKA_ORIGIN, "librdkafka %s: %s",
                        rd_kafka_version_str(), reason);
    }
}

static int set_number(rd_kafka_conf_t *conf, const char *name, uint32_t number,
                      struct tq_error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    return set(conf, name, text, err);
}

static int set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count,
                   struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct tq_error own = TQ_ERROR_INIT;
        int rc = set(conf, settings[i].name, settings[i].value, &own);
        if (rc < 0 && !(settings[i].is_recent && rc == TQ_E_UNSUPPORTED)) {
            return tq__fail(err, rc, KAFKA_ORIGIN, "%s", own.message);
        }
    }
    return TQ_OK;
}

#define SET_ALL(conf, settings, err)                                                               \
    set_all((conf), (settings), sizeof(settings) / sizeof *(settings), (err))

int tq__kafka_conf_base(struct kafka_state *state, const char *query, struct tq_error *err)
{
    char value[TQ_URL_MAX + 1];
    state->base = rd_kafka_conf_new();
    TQ_TRY(SET_ALL(state->base, common, err));
    TQ_TRY(set(state->base, "bootstrap.servers", state->options.brokers, err));
    for (size_t i = 0; i < tq__kafka_secrets_count; i++) {
        const struct kafka_secret *secret = &tq__kafka_secrets[i];
        int rc = tq__url_query(query, secret->name, value, sizeof value, err);
        TQ_TRY(rc);
        if (rc == TQ_OK) {
            TQ_TRY(set(state->base, secret->property, value, err));
        }
    }
    return TQ_OK;
}

/* ---- clients ---- */

static int set_producer(rd_kafka_conf_t *conf, const struct kafka_options *options,
                        uint32_t batch_bytes, struct tq_error *err)
{
    TQ_TRY(SET_ALL(conf, producing, err));
    TQ_TRY(set_number(conf, "message.timeout.ms", options->timeout_ms, err));
    TQ_TRY(set_number(conf, "linger.ms", options->linger_ms, err));
    TQ_TRY(set_number(conf, "queue.buffering.max.messages", options->capacity, err));
    TQ_TRY(set_number(conf, "message.max.bytes", options->message_bytes, err));
    return set_number(conf, "batch.size", batch_bytes, err);
}

static int set_rebalance(rd_kafka_conf_t *conf, const struct kafka_options *options,
                         struct tq_error *err)
{
    if (options->rebalance == KAFKA_SERVER) {
        return set(conf, "group.protocol", "consumer", err);
    }
    uint32_t heartbeat_ms = options->session_ms / 4;
    TQ_TRY(set(conf, "partition.assignment.strategy",
               options->rebalance == KAFKA_EAGER ? "range" : "cooperative-sticky", err));
    TQ_TRY(set_number(conf, "session.timeout.ms", options->session_ms, err));
    return set_number(conf, "heartbeat.interval.ms", heartbeat_ms < 3000 ? heartbeat_ms : 3000,
                      err);
}

static int set_consumer(rd_kafka_conf_t *conf, const struct kafka_options *options,
                        const char *group, struct tq_error *err)
{
    TQ_TRY(SET_ALL(conf, consuming, err));
    TQ_TRY(set(conf, "group.id", group, err));
    TQ_TRY(set_number(conf, "max.poll.interval.ms", options->poll_ms, err));
    if (options->instance[0]) {
        TQ_TRY(set(conf, "group.instance.id", options->instance, err));
    }
    return set_rebalance(conf, options, err);
}

/* Takes the settings. */
static int start(rd_kafka_type_t kind, rd_kafka_conf_t *conf, int events, rd_kafka_t **out_client,
                 struct tq_error *err)
{
    char reason[160];
    rd_kafka_conf_set_events(conf, events | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    rd_kafka_t *client = rd_kafka_new(kind, conf, reason, sizeof reason);
    if (!client) {
        int is_setting = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG;
        rd_kafka_conf_destroy(conf);
        return tq__fail(err, is_setting ? TQ_E_INVALID : TQ_E_UNAVAILABLE, KAFKA_ORIGIN,
                        "librdkafka: %s", reason);
    }
    rd_kafka_set_log_queue(client, NULL);
    *out_client = client;
    return TQ_OK;
}

int tq__kafka_producer_client(const struct kafka_state *state, uint32_t batch_bytes,
                              rd_kafka_t **out_client, struct tq_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(state->base);
    int rc = set_producer(conf, &state->options, batch_bytes, err);
    if (rc < 0) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    return start(RD_KAFKA_PRODUCER, conf, RD_KAFKA_EVENT_DR, out_client, err);
}

int tq__kafka_consumer_client(const struct kafka_state *state, const char *group,
                              rd_kafka_t **out_client, struct tq_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(state->base);
    int rc = set_consumer(conf, &state->options, group, err);
    if (rc < 0) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    TQ_TRY(start(RD_KAFKA_CONSUMER, conf,
                 RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT,
                 out_client, err));
    rd_kafka_poll_set_consumer(*out_client);
    return TQ_OK;
}

/* ---- news ---- */

/* Levels of syslog; but what it thinks of settings that are made on purpose is no warning. */
static int level_of(int syslog)
{
    return syslog <= 2 ? TQ_LOG_ERROR : syslog <= 4 ? TQ_LOG_WARN : TQ_LOG_INFO;
}

/* Nobody can be reached, or nobody lets us in. */
static int is_outage(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL;
}

int tq__kafka_notice(const struct kafka_state *state, rd_kafka_event_t *event, int *out_is_fatal,
                     struct tq_error *err)
{
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG) {
        const char *facility, *text;
        int syslog;
        if (rd_kafka_event_log(event, &facility, &text, &syslog) == 0) {
            int level = strcmp(facility, "CONFWARN") == 0 ? TQ_LOG_DEBUG : level_of(syslog);
            tq__log(state->env, level, KAFKA_ORIGIN, "%s: %s", facility, text);
        }
        return TQ_OK;
    }
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR) {
        return TQ_OK;
    }
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    *out_is_fatal |= rd_kafka_event_error_is_fatal(event) || code == RD_KAFKA_RESP_ERR__FATAL;
    tq__log(state->env, *out_is_fatal ? TQ_LOG_WARN : TQ_LOG_INFO, KAFKA_ORIGIN, "%s: %s",
            rd_kafka_err2name(code), text);
    int is_missing = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !state->options.is_creating;
    if (is_missing || is_outage(code)) {
        int is_down = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN; /* which says not where */
        return tq__fail_native(err, TQ_E_UNAVAILABLE, code, KAFKA_ORIGIN, "%s%s%s", text,
                               is_down ? ": " : "", is_down ? state->options.brokers : "");
    }
    return TQ_OK;
}
