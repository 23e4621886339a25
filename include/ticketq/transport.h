/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/transport.h
 * @brief What carries events between services: opened by URL.
 *
 *     inproc:                      queues inside this process; `inproc:?capacity=65536`
 *     kafka://host:port,host:port  Apache Kafka; `kafka://k1:9092?partitions=12&replication=3`
 *
 * A transport is used by the relay (outbox.h), which publishes, and by inboxes,
 * which subscribe.
 *
 * inproc keeps messages in memory only, and needs no more: a message counts as
 * delivered when every group that is subscribed to its topic has applied it, and
 * only then does its outbox row go. After a crash the rows are published again
 * and the inboxes leave out what they had applied. A topic without a group is
 * delivered to nobody at once, therefore open inboxes before relays. A group
 * stays subscribed until the transport is closed, also when its inbox is not open.
 * At most `capacity` messages (1 to 1048576) and 64 MiB wait; a relay then waits too.
 *
 * kafka keeps messages in topics that it makes on demand, and whose partitions must not
 * be changed while events flow: a key would change its partition. Nor may a topic be
 * deleted: what was delivered to it is gone, and a consumer may take the beginning of its
 * successor for what it has read. Groups and topics begin with the `prefix` of the URL.
 * librdkafka beneath it runs threads of its own. Opening asks no broker: that none answers,
 * or that they refuse the password, is what the steps of relays and inboxes say. An option
 * that is not known is refused; times are milliseconds.
 *
 *     partitions=, replication=   of topics that are made; the broker's default
 *     create=1                    0: topics are made by others; without one an inbox fails
 *     prefix=                     before every topic and group
 *     timeout_ms=10000            for a message to be delivered
 *     linger_ms=2                 a batch waits for more
 *     capacity=16384              messages of a producer under way
 *     message_bytes=1000000       largest message, and largest batch, which becomes smaller
 *                                 where a topic takes less
 *     rebalance=cooperative       eager; server: the protocol of Kafka 4
 *     instance=                   static membership, an id
 *     session_ms=20000            a dead member is noticed after; more than brokers take to
 *                                 replace one of theirs (9 seconds and some, if not set)
 *     poll_ms=60000               a member that never polls is out after
 *     security=plaintext          ssl, sasl_plaintext, sasl_ssl
 *     sasl=, user=, password=     PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
 *     ca=, certificate=, key=, key_password=   files in PEM, and the password of one
 *
 * Threads: [any].
 */
#ifndef TICKETQ_TRANSPORT_H
#define TICKETQ_TRANSPORT_H

#include <ticketq/env.h>
#include <ticketq/status.h>

typedef struct tq_transport tq_transport;
struct tq_transport_driver;

/** Longest topic in bytes: ids joined by dots. */
#define TQ_TOPIC_MAX 120

/** A header of a message or an event. Text; borrowed. */
struct tq_header {
    const char *name;  /**< An id. */
    const char *value; /**< 0 to TQ_HEADER_VALUE_MAX bytes. */
};

/** Longest value of a header in bytes. */
#define TQ_HEADER_VALUE_MAX 512

/** How to open a transport. */
struct tq_transport_options {
    size_t size;
    const char *url;                          /**< Required. At most TQ_URL_MAX bytes. Copied. */
    const struct tq_transport_driver *driver; /**< A driver of your own; NULL: by the URL. */
};

TQ_BEGIN_DECLS

/**
 * Open a transport.
 *
 * @param env            Copied.
 * @param options        Borrowed.
 * @param out_transport  Written on TQ_OK; close it with tq_transport_close().
 * @param err            Optional.
 * @return TQ_OK             Open.
 * @return TQ_E_INVALID      The URL is malformed, names no driver, or has an option that the
 *                           driver does not know.
 * @return TQ_E_UNSUPPORTED  The driver is not in this build.
 * @return TQ_E_ABI          The driver or a struct is of another release.
 * @return another failure of the driver; those above connect later.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_transport_open(const struct tq_env *env,
                                           const struct tq_transport_options *options,
                                           tq_transport **out_transport, struct tq_error *err);

/**
 * Give up the caller's reference; relays and inboxes keep it alive.
 *
 * @param transport  Taken. NULL is allowed.
 * @since 0.1
 */
TQ_API void tq_transport_close(tq_transport *transport);

TQ_END_DECLS
#endif /* TICKETQ_TRANSPORT_H */
