/* SPDX-License-Identifier: MIT */
/*
 * An event as the host gives it, as a row keeps it and as a message carries it.
 *
 * Message: CloudEvents 1.0, binary mode. The payload is the value, the rest are
 * headers: ce_specversion, ce_id, ce_source ("/" and the aggregate's type), ce_type,
 * ce_subject (the aggregate's id), ce_time, content-type, traceparent, and the
 * host's own under their own names. Row: one column each, the host's headers and
 * traceparent as lines `name: value`, which a person can read and a loop can cut.
 *
 * What is accepted from a host is accepted from a message, no more: both go
 * through the same checks. The payload's JSON is not looked at. Threads: [pure].
 */
#include "outbox/event.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/args.h"
#include "core/env.h"

#define ORIGIN "outbox"
#define TRACEPARENT "traceparent"

/* ---- the host's record ---- */

static int is_reserved(const char *name)
{
    return strncmp(name, "ce_", 3) == 0 || strcmp(name, TRACEPARENT) == 0 ||
           strcmp(name, "content-type") == 0;
}

static int check_value(const char *value, const char *name, struct tq_error *err)
{
    if (!value || (*value && !tq__text_is_valid(value, TQ_HEADER_VALUE_MAX))) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "header %s must be text of at most %d bytes",
                        name, TQ_HEADER_VALUE_MAX);
    }
    return TQ_OK;
}

static int check_headers(const struct tq_event *event, struct tq_error *err)
{
    if (event->headers_count > TQ_EVENT_HEADERS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "an event has at most %d headers",
                        TQ_EVENT_HEADERS_MAX);
    }
    TQ_TRY(event->headers_count ? TQ__REQUIRE(ORIGIN, err, event->headers) : TQ_OK);
    for (size_t i = 0; i < event->headers_count; i++) {
        const struct tq_header *header = &event->headers[i];
        TQ_TRY(tq__id_check(header->name, "the name of a header", ORIGIN, err));
        if (is_reserved(header->name)) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN, "the header %s is the library's own",
                            header->name);
        }
        TQ_TRY(check_value(header->value, header->name, err));
    }
    return event->traceparent ? check_value(event->traceparent, TRACEPARENT, err) : TQ_OK;
}

static int check_payload(const struct tq_event *event, struct tq_error *err)
{
    const char *payload = event->payload;
    size_t bytes = event->payload_bytes;
    if (bytes > TQ_EVENT_PAYLOAD_MAX) {
        return tq__fail(err, TQ_E_LIMIT, ORIGIN, "a payload has at most %d bytes",
                        TQ_EVENT_PAYLOAD_MAX);
    }
    if (!payload || bytes < 2 || payload[0] != '{' || payload[bytes - 1] != '}' ||
        memchr(payload, '\0', bytes)) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "a payload is a JSON object");
    }
    return TQ_OK;
}

static int check_event(const struct tq_event *event, struct tq_error *err)
{
    TQ_TRY(tq__topic_check(event->topic, "topic", ORIGIN, err));
    TQ_TRY(tq__id_check(event->type, "type", ORIGIN, err));
    TQ_TRY(tq__id_check(event->aggregate_type, "aggregate_type", ORIGIN, err));
    TQ_TRY(tq__id_check(event->aggregate_id, "aggregate_id", ORIGIN, err));
    TQ_TRY(tq__id_check(event->key, "key", ORIGIN, err));
    TQ_TRY(check_payload(event, err));
    return check_headers(event, err);
}

int tq__event_read(struct tq_event *target, const struct tq_event *event, struct tq_error *err)
{
    TQ_TRY(TQ__READ(target, event, ORIGIN, err));
    if (!target->key) {
        target->key = target->aggregate_id;
    }
    if (target->id) {
        TQ_TRY(tq__id_check(target->id, "id", ORIGIN, err));
    }
    return check_event(target, err);
}

/* ---- the row ---- */

void tq__event_put_headers(struct tq__buf *buf, const struct tq_event *event)
{
    if (event->traceparent) {
        tq__buf_format(buf, TRACEPARENT ": %s\n", event->traceparent);
    }
    for (size_t i = 0; i < event->headers_count; i++) {
        tq__buf_format(buf, "%s: %s\n", event->headers[i].name, event->headers[i].value);
    }
}

enum row_column {
    ROW_ID,
    ROW_PARTITION,
    ROW_ATTEMPTS,
    ROW_TEXT, /* event_id, topic, event_key, type, aggregate_type, aggregate_id */
    ROW_CREATED = ROW_TEXT + 6,
    ROW_HEADERS,
    ROW_PAYLOAD
};

/* With the NUL that it ends with. */
static void keep_text(struct tq__buf *text, const struct tq_value *column)
{
    tq__buf_add(text, column->data, column->bytes + 1u);
}

void tq__row_keep(struct tq__row *row, struct tq__buf *text, const struct tq_value *columns)
{
    row->id = columns[ROW_ID].integer;
    row->partition = (uint32_t)columns[ROW_PARTITION].integer;
    row->attempts = (uint32_t)columns[ROW_ATTEMPTS].integer;
    row->created_ms = columns[ROW_CREATED].integer;
    row->text_at = text->bytes;
    for (int i = ROW_TEXT; i < ROW_CREATED; i++) {
        keep_text(text, &columns[i]);
    }
    keep_text(text, &columns[ROW_HEADERS]);
    keep_text(text, &columns[ROW_PAYLOAD]);
    row->payload_bytes = columns[ROW_PAYLOAD].bytes;
}

static const char *next_text(char **at)
{
    char *text = *at;
    *at += strlen(text) + 1;
    return text;
}

