/* SPDX-License-Identifier: MIT */
/*
 * sandbox/operation.c: what the calls of the shop do to the book, and the types of what
 * is wrong.
 */
#include "../provider.h"

#include <stdio.h>
#include <string.h>

START_TEST(a_payment__is_made_told_and_booked)
{
    provider_open();
    assert_call(200, "POST", "/payments/P1/pre-register", PROVIDER_KEY, PROVIDER_REGISTER);
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"READY\"");
    assert_call(
        200, "POST", "/payments/P1/confirm", PROVIDER_KEY_OTHER,
        provider_confirmation("P1", "5000", "ok",
                              ",\"totalAmount\":5000,\"currency\":\"KRW\",\"isTest\":false"));
    assert_body("\"pgTxId\":");
    assert_body("\"paidAt\":");
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    assert_body("\"total\":5000");
    assert_body("\"type\":\"LIVE\"");
    provider_wait_for_hooks(1);
    ck_assert_ptr_nonnull(strstr(provider.hooks[0].body, "\"type\":\"Transaction.Paid\""));
    ck_assert_ptr_nonnull(strstr(provider.hooks[0].body, "\"paymentId\":\"P1\""));
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("\"totals\":{\"paid\":5000,\"cancelled\":0}");
    provider_close();
}
END_TEST

START_TEST(what_is_wrong__has_the_providers_type)
{
    char own[512], foreign[512];
    provider_open();
    assert_call(404, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"type\":\"PAYMENT_NOT_FOUND\"");
    assert_call(404, "POST", "/payments/P1/confirm", NULL, "{\"paymentToken\":\"x\"}");
    assert_call(200, "POST", "/payments/P1/pre-register", NULL, PROVIDER_REGISTER);
    snprintf(own, sizeof own, "%s", provider_confirmation("P1", "5000", "ok", ""));
    snprintf(foreign, sizeof foreign, "%s", provider_confirmation("P2", "5000", "ok", ""));
    assert_call(400, "POST", "/payments/P1/confirm", NULL, "{}");
    assert_body("INVALID_REQUEST");
    assert_call(400, "POST", "/payments/P1/confirm", NULL, "[]");
    assert_call(400, "POST", "/payments/P1/confirm", NULL, foreign);
    assert_body("INVALID_PAYMENT_TOKEN");
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                provider_confirmation("P1", "100", "ok", ""));
    assert_body("INFORMATION_MISMATCH");
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                provider_confirmation("P1", "5000", "ok", ",\"totalAmount\":4999"));
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                provider_confirmation("P1", "5000", "ok", ",\"currency\":\"USD\""));
    assert_call(409, "POST", "/payments/P1/confirm", NULL,
                provider_confirmation("P1", "5000", "ok", ",\"isTest\":true"));
    assert_call(200, "POST", "/payments/P1/confirm", NULL, own);
    assert_call(409, "POST", "/payments/P1/confirm", NULL, own);
    assert_body("ALREADY_PAID");
    assert_call(409, "POST", "/payments/P1/pre-register", NULL, PROVIDER_REGISTER);
    assert_body("ALREADY_PAID");
    struct http_answer answer = HTTP_ANSWER(&provider.rig.env);
    char url[256];
    snprintf(url, sizeof url, "%s/payments/P1", provider.url);
    const struct http_call unsigned_call = {.method = "GET", .url = url};
    ck_assert_int_eq(http_client_call(provider.client, &unsigned_call, &answer, NULL), TQ_OK);
    ck_assert_uint_eq(answer.status, 401);
    http_answer_done(&answer);
    provider_close();
}
END_TEST

START_TEST(a_declined_card__may_be_replaced)
{
    provider_open();
    assert_call(502, "POST", "/payments/P1/confirm", NULL,
                provider_confirmation("P1", "5000", "decline", ""));
    assert_body("\"type\":\"PG_PROVIDER\"");
    assert_body("\"pgCode\":\"CARD_DECLINED\"");
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"FAILED\"");
    assert_body("\"failure\":{");
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"decline\",\"paymentId\":\"P1\"}");
    assert_call(502, "POST", "/payments/P1/confirm", NULL,
                provider_confirmation("P1", "5000", "ok", ""));
    provider_pay("P1");
    provider_wait_for_hooks(3);
    provider_close();
}
END_TEST

START_TEST(money__goes_back_once)
{
    provider_open();
    assert_call(404, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\"}");
    provider_confirmation("P1", "5000", "ok", "");
    assert_call(409, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\"}");
    assert_body("PAYMENT_NOT_PAID");
    provider_pay("P1");
    assert_call(400, "POST", "/payments/P1/cancel", NULL, "{}");
    assert_call(400, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\",\"amount\":0}");
    assert_call(400, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\",\"amount\":-1}");
    assert_call(409, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\",\"amount\":5001}");
    assert_body("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT");
    assert_call(409, "POST", "/payments/P1/cancel", NULL,
                "{\"reason\":\"r\",\"currentCancellableAmount\":4999}");
    assert_body("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN");
    assert_call(200, "POST", "/payments/P1/cancel", PROVIDER_KEY,
                "{\"reason\":\"r\",\"amount\":1000}");
    assert_body("\"cancellation\":{\"status\":\"SUCCEEDED\"");
    assert_call(200, "POST", "/payments/P1/cancel", PROVIDER_KEY,
                "{\"reason\":\"r\",\"amount\":1000}");
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PARTIAL_CANCELLED\"");
    assert_body("\"cancelled\":1000");
    assert_call(200, "POST", "/payments/P1/cancel", NULL,
                "{\"reason\":\"r\",\"currentCancellableAmount\":4000}");
    assert_call(409, "POST", "/payments/P1/cancel", NULL, "{\"reason\":\"r\"}");
    assert_body("PAYMENT_ALREADY_CANCELLED");
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("\"status\":\"CANCELLED\"");
    assert_body("\"totals\":{\"paid\":5000,\"cancelled\":5000}");
    provider_wait_for_hooks(3);
    provider_close();
}
END_TEST

UNIT_MAIN("servers.sandbox.operation", a_payment__is_made_told_and_booked,
          what_is_wrong__has_the_providers_type, a_declined_card__may_be_replaced,
          money__goes_back_once)
