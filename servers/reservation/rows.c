/* SPDX-License-Identifier: MIT */
/*
 * The rows of reservations: reading, conditional writing, and their public form.
 *
 * A row is moved only from the phase and the fence that the caller read
 * (reservation_row_move); whoever comes second changes nothing and is told TQ_STALE. The
 * seats of a person are counted in a row of their own, in the same transaction:
 * up when a hold is recorded, down when a reservation ends without its seats,
 * so that the limit holds for open and confirmed reservations together and
 * under any concurrency. Threads: each call belongs to its transaction.
 */
#include "reservation/reservation.h"

#include <stdio.h>
#include <string.h>

#include "app/rows.h"
#include "core/error.h"
#include "reservation_sql.h"

#define TEXT(field, index) APP_TEXT(row->field, &columns[index])

/* One seat, and the row that it belongs to, as with each. */
static int read_row(void *arg, const struct tq_value *columns, size_t count)
{
    struct reservation *row = arg;
    (void)count;
    TEXT(id, 0);
    TEXT(user, 1);
    TEXT(schedule, 2);
    TEXT(status, 3);
    TEXT(phase, 4);
    TEXT(hold_id, 5);
    row->fence = (uint64_t)columns[6].integer;
    row->expires_ms = columns[7].integer;
    row->total = columns[8].integer;
    TEXT(currency, 9);
    TEXT(payment, 10);
    TEXT(ticket, 11);
    TEXT(reason, 12);
    row->refunded = columns[13].integer;
    TEXT(trace, 14);
    row->created_ms = columns[15].integer;
    TEXT(came_from, 16);
    if (row->seats_count < TQ_HOLD_SEATS_MAX) {
        struct priced_seat *seat = &row->seats[row->seats_count++];
        APP_TEXT(seat->id, &columns[17]);
        APP_TEXT(seat->grade, &columns[18]);
        seat->price = columns[19].integer;
    }
    return 0;
}

int reservation_row_get(tq_tx *tx, const char *id, struct reservation *out, struct tq_error *err)
{
    char wanted[TQ_ID_SIZE]; /* `id` may be the row's own */
    snprintf(wanted, sizeof wanted, "%s", id);
    const struct tq_value params[] = {tq_text(wanted)};
    out->id[0] = '\0';
    out->seats_count = 0;
    TQ_TRY(tq_tx_exec(tx, RESERVATION_reservation_get, params, 1, read_row, out, err));
    return out->id[0] ? TQ_OK : TQ_GONE;
}

static int add_seats(tq_tx *tx, const struct reservation *row, struct tq_error *err)
{
    struct tq_value params[5 * TQ_HOLD_SEATS_MAX];
    for (size_t i = 0; i < row->seats_count; i++) {
        struct tq_value *at = &params[5 * i];
        at[0] = tq_text(row->id);
        at[1] = tq_int((int64_t)i);
        at[2] = tq_text(row->seats[i].id);
        at[3] = tq_text(row->seats[i].grade);
        at[4] = tq_int(row->seats[i].price);
    }
    return tq_tx_write(tx, RESERVATION_reservation_seat_add, params, 5, row->seats_count, NULL,
                       err);
}

int reservation_row_add(tq_tx *tx, const struct reservation *row, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(row->id),
                                      tq_text(row->user),
                                      tq_text(row->schedule),
                                      tq_text(row->hold_id),
                                      tq_int((int64_t)row->fence),
                                      tq_int(row->expires_ms),
                                      tq_int((int64_t)row->seats_count),
                                      tq_int(row->total),
                                      tq_text(row->currency),
                                      app_text_or_null(row->trace),
                                      tq_int(row->created_ms)};
    TQ_TRY(tq_tx_write(tx, RESERVATION_reservation_add, params, 11, 1, NULL, err));
    return add_seats(tx, row, err);
}

