/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/outbox.h
 * @brief Telling others of a change exactly as often as it happened.
 *
 * An event is saved in the same transaction as the change it tells of
 * (tq_outbox_append), is published at least once and in order per key by a
 * relay, and is applied exactly once by an inbox, which records (consumer,
 * event) in the handler's transaction. What an inbox refuses leaves as a dead letter
 * through the outbox of its own store: a relay has to run there, too.
 *
 * Tables: outbox_events, _blocked, _partitions, _relays and processed_events, in the
 * database of the service that owns them. tq_outbox_prepare() makes them: call it at
 * each start, before anything else here; until then all of it is TQ_E_INVALID. A relay or
 * an inbox that is opened says so; a program that only appends hears the name of a
 * table that does not exist from its first append. Work goes on in steps that the host
 * calls, from one process or many. Threads: append belongs to its transaction;
 * a relay and an inbox are [serial], but for their wake, and a host may open several.
 */
#ifndef TICKETQ_OUTBOX_H
#define TICKETQ_OUTBOX_H

#include <ticketq/ledger.h>
#include <ticketq/transport.h>

typedef struct tq_relay tq_relay;
typedef struct tq_inbox tq_inbox;

/** An event. Strings are borrowed; where the library hands one out, during the call. */
struct tq_event {
    size_t size;
    const char *id;             /**< An id. NULL in append: a UUIDv7 (RFC 9562) is made. */
    const char *topic;          /**< Required. "order.events"; ids and dots, 1 to 120 bytes. */
    const char *type;           /**< Required. "ReservationConfirmed"; an id. */
    const char *aggregate_type; /**< Required. An id. */
    const char *aggregate_id;   /**< Required. An id. */
    const char *key;            /**< Order is kept per key. An id. Default: aggregate_id. */
    const char *payload;        /**< JSON object. Need not end in NUL; when handed out it does. */
    size_t payload_bytes;       /**< 2 to TQ_EVENT_PAYLOAD_MAX. */
    const char *traceparent;    /**< W3C Trace Context. Optional. */
    int64_t created_ms;         /**< Set by the library from the database's clock. */
    const struct tq_header *headers; /**< More headers. Optional. */
    size_t headers_count;            /**< At most TQ_EVENT_HEADERS_MAX. */
    uint32_t is_id_new; /**< append: the host has just made the id, so nobody asks whether it is
                             there already; if it is, that is TQ_E_INVALID. Saves a round trip. */
    uint32_t reserved;
};

/** Most headers of an event. */
#define TQ_EVENT_HEADERS_MAX 16

/*
 * Headers of an event in a dead-letter topic. Type, key, aggregate and payload are the
 * refused event's own, and so are the first of its headers, as many as fit; the id is a new one.
 */
#define TQ_DEAD_ID "dead-id"             /**< Header: id of the refused event. */
#define TQ_DEAD_TOPIC "dead-topic"       /**< Header: topic it came from. */
#define TQ_DEAD_CONSUMER "dead-consumer" /**< Header: who refused it. */
#define TQ_DEAD_STATUS "dead-status"     /**< Header: "TQ_E_INVALID". */
#define TQ_DEAD_REASON "dead-reason"     /**< Header: the handler's message. */

/** How a relay works. */
struct tq_relay_options {
    size_t size;
    const char *owner;       /**< Required. An id, different for each relay that runs, and the
                                  same after a restart: it then takes its leases back at once. */
    uint32_t partitions_max; /**< Most partitions to lease; default all. */
    uint32_t batch;          /**< Events per step, at most TQ_BATCH_MAX. Default 512. */
    uint32_t lease_ms;       /**< 100 to 3600000; two thirds of it longer than the transport may
                                  take to publish. Default 30000. */
    uint32_t attempts_max;   /**< Refusals after which an event is parked. Default 8. */
};

/** What a relay step did. */
struct tq_relay_stats {
    size_t size;
    uint32_t published; /**< Acknowledged and removed. */
    uint32_t failed;    /**< To be tried again. */
    uint32_t parked;    /**< Put aside with a reason. */
    uint32_t waiting;   /**< Handed to the transport, not acknowledged yet. */
};

