/* SPDX-License-Identifier: MIT */
/*
 * payment/webhook.c: secrets at their limits; a webhook is stored once and asks for
 * the truth, whatever it says.
 */
#include "shop.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

START_TEST(secrets__one_to_four_of_them)
{
    struct app_webhook_key keys[PAYMENT_KEYS_MAX];
    size_t count = 0;
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(webhook_keys_read(SECRET, keys, &count, &err), TQ_OK);
    ck_assert_uint_eq(count, 1);
    assert_status(
        webhook_keys_read(" " SECRET "\n" SECRET "\t" SECRET " " SECRET "\n", keys, &count, &err),
        TQ_OK);
    ck_assert_uint_eq(count, PAYMENT_KEYS_MAX);
    assert_status(
        webhook_keys_read(SECRET " " SECRET " " SECRET " " SECRET " " SECRET, keys, &count, &err),
        TQ_E_INVALID);
}
END_TEST

START_TEST(secrets__none_and_unreadable_ones_are_refused)
{
    struct app_webhook_key keys[PAYMENT_KEYS_MAX];
    size_t count = 0;
    struct tq_error err = TQ_ERROR_INIT;
    char longest[200];
    memset(longest, 'A', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_lt(webhook_keys_read("", keys, &count, &err), 0);
    ck_assert_int_lt(webhook_keys_read(" \n", keys, &count, &err), 0);
    ck_assert_int_lt(webhook_keys_read("whsec_short", keys, &count, &err), 0);
    ck_assert_int_lt(webhook_keys_read(longest, keys, &count, &err), 0);
}
END_TEST

static int take(const char *id, const char *body)
{
    return webhook_take(&shop.service, id, body, strlen(body), &shop.err);
}

static void begin(void)
{
    shop_open();
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
}

#define PAID "{\"type\":\"Transaction.Paid\",\"data\":{\"paymentId\":\"" PAYMENT "\"}}"

START_TEST(a_webhook_counts_once_and_asks_the_provider)
{
    begin();
    ck_assert_int_eq(take("msg_1", PAID), TQ_OK);
    ck_assert_str_eq(waiting_call(), "ASK");
    ck_assert_str_eq(phase(), "READY"); /* it is not believed */
    ck_assert_int_eq(take("msg_1", PAID), TQ_REPEAT);
    ck_assert_str_eq(ask("SELECT CAST(version AS TEXT) FROM calls"), "1");
    ck_assert_int_eq(take("msg_2", PAID), TQ_OK);
    ck_assert_str_eq(ask("SELECT CAST(version AS TEXT) FROM calls"), "2");
    shop_close();
}
END_TEST

START_TEST(what_is_known_already_is_not_asked_again)
{
    static const char *const way[] = {"ConfirmAsked", "Pinned", "Captured"};
    begin();
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(bring(way[i]), TQ_OK);
    }
    char before[64];
    snprintf(before, sizeof before, "%s", ask("SELECT CAST(version AS TEXT) FROM calls"));
    ck_assert_int_eq(take("msg_1", PAID), TQ_OK);
    ck_assert_str_eq(ask("SELECT CAST(version AS TEXT) FROM calls"), before);
    shop_close();
}
END_TEST

START_TEST(unknown_types_and_payments_are_stored_and_left)
{
    begin();
    ck_assert_int_eq(take("msg_1", "{\"type\":\"BillingKey.Issued\",\"data\":{}}"), TQ_OK);
    ck_assert_int_eq(
        take("msg_2", "{\"type\":\"Transaction.Paid\",\"data\":{\"paymentId\":\"X\"}}"), TQ_OK);
    ck_assert_int_eq(
        take("msg_3", "{\"type\":\"Transaction.Paid\",\"data\":{\"paymentId\":\"a b\"}}"), TQ_OK);
    ck_assert_str_eq(waiting_call(), "");
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM webhooks"), "3");
    shop_close();
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
    begin();
    ck_assert_int_lt(take("msg_1", "not json"), 0);
    ck_assert_int_eq(take("msg_2", "{}"), TQ_E_INVALID);
    ck_assert_int_eq(take("msg_3", "{\"type\":5}"), TQ_E_INVALID);
    ck_assert_int_eq(take("", PAID), TQ_E_INVALID);
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM webhooks"), "0");
    shop_close();
}
END_TEST

START_TEST(old_ones_are_removed_a_few_at_a_time)
{
    begin();
    ck_assert_int_eq(take("msg_1", PAID), TQ_OK);
    ck_assert_int_eq(take("msg_2", PAID), TQ_OK);
    ck_assert_int_eq(webhooks_clean(shop.service.ledger, 1000, 1, &shop.err), TQ_EMPTY);
    atomic_fetch_add(&shop.desk.test.now_ms, 2000);
    ck_assert_int_eq(webhooks_clean(shop.service.ledger, 1000, 1, &shop.err), TQ_OK);
    ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM webhooks"), "1");
    shop_close();
}
END_TEST

UNIT_MAIN("servers.payment.webhook", secrets__one_to_four_of_them,
          secrets__none_and_unreadable_ones_are_refused,
          a_webhook_counts_once_and_asks_the_provider, what_is_known_already_is_not_asked_again,
          unknown_types_and_payments_are_stored_and_left, what_cannot_be_read_is_refused,
          old_ones_are_removed_a_few_at_a_time)
