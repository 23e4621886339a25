/* SPDX-License-Identifier: MIT */
/*
 * What the provider tells by itself.
 *
 * A webhook that is genuine and fresh (app/webhook.h) is stored under its id
 * before it is answered, so that a repetition does nothing. Two secrets may be
 * active while one is exchanged.
 *
 * Its content is never believed: it only makes us ask the provider's book about
 * the payment it names. So it does not matter whether webhooks are late, doubled
 * or out of order; recheck.c is for those that never come. One that tells of money may
 * be ahead of the book, which is then asked until it shows it (call_await). Types and
 * payments that we do not know are stored and left.
 *
 * Threads: [any].
 */
#include "payment/payment.h"

#include <string.h>

#include "app/rows.h"
#include "core/bytes.h"
#include "core/error.h"
#include "payment_sql.h"

#define ORIGIN "webhook"
#define TEXT_MAX 128
#define SECRET_SIZE 128

/* ---- secrets ---- */

int webhook_keys_read(const char *text, struct app_webhook_key *out_keys, size_t *out_count,
                      struct tq_error *err)
{
    static const char space[] = " \t\r\n";
    size_t count = 0;
    for (text += strspn(text, space); *text; text += strspn(text, space)) {
        char secret[SECRET_SIZE];
        size_t bytes = strcspn(text, space);
        if (count == PAYMENT_KEYS_MAX || tq__text_copy(secret, sizeof secret, text, bytes)) {
            return tq__fail(err, TQ_E_INVALID, ORIGIN,
                            "there are too many webhook secrets, or "
                            "one is too long");
        }
        TQ_TRY(app_webhook_key_read(&out_keys[count++], secret, err));
        text += bytes;
    }
    *out_count = count;
    return count ? TQ_OK : tq__fail(err, TQ_E_INVALID, ORIGIN, "there is no webhook secret");
}

/* ---- stored once ---- */

struct taking {
    struct payments *service;
    const char *id;
    const char *type;
    const char *payment; /* NULL: of no payment */
};

/* A payment that has its ticket learns nothing from being called paid, one that has its money
   back nothing at all. */
static int is_known(const struct taking *taking, const struct payment *row)
{
    return strcmp(row->phase, "REFUNDED") == 0 ||
           (strcmp(taking->type, "Transaction.Paid") == 0 &&
            (strcmp(row->phase, "CAPTURED") == 0 || strcmp(row->phase, "PAID") == 0));
}

static int tells_of_money(const char *type)
{
    static const char *const types[] = {"Transaction.Paid", "Transaction.Cancelled",
                                        "Transaction.PartialCancelled"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i], type) == 0) {
            return 1;
        }
    }
    return 0;
}

static int store(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct taking *taking = arg;
    const struct tq_value params[] = {tq_text(taking->id), tq_text(taking->type),
                                      tq_text(taking->payment), tq_int(tq_tx_now_ms(tx))};
    struct payment row;
    uint32_t is_new = 0;
    TQ_TRY(tq_tx_write(tx, PAYMENT_webhook_add, params, 4, 1, &is_new, err));
    if (!is_new) {
        return TQ_REPEAT;
    }
    if (!taking->payment) {
        return TQ_OK;
    }
    int rc = payment_row_get(tx, taking->payment, &row, err);
    if (rc != TQ_OK) {
        return rc < 0 ? rc : TQ_OK;
    }
    if (is_known(taking, &row)) {
        return TQ_OK;
    }
    return tells_of_money(taking->type) ? call_await(tx, row.id, err)
                                        : call_nudge(tx, row.id, "ASK", err);
}

int webhook_take(struct payments *service, const char *id, const char *body, size_t bytes,
                 struct tq_error *err)
{
    tq__json *json = NULL;
    TQ_TRY(tq__json_parse(&service->env, body, bytes, NULL, &json, err));
    const char *type = tq__json_string(tq__json_member(json, "type"));
    const char *payment =
        tq__json_string(tq__json_member(tq__json_member(json, "data"), "paymentId"));
    struct taking taking = {service, id, type, tq__id_is_valid(payment) ? payment : NULL};
    int rc = tq__text_is_valid(id, TEXT_MAX) && tq__text_is_valid(type, TEXT_MAX)
                 ? tq_ledger_run(service->ledger, store, &taking, err)
                 : tq__fail(err, TQ_E_INVALID, ORIGIN, "a webhook has no id or type");
    tq__json_free(json);
    return rc;
}

/* ---- forgotten ---- */

int webhooks_clean(tq_store *ledger, int64_t age_ms, size_t limit, struct tq_error *err)
{
    return app_clean(ledger, PAYMENT_webhooks_clean, age_ms, limit, err);
}
