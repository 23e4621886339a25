/* SPDX-License-Identifier: MIT */
/*
 * What the files of the ledger share, and what outbox and hold see of it.
 */
#ifndef TQ_STORE_LEDGER_H
#define TQ_STORE_LEDGER_H

#include <pthread.h>

#include "core/combine.h"
#include "store/store.h"

/*
 * Somebody who waits for news: a set of bits that a body tells with its transaction. The outbox
 * tells a bit for each partition that it appended to.
 *
 * `on_commit` is called after each commit of this process with news that are wanted, before its
 * callers return, and when another process's commit is heard of. Short, and without a call to
 * the ledger: it wakes somebody.
 */
struct tq__commit_watch {
    struct tq__commit_watch *next;
    void (*on_commit)(void *arg);
    void *arg;
    uint64_t wanted; /* atomic; no other process is told of these */
    uint32_t word;   /* of tq__ledger_wait() */
};

/* `watch` is the caller's and stays where it is until it is removed. */
void tq__ledger_watch(tq_store *store, struct tq__commit_watch *watch);
/* After this it is not called any more and not being called either. */
void tq__ledger_unwatch(tq_store *store, struct tq__commit_watch *watch);

/* True when other processes' commits are heard of, but only by who waits here. */
int tq__ledger_hears(tq_store *store);
/*
 * Wait for news, at most `timeout_ms`; news since tq__ledger_attend() end the wait before it
 * begins. May return early. For stores that hear.
 */
void tq__ledger_wait(tq_store *store, struct tq__commit_watch *watch, uint32_t timeout_ms);
/* What comes from now on counts: before one looks for what has come. */
void tq__ledger_attend(struct tq__commit_watch *watch);
/* End a wait, or the next one. */
void tq__ledger_wake(tq_store *store, struct tq__commit_watch *watch);

/* A store's ledger: made by tq__ledger_attach(). */
struct tq__ledger {
    const struct tq_ledger_driver *driver;
    void *state;
    const struct tq_env *env;
    uint32_t busy_timeout_ms;
    struct tq__combine combine; /* who waits to write */
    struct {
        int is_there;     /* begun for the next who writes, and what came of it: */
        int64_t begun_ms; /* by the host's clock */
        int status;
        void *conn;
        int64_t now_ms;
        struct tq_error err;
    } early; /* the leader's */
    struct {
        pthread_mutex_t lock;
        struct tq_tx *first; /* transactions that a thread is running */
    } running;
    struct {
        pthread_mutex_t lock;
        struct tq__commit_watch *first;
    } watches;
    struct tq__listeners listeners; /* who waits for news */
};

/* A transaction; lives on the stack of the thread that runs it, an adopted one on the heap. */
struct tq_tx {
    struct tq__ledger *ledger;
    void *conn;
    int64_t now_ms;
    uint64_t changed; /* by the last statement */
    uint64_t news;    /* to be told with the commit */
    int failure;      /* of a statement: 0, or what the body has to return */
    int is_scanning;  /* a row is being looked at */
    pthread_t thread;
    struct tq_tx *next; /* in ledger->running */
};

/* Tell news once the transaction is committed; what was undone may be told, too. */
static inline void tq__tx_tell(tq_tx *tx, uint64_t news)
{
    tx->news |= news;
}

/* news.c, for ledger.c and merge.c: before a commit, those elsewhere; behind it, those here. */
void tq__ledger_tell(const tq_tx *tx);
void tq__ledger_told(struct tq__ledger *ledger, uint64_t news);
void tq__news_init(struct tq__ledger *ledger);
void tq__news_done(struct tq__ledger *ledger);

/* One request, with one of two kinds of body. Result and record are those of the last attempt. */
struct tq__run {
    struct tq__combine_item item; /* first */
    tq_tx_fn *fn;                 /* the body; NULL: `each` */
    tq_tx_each_fn *each;          /* a body for many */
    void *arg;
    int result;
    struct tq_error err;
};
#define TQ__RUN(body, argument)                                                                    \
    {                                                                                              \
        .fn = (body), .arg = (argument), .err = TQ_ERROR_INIT                                      \
    }
#define TQ__RUN_EACH(body, argument)                                                               \
    {                                                                                              \
        .each = (body), .arg = (argument), .err = TQ_ERROR_INIT                                    \
    }
/* Hand the result to the caller, with the record when it is a failure. */
int tq__run_result(const struct tq__run *run, struct tq_error *err);

/* For the combiner's leader: begin the transaction that its batch will run in. */
void tq__ledger_begin_early(struct tq__ledger *ledger);
/* Run a request in a transaction of its own; its result is in `run`. */
void tq__ledger_run_alone(struct tq__ledger *ledger, uint32_t mode, struct tq__run *run);
/* Run a list of at most TQ_EACH_MAX requests in one transaction; each has its own result. */
void tq__ledger_run_merged(struct tq__ledger *ledger, struct tq__run *first);

/*
 * The same as tq_ledger_run() for `count` >= 1 requests of one caller, which run in
 * this order and, mostly, in one transaction. TQ_OK when they ran: each has its result.
 */
int tq__ledger_run_many(tq_store *store, struct tq__run *runs, size_t count, struct tq_error *err);

/* The driver's `life`; 0 where it has none. */
uint64_t tq__ledger_life(tq_store *store);
int tq__ledger_of(tq_store *store, struct tq__ledger **out_ledger, struct tq_error *err);
/* migrate.c: how many steps of a scope the database has. TQ_E_INVALID: it never had any. */
int tq__ledger_version(tq_store *store, const char *scope, int64_t *out_version,
                       struct tq_error *err);
/* TQ_E_INVALID when this thread is running a transaction of the ledger. */
int tq__ledger_check_nesting(struct tq__ledger *ledger, struct tq_error *err);

#endif
