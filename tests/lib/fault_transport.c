/* SPDX-License-Identifier: MIT */
/*
 * A transport that fails on purpose, around inproc.
 *
 * A message that is to fail gets a report made here; the others go to inproc,
 * whose reports follow. Used from one thread.
 */
#include "lib/fault_transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "transport/builtin.h"
#include "transport/transport.h"

#define INNER (&tq__inproc_driver)
#define MADE_MAX 8192

struct fault_transport fault_transport;

struct producer {
    void *inner;
    struct tq_report made[MADE_MAX];
    size_t made_first, made_count;
};

void fault_transport_reset(void)
{
    memset(&fault_transport, 0, sizeof fault_transport);
}

tq_transport *fault_transport_open(const struct tq_env *env)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq_transport *transport = NULL;
    fault_transport_reset();
    assert_status(tq_transport_open(env,
                                    TQ_ARGS(tq_transport_options,
                                            .url = "inproc:", .driver = &fault_transport_driver),
                                    &transport, &err),
                  TQ_OK);
    return transport;
}

static int next_call(void)
{
    return ++fault_transport.calls == fault_transport.fail_at ? TQ_E_UNAVAILABLE : TQ_OK;
}

static int fault_open(void *state, const struct tq_transport_config *config, struct tq_error *err)
{
    return INNER->open(state, config, err);
}

static void fault_close(void *state)
{
    INNER->close(state);
}

static int fault_producer_open(void *state, void **out_producer, struct tq_error *err)
{
    struct producer *producer = calloc(1, sizeof *producer);
    int status = INNER->producer_open(state, &producer->inner, err);
    if (status < 0) {
        free(producer);
        return status;
    }
    *out_producer = producer;
    return TQ_OK;
}

static void fault_producer_close(void *state, void *handle)
{
    struct producer *producer = handle;
    INNER->producer_close(state, producer->inner);
    free(producer);
}

static void record(const struct tq_message *message)
{
    struct fault_message *line = &fault_transport.tape[fault_transport.tape_count];
    if (fault_transport.tape_count == FAULT_TAPE_MAX) {
        return;
    }
    fault_transport.tape_count++;
    snprintf(line->key, sizeof line->key, "%s", message->key);
    snprintf(line->id, sizeof line->id, "%s",
             tq__header(message->headers, message->headers_count, "ce_id"));
    ck_assert_int_eq(sscanf(message->payload, "{\"n\":%d}", &line->n), 1);
}

static int must_fail(const struct tq_message *message)
{
    static int number;
    if (!fault_transport.report_status ||
        (fault_transport.key[0] && strcmp(fault_transport.key, message->key) != 0)) {
        return 0;
    }
    return !fault_transport.every || ++number % fault_transport.every == 0;
}

static void make_report(struct producer *producer, uint64_t cookie, int status)
{
    ck_assert_uint_lt(producer->made_count, MADE_MAX);
    producer->made[(producer->made_first + producer->made_count++) % MADE_MAX] =
        (struct tq_report){cookie, status, 0};
}

/* The message goes through, and nobody hears of it. */
#define LOST_COOKIE UINT64_MAX

static int publish_one(void *state, struct producer *producer, const struct tq_message *message,
                       struct tq_error *err)
{
    struct tq_message copy = *message;
    size_t accepted;
    int fails = must_fail(message);
    if (fails) {
        make_report(producer, message->cookie, fault_transport.report_status);
        copy.cookie = LOST_COOKIE;
    }
    if (fails && !fault_transport.is_delivered) {
        return TQ_OK;
    }
    record(message);
    return INNER->publish(state, producer->inner, &copy, 1, &accepted, err);
}

