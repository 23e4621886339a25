/* SPDX-License-Identifier: MIT */
/*
 * The rows of payments: reading, conditional writing, and their public form.
 *
 * What buyers see is coarser than the phases: a payment is CONFIRMING from the
 * moment they asked until there is a ticket, and PAID only then.
 *
 *     phase        status        money is
 *     READY        READY         the buyer's
 *     REQUESTED    CONFIRMING    the buyer's; the seats are being pinned
 *     CONFIRMING   CONFIRMING    on its way
 *     UNKNOWN      UNKNOWN       the provider is being asked
 *     CAPTURED     CONFIRMING    ours; the ticket is being made
 *     PAID         PAID          ours, for a ticket
 *     REFUNDING    REFUNDING     going back
 *     REFUNDED     REFUNDED      the buyer's again
 *     FAILED       FAILED        the buyer's
 *
 * Threads: each call belongs to its transaction.
 */
#include "payment/payment.h"

#include <stdio.h>
#include <string.h>

#include "app/rows.h"
#include "core/error.h"
#include "payment_sql.h"

int payment_rows_prepare(tq_store *ledger, struct tq_error *err)
{
    const struct tq_migration migrations[] = {
        {.size = sizeof *migrations, .scope = "payment", .version = 1, .sql = PAYMENT_v1},
        {.size = sizeof *migrations, .scope = "payment", .version = 2, .sql = PAYMENT_v2},
        {.size = sizeof *migrations, .scope = "payment", .version = 3, .sql = PAYMENT_v3}};
    return tq_ledger_migrate(ledger, migrations, sizeof migrations / sizeof *migrations, err);
}

#define TEXT(field, index) APP_TEXT(row->field, &columns[index])

static int read_row(void *arg, const struct tq_value *columns, size_t count)
{
    struct payment *row = arg;
    (void)count;
    TEXT(id, 0);
    TEXT(reservation, 1);
    TEXT(user, 2);
    TEXT(phase, 3);
    row->amount = columns[4].integer;
    TEXT(currency, 5);
    TEXT(token, 6);
    TEXT(failure, 7);
    row->paid = columns[8].integer;
    row->cancelled = columns[9].integer;
    TEXT(trace, 10);
    row->created_ms = columns[11].integer;
    row->recheck_ms = 0;
    return 0;
}

static int find(tq_tx *tx, const char *sql, const char *id, struct payment *out,
                struct tq_error *err)
{
    char wanted[TQ_ID_SIZE]; /* `id` may be the row's own */
    snprintf(wanted, sizeof wanted, "%s", id);
    const struct tq_value params[] = {tq_text(wanted)};
    out->id[0] = '\0';
    TQ_TRY(tq_tx_exec(tx, sql, params, 1, read_row, out, err));
    return out->id[0] ? TQ_OK : TQ_GONE;
}

int payment_row_get(tq_tx *tx, const char *id, struct payment *out, struct tq_error *err)
{
    return find(tx, PAYMENT_payment_get, id, out, err);
}

int payment_row_of_reservation(tq_tx *tx, const char *reservation, struct payment *out,
                               struct tq_error *err)
{
    return find(tx, PAYMENT_payment_of_reservation, reservation, out, err);
}

int payment_row_add(tq_tx *tx, const struct payment *row, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(row->id),       tq_text(row->reservation),
                                      tq_text(row->user),     tq_int(row->amount),
                                      tq_text(row->currency), app_text_or_null(row->trace),
                                      tq_int(row->created_ms)};
    TQ_TRY(tq_tx_exec(tx, PAYMENT_payment_add, params, 7, NULL, NULL, err));
    return tq_tx_changed(tx) ? TQ_OK : TQ_REPEAT;
}

int payment_row_move(tq_tx *tx, const char *from, const struct payment *row, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(row->id),
                                      tq_text(from),
                                      tq_text(row->phase),
                                      app_text_or_null(row->token),
                                      app_text_or_null(row->failure),
                                      tq_int(row->paid),
                                      tq_int(row->cancelled),
                                      tq_int(tq_tx_now_ms(tx)),
                                      app_int_or_null(row->recheck_ms)};
    uint32_t changed = 0;
    TQ_TRY(tq_tx_write(tx, PAYMENT_payment_move, params, 9, 1, &changed, err));
    return changed ? TQ_OK : TQ_STALE;
}

static const char *status_of(const char *phase)
{
    if (strcmp(phase, "REQUESTED") == 0 || strcmp(phase, "CAPTURED") == 0) {
        return "CONFIRMING";
    }
    return phase;
}

void payment_row_put(struct tq__buf *json, const struct payment *row)
{
    tq__put_object(json, NULL);
    tq__put_string(json, "paymentId", row->id);
    tq__put_string(json, "reservationId", row->reservation);
    tq__put_string(json, "status", status_of(row->phase));
    tq__put_int(json, "amount", row->amount);
    tq__put_string(json, "currency", row->currency);
    app_put_time(json, "createdAt", row->created_ms);
    if (row->failure[0]) {
        tq__put_string(json, "failure", row->failure);
    }
    tq__put_object_end(json);
}

static int put_row(tq_tx *tx, const char *id, struct tq__buf *json, struct tq_error *err)
{
    struct payment row;
    TQ_TRY(payment_row_get(tx, id, &row, err));
    payment_row_put(json, &row);
    return TQ_OK;
}

const struct app_page payment_page = {
    .name = "payments", .sql = PAYMENT_payments_of_user, .row = put_row};
