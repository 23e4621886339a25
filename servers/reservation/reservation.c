/* SPDX-License-Identifier: MIT */
/*
 * What buyers and the clock do to reservations: hold, extend, cancel, expire.
 *
 * A hold is claimed on the front first, which turns most of the crowd away
 * without touching the disk. What is left is one transaction: the person's
 * limit, the seats (tq_hold_record), the row with the prices of this moment,
 * the saga, the event and the answer for whoever repeats the request. Requests
 * that come at the same time are recorded by one run (tq_ledger_run_each), which
 * asks for the seats of all with a few statements. If the ledger refuses, the
 * claim is given back. The front is told of a commit afterwards; until then it is
 * at worst too strict.
 *
 * The sweep ends holds whose time ran out and their reservations in the same
 * transaction, so that no seat is free while its reservation still counts.
 *
 * Threads: [any]; everything shared is in the library's objects.
 */
#include "reservation/reservation.h"

#include <stdio.h>
#include <string.h>

#include "app/digest.h"
#include "core/env.h"
#include "core/error.h"

#define ORIGIN "reservation"
#define SWEEP_MAX 128

/* ---- hold ---- */

struct recording {
    struct reservations *service;
    struct hold_wish *wish;
    const struct tq_hold_request *request;
    const struct tq_hold *claim;
    int is_recorded; /* in the last run: a reservation has the claim already */
};

static int64_t total_of(const struct reservation *row)
{
    int64_t total = 0;
    for (size_t i = 0; i < row->seats_count; i++) {
        total += row->seats[i].price;
    }
    return total;
}

static int fill(tq_tx *tx, struct hold_wish *wish, const struct tq_hold *hold, struct tq_error *err)
{
    struct reservation *row = &wish->row;
    char id[37];
    TQ_TRY(tq__uuid7(tq_tx_env(tx), tq_tx_now_ms(tx), id, err));
    tq__id_copy(row->id, id);
    tq__id_copy(row->hold_id, hold->id);
    memcpy(row->currency, wish->sale.currency, sizeof row->currency);
    snprintf(row->status, sizeof row->status, "PENDING");
    snprintf(row->phase, sizeof row->phase, "HOLD");
    row->fence = hold->fence;
    row->expires_ms = hold->expires_ms;
    row->created_ms = tq_tx_now_ms(tx);
    row->total = total_of(row);
    return TQ_OK;
}

/* The row, its saga, its event and its answer. */
static int write_down(tq_tx *tx, struct recording *recording, struct tq_error *err)
{
    struct hold_wish *wish = recording->wish;
    const char *id = wish->row.id;
    TQ_TRY(reservation_row_add(tx, &wish->row, err));
    TQ_TRY(tq_saga_start(tx, recording->service->purchases, id, "", 0, err));
    TQ_TRY(purchase_tell(tx, "ReservationHeld", &wish->row, NULL, err));
    tq__buf_clear(&wish->answer);
    reservation_row_put(&wish->answer, &wish->row);
    TQ_TRY(tq__buf_check(&wish->answer, ORIGIN, err));
    return app_once_end(tx, wish->once, 201, &wish->answer, err);
}

/* Of two requests with one key either may record the claim that the front gave to the first. */
static int look_for_claim(tq_tx *tx, struct recording *recording, struct tq_error *err)
{
    char id[TQ_ID_SIZE];
    TQ_TRY(reservation_row_of_hold(tx, recording->claim->id, id, err));
    recording->is_recorded = id[0] != '\0';
    return TQ_OK;
}

/*
 * Claim the key of the request and count the person's seats. TQ_OK: go on. A key that another
 * request of this run is at work with has no answer yet: that is left for a run of its own.
 */
static int admit(tq_tx *tx, struct recording *recording, struct tq_error *err)
{
    struct hold_wish *wish = recording->wish;
    int status = recording->claim->status;
    recording->is_recorded = 0; /* of an earlier run */
    int rc = app_once_begin(tx, wish->once, err);
    if (rc == TQ_REPEAT && !wish->once->status) {
        return tq__fail(err, TQ_E_BUSY, ORIGIN, "the key is being used");
    }
    if (rc > 0) {
        TQ_TRY(look_for_claim(tx, recording, err));
    }
    if (rc != TQ_OK) {
        return rc;
    }
    if (status != TQ_OK && status != TQ_REPEAT) {
        return app_once_undo(wish->once, TQ_EXPIRED);
    }
    rc = reservation_row_person_take(tx, &wish->row, wish->sale.person_limit, err);
    return rc > 0 ? app_once_undo(wish->once, rc) : rc;
}

/* What follows from what the ledger says of the seats. */
static int reserve(tq_tx *tx, struct recording *recording, const struct tq_hold *hold,
                   struct tq_error *err)
{
    struct hold_wish *wish = recording->wish;
    if (hold->status != TQ_OK) {
        wish->taken = hold->taken;
        return app_once_undo(wish->once, hold->status == TQ_REPEAT ? TQ_EXPIRED : hold->status);
    }
    TQ_TRY(fill(tx, wish, hold, err));
    return write_down(tx, recording, err);
}

