/* SPDX-License-Identifier: MIT */
/*
 * Dead letters: what a consumer can never apply goes to a topic of its own, with
 * the reason in its headers (outbox.h, TQ_DEAD_...).
 *
 * The refused event is claimed with the reason in the same transaction, so that
 * there is one letter however often the event is delivered, and so that the table
 * of claims tells what became of it also where nobody reads the topic. The letter
 * keeps the key: letters of a key stay in order.
 *
 * A message that is not an event of ours has no id to claim and may be a letter
 * twice. Its bytes are kept, the first 32 KiB of them, in base64url.
 *
 * The way back, when whatever stood in the way is mended: the letter's event is told
 * once more, to its old topic and under its old id, in the transaction that takes the
 * consumer's claim away. Those who applied it leave it out; the one that refused it
 * meets it as if for the first time. Without that claim nothing is told, so a letter
 * may be replayed any number of times. While the event's old row is still in the outbox the
 * claim stays, because that row may be the very delivery that was refused. Threads: the body's.
 */
#include "outbox/inbox.h"

#include <string.h>

#include "core/args.h"
#include "core/env.h"
#include "outbox/outbox_sql.h"

#define ORIGIN "outbox.inbox"
#define RAW_MAX 32768

static int claim_dead(tq_tx *tx, const struct tq__inbox_entry *entry, const char *reason,
                      struct tq_error *err)
{
    const struct tq_value params[] = {
        tq_text(entry->inbox->consumer),
        tq_text(entry->event.id),
        tq_int(tq_tx_now_ms(tx)),
        tq_text(reason),
    };
    TQ_TRY(tq_tx_exec(tx, OUTBOX_claim_dead, params, 4, NULL, NULL, err));
    return tq_tx_changed(tx) ? TQ_OK : TQ_REPEAT;
}

static int is_dead_header(const char *name)
{
    return strncmp(name, "dead-", 5) == 0;
}

/* The reasons first, then what fits of the event's own. */
static size_t put_headers(struct tq_header *target, const struct tq__inbox_entry *entry,
                          const struct tq_message *message, const char *status, const char *reason)
{
    const struct tq_event *event = &entry->event;
    size_t count = 0;
    target[count++] = (struct tq_header){TQ_DEAD_ID, entry->is_readable ? event->id : ""};
    target[count++] = (struct tq_header){TQ_DEAD_TOPIC, message->topic};
    target[count++] = (struct tq_header){TQ_DEAD_CONSUMER, entry->inbox->consumer};
    target[count++] = (struct tq_header){TQ_DEAD_STATUS, status};
    target[count++] = (struct tq_header){TQ_DEAD_REASON, reason};
    for (size_t i = 0; entry->is_readable && i < event->headers_count; i++) {
        if (count < TQ_EVENT_HEADERS_MAX && !is_dead_header(event->headers[i].name)) {
            target[count++] = event->headers[i];
        }
    }
    return count;
}

static int append_letter(tq_tx *tx, const struct tq__inbox_entry *entry, struct tq_event *letter,
                         const char *status, const char *reason, struct tq_error *err)
{
    struct tq_header headers[TQ_EVENT_HEADERS_MAX];
    const struct tq_inbox *inbox = entry->inbox;
    letter->topic = inbox->dead_letter_topic;
    letter->id = NULL;
    letter->headers = headers;
    letter->headers_count = put_headers(
        headers, entry, &inbox->held[entry->slot - inbox->window.slots], status, reason);
    return tq_outbox_append(tx, letter, 1, err);
}

/* A message that is not an event becomes one that carries its bytes. */
static int append_unreadable(tq_tx *tx, const struct tq__inbox_entry *entry, const char *status,
                             const char *reason, struct tq_error *err)
{
    const struct tq_inbox *inbox = entry->inbox;
    const struct tq_message *message = &inbox->held[entry->slot - inbox->window.slots];
    size_t bytes = message->payload_bytes < RAW_MAX ? message->payload_bytes : RAW_MAX;
    struct tq__buf text = TQ__BUF(&inbox->env);
    char *raw = tq__alloc(&inbox->env, RAW_MAX / 3 * 4 + 8, 1);
    if (raw) {
        tq__base64url_encode(raw, message->payload, bytes);
        tq__buf_format(&text, "{\"base64url\":\"%s\"}", raw);
        tq__release(&inbox->env, raw);
    }
    if (!raw || text.is_failed) {
        tq__buf_done(&text);
        return tq__nomem(ORIGIN, err);
    }
    struct tq_event letter = {
        .size = sizeof letter,
        .type = "Unreadable",
        .aggregate_type = "message",
        .aggregate_id = tq__id_is_valid(message->key) ? message->key : "unreadable",
        .payload = text.data,
        .payload_bytes = text.bytes,
    };
    int result = append_letter(tx, entry, &letter, status, reason, err);
    tq__buf_done(&text);
    return result;
}

int tq__inbox_bury(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct tq__inbox_entry *entry = arg;
    const char *status = tq_status_name(entry->refusal), *reason = entry->reason;
    entry->verdict = TQ__INBOX_DEAD;
    if (!entry->is_readable) {
        return append_unreadable(tx, entry, status, reason, err);
    }
    int claimed = claim_dead(tx, entry, reason, err);
    if (claimed != TQ_OK) {
        entry->verdict = TQ__INBOX_REPEATED;
        return claimed;
    }
    struct tq_event letter = entry->event;
    return append_letter(tx, entry, &letter, status, reason, err);
}

/* ---- the way back ---- */

static const char *reason_of(const struct tq_event *letter, const char *name)
{
    return tq__header(letter->headers, letter->headers_count, name);
}

static size_t keep_own_headers(struct tq_header *target, const struct tq_event *letter)
{
    size_t count = 0;
    for (size_t i = 0; i < letter->headers_count; i++) {
        if (!is_dead_header(letter->headers[i].name)) {
            target[count++] = letter->headers[i];
        }
    }
    return count;
}

int tq_inbox_replay(tq_tx *tx, const struct tq_event *letter, struct tq_error *err)
{
    struct tq_event event;
    struct tq_header headers[TQ_EVENT_HEADERS_MAX];
    TQ_TRY(TQ__REQUIRE(ORIGIN, err, tx));
    TQ_TRY(tq__event_read(&event, letter, err));
    const char *consumer = reason_of(&event, TQ_DEAD_CONSUMER), *id = reason_of(&event, TQ_DEAD_ID);
    event.id = id;
    event.topic = reason_of(&event, TQ_DEAD_TOPIC);
    TQ_TRY(tq__id_check(id, "the letter's " TQ_DEAD_ID, ORIGIN, err));
    TQ_TRY(tq__id_check(consumer, "the letter's " TQ_DEAD_CONSUMER, ORIGIN, err));
    TQ_TRY(tq__topic_check(event.topic, "the letter's " TQ_DEAD_TOPIC, ORIGIN, err));
    event.headers_count = keep_own_headers(headers, &event);
    event.headers = headers;
    const struct tq_value claim[] = {tq_text(consumer), tq_text(id)};
    TQ_TRY(tq_tx_exec(tx, OUTBOX_dead_touch, claim, 2, NULL, NULL, err));
    int status = tq_tx_changed(tx) ? tq_outbox_append(tx, &event, 1, err) : TQ_GONE;
    return status == TQ_OK ? tq_tx_exec(tx, OUTBOX_dead_unclaim, claim, 2, NULL, NULL, err)
                           : status;
}
