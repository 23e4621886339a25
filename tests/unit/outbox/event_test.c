/* SPDX-License-Identifier: MIT */
/*
 * outbox/event.c: limits to the byte, the way through a row and through a message
 * and back, and messages that are not ours.
 */
#include "outbox/event.h"

#include <string.h>

#include "core/env.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;

static const struct tq_header own[] = {{"shop", "north: 2"}, {"empty", ""}};

static struct tq_event sample(void)
{
    return (struct tq_event){
        .size = sizeof(struct tq_event),
        .id = "0195f0d2-7b1c-7000-8000-000000000001",
        .topic = "seat.events",
        .type = "SeatTaken",
        .aggregate_type = "seat",
        .aggregate_id = "A-1",
        .key = "s1",
        .payload = "{\"n\":1}",
        .payload_bytes = 7,
        .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        .created_ms = 1790000000123,
        .headers = own,
        .headers_count = 2,
    };
}

static int read(const struct tq_event *event)
{
    struct tq_event target;
    return tq__event_read(&target, event, &err);
}

static void check_same(const struct tq_event *event)
{
    const struct tq_event expected = sample();
    ck_assert_str_eq(event->id, expected.id);
    ck_assert_str_eq(event->topic, expected.topic);
    ck_assert_str_eq(event->type, expected.type);
    ck_assert_str_eq(event->aggregate_type, expected.aggregate_type);
    ck_assert_str_eq(event->aggregate_id, expected.aggregate_id);
    ck_assert_str_eq(event->key, expected.key);
    ck_assert_str_eq(event->traceparent, expected.traceparent);
    ck_assert_int_eq(event->created_ms, expected.created_ms);
    ck_assert_uint_eq(event->payload_bytes, 7);
    ck_assert_mem_eq(event->payload, expected.payload, 7);
    ck_assert_uint_eq(event->headers_count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(event->headers[i].name, own[i].name);
        ck_assert_str_eq(event->headers[i].value, own[i].value);
    }
}

START_TEST(what_may_be_left_out__is_filled_in)
{
    struct tq_event event = sample(), target;
    event.id = NULL;
    event.key = NULL;
    event.traceparent = NULL;
    event.headers_count = 0;
    assert_status(tq__event_read(&target, &event, &err), TQ_OK);
    ck_assert_str_eq(target.key, "A-1");
    ck_assert_ptr_null(target.id);
}
END_TEST

START_TEST(what_is_required__is_missed)
{
    const char **fields[5];
    struct tq_event event;
    for (size_t i = 0; i < 5; i++) {
        event = sample();
        fields[0] = &event.topic;
        fields[1] = &event.type;
        fields[2] = &event.aggregate_type;
        fields[3] = &event.aggregate_id;
        fields[4] = &event.payload;
        *fields[i] = NULL;
        assert_status(read(&event), TQ_E_INVALID);
        event = sample();
        *fields[i] = "not an id";
        assert_status(read(&event), TQ_E_INVALID);
    }
    event = sample();
    event.size = 4;
    assert_status(read(&event), TQ_E_ABI);
}
END_TEST

