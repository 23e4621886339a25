/* SPDX-License-Identifier: MIT */
/*
 * Pin, settle, release, extend, retake, give back on the ledger.
 *
 * The common cases (pin, settle and release of a hold that is where it should
 * be) are one conditional statement for the whole batch. What it did not change
 * is read, ended if its time ran out, put to the state table, and told why or
 * changed one by one; so are the rare verbs. Threads: [own].
 */
#include "store/sql/hold.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/sql/hold_sql.h"

struct job {
    tq_tx *tx;
    const struct tq_env *env;
    const struct tq__hold_rules *rules;
    uint32_t verb;
    const struct tq_hold_ref *refs;
    size_t count;
    struct tq_hold_result *results;
    uint32_t *changed; /* by the common case */
};

static const char *common_sql(uint32_t verb)
{
    switch (verb) {
    case TQ_HOLD_PIN:
        return HOLD_pin;
    case TQ_HOLD_SETTLE:
        return HOLD_settle;
    case TQ_HOLD_RELEASE:
        return HOLD_release;
    default:
        return NULL;
    }
}

static int touch(const struct job *job, struct tq_error *err)
{
    const char **schedules = tq__alloc(job->env, job->count, sizeof *schedules);
    if (!schedules) {
        return tq__nomem("store.sql", err);
    }
    for (size_t i = 0; i < job->count; i++) {
        schedules[i] = job->refs[i].schedule;
    }
    int rc = tq__sql_hold_touch_all(job->tx, schedules, job->count, err);
    tq__release(job->env, schedules);
    return rc;
}

/* Gives the seats of those that were just released back. */
static int free_released(const struct job *job, struct tq_value *params, struct tq_error *err)
{
    size_t rows = 0;
    for (size_t i = 0; i < job->count; i++) {
        if (job->changed[i]) {
            params[rows++] = tq_text(job->refs[i].id);
        }
    }
    return rows ? tq_tx_write(job->tx, HOLD_free_seats, params, 1, rows, NULL, err) : TQ_OK;
}

static int change_common(const struct job *job, const char *sql, struct tq_error *err)
{
    int64_t now_ms = tq_tx_now_ms(job->tx);
    struct tq_value *params = tq__alloc(job->env, job->count, 5 * sizeof *params);
    if (!params) {
        return tq__nomem("store.sql", err);
    }
    for (size_t i = 0; i < job->count; i++) {
        params[5 * i] = tq_text(job->refs[i].schedule);
        params[5 * i + 1] = tq_text(job->refs[i].id);
        params[5 * i + 2] = tq_text(job->refs[i].holder);
        params[5 * i + 3] = tq_int((int64_t)job->refs[i].fence);
        params[5 * i + 4] = tq_int(now_ms);
    }
    int rc = tq_tx_write(job->tx, sql, params, 5, job->count, job->changed, err);
    if (rc == TQ_OK && job->verb == TQ_HOLD_RELEASE) {
        rc = free_released(job, params, err);
    }
    tq__release(job->env, params);
    return rc;
}

/* Whether the seats of a hold that ended can be had again; then it gets a fence. */
static int may_retake(const struct job *job, const struct tq__hold_record *record,
                      struct tq__lease *next, struct tq_error *err)
{
    struct tq__hold_blockers blockers;
    TQ_TRY(tq__sql_hold_blockers(job->tx, record->schedule, record->seats, record->seats_count,
                                 &blockers, err));
    if (blockers.taken || blockers.unknown) {
        return TQ_TAKEN;
    }
    int rc = tq__sql_hold_check_limit(job->tx, job->rules, record->schedule, record->holder,
                                      record->seats_count, err);
    if (rc != TQ_OK) {
        return rc;
    }
    next->granted_ms = tq_tx_now_ms(job->tx);
    return tq__sql_hold_touch(job->tx, record->schedule, 0, 1, &next->fence, err);
}

