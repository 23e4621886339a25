/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/transport.h
 * @brief What somebody who writes a transport driver reads.
 *
 * A transport carries messages from producers (relays) to groups of consumers
 * (inboxes). It promises little, so that a broker, a queue server or a list in
 * memory can be one:
 *
 *   - a message is delivered at least once to every group that subscribed to
 *     its topic before it was published;
 *   - messages of one topic and key reach a group in the order in which one
 *     producer published them, and at most one member of the group holds
 *     unacknowledged messages of a key;
 *   - publishing is asynchronous: every accepted message ends in exactly one
 *     report, and its publisher forgets it only after a good one.
 *
 * Trying again, waiting, order after a failure, dead letters and removing of
 * duplicates are not the driver's: the outbox does them for every transport.
 *
 * A driver is one constant table; hand it to tq_transport_open() in its options.
 * Rules for every slot: `state`, `producer` and `consumer` are the driver's own
 * records; outs are written on TQ_OK only; no slot calls back into the library;
 * every status is one that the slot's comment lists. Times to wait are relative,
 * so a driver needs no clock.
 */
#ifndef TICKETQ_DRIVER_TRANSPORT_H
#define TICKETQ_DRIVER_TRANSPORT_H

#include <ticketq/transport.h>

/** Raised when a slot changes its meaning; slots are only ever appended otherwise. */
#define TQ_TRANSPORT_ABI 1u

/** What was published is kept when this process dies. */
#define TQ_TRANSPORT_DURABLE 1u
/** Other processes can publish and subscribe. */
#define TQ_TRANSPORT_SHARED 2u

/** A message. The layout belongs to the ABI number. */
struct tq_message {
    const char *topic;
    const char *key; /**< Never NULL. */
    const struct tq_header *headers;
    size_t headers_count;
    const char *payload; /**< Need not end in NUL. */
    size_t payload_bytes;
    uint64_t cookie; /**< Publishing: comes back in the report. Polling: names it for `ack`. */
};

/** What became of a published message. */
struct tq_report {
    uint64_t cookie;
    int32_t status; /**< See the slot `reports`. */
    uint32_t reserved;
};

/** What `open` gets. Borrowed during the call, but for `env`, which outlives the state. */
struct tq_transport_config {
    size_t size;
    const struct tq_env *env;
    const char *scheme; /**< "inproc" of "inproc:?capacity=100". */
    const char *path;   /**< Percent-decoded. */
    const char *query;  /**< As it was; "" when there is none. */
};

/** A transport driver. */
struct tq_transport_driver {
    size_t size;       /**< sizeof, as the driver was compiled. */
    uint32_t abi;      /**< TQ_TRANSPORT_ABI. */
    uint32_t caps;     /**< A set of TQ_TRANSPORT_... flags. */
    const char *name;  /**< URL scheme; unique, lower case. */
    size_t state_size; /**< Bytes the core allocates, zeroed and aligned for any type. */

    /* Required since ABI 1. */

    /**
     * Make the state ready. Must not wait for a broker that is away: publishing
     * and polling report that. May block for a name lookup. Called once per state;
     * after a failure `close` is called on what is there.
     * @return TQ_OK, TQ_E_INVALID, TQ_E_UNAVAILABLE, TQ_E_NOMEM.
     */
    int (*open)(void *state, const struct tq_transport_config *config, struct tq_error *err);
    /**
     * Let go of everything. Accepts whatever `open` can leave behind. Called once,
     * last, after every producer and consumer was closed. May block for the network,
     * for a bounded time.
     */
    void (*close)(void *state);