START_TEST(payload__is_bounded_and_an_object)
{
    static char large[TQ_EVENT_PAYLOAD_MAX + 1];
    struct tq_event event = sample();
    memset(large, ' ', sizeof large);
    large[0] = '{';
    event.payload = large;
    for (size_t bytes = TQ_EVENT_PAYLOAD_MAX - 1; bytes <= TQ_EVENT_PAYLOAD_MAX + 1; bytes++) {
        event.payload_bytes = bytes;
        large[bytes - 1] = '}';
        assert_status(read(&event), bytes <= TQ_EVENT_PAYLOAD_MAX ? TQ_OK : TQ_E_LIMIT);
        large[bytes - 1] = ' ';
    }
    static const struct {
        const char *text;
        size_t bytes;
        int status;
    } cases[] = {{"{}", 2, TQ_OK},          {"{", 1, TQ_E_INVALID},   {"[]", 2, TQ_E_INVALID},
                 {"{\0}", 3, TQ_E_INVALID}, {"{} ", 3, TQ_E_INVALID}, {"", 0, TQ_E_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        event.payload = cases[i].text;
        event.payload_bytes = cases[i].bytes;
        assert_status(read(&event), cases[i].status);
    }
}
END_TEST

START_TEST(headers__are_bounded_and_not_the_library_s)
{
    struct tq_header headers[TQ_EVENT_HEADERS_MAX + 1];
    char value[TQ_HEADER_VALUE_MAX + 2];
    struct tq_event event = sample();
    for (size_t i = 0; i <= TQ_EVENT_HEADERS_MAX; i++) {
        headers[i] = (struct tq_header){"a", "b"};
    }
    event.headers = headers;
    event.headers_count = TQ_EVENT_HEADERS_MAX;
    assert_status(read(&event), TQ_OK);
    event.headers_count++;
    assert_status(read(&event), TQ_E_LIMIT);
    event.headers_count = 1;
    static const char *const bad[] = {"ce_id", "traceparent", "content-type", "a b", "", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        headers[0].name = bad[i];
        assert_status(read(&event), TQ_E_INVALID);
    }
    headers[0].name = "a";
    memset(value, 'x', sizeof value);
    headers[0].value = value;
    value[TQ_HEADER_VALUE_MAX] = '\0';
    assert_status(read(&event), TQ_OK);
    value[TQ_HEADER_VALUE_MAX] = 'x';
    value[TQ_HEADER_VALUE_MAX + 1] = '\0';
    assert_status(read(&event), TQ_E_INVALID);
    headers[0].value = "line\nbreak";
    assert_status(read(&event), TQ_E_INVALID);
}
END_TEST

START_TEST(a_row__gives_back_what_was_saved)
{
    struct tq_event event = sample(), got;
    struct tq__row rows[2];
    struct tq__event_parts parts;
    test_env_init(&test, 1);
    env = test_env_of(&test);
    struct tq__buf lines = TQ__BUF(&env), text = TQ__BUF(&env);
    tq__event_put_headers(&lines, &event);
    const struct tq_value columns[TQ__ROW_COLUMNS] = {
        tq_int(42),
        tq_int(7),
        tq_int(3),
        tq_text(event.id),
        tq_text(event.topic),
        tq_text(event.key),
        tq_text(event.type),
        tq_text(event.aggregate_type),
        tq_text(event.aggregate_id),
        tq_int(event.created_ms),
        tq_text_of(lines.data, lines.bytes),
        tq_text_of(event.payload, event.payload_bytes),
    };
    tq__row_keep(&rows[0], &text, columns);
    tq__row_keep(&rows[1], &text, columns);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(rows[i].id, 42);
        ck_assert_uint_eq(rows[i].partition, 7);
        ck_assert_uint_eq(rows[i].attempts, 3);
        tq__row_event(&rows[i], &text, &got, &parts);
        check_same(&got);
    }
    tq__buf_done(&lines);
    tq__buf_done(&text);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_message__is_a_cloud_event_and_comes_back)
{
    struct tq_event event = sample(), got;
    struct tq__message_parts message_parts;
    struct tq__event_parts parts;
    struct tq_message message;
    static const struct tq_header expected[] = {{"ce_specversion", "1.0"},
                                                {"ce_source", "/seat"},
                                                {"ce_type", "SeatTaken"},
                                                {"ce_subject", "A-1"},
                                                {"ce_time", "2026-09-21T14:13:20.123Z"},
                                                {"content-type", "application/json"}};
    tq__event_to_message(&event, &message, &message_parts);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        int is_found = 0;
        for (size_t j = 0; j < message.headers_count; j++) {
            is_found |= strcmp(message.headers[j].name, expected[i].name) == 0 &&
                        strcmp(message.headers[j].value, expected[i].value) == 0;
        }
        ck_assert_msg(is_found, "%s", expected[i].name);
    }
    assert_status(tq__event_of_message(&message, &got, &parts, &err), TQ_OK);
    check_same(&got);
}
END_TEST

START_TEST(messages_of_others__are_refused)
{
    struct tq_event event = sample(), got;
    struct tq__message_parts message_parts;
    struct tq__event_parts parts;
    struct tq_message message;
    tq__event_to_message(&event, &message, &message_parts);
    for (size_t i = 1; i < 5; i++) {
        struct tq_header kept = message_parts.headers[i];
        message_parts.headers[i].name = "other";
        assert_status(tq__event_of_message(&message, &got, &parts, &err), TQ_E_INVALID);
        message_parts.headers[i] = kept;
    }
    message.key = "no id!";
    assert_status(tq__event_of_message(&message, &got, &parts, &err), TQ_E_INVALID);
    message.key = event.key;
    message.payload = "text";
    message.payload_bytes = 4;
    assert_status(tq__event_of_message(&message, &got, &parts, &err), TQ_E_INVALID);
    assert_status(
        tq__event_of_message(&(struct tq_message){.topic = "a", .key = "k"}, &got, &parts, &err),
        TQ_E_INVALID);
}
END_TEST

UNIT_MAIN("outbox.event", what_may_be_left_out__is_filled_in, what_is_required__is_missed,
          payload__is_bounded_and_an_object, headers__are_bounded_and_not_the_library_s,
          a_row__gives_back_what_was_saved, a_message__is_a_cloud_event_and_comes_back,
          messages_of_others__are_refused)