static int write_change(const struct job *job, const struct tq__hold_record *record,
                        const struct tq__lease *next, struct tq_error *err)
{
    const struct tq_value none = {TQ_NULL, 0, 0, NULL};
    int is_live = tq__lease_is_live(next);
    const struct tq_value params[] = {
        tq_text(record->schedule),
        tq_text(record->id),
        tq_int(next->state),
        tq_int((int64_t)next->fence),
        tq_int(next->granted_ms),
        tq_int(next->expires_ms),
        next->state == TQ__LEASE_HOLD ? tq_int(next->expires_ms) : none,
        is_live ? none : tq_int(tq_tx_now_ms(job->tx)),
    };
    TQ_TRY(tq_tx_write(job->tx, HOLD_change, params, 8, 1, NULL, err));
    if (!is_live) {
        return tq__sql_hold_free_seats(job->tx, record->id, err);
    }
    return tq__lease_is_live(&record->lease)
               ? TQ_OK
               : tq__sql_hold_take_seats(job->tx, record->schedule, record->seats,
                                         record->seats_count, record->id, err);
}

/* Decides about a hold that is not due, and writes it. */
static int decide(const struct job *job, const struct tq_hold_ref *ref,
                  struct tq__hold_record *record, struct tq_error *err)
{
    const struct tq__lease_order order = {
        .verb = job->verb,
        .holder = ref->holder,
        .fence = ref->fence,
        .now_ms = tq_tx_now_ms(job->tx),
        .extend_ms = ref->extend_ms ? ref->extend_ms : TQ_HOLD_TTL_DEFAULT_MS,
        .life_max_ms = job->rules->life_max_ms,
    };
    struct tq__lease next;
    int rc = tq__lease_decide(&record->lease, &order, &next);
    if (rc == TQ_OK && !tq__lease_is_live(&record->lease)) {
        rc = may_retake(job, record, &next, err);
    }
    if (rc == TQ_OK) {
        TQ_TRY(write_change(job, record, &next, err));
        record->lease = next;
    }
    return rc;
}

static int change_one(const struct job *job, size_t index, struct tq_error *err)
{
    const struct tq_hold_ref *ref = &job->refs[index];
    struct tq_hold_result *result = &job->results[index];
    struct tq__hold_record record;
    int rc = tq__sql_hold_by_id(job->tx, ref->schedule, ref->id, &record, err);
    if (rc == TQ_OK && tq__lease_is_due(&record.lease, tq_tx_now_ms(job->tx))) {
        TQ_TRY(tq__sql_hold_lapse(job->tx, record.schedule, record.id, err));
        record.lease.state = TQ__LEASE_EXPIRED;
    }
    rc = rc == TQ_OK ? decide(job, ref, &record, err) : rc;
    TQ_TRY(rc);
    result->status = rc;
    if (rc != TQ_GONE && rc != TQ_STALE) {
        result->fence = record.lease.fence;
        result->expires_ms = record.lease.state == TQ__LEASE_HOLD ? record.lease.expires_ms : 0;
    }
    return TQ_OK;
}

static int change_all(const struct job *job, struct tq_error *err)
{
    const char *sql = common_sql(job->verb);
    TQ_TRY(touch(job, err));
    TQ_TRY(sql ? change_common(job, sql, err) : TQ_OK);
    for (size_t i = 0; i < job->count; i++) {
        job->results[i].status = TQ_OK;
        job->results[i].expires_ms = 0;
        job->results[i].fence = job->refs[i].fence;
        if (!job->changed[i]) {
            job->results[i].fence = 0;
            TQ_TRY(change_one(job, i, err));
        }
    }
    return TQ_OK;
}

int tq__sql_hold_change(tq_tx *tx, const struct tq__hold_rules *rules, uint32_t verb,
                        const struct tq_hold_ref *refs, size_t count,
                        struct tq_hold_result *results, struct tq_error *err)
{
    struct job job = {.tx = tx,
                      .env = tq_tx_env(tx),
                      .rules = rules,
                      .verb = verb,
                      .refs = refs,
                      .count = count,
                      .results = results};
    job.changed = tq__alloc(job.env, count, sizeof *job.changed);
    if (!job.changed) {
        return tq__nomem("store.sql", err);
    }
    int rc = change_all(&job, err);
    tq__release(job.env, job.changed);
    return rc;
}
