/* SPDX-License-Identifier: MIT */
/*
 * Runs requests in transactions: one alone, or many in one.
 *
 * The leader begins its transaction before it takes its batch, so that who comes during that
 * round trip is part of it: on a server batches become larger by half.
 *
 * Merged, requests are in groups: those that brought the same body for many, in one; any
 * other in a group of its own. BEGIN; for each group SAVEPOINT, body, and RELEASE or
 * ROLLBACK TO as its results say; one COMMIT. What can come of it, and who is told:
 *
 *   the result of a request alone   its caller, the others go on
 *   in its group is negative
 *   of several in a group some      nobody yet: the group is undone. Those that did not
 *   have a negative result, or      fail run again as a group, then each that failed runs
 *   their body returns one          alone, behind a savepoint of its own
 *   savepoint, release or           nobody: the transaction is given up and each
 *   rollback_to fails, a statement  request is run again in one of its own, so
 *   asks for a retry, a deferred    that only the culprit fails
 *   constraint stops the commit
 *   begin or commit is busy         nobody: the whole is run again, until the
 *                                   waiting time is used up, then all
 *   begin or commit fails           all; what had been refused is certainly not applied
 *
 * So a body may run more than once, and a result counts only with the commit, a
 * refusal too: it may be for the sake of what others did before it. A body for many
 * runs at most twice for several, then for one.
 * Alone there is no savepoint: the transaction is the unit.
 *
 * Invariants: every begin is followed by exactly one commit or rollback; no
 * caller gets a result that is not negative for work that was not committed.
 * Waiting goes through the environment, and an attempt's own time counts; without a way
 * to wait there is one attempt. Threads: the caller's own; one merged run at a time
 * (core/combine).
 */
#include "store/ledger.h"

#include <string.h>

#include "core/backoff.h"
#include "core/env.h"

#define PAUSE_FIRST_MS 1
#define PAUSE_MAX_MS 50

/* An attempt ended without a result for anybody: */
enum again {
    DONE,  /* it has one */
    BUSY,  /* try the same once more */
    SPLIT, /* try each request alone */
};

static void copy_failure(struct tq_error *err, int status, const struct tq_error *from)
{
    tq__fail_native(err, status, from->native, from->origin, "%s", from->message);
}

void tq__ledger_begin_early(struct tq__ledger *ledger)
{
    ledger->early.begun_ms = tq__now_ms(ledger->env);
    ledger->early.err = (struct tq_error)TQ_ERROR_INIT;
    ledger->early.status = ledger->driver->begin(ledger->state, TQ_TX_WRITE, &ledger->early.conn,
                                                 &ledger->early.now_ms, &ledger->early.err);
    ledger->early.is_there = 1;
}

static int take_early(struct tq__ledger *ledger, tq_tx *tx, struct tq_error *err)
{
    ledger->early.is_there = 0;
    tx->conn = ledger->early.conn;
    tx->now_ms = ledger->early.now_ms;
    if (ledger->early.status < 0) {
        copy_failure(err, ledger->early.status, &ledger->early.err);
    }
    return ledger->early.status;
}

/* Only the leader writes: nobody else looks at what was begun early. */
static int is_early(const struct tq__ledger *ledger, uint32_t mode)
{
    return mode == TQ_TX_WRITE && ledger->early.is_there;
}

/* When the attempt that comes began. */
static int64_t attempt_begun_ms(const struct tq__ledger *ledger, uint32_t mode)
{
    return is_early(ledger, mode) ? ledger->early.begun_ms : tq__now_ms(ledger->env);
}

