/* SPDX-License-Identifier: MIT */
/*
 * Writes claims into the ledger, many at once, each for itself.
 *
 * Fast, for all together, a few statements however many they are:
 *   touch the schedules, issuing a fence to each claim in the order of the front's
 *   -> insert the holds, as if all were new, then those that are (a known key or the
 *      holder's limit stops one)
 *   -> take the seats where they are free, in the order of their ids
 * Slow, one by one in the order of the batch, for those that were stopped:
 *   undo what it got -> known key? -> too late? -> who is in the way (ending those
 *   past their time)? -> limit? -> insert and take
 *
 * A seat that two claims of a batch want goes to the earlier one unless that was
 * stopped, and those that were stopped are looked at in their order: so a claim is
 * refused only for what is so when the batch is done. Invariants: a hold that is
 * inserted has all of its seats when the call returns; fences of a schedule only
 * grow, and stay at or above what the front issued. Threads: [own].
 */
#include "store/sql/hold.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "store/sql/hold_sql.h"

#define SEATS_CHUNK 1024

enum { INSERT_PARAMS = 10 };

/* One claim that takes part. */
struct claim {
    const struct tq_hold_request *request;
    struct tq_hold *hold;
    size_t index; /* in the batch */
    int is_stopped;
    char seats_text[TQ__SEATS_TEXT_SIZE];
};

/* One seat that a claim wants. */
struct want {
    struct claim *claim;
    const char *seat;
};

struct batch {
    tq_tx *tx;
    const struct tq_env *env;
    const struct tq__hold_rules *rules;
    int64_t now_ms;
    struct claim *claims;  /* in the order of the batch */
    struct claim **fenced; /* in the order of schedule and fence */
    size_t count;
    size_t wants_count;
    int has_repeats; /* the front knew the key of one */
};

static int by_fence(const void *a, const void *b)
{
    const struct claim *one = *(struct claim *const *)a, *other = *(struct claim *const *)b;
    int order = strcmp(one->request->schedule, other->request->schedule);
    if (order == 0) {
        order = (one->hold->fence > other->hold->fence) - (one->hold->fence < other->hold->fence);
    }
    return order ? order : (one->index > other->index) - (one->index < other->index);
}

static int by_seat(const void *a, const void *b)
{
    const struct want *one = a, *other = b;
    int order = strcmp(one->claim->request->schedule, other->claim->request->schedule);
    order = order ? order : strcmp(one->seat, other->seat);
    return order ? order
                 : (one->claim->index > other->claim->index) -
                       (one->claim->index < other->claim->index);
}

static void stop(struct claim *claim, int status)
{
    claim->hold->status = status;
    claim->is_stopped = 1;
}

/*
 * Issues the fences of one schedule, whose claims stand together, the front's highest last. Where
 * one key stands twice the front's are equal, and still none may get a lower one.
 */
static int issue_fences(struct batch *batch, struct claim **claims, size_t count,
                        struct tq_error *err)
{
    uint64_t least = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t wanted = claims[i]->hold->fence + (count - 1 - i);
        least = wanted > least ? wanted : least;
    }
    int rc = tq__sql_hold_touch(batch->tx, claims[0]->request->schedule, least, count, &last, err);
    TQ_TRY(rc);
    for (size_t i = 0; i < count; i++) {
        struct tq_hold *hold = claims[i]->hold;
        if (rc == TQ_GONE) {
            hold->taken = 0;
            stop(claims[i], TQ_GONE);
            continue;
        }
        hold->fence = last - (count - 1 - i);
    }
    return TQ_OK;
}

static int touch(struct batch *batch, struct tq_error *err)
{
    qsort(batch->fenced, batch->count, sizeof *batch->fenced, by_fence);
    for (size_t first = 0, end; first < batch->count; first = end) {
        const char *schedule = batch->fenced[first]->request->schedule;
        for (end = first + 1; end < batch->count; end++) {
            if (strcmp(batch->fenced[end]->request->schedule, schedule) != 0) {
                break;
            }
        }
        TQ_TRY(issue_fences(batch, batch->fenced + first, end - first, err));
    }
    return TQ_OK;
}

