/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/store.h
 * @brief Where rooms, holds and ledgers live: opened by URL.
 *
 *     memory:                    rooms and fronts of holds in this process
 *     redis://host:6379/0        the same on a Redis 7 server or cluster, shared by processes
 *     sqlite:/path/to/file.db    ledger in one file; `sqlite::memory:` for tests
 *     postgres://user:password@host:port/database?schema=name
 *                                ledger in a schema of a server, shared by processes
 *
 * A driver fills the tables it can; tq_store_caps() says which. An option that is not
 * known is refused. What stands before the `?` may be percent-encoded; the last `@` ends
 * a password. Times are milliseconds.
 *
 * redis://[[user]:password@]host[:port][,host[:port]...][/db]
 *
 *     cluster=1          a Redis Cluster; the hosts are the first to ask, one is enough
 *     prefix=shop-       before every key: several shops in one Redis
 *     connections=2      to each server
 *     connect_ms=1000, timeout_ms=5000   for a connection, for an answer
 *     wait_ms=1000       how long a call waits for a server that is not there, is
 *                        loading, or is being replaced, before it is TQ_E_UNAVAILABLE
 *
 * sqlite:/path/to/file.db
 *
 *     synchronous=full   normal: the last commits may not survive a loss of power
 *     create=1           0: a file that is not there is TQ_E_INVALID
 *
 * postgres://[user[:password]@][host][:port]/database, without a password as libpq finds it
 *
 *     schema=public      whose tables these are: a service has a schema and a role of its own.
 *                        It is made where it is not there and the role may; the role needs
 *                        USAGE on it, and CREATE for the tables
 *     create=1           0: a schema that is not there is TQ_E_INVALID
 *     prepared=1         0: prepare nothing on the server, nor listen to other processes: for
 *                        poolers that hand out a connection per transaction and keep no
 *                        prepared statements (PgBouncer before 1.21)
 *     listen=1           0: neither tell other processes of commits nor listen to theirs: for
 *                        such poolers that do keep prepared statements
 *     connect_ms=3000    for a connection
 *     timeout_ms=30000   for a statement, on the server and for its answer
 *     idle_ms=30000      for a body between two statements, before the server gives it up
 *     wait_ms=1000       as above
 *     host=/run/postgresql   a folder of Unix sockets, or any host, but one: where a standby may
 *                        take over, an address or a proxy that follows
 *     sslmode=prefer, sslrootcert=   as libpq has them
 *
 * A server that takes no writes, as a standby, is TQ_E_UNAVAILABLE; a store that is open reads.
 *
 * Threads: [any] for every function and every object that is opened on a store.
 */
#ifndef TICKETQ_STORE_H
#define TICKETQ_STORE_H

#include <ticketq/env.h>
#include <ticketq/status.h>

typedef struct tq_store tq_store;
struct tq_store_driver;

#define TQ_STORE_ROOM 1u    /**< Rooms can be kept here. */
#define TQ_STORE_HOLD 2u    /**< A front for seat holds. */
#define TQ_STORE_LEDGER 4u  /**< Transactions; holds, outbox, inbox and sagas by SQL. */
#define TQ_STORE_DURABLE 8u /**< What was acknowledged survives a crash of the process. */
#define TQ_STORE_SHARED 16u /**< Several processes may use it at once. */
/** Who writes waits for all who write, so no row is seen later than one with a higher number. */
#define TQ_STORE_SERIAL 32u

/** How to open a store. */
struct tq_store_options {
    size_t size;
    const char *url;                      /**< Required. At most TQ_URL_MAX bytes. Copied. */
    const struct tq_store_driver *driver; /**< A driver of your own; NULL: chosen by the URL. */
    uint32_t busy_timeout_ms;             /**< Longest wait for a lock. Default 5000. */
    uint32_t readers;                     /**< Ledger: connections that only read, at most 64.
                                               Default 2. */
};

TQ_BEGIN_DECLS

/**
 * Open a store.
 *
 * @param env        Copied.
 * @param options    Borrowed.
 * @param out_store  Written on TQ_OK; close it with tq_store_close().
 * @param err        Optional.
 * @return TQ_OK             Open.
 * @return TQ_E_INVALID      The URL is malformed, names no driver, or has an option that the
 *                           driver does not know.
 * @return TQ_E_UNSUPPORTED  The driver is not in this build.
 * @return TQ_E_ABI          The driver or a struct is of another release.
 * @return TQ_E_UNAVAILABLE  It could not be reached.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_store_open(const struct tq_env *env,
                                       const struct tq_store_options *options, tq_store **out_store,
                                       struct tq_error *err);

/**
 * Give up the caller's reference; what is still open on the store keeps it alive.
 *
 * @param store  Taken. NULL is allowed.
 * @since 0.1
 */
TQ_API void tq_store_close(tq_store *store);

/**
 * Say what the store can do.
 *
 * @param store  Borrowed.
 * @return A set of TQ_STORE_... flags.
 * @since 0.1
 */
TQ_API uint32_t tq_store_caps(const tq_store *store);

/**
 * Read the store's own clock, by which every expiry is decided.
 *
 * @param store       Borrowed.
 * @param out_now_ms  Written on TQ_OK. Milliseconds since the Unix epoch.
 * @param err         Optional.
 * @return TQ_OK or a failure of the driver.
 * @since 0.1
 */
TQ_API TQ_MUST_CHECK int tq_store_now(tq_store *store, int64_t *out_now_ms, struct tq_error *err);

TQ_END_DECLS
#endif /* TICKETQ_STORE_H */
