/* SPDX-License-Identifier: MIT */
/*
 * What include/ticketq/driver/transport.h asks of every transport, slot by slot.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "conform/fixtures.h"
#include "transport/transport.h"

#define TOPIC "seat.events"
#define ROUND_MS 50
#define ROUNDS 600
#define UNTOUCHED 77 /* an out that a driver has no business with */

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_transport *transport;
static const struct tq_transport_driver *driver;
static void *state, *producer;
static size_t early_reports; /* good ones, that came while the rest had to wait */

static void setup(void)
{
    early_reports = 0;
    world_open(&world);
    transport = world_transport(&world);
    driver = tq__transport_driver(transport);
    state = tq__transport_state(transport);
    assert_status(driver->producer_open(state, &producer, &err), TQ_OK);
}

static void teardown(void)
{
    driver->producer_close(state, producer);
    tq_transport_close(transport);
    world_close(&world);
}

static void *join(const char *group)
{
    static const char *const topics[] = {TOPIC};
    void *consumer = NULL;
    assert_status(driver->consumer_open(state, group, topics, 1, &consumer, &err), TQ_OK);
    return consumer;
}

/* Good reports, up to `max`; returns how many. */
static size_t collect(size_t max, uint32_t wait_ms)
{
    struct tq_report found[64];
    size_t count = 0;
    int status = driver->reports(state, producer, found, max, wait_ms, &count, &err);
    ck_assert(status == TQ_OK || status == TQ_EMPTY);
    for (size_t i = 0; status == TQ_OK && i < count; i++) {
        ck_assert_int_eq(found[i].status, TQ_OK);
    }
    return status == TQ_OK ? count : 0;
}

static size_t publish_some(const struct tq_message *messages, size_t count)
{
    size_t accepted = 0, total = 0;
    for (int i = 0; i < ROUNDS && total < count; i++) {
        int status =
            driver->publish(state, producer, messages + total, count - total, &accepted, &err);
        ck_assert(status == TQ_OK || status == TQ_FULL);
        total += status == TQ_OK ? accepted : 0;
        if (status == TQ_FULL) { /* a transport may want a moment for a new topic */
            early_reports += collect(1, ROUND_MS);
        }
    }
    return total;
}

static size_t publish_to(const char *topic, const char *key, int first, int last)
{
    struct tq_message messages[64];
    static const struct tq_header headers[] = {{"ce_type", "Counted"}, {"empty", ""}};
    char payloads[64][16];
    size_t count = 0;
    for (int n = first; n <= last; n++, count++) {
        snprintf(payloads[count], sizeof payloads[count], "%d", n);
        messages[count] = (struct tq_message){
            .topic = topic,
            .key = key,
            .headers = headers,
            .headers_count = 2,
            .payload = payloads[count],
            .payload_bytes = strlen(payloads[count]),
            .cookie = (uint64_t)n,
        };
    }
    size_t accepted = publish_some(messages, count);
    memset(messages, 0xa5, sizeof messages);
    memset(payloads, 0xa5, sizeof payloads);
    return accepted;
}

static size_t publish(const char *key, int first, int last)
{
    return publish_to(TOPIC, key, first, last);
}

/* Other processes may be part of it: things take a moment. */
static int takes_a_moment(void)
{
    return (driver->caps & TQ_TRANSPORT_SHARED) != 0;
}

/* At least one message, up to `max`; 0 when none has come for long. */
static size_t poll_some(void *consumer, struct tq_message *messages, size_t max)
{
    size_t count = 0;
    for (int i = 0; i < ROUNDS && count == 0; i++) {
        int status = driver->poll(state, consumer, messages, max, ROUND_MS, &count, &err);
        ck_assert(status == TQ_OK || status == TQ_EMPTY);
        count = status == TQ_OK ? count : 0;
    }
    return count;
}

static void check_message(const struct tq_message *message, const char *key, int number)
{
    char text[16] = "";
    ck_assert_str_eq(message->topic, TOPIC);
    ck_assert_str_eq(message->key, key);
    ck_assert_uint_eq(message->headers_count, 2);
    ck_assert_str_eq(message->headers[0].value, "Counted");
    ck_assert_str_eq(message->headers[1].value, "");
    ck_assert_int_eq(message->payload[message->payload_bytes], 0);
    memcpy(text, message->payload, message->payload_bytes);
    ck_assert_int_eq(atol(text), number);
}

/* Polls and checks that numbers `first` to `last` of a key come, in order. */
static void expect(void *consumer, const char *key, int first, int last, uint64_t *cookies)
{
    struct tq_message messages[64];
    size_t expected = (size_t)(last - first + 1), total = 0;
    while (total < expected) {
        size_t count = poll_some(consumer, messages, 64);
        ck_assert_uint_gt(count, 0);
        ck_assert_uint_le(total + count, expected);
        for (size_t i = 0; i < count; i++, total++) {
            check_message(&messages[i], key, first + (int)total);
            cookies[total] = messages[i].cookie;
        }
    }
}