/* Those of a run that were admitted. */
struct admitted {
    struct tq_hold_request *requests;
    struct tq_hold *holds;
    size_t *places; /* among the arguments of the run */
    size_t count;
};

static int record_admitted(tq_tx *tx, void *const args[], const struct admitted *admitted,
                           int results[], struct tq_error *const errs[])
{
    const struct recording *first = args[0];
    if (admitted->count == 0) {
        return TQ_OK;
    }
    TQ_TRY(tq_hold_record(tx, first->service->book, admitted->requests, admitted->count,
                          admitted->holds, errs[0]));
    for (size_t i = 0; i < admitted->count; i++) {
        size_t place = admitted->places[i];
        results[place] = reserve(tx, args[place], &admitted->holds[i], errs[place]);
    }
    return TQ_OK;
}

/* The body of all holds that come at the same time. */
static int record(tq_tx *tx, void *const args[], size_t count, int results[],
                  struct tq_error *const errs[])
{
    const struct tq_env *env = tq_tx_env(tx);
    struct admitted admitted = {
        .requests = tq__alloc(env, count, sizeof *admitted.requests),
        .holds = tq__alloc(env, count, sizeof *admitted.holds),
        .places = tq__alloc(env, count, sizeof *admitted.places),
    };
    int rc =
        admitted.requests && admitted.holds && admitted.places ? TQ_OK : tq__nomem(ORIGIN, errs[0]);
    for (size_t i = 0; rc == TQ_OK && i < count; i++) {
        const struct recording *recording = args[i];
        results[i] = admit(tx, args[i], errs[i]);
        if (results[i] == TQ_OK) {
            admitted.requests[admitted.count] = *recording->request;
            admitted.holds[admitted.count] = *recording->claim;
            admitted.places[admitted.count++] = i;
        }
    }
    rc = rc == TQ_OK ? record_admitted(tx, args, &admitted, results, errs) : rc;
    tq__release(env, admitted.requests);
    tq__release(env, admitted.holds);
    tq__release(env, admitted.places);
    return rc;
}

/* An id for the front and the ledger out of who asks and the key of the request. */
static int request_key(const struct hold_wish *wish, char target[TQ_ID_SIZE], struct tq_error *err)
{
    char text[2 * TQ_ID_SIZE + APP_ONCE_KEY_MAX];
    int length = snprintf(text, sizeof text, "%s %s", wish->row.user, wish->once->key);
    return app_digest(text, (size_t)length, APP_DIGEST_MAX, target, err);
}

/* Whether this may be asked for at all: the sale, its time, its seats and their prices. */
static int check(struct reservations *service, struct hold_wish *wish, struct tq_error *err)
{
    int64_t now_ms = 0;
    if (schedules_sale(service, wish->row.schedule, &wish->sale) != TQ_OK) {
        return TQ_GONE;
    }
    TQ_TRY(tq_store_now(service->ledger, &now_ms, err));
    if (now_ms < wish->sale.open_ms || now_ms >= wish->sale.close_ms) {
        return TQ_CLOSED;
    }
    return schedules_price(service, wish->row.schedule, wish->row.seats, wish->row.seats_count,
                           &wish->taken);
}

static void give_claim_back(struct reservations *service, const struct tq_hold *claim)
{
    const struct tq_hold_ref ref = {.size = sizeof ref,
                                    .schedule = claim->schedule,
                                    .id = claim->id,
                                    .holder = claim->holder,
                                    .fence = claim->fence};
    tq_hold_reflect(service->book, TQ_HOLD_WITHDRAW, &ref, 1, NULL);
}

/* Whether a claim goes on to the ledger: it is ours, or it was once under this key. */
static int is_ours(int status)
{
    return status == TQ_OK || status == TQ_REPEAT || status == TQ_EXPIRED ||
           status == TQ_RELEASED || status == TQ_SETTLED;
}

int reservation_hold(struct reservations *service, struct hold_wish *wish, struct tq_error *err)
{
    const char *seats[TQ_HOLD_SEATS_MAX];
    char key[TQ_ID_SIZE];
    struct tq_hold claim = TQ_INIT(tq_hold);
    struct tq_hold_request request = {.size = sizeof request,
                                      .schedule = wish->row.schedule,
                                      .holder = wish->row.user,
                                      .request_key = key,
                                      .seats = seats,
                                      .seats_count = wish->row.seats_count,
                                      .ttl_ms = service->hold_ttl_ms};
    struct recording recording = {service, wish, &request, &claim, 0};
    int rc = check(service, wish, err);
    if (rc != TQ_OK) {
        return rc;
    }
    for (size_t i = 0; i < wish->row.seats_count; i++) {
        seats[i] = wish->row.seats[i].id;
    }
    TQ_TRY(request_key(wish, key, err));
    TQ_TRY(tq_hold_claim(service->book, &request, 1, &claim, err));
    if (!is_ours(claim.status)) {
        wish->taken = claim.taken;
        return claim.status;
    }
    rc = tq_ledger_run_each(service->ledger, record, &recording, err);
    if (claim.status == TQ_OK && rc != TQ_OK && rc != TQ_E_UNKNOWN && !recording.is_recorded) {
        give_claim_back(service, &claim);
    }
    return app_once_outcome(wish->once, rc);
}

