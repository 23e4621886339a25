/* SPDX-License-Identifier: MIT */
/*
 * payment/rows.c: rows come out as they went in, move only from where they are
 * said to be, and show buyers no more than they should see.
 */
#include "core/error.h"
#include "shop.h"

static int use_rows(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct payment row, other;
    (void)arg;
    ck_assert_int_eq(payment_row_get(tx, PAYMENT, &row, err), TQ_GONE);
    TQ_TRY(add_payment(tx, NULL, err));
    ck_assert_int_eq(payment_row_get(tx, PAYMENT, &row, err), TQ_OK);
    ck_assert_str_eq(row.user, "ann");
    ck_assert_int_eq(row.amount, 5000);
    ck_assert_str_eq(row.token, "");
    ck_assert_int_eq(payment_row_of_reservation(tx, RESERVATION, &other, err), TQ_OK);
    ck_assert_str_eq(other.id, PAYMENT);
    ck_assert_int_eq(payment_row_of_reservation(tx, "r-2", &other, err), TQ_GONE);
    tq__id_copy(row.id, "P-2");
    ck_assert_int_eq(payment_row_add(tx, &row, err), TQ_REPEAT); /* one of a reservation */
    return TQ_OK;
}

START_TEST(a_reservation__has_one_row)
{
    shop_open();
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, use_rows, NULL, &shop.err), TQ_OK);
    shop_close();
}
END_TEST

static int move_rows(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct payment row;
    (void)arg;
    TQ_TRY(add_payment(tx, NULL, err));
    TQ_TRY(payment_row_get(tx, PAYMENT, &row, err));
    snprintf(row.phase, sizeof row.phase, "PAID");
    memset(row.token, 't', sizeof row.token - 1);
    row.token[sizeof row.token - 1] = '\0';
    snprintf(row.failure, sizeof row.failure, "WHY");
    row.paid = 5000;
    row.cancelled = 1;
    ck_assert_int_eq(payment_row_move(tx, "CAPTURED", &row, err), TQ_STALE);
    ck_assert_int_eq(payment_row_move(tx, "READY", &row, err), TQ_OK);
    ck_assert_int_eq(payment_row_move(tx, "READY", &row, err), TQ_STALE);
    TQ_TRY(payment_row_get(tx, row.id, &row, err));
    ck_assert_uint_eq(strlen(row.token), PAYMENT_TOKEN_SIZE - 1);
    ck_assert_str_eq(row.failure, "WHY");
    ck_assert_int_eq(row.paid, 5000);
    ck_assert_int_eq(row.cancelled, 1);
    return TQ_OK;
}

START_TEST(a_row__moves_from_where_it_is)
{
    shop_open();
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, move_rows, NULL, &shop.err), TQ_OK);
    shop_close();
}
END_TEST

START_TEST(what_buyers_see)
{
    static const struct {
        const char *phase, *status;
    } rows[] = {
        {"READY", "READY"},         {"REQUESTED", "CONFIRMING"}, {"CONFIRMING", "CONFIRMING"},
        {"UNKNOWN", "UNKNOWN"},     {"CAPTURED", "CONFIRMING"},  {"PAID", "PAID"},
        {"REFUNDING", "REFUNDING"}, {"REFUNDED", "REFUNDED"},    {"FAILED", "FAILED"}};
    struct test_env test;
    test_env_init(&test, 1);
    const struct tq_env env = test_env_of(&test);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tq__buf json = TQ__BUF(&env);
        char wanted[64];
        struct payment row = {.id = PAYMENT, .token = "secret", .currency = "KRW"};
        snprintf(row.phase, sizeof row.phase, "%s", rows[i].phase);
        payment_row_put(&json, &row);
        snprintf(wanted, sizeof wanted, "\"status\":\"%s\"", rows[i].status);
        ck_assert_ptr_nonnull(strstr(json.data, wanted));
        ck_assert_ptr_null(strstr(json.data, "secret"));
        ck_assert_ptr_null(strstr(json.data, "failure"));
        tq__buf_done(&json);
    }
}
END_TEST

UNIT_MAIN("servers.payment.rows", a_reservation__has_one_row, a_row__moves_from_where_it_is,
          what_buyers_see)