static void expect_nothing(void *consumer)
{
    struct tq_message messages[4];
    size_t count = 0;
    for (int i = 0; i < (takes_a_moment() ? 10 : 1); i++) {
        assert_status(driver->poll(state, consumer, messages, 4, takes_a_moment() ? ROUND_MS : 0,
                                   &count, &err),
                      TQ_EMPTY);
    }
}

/* That many good reports come, and no more. */
static void expect_reports(size_t expected)
{
    size_t total = early_reports;
    early_reports = 0;
    for (int i = 0; i < ROUNDS && total < expected; i++) {
        total += collect(64, ROUND_MS);
    }
    ck_assert_uint_eq(total, expected);
    ck_assert_uint_eq(collect(64, 0), 0);
}

/* Acknowledges what comes; returns how much. */
static size_t drain(void *consumer)
{
    struct tq_message messages[64];
    size_t count = 0;
    int status = driver->poll(state, consumer, messages, 64, ROUND_MS, &count, &err);
    for (size_t i = 0; status == TQ_OK && i < count; i++) {
        driver->ack(state, consumer, &messages[i].cookie, 1);
    }
    return status == TQ_OK ? count : 0;
}

/* Until both members have had something, and nothing is left, the group may still be moving. */
static void balance(void *const members[2])
{
    size_t had[2] = {0};
    char key[8];
    if (!takes_a_moment()) {
        return;
    }
    for (int n = 1, quiet = 0; quiet < 10; n++) {
        ck_assert_int_lt(n, ROUNDS);
        if (!had[0] || !had[1]) {
            snprintf(key, sizeof key, "w%d", n % 16);
            publish(key, n, n);
        }
        size_t one = drain(members[0]), two = drain(members[1]);
        had[0] += one;
        had[1] += two;
        quiet = had[0] && had[1] && one + two == 0 ? quiet + 1 : 0;
    }
}

/* Which member gets the message that was published. */
static int take_first(void *const members[2], uint64_t *out_cookie)
{
    struct tq_message message;
    size_t count = 0;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        int status = driver->poll(state, members[i % 2], &message, 1, ROUND_MS, &count, &err);
        if (status == TQ_OK) {
            check_message(&message, "k1", 1);
            *out_cookie = message.cookie;
            return i % 2;
        }
    }
    ck_abort_msg("nobody gets it");
    return 0;
}