static int begin(struct tq__ledger *ledger, uint32_t mode, tq_tx *tx, struct tq_error *err)
{
    *tx = (tq_tx){.ledger = ledger, .thread = pthread_self()};
    TQ_TRY(is_early(ledger, mode)
               ? take_early(ledger, tx, err)
               : ledger->driver->begin(ledger->state, mode, &tx->conn, &tx->now_ms, err));
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

static int commit(tq_tx *tx, struct tq_error *err)
{
    leave(tx);
    tq__ledger_tell(tx);
    TQ_TRY(tx->ledger->driver->commit(tx->conn, err));
    tq__ledger_told(tx->ledger, tx->news);
    return TQ_OK;
}

static void rollback(tq_tx *tx)
{
    leave(tx);
    tx->ledger->driver->rollback(tx->conn);
}

/* Hands requests to their body for many. */
static int call_each(tq_tx *tx, struct tq__run *const *runs, size_t count)
{
    void *args[TQ_EACH_MAX] = {NULL};
    struct tq_error *errs[TQ_EACH_MAX] = {NULL};
    int results[TQ_EACH_MAX] = {TQ_OK};
    for (size_t i = 0; i < count; i++) {
        args[i] = runs[i]->arg;
        errs[i] = &runs[i]->err;
    }
    int status = runs[0]->each(tx, args, count, results, errs);
    for (size_t i = 0; i < count; i++) {
        runs[i]->result = status < 0 ? status : results[i];
    }
    return status;
}

static int call_one(tq_tx *tx, struct tq__run *run)
{
    return run->result = run->fn(tx, run->arg, &run->err);
}

/*
 * Runs the body of a group; true when no request failed. A statement's failure stays one,
 * also where the body forgot to return it.
 */
static int run_body(tq_tx *tx, struct tq__run *const *runs, size_t count)
{
    int is_clean = 1;
    tx->failure = 0;
    tx->changed = 0;
    for (size_t i = 0; i < count; i++) {
        runs[i]->err.status = TQ_OK; /* of an earlier run */
    }
    int status = runs[0]->each ? call_each(tx, runs, count) : call_one(tx, runs[0]);
    for (size_t i = 0; i < count; i++) {
        if (tx->failure && status >= 0 && runs[i]->result >= 0) {
            runs[i]->result = tq__fail(&runs[i]->err, tx->failure, "ledger",
                                       "the body went on after a statement had failed");
        }
        is_clean &= runs[i]->result >= 0;
    }
    return is_clean;
}

int tq__run_result(const struct tq__run *run, struct tq_error *err)
{
    /* A body that failed without a word leaves the caller's record as it was. */
    if (run->result < 0 && run->err.status == run->result) {
        copy_failure(err, run->result, &run->err);
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
    if (!run_body(&tx, &run, 1) || mode == TQ_TX_READ) {
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
    enum again again;
    do {
        int64_t begun_ms = attempt_begun_ms(ledger, mode);
        again = attempt_alone(ledger, mode, run);
        tq__backoff_count(begun_ms, ledger->env, &left_ms);
    } while (again == BUSY && tq__backoff_wait(&backoff, ledger->env, &left_ms));
}

/* ---- many ---- */

/* All requests of a merged run, those of a group side by side. */
struct batch {
    struct tq__run *runs[TQ_EACH_MAX];
    size_t count;
};

static struct tq__run *next_run(const struct tq__run *run)
{
    return (struct tq__run *)run->item.next;
}

static int is_of_group(const struct tq__run *run, const struct tq__run *first)
{
    return run == first || (run->each && run->each == first->each);
}

/* Groups stand where their first request stood in the list. */
static void collect(struct batch *batch, struct tq__run *first)
{
    struct tq__run *waiting[TQ_EACH_MAX];
    size_t count = 0;
    for (struct tq__run *run = first; run; run = next_run(run)) {
        waiting[count++] = run;
    }
    batch->count = 0;
    while (count > 0) {
        size_t rest = 0;
        const struct tq__run *head = waiting[0];
        for (size_t i = 0; i < count; i++) {
            if (is_of_group(waiting[i], head)) {
                batch->runs[batch->count++] = waiting[i];
            } else {
                waiting[rest++] = waiting[i];
            }
        }
        count = rest;
    }
}

static size_t group_count(const struct batch *batch, size_t first)
{
    size_t end = first + 1;
    while (end < batch->count && is_of_group(batch->runs[end], batch->runs[first])) {
        end++;
    }
    return end - first;
}

/* TQ_OK when the transaction can go on; `*out_is_kept`: no request failed. */
static int run_guarded(tq_tx *tx, struct tq__run *const *runs, size_t count, int *out_is_kept)
{
    const struct tq_ledger_driver *driver = tx->ledger->driver;
    TQ_TRY(driver->savepoint(tx->conn, NULL));
    *out_is_kept = run_body(tx, runs, count);
    if (tx->failure == TQ_E_BUSY) {
        return TQ_E_BUSY;
    }
    return *out_is_kept ? driver->release(tx->conn, NULL) : driver->rollback_to(tx->conn, NULL);
}

/* Moves those that failed behind the others; returns how many did not. */
static size_t part(struct tq__run **runs, size_t count)
{
    struct tq__run *failed[TQ_EACH_MAX];
    size_t good = 0, bad = 0;
    for (size_t i = 0; i < count; i++) {
        if (runs[i]->result < 0) {
            failed[bad++] = runs[i];
        } else {
            runs[good++] = runs[i];
        }
    }
    memcpy(runs + good, failed, bad * sizeof *runs);
    return good;
}

/* TQ_OK when the transaction can go on, whatever became of the requests. */
static int run_group(tq_tx *tx, struct tq__run **runs, size_t count)
{
    int is_kept;
    TQ_TRY(run_guarded(tx, runs, count, &is_kept));
    if (is_kept || count == 1) {
        return TQ_OK;
    }
    size_t good = part(runs, count);
    if (good > 0) {
        TQ_TRY(run_guarded(tx, runs, good, &is_kept));
    }
    for (size_t i = is_kept ? good : 0; i < count; i++) {
        TQ_TRY(run_guarded(tx, &runs[i], 1, &is_kept));
    }
    return TQ_OK;
}

static int is_wanted(const struct batch *batch)
{
    int is_wanted = 0;
    for (size_t i = 0; i < batch->count; i++) {
        is_wanted |= batch->runs[i]->result >= 0;
    }
    return is_wanted;
}

/* `*out_status` is what happened to the transaction as a whole. */
static enum again attempt_merged(struct tq__ledger *ledger, struct batch *batch, int *out_status,
                                 struct tq_error *err)
{
    tq_tx tx;
    for (size_t i = 0; i < batch->count; i++) {
        batch->runs[i]->result = TQ_OK; /* also of an earlier attempt */
    }
    *out_status = begin(ledger, TQ_TX_WRITE, &tx, err);
    if (*out_status < 0) {
        return *out_status == TQ_E_BUSY ? BUSY : DONE;
    }
    for (size_t first = 0, count; first < batch->count; first += count) {
        count = group_count(batch, first);
        if (run_group(&tx, &batch->runs[first], count) < 0) {
            rollback(&tx);
            return SPLIT;
        }
    }
    if (!is_wanted(batch)) {
        rollback(&tx);
        return DONE;
    }
    *out_status = commit(&tx, err);
    return *out_status == TQ_E_BUSY ? BUSY : *out_status == TQ_E_INVALID ? SPLIT : DONE;
}

/*
 * Tells a failure of the whole to everybody: also to who was refused, which may have been for
 * the sake of work that is gone with it. What was refused is certainly not applied.
 */
static void fail_all(const struct batch *batch, int status, const struct tq_error *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct tq__run *run = batch->runs[i];
        int is_same = run->result >= 0 || status != TQ_E_UNKNOWN;
        run->result = tq__fail_native(&run->err, is_same ? status : TQ_E_UNAVAILABLE, err->native,
                                      err->origin, "%s", err->message);
    }
}

void tq__ledger_run_merged(struct tq__ledger *ledger, struct tq__run *first)
{
    struct tq__backoff backoff = {PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    uint32_t left_ms = ledger->busy_timeout_ms;
    struct tq_error err = TQ_ERROR_INIT;
    struct batch batch;
    enum again again;
    int status;
    collect(&batch, first);
    do {
        int64_t begun_ms = attempt_begun_ms(ledger, TQ_TX_WRITE);
        again = attempt_merged(ledger, &batch, &status, &err);
        tq__backoff_count(begun_ms, ledger->env, &left_ms);
    } while (again == BUSY && tq__backoff_wait(&backoff, ledger->env, &left_ms));
    if (again == SPLIT) {
        for (size_t i = 0; i < batch.count; i++) {
            tq__ledger_run_alone(ledger, TQ_TX_WRITE, batch.runs[i]);
        }
    } else if (status < 0) {
        fail_all(&batch, status, &err);
    }
}
