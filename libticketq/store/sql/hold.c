/* SPDX-License-Identifier: MIT */
/*
 * What the ledger's verbs share: reading one hold, locking schedules, looking
 * for who has a seat, ending what ran out.
 *
 * Locks: a verb that writes touches the rows of its schedules first, in the
 * order of their ids, and only then reads what it decides on. So transactions on
 * one schedule go one after the other, and two can only lock each other out when
 * a host calls verbs on several schedules in different orders, which the engine
 * finds and tq_ledger_run() repeats. Below the lock each write is still
 * conditional on what was read. Threads: [own].
 */
#include "store/sql/hold.h"

#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/sql/hold_sql.h"

static int fill_found(int rc, const struct tq__hold_record *out)
{
    return rc == TQ_OK && !out->id[0] ? TQ_GONE : rc;
}

static int corrupt(int rc, struct tq_error *err)
{
    return rc == TQ_E_CORRUPT ? tq__fail(err, rc, "store.sql", "a row of tq_holds makes no sense")
                              : rc;
}

int tq__sql_hold_by_id(tq_tx *tx, const char *schedule, const char *id, struct tq__hold_record *out,
                       struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(schedule), tq_text(id)};
    out->id[0] = '\0';
    int rc = tq_tx_exec(tx, HOLD_by_id, params, 2, tq__hold_record_fill, out, err);
    return corrupt(fill_found(rc, out), err);
}

int tq__sql_hold_by_key(tq_tx *tx, const char *schedule, const char *holder,
                        const char *request_key, struct tq__hold_record *out, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(schedule), tq_text(holder), tq_text(request_key)};
    out->id[0] = '\0';
    int rc = tq_tx_exec(tx, HOLD_by_key, params, 3, tq__hold_record_fill, out, err);
    return corrupt(fill_found(rc, out), err);
}

static int read_number(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[0].integer;
    return 0;
}

int tq__sql_hold_touch(tq_tx *tx, const char *schedule, uint64_t least, size_t fences,
                       uint64_t *out_last, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(schedule), tq_int((int64_t)least),
                                      tq_int((int64_t)fences)};
    int64_t last = -1;
    TQ_TRY(tq_tx_exec(tx, HOLD_touch, params, 3, read_number, &last, err));
    if (last < 0) {
        return TQ_GONE;
    }
    *out_last = (uint64_t)last;
    return TQ_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int tq__sql_hold_touch_all(tq_tx *tx, const char *const *schedules, size_t count,
                           struct tq_error *err)
{
    const struct tq_env *env = tq_tx_env(tx);
    const char **names = tq__alloc(env, count, sizeof *names);
    int rc = TQ_OK;
    if (!names) {
        return tq__nomem("store.sql", err);
    }
    memcpy(names, schedules, count * sizeof *names);
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        const struct tq_value params[] = {tq_text(names[i]), tq_int(0), tq_int(0)};
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0) {
            rc = tq_tx_write(tx, HOLD_touch, params, 3, 1, NULL, err);
        }
    }
    tq__release(env, names);
    return rc;
}

int tq__sql_hold_free_seats(tq_tx *tx, const char *id, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(id)};
    return tq_tx_write(tx, HOLD_free_seats, params, 1, 1, NULL, err);
}

int tq__sql_hold_lapse(tq_tx *tx, const char *schedule, const char *id, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(schedule), tq_text(id), tq_int(tq_tx_now_ms(tx))};
    TQ_TRY(tq_tx_write(tx, HOLD_lapse, params, 3, 1, NULL, err));
    return tq__sql_hold_free_seats(tx, id, err);
}

/* Who has one seat. */
struct owner {
    int is_known;
    int is_taken;
    struct tq__lease lease;
    char id[TQ_ID_SIZE];
};

static int read_owner(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct owner *owner = arg;
    (void)columns_count;
    owner->is_known = 1;
    owner->is_taken = columns[0].type == TQ_TEXT && columns[0].bytes <= TQ_ID_MAX;
    if (owner->is_taken) {
        memcpy(owner->id, columns[0].data, columns[0].bytes + 1u);
        owner->lease.state = (uint32_t)columns[1].integer;
        owner->lease.expires_ms = columns[2].integer;
    }
    return 0;
}

int tq__sql_hold_blockers(tq_tx *tx, const char *schedule, const char *const *seats,
                          size_t seats_count, struct tq__hold_blockers *out, struct tq_error *err)
{
    int64_t now_ms = tq_tx_now_ms(tx);
    *out = (struct tq__hold_blockers){0};
    for (size_t i = 0; i < seats_count; i++) {
        const struct tq_value params[] = {tq_text(schedule), tq_text(seats[i])};
        struct owner owner = {0};
        TQ_TRY(tq_tx_exec(tx, HOLD_owner, params, 2, read_owner, &owner, err));
        if (!owner.is_known) {
            out->unknown |= 1ull << i;
        } else if (owner.is_taken && tq__lease_is_due(&owner.lease, now_ms)) {
            TQ_TRY(tq__sql_hold_lapse(tx, schedule, owner.id, err));
        } else if (owner.is_taken) {
            out->taken |= 1ull << i;
            if (owner.lease.state == TQ__LEASE_HOLD && owner.lease.expires_ms > out->expires_ms) {
                out->expires_ms = owner.lease.expires_ms;
            }
        }
    }
    return TQ_OK;
}

int tq__sql_hold_check_limit(tq_tx *tx, const struct tq__hold_rules *rules, const char *schedule,
                             const char *holder, size_t more, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(schedule), tq_text(holder), tq_int(tq_tx_now_ms(tx))};
    int64_t has = 0;
    if (!rules->seats_limit) {
        return TQ_OK;
    }
    TQ_TRY(tq_tx_exec(tx, HOLD_holder_seats, params, 3, read_number, &has, err));
    return has + (int64_t)more > rules->seats_limit ? TQ_FULL : TQ_OK;
}

int tq__sql_hold_take_seats(tq_tx *tx, const char *schedule, const char *const *seats,
                            size_t seats_count, const char *id, struct tq_error *err)
{
    struct tq_value params[TQ_HOLD_SEATS_MAX * 3] = {0};
    uint32_t changed[TQ_HOLD_SEATS_MAX];
    for (size_t i = 0; i < seats_count; i++) {
        params[3 * i] = tq_text(schedule);
        params[3 * i + 1] = tq_text(seats[i]);
        params[3 * i + 2] = tq_text(id);
    }
    TQ_TRY(tq_tx_write(tx, HOLD_take_seat, params, 3, seats_count, changed, err));
    for (size_t i = 0; i < seats_count; i++) {
        if (changed[i] != 1) {
            return tq__fail(err, TQ_E_INTERNAL, "store.sql", "seat %s was not free", seats[i]);
        }
    }
    return TQ_OK;
}