/* ---- the owner's verbs ---- */

struct change {
    struct reservations *service;
    const char *id;
    const char *user; /* NULL: any */
    struct reservation *row;
};

static int own(tq_tx *tx, struct change *change, struct tq_error *err)
{
    int rc = reservation_row_get(tx, change->id, change->row, err);
    if (rc == TQ_OK && change->user && strcmp(change->user, change->row->user) != 0) {
        return TQ_GONE;
    }
    return rc;
}

static int read_own(tq_tx *tx, void *arg, struct tq_error *err)
{
    return own(tx, arg, err);
}

int reservation_get(struct reservations *service, const char *id, const char *user,
                    struct reservation *row, struct tq_error *err)
{
    struct change change = {service, id, user, row};
    return tq_ledger_read(service->ledger, read_own, &change, err);
}

static int extend(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct change *change = arg;
    struct reservation *row = change->row;
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    int rc = own(tx, change, err);
    if (rc != TQ_OK) {
        return rc;
    }
    if (strcmp(row->phase, "HOLD") != 0) {
        return TQ_REFUSED;
    }
    struct tq_hold_ref ref = reservation_row_hold(row);
    ref.extend_ms = change->service->hold_ttl_ms;
    TQ_TRY(tq_hold_record_extend(tx, change->service->book, &ref, 1, &result, err));
    if (result.status != TQ_OK) {
        return result.status;
    }
    row->expires_ms = result.expires_ms;
    return reservation_row_extended(tx, row, err);
}

int reservation_extend(struct reservations *service, const char *id, const char *user,
                       struct reservation *row, struct tq_error *err)
{
    struct change change = {service, id, user, row};
    int rc = tq_ledger_run(service->ledger, extend, &change, err);
    if (rc == TQ_OK) {
        struct tq_hold_ref ref = reservation_row_hold(row);
        ref.extend_ms = service->hold_ttl_ms;
        tq_hold_reflect(service->book, TQ_HOLD_EXTEND, &ref, 1, NULL);
    }
    return rc;
}

static int cancel(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct change *change = arg;
    int rc = own(tx, change, err);
    if (rc != TQ_OK) {
        return rc;
    }
    rc = purchase_apply(tx, change->service, change->id, "CancelAsked", NULL, err);
    if (rc == TQ_OK) {
        TQ_TRY(own(tx, change, err));
    }
    return rc;
}

int reservation_cancel(struct reservations *service, const char *id, const char *user,
                       struct reservation *row, struct tq_error *err)
{
    struct change change = {service, id, user, row};
    int rc = tq_ledger_run(service->ledger, cancel, &change, err);
    if (rc == TQ_OK) {
        purchase_reflect(service, &id, 1);
    }
    return rc;
}

/* ---- expiry ---- */

struct sweeping {
    struct reservations *service;
    char holds[SWEEP_MAX][TQ_ID_SIZE];
    char reservations[SWEEP_MAX][TQ_ID_SIZE];
    size_t count;
};

static int swept(void *arg, const struct tq_hold_row *row)
{
    struct sweeping *sweeping = arg;
    tq__id_copy(sweeping->holds[sweeping->count++], row->id);
    return 0;
}

static int sweep(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct sweeping *sweeping = arg;
    struct reservations *service = sweeping->service;
    sweeping->count = 0;
    int rc = tq_hold_record_sweep(tx, service->book, SWEEP_MAX, swept, sweeping, err);
    for (size_t i = 0; rc >= 0 && i < sweeping->count; i++) {
        char *id = sweeping->reservations[i];
        TQ_TRY(reservation_row_of_hold(tx, sweeping->holds[i], id, err));
        if (id[0]) {
            TQ_TRY(purchase_apply(tx, service, id, "HoldExpired", NULL, err));
        }
    }
    return rc;
}

int reservation_sweep(void *arg, struct tq_error *err)
{
    struct sweeping sweeping = {.service = arg};
    struct reservations *service = arg;
    purchase_reflect_again(service);
    int rc = tq_ledger_run(service->ledger, sweep, &sweeping, err);
    const char *ended[SWEEP_MAX] = {NULL};
    size_t ended_count = 0;
    for (size_t i = 0; rc == TQ_OK && i < sweeping.count; i++) {
        if (sweeping.reservations[i][0]) {
            ended[ended_count++] = sweeping.reservations[i];
        }
    }
    purchase_reflect(service, ended, ended_count);
    return rc;
}