    /**
     * Make a publisher with reports of its own. Does not block for the network. May be
     * called at the same time on one state.
     * @return TQ_OK, TQ_E_INVALID (a setting), TQ_E_NOMEM, TQ_E_UNAVAILABLE.
     */
    int (*producer_open)(void *state, void **out_producer, struct tq_error *err);
    /**
     * Let go of a producer. Messages without a report may be delivered or not; nobody
     * is told. Should drop what was not sent yet. May block for a bounded time. One
     * call, last, on a producer.
     */
    void (*producer_close)(void *state, void *producer);
    /**
     * Take over messages, in order: the first `*out_accepted` of them, all of which get
     * a report. A full queue is told by accepting fewer, or TQ_FULL for none, and so is what
     * must not follow before others are reported, or their topic is there. A message
     * that can never be sent is accepted and reported with its reason. Must not drop, must
     * not wait for the network. One call at a time per producer; producers at the same
     * time. Messages and what they point to are borrowed: copied before it returns.
     * @return TQ_OK with 1..count accepted; none accepted: TQ_FULL, TQ_E_NOMEM,
     *         TQ_E_UNAVAILABLE.
     */
    int (*publish)(void *state, void *producer, const struct tq_message *messages, size_t count,
                   size_t *out_accepted, struct tq_error *err);
    /**
     * Collect reports of this producer: at least one, waiting up to `timeout_ms` for it, at
     * most `max`. TQ_OK in a report: delivered, as safely as the transport can. A report
     * with TQ_E_UNAVAILABLE (not sent) or TQ_E_UNKNOWN (perhaps) is the transport's own
     * trouble; with TQ_E_INVALID, TQ_E_LIMIT or TQ_E_UNSUPPORTED it refuses this message.
     * Returns early after `wake`, also when that came first. One call at a time per
     * producer, also at the same time as `wake`.
     * @return TQ_OK with 1..max reports, TQ_EMPTY, TQ_E_INVALID (a setting), TQ_E_NOMEM,
     *         TQ_E_UNAVAILABLE.
     */
    int (*reports)(void *state, void *producer, struct tq_report *out_reports, size_t max,
                   uint32_t timeout_ms, size_t *out_count, struct tq_error *err);
    /** End a wait in `reports`, or the next one. Does not block. From any thread. */
    void (*wake)(void *state, void *producer);

    /**
     * Join a group and subscribe it to topics. What the group has not acknowledged yet
     * comes to this consumer or to its other members. Does not block for the network. May
     * be called at the same time on one state. Strings are borrowed.
     * @return TQ_OK, TQ_E_INVALID, TQ_E_NOMEM, TQ_E_UNAVAILABLE.
     */
    int (*consumer_open)(void *state, const char *group, const char *const *topics,
                         size_t topics_count, void **out_consumer, struct tq_error *err);
    /**
     * Leave the group. Messages that were not acknowledged go to another member, now or
     * later, and none is lost; the group stays subscribed. May block for a bounded time.
     */
    void (*consumer_close)(void *state, void *consumer);
    /**
     * Take messages: at least one, waiting up to `timeout_ms` for it, at most `max`. They and
     * what they point to belong to the driver and stay valid until they are acknowledged or
     * the consumer is closed; a NUL that is not counted ends each payload. Not given twice to
     * one consumer. One call at a time per consumer.
     * @return TQ_OK with 1..max messages, TQ_EMPTY, TQ_E_INVALID (a setting), TQ_E_NOMEM,
     *         TQ_E_UNAVAILABLE.
     */
    int (*poll)(void *state, void *consumer, struct tq_message *out_messages, size_t max,
                uint32_t timeout_ms, size_t *out_count, struct tq_error *err);
    /**
     * Acknowledge: these were dealt with for good. In any order; a message that is not
     * acknowledged must come again after a crash, also when later ones were. May be lazy.
     * Does not block for the network. One call at a time per consumer, not beside `poll`.
     */
    void (*ack)(void *state, void *consumer, const uint64_t *cookies, size_t count);

    /* Optional since ABI 1. */

    /**
     * End a wait in `poll`, or the next one. Does not block. From any thread. Without it
     * such a wait lasts until a message comes or its time is over.
     */
    void (*consumer_wake)(void *state, void *consumer);
    /**
     * Tell the longest time from `publish` to the report, in milliseconds, or 0 when there is
     * no such limit. A relay whose lease could end before refuses to be opened. Does not
     * block. From any thread.
     */
    uint32_t (*report_ms)(void *state);
    /**
     * Ask whether the transport can be used now, waiting up to `timeout_ms`: for a program that
     * wants to say when it is ready. Must change nothing. May be called at the same time on one
     * state. Without it the answer is TQ_OK.
     * @return TQ_OK, TQ_E_NOMEM, TQ_E_UNAVAILABLE with the reason.
     */
    int (*reach)(void *state, uint32_t timeout_ms, struct tq_error *err);
};

#endif /* TICKETQ_DRIVER_TRANSPORT_H */