/* Cuts "name: value\n" lines; the line feed and the colon become ends. */
static void cut_headers(char *lines, struct tq_event *event, struct tq_header *headers)
{
    while (*lines) {
        char *colon = strstr(lines, ": ");
        char *end = colon ? strchr(colon, '\n') : NULL;
        if (!end) {
            return;
        }
        *colon = *end = '\0';
        if (strcmp(lines, TRACEPARENT) == 0) {
            event->traceparent = colon + 2;
        } else if (event->headers_count < TQ_EVENT_HEADERS_MAX) {
            headers[event->headers_count++] = (struct tq_header){lines, colon + 2};
        }
        lines = end + 1;
    }
}

void tq__row_event(const struct tq__row *row, struct tq__buf *text, struct tq_event *out_event,
                   struct tq__event_parts *parts)
{
    char *at = text->data + row->text_at;
    *out_event = (struct tq_event){.size = sizeof *out_event};
    out_event->id = next_text(&at);
    out_event->topic = next_text(&at);
    out_event->key = next_text(&at);
    out_event->type = next_text(&at);
    out_event->aggregate_type = next_text(&at);
    out_event->aggregate_id = next_text(&at);
    char *lines = at;
    out_event->payload = at + strlen(at) + 1;
    out_event->payload_bytes = row->payload_bytes;
    out_event->created_ms = row->created_ms;
    out_event->headers = parts->headers;
    cut_headers(lines, out_event, parts->headers);
}

/* ---- the message ---- */

static char *put_digits(char *target, int number, int digits, char end)
{
    for (int i = digits; i-- > 0; number /= 10) {
        target[i] = (char)('0' + number % 10);
    }
    target[digits] = end;
    return target + digits + 1;
}

/* RFC 3339 with milliseconds, UTC. A relay writes one for each event: no strftime(). */
static void write_time(char target[32], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    target = put_digits(target, parts.tm_year + 1900, 4, '-');
    target = put_digits(target, parts.tm_mon + 1, 2, '-');
    target = put_digits(target, parts.tm_mday, 2, 'T');
    target = put_digits(target, parts.tm_hour, 2, ':');
    target = put_digits(target, parts.tm_min, 2, ':');
    target = put_digits(target, parts.tm_sec, 2, '.');
    target = put_digits(target, (int)(ms % 1000), 3, 'Z');
    *target = '\0';
}

/* 0 when it is not in the form that write_time() writes. */
static int64_t read_time(const char *text)
{
    struct tm parts = {0};
    int ms = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest || sscanf(rest, ".%3dZ", &ms) != 1) {
        return 0;
    }
    return (int64_t)timegm(&parts) * 1000 + ms;
}

void tq__event_to_message(const struct tq_event *event, struct tq_message *out_message,
                          struct tq__message_parts *parts)
{
    struct tq_header *headers = parts->headers;
    size_t count = 0;
    parts->source[0] = '/';
    tq__id_copy(parts->source + 1, event->aggregate_type);
    write_time(parts->time, event->created_ms);
    headers[count++] = (struct tq_header){"ce_specversion", "1.0"};
    headers[count++] = (struct tq_header){"ce_id", event->id};
    headers[count++] = (struct tq_header){"ce_source", parts->source};
    headers[count++] = (struct tq_header){"ce_type", event->type};
    headers[count++] = (struct tq_header){"ce_subject", event->aggregate_id};
    headers[count++] = (struct tq_header){"ce_time", parts->time};
    headers[count++] = (struct tq_header){"content-type", "application/json"};
    if (event->traceparent) {
        headers[count++] = (struct tq_header){TRACEPARENT, event->traceparent};
    }
    for (size_t i = 0; i < event->headers_count; i++) {
        headers[count++] = event->headers[i];
    }
    *out_message = (struct tq_message){
        .topic = event->topic,
        .key = event->key,
        .headers = headers,
        .headers_count = count,
        .payload = event->payload,
        .payload_bytes = event->payload_bytes,
    };
}

static void read_header(const struct tq_header *header, struct tq_event *event,
                        struct tq__event_parts *parts)
{
    const char *name = header->name, *value = header->value;
    if (strcmp(name, "ce_id") == 0) {
        event->id = value;
    } else if (strcmp(name, "ce_type") == 0) {
        event->type = value;
    } else if (strcmp(name, "ce_subject") == 0) {
        event->aggregate_id = value;
    } else if (strcmp(name, "ce_source") == 0 && value[0] == '/') {
        tq__id_copy(parts->aggregate_type, value + 1);
        event->aggregate_type = parts->aggregate_type;
    } else if (strcmp(name, "ce_time") == 0) {
        event->created_ms = read_time(value);
    } else if (strcmp(name, TRACEPARENT) == 0) {
        event->traceparent = value;
    } else if (!is_reserved(name) && event->headers_count < TQ_EVENT_HEADERS_MAX) {
        parts->headers[event->headers_count++] = *header;
    }
}

int tq__event_of_message(const struct tq_message *message, struct tq_event *out_event,
                         struct tq__event_parts *parts, struct tq_error *err)
{
    *out_event = (struct tq_event){
        .size = sizeof *out_event,
        .topic = message->topic,
        .key = message->key,
        .payload = message->payload,
        .payload_bytes = message->payload_bytes,
        .headers = parts->headers,
    };
    for (size_t i = 0; i < message->headers_count; i++) {
        read_header(&message->headers[i], out_event, parts);
    }
    TQ_TRY(tq__id_check(out_event->id, "ce_id", ORIGIN, err));
    return check_event(out_event, err);
}