int reservation_row_move(tq_tx *tx, const struct reservation *from, const struct reservation *to,
                         struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(from->id),
                                      tq_text(from->phase),
                                      tq_int((int64_t)from->fence),
                                      tq_text(to->status),
                                      tq_text(to->phase),
                                      app_text_or_null(to->payment),
                                      app_text_or_null(to->ticket),
                                      app_text_or_null(to->reason),
                                      tq_int(to->refunded),
                                      tq_text(to->hold_id),
                                      tq_int((int64_t)to->fence),
                                      tq_int(tq_tx_now_ms(tx))};
    uint32_t changed = 0;
    TQ_TRY(tq_tx_write(tx, RESERVATION_reservation_move, params, 12, 1, &changed, err));
    return changed ? TQ_OK : TQ_STALE;
}

int reservation_row_person_take(tq_tx *tx, const struct reservation *row, int64_t limit,
                                struct tq_error *err)
{
    int64_t count = (int64_t)row->seats_count;
    const struct tq_value params[] = {tq_text(row->schedule), tq_text(row->user), tq_int(count),
                                      tq_int(limit ? limit : INT64_MAX)};
    if (limit && count > limit) {
        return TQ_FULL;
    }
    uint32_t changed = 0;
    TQ_TRY(tq_tx_write(tx, RESERVATION_person_take, params, 4, 1, &changed, err));
    return changed ? TQ_OK : TQ_FULL;
}

int reservation_row_person_give(tq_tx *tx, const struct reservation *row, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(row->schedule), tq_text(row->user),
                                      tq_int((int64_t)row->seats_count)};
    return tq_tx_write(tx, RESERVATION_person_give, params, 3, 1, NULL, err);
}

int reservation_row_extended(tq_tx *tx, const struct reservation *row, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(row->id), tq_int(row->expires_ms),
                                      tq_int(tq_tx_now_ms(tx)), tq_int((int64_t)row->fence)};
    return tq_tx_write(tx, RESERVATION_reservation_extended, params, 4, 1, NULL, err);
}

int reservation_row_of_hold(tq_tx *tx, const char *hold_id, char out_id[TQ_ID_SIZE],
                            struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(hold_id)};
    out_id[0] = '\0';
    return tq_tx_exec(tx, RESERVATION_reservation_by_hold, params, 1, app_id_row, out_id, err);
}

struct tq_hold_ref reservation_row_hold(const struct reservation *row)
{
    struct tq_hold_ref ref = {.size = sizeof ref,
                              .schedule = row->schedule,
                              .id = row->hold_id,
                              .holder = row->user,
                              .fence = row->fence};
    return ref;
}

static void put_seats(struct tq__buf *json, const struct reservation *row)
{
    tq__put_array(json, "seats");
    for (size_t i = 0; i < row->seats_count; i++) {
        tq__put_object(json, NULL);
        tq__put_string(json, "seatId", row->seats[i].id);
        tq__put_string(json, "grade", row->seats[i].grade);
        tq__put_int(json, "price", row->seats[i].price);
        tq__put_object_end(json);
    }
    tq__put_array_end(json);
}

static void put_if(struct tq__buf *json, const char *name, const char *value)
{
    if (value[0]) {
        tq__put_string(json, name, value);
    }
}

void reservation_row_put(struct tq__buf *json, const struct reservation *row)
{
    tq__put_object(json, NULL);
    tq__put_string(json, "reservationId", row->id);
    tq__put_string(json, "scheduleId", row->schedule);
    tq__put_string(json, "status", row->status);
    tq__put_string(json, "phase", row->phase);
    put_seats(json, row);
    tq__put_int(json, "totalAmount", row->total);
    tq__put_string(json, "currency", row->currency);
    app_put_time(json, "holdExpiresAt", row->expires_ms);
    app_put_time(json, "createdAt", row->created_ms);
    put_if(json, "paymentId", row->payment);
    put_if(json, "ticketNumber", row->ticket);
    put_if(json, "cancelReason", row->reason);
    if (row->refunded) {
        tq__put_int(json, "refundedAmount", row->refunded);
    }
    tq__put_object_end(json);
}

static int put_row(tq_tx *tx, const char *id, struct tq__buf *json, struct tq_error *err)
{
    struct reservation row;
    TQ_TRY(reservation_row_get(tx, id, &row, err));
    reservation_row_put(json, &row);
    return TQ_OK;
}

const struct app_page reservation_page = {
    .name = "reservations", .sql = RESERVATION_reservations_of_user, .row = put_row};