/* The times of a hold by the ledger's clock; without time left there may be an earlier answer. */
static void set_times(const struct batch *batch, struct claim *claim)
{
    if (!claim->request->ttl_ms) {
        stop(claim, TQ_WAIT);
        return;
    }
    claim->hold->granted_ms = batch->now_ms;
    claim->hold->expires_ms = batch->now_ms + claim->request->ttl_ms;
}

static void insert_params(const struct batch *batch, const struct claim *claim,
                          struct tq_value params[INSERT_PARAMS])
{
    const struct tq_hold *hold = claim->hold;
    params[0] = tq_text(claim->request->schedule);
    params[1] = tq_text(hold->id);
    params[2] = tq_text(claim->request->holder);
    params[3] = tq_text(claim->request->request_key);
    params[4] = tq_int((int64_t)hold->fence);
    params[5] = tq_int(hold->granted_ms);
    params[6] = tq_int(hold->expires_ms);
    params[7] = tq_int((int64_t)claim->request->seats_count);
    params[8] = tq_text(claim->seats_text);
    params[9] = tq_int(batch->rules->seats_limit);
}

/*
 * All at once, as if none were known: that is cheaper by a third, and hardly ever wrong where the
 * front, which knows keys, has not seen them before. TQ_REPEAT: one is, so none was inserted.
 */
static int insert_new(struct batch *batch, const struct tq_value *params, size_t rows,
                      struct tq_error *err)
{
    if (batch->rules->seats_limit || batch->has_repeats) {
        return TQ_REPEAT;
    }
    return tq_tx_exec_many(batch->tx, HOLD_insert_new, params, INSERT_PARAMS - 1, rows, NULL, err);
}

/* Each for itself: `changed` says which. */
static int insert_known(struct batch *batch, const struct tq_value *params, size_t rows,
                        uint32_t *changed, struct tq_error *err)
{
    int is_limited = batch->rules->seats_limit != 0;
    return tq_tx_exec_many(batch->tx, is_limited ? HOLD_insert_limited : HOLD_insert, params,
                           INSERT_PARAMS - !is_limited, rows, changed, err);
}

static int insert_rows(struct batch *batch, const struct tq_value *params, size_t rows,
                       uint32_t *changed, struct tq_error *err)
{
    int rc = insert_new(batch, params, rows, err);
    for (size_t i = 0; i < rows; i++) {
        changed[i] = 1;
    }
    return rc == TQ_REPEAT ? insert_known(batch, params, rows, changed, err) : rc;
}

/* Inserts every hold that nothing stops; what was stopped goes the slow way. */
static int insert_all(struct batch *batch, struct tq_error *err)
{
    size_t width = batch->rules->seats_limit ? INSERT_PARAMS : INSERT_PARAMS - 1, rows = 0;
    struct tq_value *params = tq__alloc(batch->env, batch->count + 1, width * sizeof *params);
    uint32_t *changed = tq__alloc(batch->env, batch->count, sizeof *changed);
    int rc = params && changed ? TQ_OK : tq__nomem("store.sql", err);
    for (size_t i = 0; rc == TQ_OK && i < batch->count; i++) {
        struct tq_value row[INSERT_PARAMS];
        if (!batch->claims[i].is_stopped) {
            insert_params(batch, &batch->claims[i], row);
            memcpy(&params[width * rows++], row, width * sizeof *row);
        }
    }
    if (rc == TQ_OK && rows) {
        rc = insert_rows(batch, params, rows, changed, err);
    }
    for (size_t i = 0, row = 0; rc == TQ_OK && i < batch->count; i++) {
        struct claim *claim = &batch->claims[i];
        if (!claim->is_stopped && !changed[row++]) {
            stop(claim, TQ_WAIT);
        }
    }
    tq__release(batch->env, params);
    tq__release(batch->env, changed);
    return rc;
}

