/* SPDX-License-Identifier: MIT */
/*
 * The three forms of an event: the host's record, the row, the message.
 */
#ifndef TQ_OUTBOX_EVENT_H
#define TQ_OUTBOX_EVENT_H

#include <ticketq/outbox.h>

#include "core/bytes.h"
#include "transport/transport.h"

#define TQ__PARTITIONS 64
/* Of a key, for ever: it is in the rows. */
static inline uint32_t tq__partition_of(const char *key)
{
    return tq__hash(key) % TQ__PARTITIONS;
}

/* CloudEvents attributes, content type, trace and the host's own. */
#define TQ__MESSAGE_HEADERS_MAX (8 + TQ_EVENT_HEADERS_MAX)
/* Columns of a row, in the order of every statement that reads one. */
#define TQ__ROW_COLUMNS 12

/* A row, with its texts in a buffer that grows while rows are read. */
struct tq__row {
    int64_t id;
    int64_t created_ms;
    uint32_t partition;
    uint32_t attempts;
    size_t text_at;
    size_t payload_bytes;
};

/* What an event taken from a row or a message points into, besides its source. */
struct tq__event_parts {
    struct tq_header headers[TQ_EVENT_HEADERS_MAX];
    char aggregate_type[TQ_ID_SIZE];
};

/* Headers of a message made from an event, and what they point into. */
struct tq__message_parts {
    struct tq_header headers[TQ__MESSAGE_HEADERS_MAX];
    char source[TQ_ID_SIZE + 1];
    char time[32];
};

/* outbox.c: TQ_OK; TQ_E_INVALID: the tables are known not to be there, or to be of an old release.
   A ledger that cannot be asked now is the affair of whoever needs it. */
int tq__outbox_check(tq_store *store, struct tq_error *err);

/* Read a host's event, check it and fill in what may be left out, but for the id. */
int tq__event_read(struct tq_event *target, const struct tq_event *event, struct tq_error *err);
/* The column `headers`: one line a header, traceparent among them. */
void tq__event_put_headers(struct tq__buf *buf, const struct tq_event *event);

/* Keep a row. After the last one: tq__buf_check(). */
void tq__row_keep(struct tq__row *row, struct tq__buf *text, const struct tq_value *columns);
/* The event of a kept row; cuts the header lines apart where they are, so once per row. */
void tq__row_event(const struct tq__row *row, struct tq__buf *text, struct tq_event *out_event,
                   struct tq__event_parts *parts);

/* CloudEvents 1.0 in binary mode. Both results point into their arguments. */
void tq__event_to_message(const struct tq_event *event, struct tq_message *out_message,
                          struct tq__message_parts *parts);
/* TQ_E_INVALID, TQ_E_LIMIT: it is not an event of ours. */
int tq__event_of_message(const struct tq_message *message, struct tq_event *out_event,
                         struct tq__event_parts *parts, struct tq_error *err);

#endif