/** Depth of an outbox. */
struct tq_outbox_stats {
    size_t size;
    uint64_t pending;
    uint64_t parked;
    int64_t oldest_ms; /**< Age in milliseconds of the oldest pending event of a key of which none
                            was refused; 0 when there is none. */
};

/** A parked event. */
struct tq_parked {
    size_t size;
    struct tq_event event;
    uint32_t attempts;
    uint32_t reserved;
    const char *reason;
};

/**
 * Apply an event, in the inbox's transaction. TQ_OK or a positive outcome: applied,
 * never again. TQ_E_INVALID, TQ_E_CORRUPT, TQ_E_LIMIT, TQ_E_UNSUPPORTED: can never be
 * applied, goes to the dead-letter topic with the message of `err`. Any other failure:
 * undone and tried again. `event` is valid during the call.
 */
typedef int tq_event_fn(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *err);

/**
 * Called once a step, behind the commit, with the events that it applied: 1 to the inbox's
 * `batch`, those of a key in their order. They are valid during the call. What must not get
 * lost belongs in the handler: a process that dies in between never makes this call.
 */
typedef void tq_applied_fn(const struct tq_event *const events[], size_t count, void *arg);

/** How an inbox works. */
struct tq_inbox_options {
    size_t size;
    const char *consumer;          /**< Required. An id; also the consumer group. Copied. */
    const char *const *topics;     /**< Required. Copied. */
    size_t topics_count;           /**< 1 to TQ_BATCH_MAX. */
    const char *dead_letter_topic; /**< Required. "dlq.reservation". Copied. */
    tq_event_fn *handler;          /**< Required. */
    tq_applied_fn *applied;        /**< Optional. */
    void *arg;                     /**< Handed to both. */
    uint32_t batch;                /**< Events per step, at most TQ_BATCH_MAX. Default 256. */
    uint32_t attempts_max;         /**< Failures after which an event is a dead letter. 0: never. */
};

/** What an inbox step did. */
struct tq_inbox_stats {
    size_t size;
    uint32_t applied;
    uint32_t repeated; /**< Were applied before. */
    uint32_t failed;   /**< To be tried again. */
    uint32_t dead;     /**< Dead letters, which are in the outbox now. */
};

/** Called per parked event; a non-zero result stops. */
typedef int tq_parked_fn(void *arg, const struct tq_parked *parked);

TQ_BEGIN_DECLS

/** Create or migrate the tables of outbox and inbox; TQ_REPEAT from the second start on, as of
    tq_ledger_migrate(). @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_outbox_prepare(tq_store *store, struct tq_error *err);

/**
 * Save events in the caller's transaction.
 *
 * Write the aggregate's row before, in the same transaction: then the order of
 * events of a key is the order of the commits.
 *
 * @param tx      Borrowed.
 * @param events  Copied.
 * @param count   1 to TQ_BATCH_MAX.
 * @param err     Optional.
 * @return TQ_OK      Saved with the transaction.
 * @return TQ_REPEAT  An event of that id is there already. None were saved.
 * @return TQ_E_INVALID, TQ_E_LIMIT  A field is not allowed.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_outbox_append(tq_tx *tx, const struct tq_event *events, size_t count,
                                          struct tq_error *err);

/** Read depth and age. @param store Borrowed. @param out_stats `size` set. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_outbox_stats(tq_store *store, struct tq_outbox_stats *out_stats,
                                         struct tq_error *err);
/** List up to `limit` parked events, oldest first; a result of `visit` that is not 0 is passed on.
    @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_outbox_parked(tq_store *store, size_t limit, tq_parked_fn *visit,
                                          void *arg, struct tq_error *err);
/** Publish a parked event, and those that wait behind it, again. TQ_GONE: not parked. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_outbox_retry(tq_store *store, const char *event_id,
                                         struct tq_error *err);
/** Remove up to `limit` inbox rows older than `age_ms`. TQ_EMPTY: none. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_inbox_clean(tq_store *store, int64_t age_ms, size_t limit,
                                        struct tq_error *err);

/** Open a relay from a store's outbox to a transport. References are kept. TQ_E_UNSUPPORTED: the
    store has no ledger. TQ_E_LIMIT: `batch` or `lease_ms`. TQ_E_INVALID: also when the lease is
    too short for the transport, or tq_outbox_prepare() has not been called. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_relay_open(tq_store *store, tq_transport *transport,
                                       const struct tq_relay_options *options, tq_relay **out_relay,
                                       struct tq_error *err);
/**
 * Publish what is pending and remove what was acknowledged.
 *
 * @param relay      Borrowed.
 * @param wait_ms    Longest wait when there is nothing to do, at most a second: ended by an
 *                   acknowledgement and by a commit on the store, on PostgreSQL another
 *                   process's too, but not by that of an adopted transaction (tq_relay_wake).
 *                   Rather wait here than between steps.
 * @param out_stats  Optional, `size` set. Written on TQ_OK and TQ_EMPTY.
 * @param err        Optional.
 * @return TQ_OK     Something was done; call again at once.
 * @return TQ_EMPTY  Nothing could be done: nothing is pending, others lease it, or the
 *                   transport has not acknowledged yet.
 * @return TQ_E_UNAVAILABLE, TQ_E_UNKNOWN and other failures: nothing is lost and no event is
 *         blamed; call again after a pause.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_relay_step(tq_relay *relay, uint32_t wait_ms,
                                       struct tq_relay_stats *out_stats, struct tq_error *err);
/** End the wait of a step, or of the next one. From any thread; NULL is allowed. @since 0.1 */
TQ_API void tq_relay_wake(tq_relay *relay);
/** Hand leases back and close. NULL is allowed. @since 0.1 */
TQ_API void tq_relay_close(tq_relay *relay);