static int fault_publish(void *state, void *handle, const struct tq_message *messages, size_t count,
                         size_t *out_accepted, struct tq_error *err)
{
    struct producer *producer = handle;
    int status = next_call();
    if (fault_transport.publish_status) {
        status = fault_transport.publish_status;
    }
    if (status != TQ_OK) {
        return status;
    }
    if (fault_transport.accept_max && count > fault_transport.accept_max) {
        count = fault_transport.accept_max;
    }
    for (*out_accepted = 0; *out_accepted < count; ++*out_accepted) {
        status = publish_one(state, producer, &messages[*out_accepted], err);
        if (status != TQ_OK) {
            break;
        }
    }
    return *out_accepted ? TQ_OK : status;
}

static int fault_reports(void *state, void *handle, struct tq_report *out_reports, size_t max,
                         uint32_t timeout_ms, size_t *out_count, struct tq_error *err)
{
    struct producer *producer = handle;
    size_t count = 0, good = 0;
    int status = next_call();
    if (status != TQ_OK) {
        return status;
    }
    if (fault_transport.is_silent) {
        return TQ_EMPTY;
    }
    for (; count < max && producer->made_count; count++, producer->made_count--) {
        out_reports[count] = producer->made[producer->made_first++ % MADE_MAX];
        producer->made_first %= MADE_MAX;
    }
    if (count == 0) {
        status = INNER->reports(state, producer->inner, out_reports, max, timeout_ms, &count, err);
    }
    for (size_t i = 0; status == TQ_OK && i < count; i++) {
        if (out_reports[i].cookie != LOST_COOKIE) {
            out_reports[good++] = out_reports[i];
        }
    }
    if (good == 0) {
        return TQ_EMPTY;
    }
    *out_count = good;
    return TQ_OK;
}

static void fault_wake(void *state, void *handle)
{
    struct producer *producer = handle;
    INNER->wake(state, producer->inner);
}

static int fault_poll(void *state, void *consumer, struct tq_message *out_messages, size_t max,
                      uint32_t timeout_ms, size_t *out_count, struct tq_error *err)
{
    int status = next_call();
    return status ? status
                  : INNER->poll(state, consumer, out_messages, max, timeout_ms, out_count, err);
}

static int fault_consumer_open(void *state, const char *group, const char *const *topics,
                               size_t topics_count, void **out_consumer, struct tq_error *err)
{
    return INNER->consumer_open(state, group, topics, topics_count, out_consumer, err);
}

static void fault_consumer_close(void *state, void *consumer)
{
    INNER->consumer_close(state, consumer);
}

static void fault_consumer_wake(void *state, void *consumer)
{
    INNER->consumer_wake(state, consumer);
}

static void fault_ack(void *state, void *consumer, const uint64_t *cookies, size_t count)
{
    INNER->ack(state, consumer, cookies, count);
}

int fault_tape_is_in_order(const char *key)
{
    int highest = 0;
    for (size_t i = 0; i < fault_transport.tape_count; i++) {
        const struct fault_message *line = &fault_transport.tape[i];
        if (strcmp(line->key, key) == 0) {
            if (line->n > highest + 1) {
                return 0;
            }
            highest = line->n > highest ? line->n : highest;
        }
    }
    return 1;
}

size_t fault_tape_count(const char *key)
{
    size_t count = 0;
    for (size_t i = 0; i < fault_transport.tape_count; i++) {
        count += strcmp(fault_transport.tape[i].key, key) == 0;
    }
    return count;
}

const struct tq_transport_driver fault_transport_driver = {
    .size = sizeof(struct tq_transport_driver),
    .abi = TQ_TRANSPORT_ABI,
    .name = "fault",
    .state_size = 1024, /* more than inproc's */
    .open = fault_open,
    .close = fault_close,
    .producer_open = fault_producer_open,
    .producer_close = fault_producer_close,
    .publish = fault_publish,
    .reports = fault_reports,
    .wake = fault_wake,
    .consumer_open = fault_consumer_open,
    .consumer_close = fault_consumer_close,
    .poll = fault_poll,
    .ack = fault_ack,
    .consumer_wake = fault_consumer_wake,
};
