/* SPDX-License-Identifier: MIT */
/*
 * The payment service without HTTP: its ledger, its saga, one payment.
 */
#ifndef TESTS_UNIT_SERVERS_PAYMENT_SHOP_H
#define TESTS_UNIT_SERVERS_PAYMENT_SHOP_H

#include <stdio.h>
#include <string.h>

#include "../desk.h"
#include "lib/unit.h"
#include "payment/payment.h"
#include "payment_sql.h"

#define PAYMENT "P"
#define RESERVATION "r-1"
#define RECHECK_MS 120000

struct shop {
    struct desk desk;
    struct payments service;
    struct tq_error err;
    const char *token; /* of the buyer; NULL: any */
};

static struct shop shop;

static inline void shop_open_at(const char *url)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct payments *service = &shop.service;
    memset(&shop, 0, sizeof shop);
    shop.err = err;
    desk_open(&shop.desk, "payment", PAYMENT_v1, url);
    service->env = shop.desk.env;
    service->ledger = shop.desk.ledger;
    service->recheck_ms = RECHECK_MS;
    assert_status(payment_rows_prepare(service->ledger, &err), TQ_OK);
    assert_status(tq_sagas_open(service->ledger, &charge_type, service, &service->charges, &err),
                  TQ_OK);
}

static inline void shop_open(void)
{
    shop_open_at(NULL);
}

static inline void shop_close(void)
{
    tq_sagas_close(shop.service.charges);
    desk_close(&shop.desk);
}

static inline int add_payment(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct payment row = {.id = PAYMENT,
                                .reservation = RESERVATION,
                                .user = "ann",
                                .phase = "READY",
                                .amount = 5000,
                                .currency = "KRW",
                                .created_ms = tq_tx_now_ms(tx)};
    (void)arg;
    int rc = payment_row_add(tx, &row, err);
    return rc == TQ_OK ? tq_saga_start(tx, shop.service.charges, PAYMENT, "", 0, err) : rc;
}

struct bringing {
    const char *event;
    struct charge_input input;
};

static inline int bring_in(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct bringing *bringing = arg;
    return charge_apply(tx, &shop.service, PAYMENT, bringing->event, &bringing->input, err);
}

static inline int bring(const char *event)
{
    struct bringing bringing = {event,
                                {.token = shop.token ? shop.token : "tok",
                                 .reason = "WHY",
                                 .paid = 5000,
                                 .cancelled = 5000}};
    return tq_ledger_run(shop.service.ledger, bring_in, &bringing, &shop.err);
}

static inline const char *ask(const char *sql)
{
    return desk_ask(&shop.desk, sql);
}

static inline const char *phase(void)
{
    return ask("SELECT phase FROM payments WHERE payment_id = 'P'");
}

static inline const char *state(void)
{
    return ask("SELECT state FROM sagas WHERE saga_id = 'P'");
}

static inline const char *last_told(void)
{
    return desk_last_told(&shop.desk);
}

static inline const char *waiting_call(void)
{
    return ask("SELECT operation FROM calls WHERE payment_id = 'P'");
}

#endif