static int take_chunk(struct batch *batch, struct want *wants, size_t count,
                      struct tq_value *params, uint32_t *changed, struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        params[3 * i] = tq_text(wants[i].claim->request->schedule);
        params[3 * i + 1] = tq_text(wants[i].seat);
        params[3 * i + 2] = tq_text(wants[i].claim->hold->id);
    }
    TQ_TRY(tq_tx_write(batch->tx, HOLD_take_seat, params, 3, count, changed, err));
    for (size_t i = 0; i < count; i++) {
        if (!changed[i]) {
            wants[i].claim->hold->status = TQ_TAKEN;
        }
    }
    return TQ_OK;
}

static int take_wants(struct batch *batch, struct want *wants, struct tq_error *err)
{
    size_t room = batch->wants_count < SEATS_CHUNK ? batch->wants_count : SEATS_CHUNK, count = 0;
    struct tq_value *params = tq__alloc(batch->env, room, 3 * sizeof *params);
    uint32_t *changed = tq__alloc(batch->env, room, sizeof *changed);
    int rc = params && changed ? TQ_OK : tq__nomem("store.sql", err);
    for (size_t i = 0; i < batch->count; i++) {
        struct claim *claim = &batch->claims[i];
        for (size_t j = 0; !claim->is_stopped && j < claim->request->seats_count; j++) {
            wants[count++] = (struct want){claim, claim->request->seats[j]};
        }
    }
    qsort(wants, count, sizeof *wants, by_seat);
    for (size_t i = 0; rc == TQ_OK && i < count; i += SEATS_CHUNK) {
        size_t part = count - i < SEATS_CHUNK ? count - i : SEATS_CHUNK;
        rc = take_chunk(batch, wants + i, part, params, changed, err);
    }
    tq__release(batch->env, params);
    tq__release(batch->env, changed);
    return rc;
}

/* Takes the seats of the inserted holds; one that missed a seat goes back as if never here. */
static int take_all(struct batch *batch, struct tq_error *err)
{
    struct want *wants = tq__alloc(batch->env, batch->wants_count, sizeof *wants);
    int rc = wants ? take_wants(batch, wants, err) : tq__nomem("store.sql", err);
    tq__release(batch->env, wants);
    for (size_t i = 0; rc == TQ_OK && i < batch->count; i++) {
        struct claim *claim = &batch->claims[i];
        if (!claim->is_stopped && claim->hold->status == TQ_TAKEN) {
            const struct tq_value params[] = {tq_text(claim->request->schedule),
                                              tq_text(claim->hold->id)};
            stop(claim, TQ_WAIT);
            rc = tq__sql_hold_free_seats(batch->tx, claim->hold->id, err);
            rc = rc == TQ_OK ? tq_tx_exec(batch->tx, HOLD_forget, params, 2, NULL, NULL, err) : rc;
        }
    }
    return rc;
}

/* The answer to a request key that is known: TQ_OK written into the hold, or TQ_GONE. */
static int answer_again(struct batch *batch, struct claim *claim, struct tq_error *err)
{
    struct tq__hold_record known;
    struct tq_hold *hold = claim->hold;
    char seats_text[TQ__SEATS_TEXT_SIZE];
    int rc = tq__sql_hold_by_key(batch->tx, claim->request->schedule, claim->request->holder,
                                 claim->request->request_key, &known, err);
    if (rc != TQ_OK) {
        return rc;
    }
    tq__seats_join(seats_text, known.seats, known.seats_count);
    if (strcmp(seats_text, claim->seats_text) != 0) {
        hold->status = TQ_REFUSED;
        return TQ_OK;
    }
    if (tq__lease_is_due(&known.lease, batch->now_ms)) {
        TQ_TRY(tq__sql_hold_lapse(batch->tx, known.schedule, known.id, err));
        known.lease.state = TQ__LEASE_EXPIRED;
    }
    hold->status = tq__lease_status(&known.lease);
    hold->fence = known.lease.fence;
    hold->granted_ms = known.lease.granted_ms;
    hold->expires_ms = known.lease.state == TQ__LEASE_HOLD ? known.lease.expires_ms : 0;
    tq__id_copy(hold->id, known.id);
    return TQ_OK;
}

