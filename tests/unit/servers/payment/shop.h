/* SPDX-License-Identifier: MIT */
/*
 * The payment service without HTTP: its ledger in memory, its saga, one payment.
 */
#ifndef TESTS_UNIT_SERVERS_PAYMENT_SHOP_H
#define TESTS_UNIT_SERVERS_PAYMENT_SHOP_H

#include <stdio.h>
#include <string.h>

#include "app/told.h"
#include "lib/test_env.h"
#include "lib/unit.h"
#include "payment/payment.h"
#include "payment_sql.h"

#define PAYMENT "P"
#define RESERVATION "r-1"

struct shop {
    struct test_env test;
    struct payments service;
    struct tq_error err;
};

static struct shop shop;

static void shop_open(void)
{
    const struct tq_migration migration = {
        .size = sizeof migration, .scope = "payment", .version = 1, .sql = PAYMENT_v1};
    memset(&shop, 0, sizeof shop);
    struct tq_error err = TQ_ERROR_INIT;
    shop.err = err;
    test_env_init(&shop.test, 1);
    struct payments *service = &shop.service;
    service->env = test_env_of(&shop.test);
    assert_status(tq_store_open(&service->env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"),
                                &service->ledger, &err),
                  TQ_OK);
    assert_status(tq_outbox_prepare(service->ledger, &err), TQ_OK);
    assert_status(app_told_prepare(service->ledger, &err), TQ_OK);
    assert_status(tq_ledger_migrate(service->ledger, &migration, 1, &err), TQ_OK);
    assert_status(tq_sagas_open(service->ledger, &charge_type, service, &service->charges, &err),
                  TQ_OK);
}

static void shop_close(void)
{
    tq_sagas_close(shop.service.charges);
    tq_store_close(shop.service.ledger);
    ck_assert_int_eq(atomic_load(&shop.test.live), 0);
}

static int add_payment(tq_tx *tx, void *arg, struct tq_error *err)
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

static int bring_in(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct bringing *bringing = arg;
    return charge_apply(tx, &shop.service, PAYMENT, bringing->event, &bringing->input, err);
}

static int bring(const char *event)
{
    struct bringing bringing = {event,
                                {.token = "tok", .reason = "WHY", .paid = 5000, .cancelled = 5000}};
    return tq_ledger_run(shop.service.ledger, bring_in, &bringing, &shop.err);
}

static int first_word(void *arg, const struct tq_value *columns, size_t count)
{
    (void)count;
    snprintf(arg, 64, "%s", (const char *)columns[0].data);
    return 0;
}

struct asking {
    const char *sql;
    char word[64];
};

static int ask_in(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct asking *asking = arg;
    return tq_tx_exec(tx, asking->sql, NULL, 0, first_word, asking->word, err);
}

/* The first column of the last row, as a word that is good until the next call. */
static inline const char *ask(const char *sql)
{
    static struct asking asking;
    asking.sql = sql;
    asking.word[0] = '\0';
    ck_assert_int_eq(tq_ledger_read(shop.service.ledger, ask_in, &asking, &shop.err), TQ_OK);
    return asking.word;
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
    return ask("SELECT type FROM outbox_events ORDER BY id");
}

static inline const char *waiting_call(void)
{
    return ask("SELECT operation FROM calls WHERE payment_id = 'P'");
}

#endif