START_TEST(messages__arrive_whole_and_in_order_and_are_reported_once)
{
    uint64_t cookies[64];
    setup();
    void *consumer = join("payment");
    ck_assert_uint_eq(publish("k1", 1, 20), 20);
    expect(consumer, "k1", 1, 20, cookies);
    expect_nothing(consumer);
    driver->ack(state, consumer, cookies, 20);
    expect_reports(20);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(every_group__gets_every_message)
{
    uint64_t cookies[64];
    setup();
    void *one = join("payment"), *two = join("queue");
    publish("k1", 1, 3);
    expect(one, "k1", 1, 3, cookies);
    driver->ack(state, one, cookies, 3);
    expect(two, "k1", 1, 3, cookies);
    driver->ack(state, two, cookies, 3);
    expect_reports(3);
    driver->consumer_close(state, one);
    driver->consumer_close(state, two);
    teardown();
}
END_TEST

START_TEST(other_topics__are_not_for_this_group)
{
    setup();
    void *consumer = join("payment");
    ck_assert_uint_eq(publish_to("hall.events", "k1", 1, 3), 3);
    expect_nothing(consumer);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(unacknowledged__comes_again_after_a_close_in_order)
{
    uint64_t cookies[64];
    setup();
    void *consumer = join("payment");
    publish("k1", 1, 5);
    expect(consumer, "k1", 1, 5, cookies);
    driver->ack(state, consumer, cookies, 2);
    driver->consumer_close(state, consumer);
    publish("k1", 6, 7);
    consumer = join("payment");
    expect(consumer, "k1", 3, 7, cookies);
    driver->ack(state, consumer, cookies, 5);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(a_gap_in_acknowledgements__comes_again)
{
    uint64_t cookies[64];
    setup();
    void *consumer = join("payment");
    publish("k1", 1, 3);
    expect(consumer, "k1", 1, 3, cookies);
    driver->ack(state, consumer, &cookies[2], 1);
    driver->ack(state, consumer, &cookies[0], 1);
    driver->consumer_close(state, consumer);
    consumer = join("payment");
    struct tq_message messages[4];
    ck_assert_uint_gt(poll_some(consumer, messages, 4), 0);
    ck_assert_int_eq(messages[0].payload[0], '2');
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(two_members__never_hold_one_key_at_once)
{
    uint64_t cookies[64], more[64];
    setup();
    void *one = join("payment"), *two = join("payment");
    void *members[] = {one, two};
    balance(members);
    publish("k1", 1, 1);
    if (take_first(members, cookies)) {
        one = members[1];
        two = members[0];
    }
    publish("k1", 2, 2);
    expect(one, "k1", 2, 2, &cookies[1]);
    publish("k1", 3, 4);
    expect_nothing(two);
    expect(one, "k1", 3, 4, more);
    driver->ack(state, one, cookies, 2);
    expect_nothing(two);
    driver->ack(state, one, more, 2);
    driver->consumer_close(state, one);
    publish("k1", 5, 5);
    expect(two, "k1", 5, 5, cookies);
    driver->ack(state, two, cookies, 1);
    driver->consumer_close(state, two);
    teardown();
}
END_TEST

START_TEST(poll__honours_its_maximum)
{
    struct tq_message messages[8];
    size_t total = 0;
    setup();
    void *consumer = join("payment");
    publish("k1", 1, 20);
    while (total < 20) {
        size_t count = poll_some(consumer, messages, 8);
        ck_assert_uint_gt(count, 0);
        ck_assert_uint_le(count, 8);
        total += count;
    }
    ck_assert_uint_eq(total, 20);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(a_poll_without_memory__says_so_and_loses_nothing)
{
    struct tq_message messages[3];
    size_t total = 0;
    int status = TQ_EMPTY;
    setup();
    void *consumer = join("payment");
    publish("k1", 1, 3);
    world.test.fail_forever = 1;
    world.test.fail_at = world.test.allocations + 1;
    for (int i = 0; i < ROUNDS && status == TQ_EMPTY; i++) {
        status = driver->poll(state, consumer, messages, 1, ROUND_MS, &total, &err);
    }
    world.test.fail_at = 0;
    world.test.fail_forever = 0;
    if (status != TQ_OK) { /* who needs memory for a message */
        assert_status(status, TQ_E_NOMEM);
        assert_status(err.status, TQ_E_NOMEM);
        total = 0;
    }
    while (total < 3) {
        size_t count = poll_some(consumer, messages, 1);
        ck_assert_uint_eq(count, 1);
        check_message(messages, "k1", (int)++total);
    }
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

/* ---- waiting ---- */

static void *publish_later(void *arg)
{
    (void)arg;
    publish("k1", 1, 1);
    return NULL;
}

static void *wake_later(void *arg)
{
    (void)arg;
    driver->wake(state, producer);
    return NULL;
}

START_TEST(a_waiting_poll__is_ended_by_a_message)
{
    pthread_t thread;
    uint64_t cookies[64];
    struct tq_message message;
    size_t count = 0;
    setup();
    void *consumer = join("payment");
    pthread_create(&thread, NULL, publish_later, NULL);
    while (count == 0) {
        int status = driver->poll(state, consumer, &message, 1, 60000, &count, &err);
        ck_assert(status == TQ_OK || status == TQ_EMPTY);
    }
    pthread_join(thread, NULL);
    cookies[0] = message.cookie;
    driver->ack(state, consumer, cookies, 1);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

START_TEST(a_wait_for_reports__is_ended_by_wake_also_when_that_came_first)
{
    pthread_t thread;
    struct tq_report report;
    size_t count = UNTOUCHED;
    setup();
    driver->wake(state, producer);
    assert_status(driver->reports(state, producer, &report, 1, 60000, &count, &err), TQ_EMPTY);
    pthread_create(&thread, NULL, wake_later, NULL);
    assert_status(driver->reports(state, producer, &report, 1, 60000, &count, &err), TQ_EMPTY);
    ck_assert_uint_eq(count, UNTOUCHED);
    pthread_join(thread, NULL);
    teardown();
}
END_TEST

static void *wake_consumer_later(void *arg)
{
    driver->consumer_wake(state, arg);
    return NULL;
}

START_TEST(a_wait_for_messages__is_ended_by_wake_also_when_that_came_first)
{
    pthread_t thread;
    struct tq_message message;
    size_t count = UNTOUCHED;
    setup();
    void *consumer = join("payment");
    driver->consumer_wake(state, consumer);
    assert_status(driver->poll(state, consumer, &message, 1, 60000, &count, &err), TQ_EMPTY);
    pthread_create(&thread, NULL, wake_consumer_later, consumer);
    assert_status(driver->poll(state, consumer, &message, 1, 60000, &count, &err), TQ_EMPTY);
    ck_assert_uint_eq(count, UNTOUCHED);
    pthread_join(thread, NULL);
    driver->consumer_close(state, consumer);
    teardown();
}
END_TEST

CONFORM_MAIN("transport.promises", messages__arrive_whole_and_in_order_and_are_reported_once,
             every_group__gets_every_message, other_topics__are_not_for_this_group,
             unacknowledged__comes_again_after_a_close_in_order,
             a_gap_in_acknowledgements__comes_again, two_members__never_hold_one_key_at_once,
             poll__honours_its_maximum, a_poll_without_memory__says_so_and_loses_nothing,
             a_waiting_poll__is_ended_by_a_message,
             a_wait_for_reports__is_ended_by_wake_also_when_that_came_first,
             a_wait_for_messages__is_ended_by_wake_also_when_that_came_first)