/** Open an inbox and subscribe. References are kept. With inproc, open inboxes before relays.
    TQ_E_UNSUPPORTED: the store has no ledger. TQ_E_INVALID: also when tq_outbox_prepare() has not
    been called. @since 0.1 */
TQ_API TQ_MUST_CHECK int tq_inbox_open(tq_store *store, tq_transport *transport,
                                       const struct tq_inbox_options *options, tq_inbox **out_inbox,
                                       struct tq_error *err);
/**
 * Apply what has arrived: a batch in one transaction, each event for itself.
 *
 * @param inbox      Borrowed.
 * @param wait_ms    Longest wait for a first event.
 * @param out_stats  Optional, `size` set. Written on TQ_OK and TQ_EMPTY.
 * @param err        Optional.
 * @return TQ_OK, TQ_EMPTY or a failure: nothing is lost, call again later.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_inbox_step(tq_inbox *inbox, uint32_t wait_ms,
                                       struct tq_inbox_stats *out_stats, struct tq_error *err);
/** End the wait of a step, or of the next one. From any thread; NULL is allowed. @since 0.1 */
TQ_API void tq_inbox_wake(tq_inbox *inbox);
/** Unsubscribe and close. NULL is allowed. @since 0.1 */
TQ_API void tq_inbox_close(tq_inbox *inbox);

/**
 * Claim events for a consumer, for hosts with a transport of their own.
 *
 * @param tx         The handler's transaction. Borrowed.
 * @param consumer   An id. Borrowed.
 * @param event_ids  Borrowed.
 * @param count      1 to TQ_BATCH_MAX.
 * @param out_fresh  `count` elements: 1 to apply, 0 applied before. Written on TQ_OK.
 * @param err        Optional.
 * @return TQ_OK or a failure.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_inbox_claim(tq_tx *tx, const char *consumer,
                                        const char *const *event_ids, size_t count,
                                        uint8_t *out_fresh, struct tq_error *err);

/**
 * Tell the event of a dead letter once more: to the topic it came from, under its own id and with
 * its own headers. The consumer that refused it forgets that it did; others, which have applied
 * it, leave it out. What came behind it of its key was applied meanwhile: it is up to the host
 * whether the event may come late.
 *
 * @param tx      Of the ledger that the consumer's inbox is on. Borrowed.
 * @param letter  As an inbox on the dead-letter topic hands it out. Borrowed.
 * @param err     Optional.
 * @return TQ_OK         It is in the outbox.
 * @return TQ_GONE       That consumer holds no such event dead: it was replayed before.
 * @return TQ_REPEAT     The event that was refused is still in this outbox: ask again later.
 * @return TQ_E_INVALID  Not a letter, or the letter of a message that was no event.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_inbox_replay(tq_tx *tx, const struct tq_event *letter,
                                         struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_OUTBOX_H */
