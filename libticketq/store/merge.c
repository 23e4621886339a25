/* SPDX-License-Identifier: MIT */
/*
 * Runs requests in transactions: one alone, or many in one.
 *
 * Merged: BEGIN; for each request SAVEPOINT, body, and RELEASE or ROLLBACK TO as
 * its result says; one COMMIT. What can come of it, and who is told:
 *
 *   the body's result is negative   its caller, the others go on
 *   savepoint, release or           nobody: the transaction is given up and each
 *   rollback_to fails, a statement  request is run again in one of its own, so
 *   asks for a retry, a deferred    that only the culprit fails
 *   constraint stops the commit
 *   begin or commit is busy         nobody: the whole is run again, until the
 *                                   waiting time is used up, then all
 *   begin or commit fails           all whose work would have been applied
 *
 * So a body may run more than once, and its result counts only with the commit.
 * Alone there is no savepoint: the transaction is the unit.
 *
 * Invariants: every begin is followed by exactly one commit or rollback; no
 * caller gets a result that is not negative for work that was not committed.
 * Waiting goes through the environment; without a way to wait there is one
 * attempt. Threads: the caller's own; one merged run at a time (core/combine).
 */
#include "store/ledger.h"

#include "core/backoff.h"

#define PAUSE_FIRST_MS 1
#define PAUSE_MAX_MS 50

/* An attempt ended without a result for anybody: */
enum again {
    DONE,  /* it has one */
    BUSY,  /* try the same once more */
    SPLIT, /* try each request alone */
};

static int begin(struct tq__ledger *ledger, uint32_t mode, tq_tx *tx, struct tq_error *err)
{
    *tx = (tq_tx){.ledger = ledger, .thread = pthread_self()};
    TQ_TRY(ledger->driver->begin(ledger->state, mode, &tx->conn, &tx->now_ms, err));
    pthread_mutex_lock(&ledger->running.lock);
    tx->next = ledger->running.first;
    ledger->running.first = tx;
    pthread_mutex_unlock(&ledger->running.lock);
    return TQ_OK;
}

static void leave(tq_tx *tx)
{
    struct tq__ledger *ledger = tx->ledger;
    pthread_mutex_lock(&ledger->running.lock);
    tq_tx **at = &ledger->running.first;
    while (*at != tx) {
        at = &(*at)->next;
    }
    *at = tx->next;
    pthread_mutex_unlock(&ledger->running.lock);
}

static void tell_watches(struct tq__ledger *ledger)
{
    pthread_mutex_lock(&ledger->watches.lock);
    for (struct tq__commit_watch *at = ledger->watches.first; at; at = at->next) {
        at->on_commit(at->arg);
    }
    pthread_mutex_unlock(&ledger->watches.lock);
}

static int commit(tq_tx *tx, struct tq_error *err)
{
    leave(tx);
    TQ_TRY(tx->ledger->driver->commit(tx->conn, err));
    tell_watches(tx->ledger);
    return TQ_OK;
}

static void rollback(tq_tx *tx)
{
    leave(tx);
    tx->ledger->driver->rollback(tx->conn);
}

/* Runs the body. A statement's failure stays one, also where the body forgot to return it. */
static void run_body(tq_tx *tx, struct tq__run *run)
{
    tx->failure = 0;
    tx->changed = 0;
    run->result = run->fn(tx, run->arg, &run->err);
    if (tx->failure && run->result >= 0) {
        run->result = tq__fail(&run->err, tx->failure, "ledger",
                               "the body went on after a statement had failed");
    }
}

int tq__run_result(const struct tq__run *run, struct tq_error *err)
{
    /* A body that failed without a word leaves the caller's record as it was. */
    if (run->result < 0 && run->err.status == run->result) {
        tq__fail_native(err, run->result, run->err.native, run->err.origin, "%s", run->err.message);
    }
    return run->result;
}

static enum again attempt_alone(struct tq__ledger *ledger, uint32_t mode, struct tq__run *run)
{
    tq_tx tx;
    run->result = begin(ledger, mode, &tx, &run->err);
    if (run->result < 0) {
        return run->result == TQ_E_BUSY ? BUSY : DONE;
    }
    run_body(&tx, run);
    if (run->result < 0 || mode == TQ_TX_READ) {
        rollback(&tx);
        return tx.failure == TQ_E_BUSY ? BUSY : DONE;
    }
    int status = commit(&tx, &run->err);
    if (status < 0) {
        run->result = status;
    }
    return status == TQ_E_BUSY ? BUSY : DONE;
}

void tq__ledger_run_alone(struct tq__ledger *ledger, uint32_t mode, struct tq__run *run)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    uint32_t left_ms = ledger->busy_timeout_ms;
    while (attempt_alone(ledger, mode, run) == BUSY &&
           tq__backoff_wait(&backoff, ledger->env, &left_ms)) {
    }
}

static struct tq__run *next_run(const struct tq__run *run)
{
    return (struct tq__run *)run->item.next;
}

/* Runs one of many. TQ_OK when the transaction can go on, whatever became of the request. */
static int run_guarded(tq_tx *tx, struct tq__run *run)
{
    const struct tq_ledger_driver *driver = tx->ledger->driver;
    TQ_TRY(driver->savepoint(tx->conn, NULL));
    run_body(tx, run);
    if (tx->failure == TQ_E_BUSY) {
        return TQ_E_BUSY;
    }
    return run->result < 0 ? driver->rollback_to(tx->conn, NULL) : driver->release(tx->conn, NULL);
}

/* `*out_status` is what happened to the transaction as a whole. */
static enum again attempt_merged(struct tq__ledger *ledger, struct tq__run *first, int *out_status,
                                 struct tq_error *err)
{
    tq_tx tx;
    int is_wanted = 0;
    for (struct tq__run *run = first; run; run = next_run(run)) {
        run->result = TQ_OK;
    }
    *out_status = begin(ledger, TQ_TX_WRITE, &tx, err);
    if (*out_status < 0) {
        return *out_status == TQ_E_BUSY ? BUSY : DONE;
    }
    for (struct tq__run *run = first; run; run = next_run(run)) {
        if (run_guarded(&tx, run) < 0) {
            rollback(&tx);
            return SPLIT;
        }
        is_wanted |= run->result >= 0;
    }
    if (!is_wanted) {
        rollback(&tx);
        return DONE;
    }
    *out_status = commit(&tx, err);
    return *out_status == TQ_E_BUSY ? BUSY : *out_status == TQ_E_INVALID ? SPLIT : DONE;
}

/* Tells a failure of the whole to those whose work would have been applied. */
static void fail_all(struct tq__run *first, int status, const struct tq_error *err)
{
    for (struct tq__run *run = first; run; run = next_run(run)) {
        if (run->result >= 0) {
            run->result =
                tq__fail_native(&run->err, status, err->native, err->origin, "%s", err->message);
        }
    }
}

void tq__ledger_run_merged(struct tq__ledger *ledger, struct tq__run *first)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    uint32_t left_ms = ledger->busy_timeout_ms;
    struct tq_error err = TQ_ERROR_INIT;
    enum again again;
    int status;
    do {
        again = attempt_merged(ledger, first, &status, &err);
    } while (again == BUSY && tq__backoff_wait(&backoff, ledger->env, &left_ms));
    if (again == SPLIT) {
        for (struct tq__run *run = first; run; run = next_run(run)) {
            tq__ledger_run_alone(ledger, TQ_TX_WRITE, run);
        }
    } else if (status < 0) {
        fail_all(first, status, &err);
    }
}
