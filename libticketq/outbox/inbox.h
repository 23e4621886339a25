/* SPDX-License-Identifier: MIT */
/*
 * What the files of the inbox share.
 */
#ifndef TQ_OUTBOX_INBOX_H
#define TQ_OUTBOX_INBOX_H

#include "outbox/event.h"
#include "outbox/window.h"
#include "store/ledger.h"

/* What a request came to, as far as its body saw it. */
enum tq__inbox_verdict {
    TQ__INBOX_NONE = 0, /* has not run, or the ledger failed */
    TQ__INBOX_BEHIND,   /* an earlier event of the key failed */
    TQ__INBOX_APPLIED,
    TQ__INBOX_REPEATED,
    TQ__INBOX_REFUSED, /* by the handler */
    TQ__INBOX_NEVER,   /* refused for good: to become a dead letter */
    TQ__INBOX_DEAD     /* has become one */
};

/* An event of the batch at hand. */
struct tq__inbox_entry {
    struct tq_inbox *inbox;
    struct tq__slot *slot;          /* NULL: dealt with */
    struct tq__inbox_entry *before; /* of the same key in this batch */
    struct tq__run *run;            /* while requests run */
    int result;                     /* of the last run */
    uint32_t verdict;
    int is_readable;
    struct tq_event event;
    struct tq__event_parts parts;
    struct tq_error err;
    int refusal;      /* why it is to become a dead letter */
    char reason[208]; /* the same in words */
};

struct tq_inbox {
    struct tq_env env;
    tq_store *store;
    tq_transport *transport;
    const struct tq_transport_driver *driver;
    void *state;
    void *transport_consumer;
    struct tq_inbox_options options;
    char consumer[TQ_ID_SIZE];
    char dead_letter_topic[TQ_TOPIC_MAX + 1];
    struct tq__window window;
    int64_t arrivals;
    struct tq_message *held;   /* by the slot's place; the driver's memory until acknowledged */
    struct tq_message *polled; /* taken, and on the way into the window */
    size_t polled_at, polled_count;
    struct tq__inbox_entry *entries;
    size_t entries_count;
    struct tq__run *runs;
    uint64_t *cookies;
    size_t cookies_count;
    const struct tq_event **applied; /* events to tell of behind the commit */
    uint32_t is_woken;               /* atomic, parked on: the next wait is none */
    struct tq_inbox_stats stats;
};

/* The body that makes an entry a dead letter. */
int tq__inbox_bury(tq_tx *tx, void *arg, struct tq_error *err);

#endif