/* Inserts one hold whose key is unknown and whose seats are known to be free. */
static int insert_one(struct batch *batch, struct claim *claim, struct tq_error *err)
{
    struct tq_value params[INSERT_PARAMS];
    const struct tq_hold_request *request = claim->request;
    insert_params(batch, claim, params);
    TQ_TRY(tq_tx_exec(batch->tx, HOLD_insert, params, INSERT_PARAMS - 1, NULL, NULL, err));
    if (tq_tx_changed(batch->tx) != 1) {
        return tq__fail(err, TQ_E_CORRUPT, "store.sql", "a hold is there under another key");
    }
    return tq__sql_hold_take_seats(batch->tx, request->schedule, request->seats,
                                   request->seats_count, claim->hold->id, err);
}

/* The slow way, with every refusal told apart. */
static int record_one(struct batch *batch, struct claim *claim, struct tq_error *err)
{
    const struct tq_hold_request *request = claim->request;
    struct tq_hold *hold = claim->hold;
    struct tq__hold_blockers blockers;
    int rc = answer_again(batch, claim, err);
    if (rc != TQ_GONE) {
        return rc;
    }
    if (!request->ttl_ms) {
        hold->status = TQ_EXPIRED;
        return TQ_OK;
    }
    TQ_TRY(tq__sql_hold_blockers(batch->tx, request->schedule, request->seats, request->seats_count,
                                 &blockers, err));
    hold->taken = blockers.unknown ? blockers.unknown : blockers.taken;
    if (hold->taken) {
        hold->status = blockers.unknown ? TQ_GONE : TQ_TAKEN;
        hold->granted_ms = batch->now_ms;
        hold->expires_ms = blockers.unknown ? 0 : blockers.expires_ms;
        return TQ_OK;
    }
    rc = tq__sql_hold_check_limit(batch->tx, batch->rules, request->schedule, request->holder,
                                  request->seats_count, err);
    if (rc != TQ_OK) {
        hold->status = rc;
        return rc < 0 ? rc : TQ_OK;
    }
    hold->status = TQ_OK;
    return insert_one(batch, claim, err);
}

static int record_batch(struct batch *batch, struct tq_error *err)
{
    TQ_TRY(touch(batch, err));
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->claims[i].is_stopped) {
            set_times(batch, &batch->claims[i]);
        }
    }
    TQ_TRY(insert_all(batch, err));
    TQ_TRY(take_all(batch, err));
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->claims[i].hold->status == TQ_WAIT) {
            TQ_TRY(record_one(batch, &batch->claims[i], err));
        }
    }
    return TQ_OK;
}

/* Collects what the front granted: new to the ledger, even where the front knew the key. */
static void collect(struct batch *batch, const struct tq_hold_request *requests, size_t count,
                    struct tq_hold *holds)
{
    for (size_t i = 0; i < count; i++) {
        if (holds[i].status == TQ_OK || holds[i].status == TQ_REPEAT) {
            struct claim *claim = &batch->claims[batch->count];
            claim->request = &requests[i];
            claim->hold = &holds[i];
            claim->index = i;
            batch->has_repeats |= holds[i].status == TQ_REPEAT;
            holds[i].status = TQ_OK;
            tq__seats_join(claim->seats_text, requests[i].seats, requests[i].seats_count);
            batch->fenced[batch->count++] = claim;
            batch->wants_count += requests[i].seats_count;
        }
    }
}

int tq__sql_hold_record(tq_tx *tx, const struct tq__hold_rules *rules,
                        const struct tq_hold_request *requests, size_t count, struct tq_hold *holds,
                        struct tq_error *err)
{
    const struct tq_env *env = tq_tx_env(tx);
    struct batch batch = {.tx = tx, .env = env, .rules = rules, .now_ms = tq_tx_now_ms(tx)};
    batch.claims = tq__alloc(env, count, sizeof *batch.claims);
    batch.fenced = tq__alloc(env, count, sizeof(struct claim *));
    int rc = batch.claims && batch.fenced ? TQ_OK : tq__nomem("store.sql", err);
    if (rc == TQ_OK) {
        collect(&batch, requests, count, holds);
        rc = batch.count ? record_batch(&batch, err) : TQ_OK;
    }
    tq__release(env, batch.claims);
    tq__release(env, batch.fenced);
    return rc;
}
