/* SPDX-License-Identifier: MIT */
/*
 * payment/calls.c against the sandbox: each outcome reaches the saga, a call that
 * was begun is looked up before it is repeated, and what the provider gave back
 * without us is never a ticket.
 */
#include <stdlib.h>

#include "../provider.h"
#include "shop.h"

static char authorization[] = "Authorization: PortOne " PROVIDER_SECRET;

/* A shop with a payment whose seats are pinned, and a buyer with a card. */
static void begin(const char *card)
{
    struct tq_error err = TQ_ERROR_INIT;
    char token[TQ_ID_SIZE];
    provider_open();
    shop_open();
    shop.service.portone = (struct portone){.env = &shop.service.env,
                                            .url = provider.url,
                                            .authorization = authorization,
                                            .channel = "LIVE",
                                            .store = "store-sandbox",
                                            .timeout_ms = 10000};
    assert_status(http_client_new(&shop.service.env, &shop.service.portone.client, &err), TQ_OK);
    assert_call(200, "POST", "/payments/" PAYMENT "/pre-register", NULL, PROVIDER_REGISTER);
    const char *at = strstr(provider_confirmation(PAYMENT, "5000", card, ""), "tok_");
    snprintf(token, sizeof token, "%.*s", (int)strcspn(at, "\""), at);
    shop.token = token;
    ck_assert_int_eq(tq_ledger_run(shop.service.ledger, add_payment, NULL, &shop.err), TQ_OK);
    ck_assert_int_eq(bring("ConfirmAsked"), TQ_OK);
    ck_assert_int_eq(bring("Pinned"), TQ_OK);
    shop.token = NULL;
}

static void end(void)
{
    http_client_free(shop.service.portone.client);
    shop_close();
    provider_close();
}

/* Make the calls that are due now, and those that are due within a minute. */
static void work(void)
{
    for (int i = 0; i < 8; i++) {
        int rc = calls_step(&shop.service, &shop.err);
        ck_assert_int_ge(rc, 0);
        atomic_fetch_add(&shop.desk.test.now_ms, rc == TQ_EMPTY ? 60000 : 0);
        if (!waiting_call()[0]) {
            return;
        }
    }
    ck_abort_msg("%s goes on for ever in %s", waiting_call(), phase());
}

static const char *failure(void)
{
    return ask("SELECT COALESCE(failure, '') FROM payments");
}

static void nudge(void)
{
    static const char body[] =
        "{\"type\":\"Transaction.PartialCancelled\",\"data\":{\"paymentId\":\"" PAYMENT "\"}}";
    ck_assert_int_eq(webhook_take(&shop.service, "msg_1", body, strlen(body), &shop.err), TQ_OK);
}

/* Time passes until an ended payment is asked for again. */
static void pass_until_asked(void)
{
    int64_t due_ms = strtoll(ask("SELECT CAST(recheck_ms AS TEXT) FROM payments"), NULL, 10);
    ck_assert_int_gt(due_ms, 0);
    atomic_store(&shop.desk.test.now_ms, due_ms);
    ck_assert_int_eq(rechecks_put(&shop.service, &shop.err), TQ_OK);
    ck_assert_str_eq(waiting_call(), "ASK");
}

static void give_back(const char *body)
{
    assert_call(200, "POST", "/payments/" PAYMENT "/cancel", NULL, body);
}

#define A_PART "{\"reason\":\"console\",\"amount\":1000}"
#define ALL "{\"reason\":\"console\"}"

START_TEST(a_confirmation__captures)
{
    begin("ok");
    ck_assert_str_eq(waiting_call(), "CONFIRM");
    work();
    ck_assert_str_eq(phase(), "CAPTURED");
    ck_assert_str_eq(last_told(), "PaymentPaid");
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_EMPTY);
    end();
}
END_TEST

START_TEST(a_card__that_is_declined_fails)
{
    begin("decline");
    work();
    ck_assert_str_eq(phase(), "FAILED");
    ck_assert_str_eq(failure(), "CARD_DECLINED");
    ck_assert_str_eq(last_told(), "PaymentFailed");
    end();
}
END_TEST

START_TEST(a_lost_answer__is_looked_up_and_not_repeated)
{
    begin("ok");
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"timeoutAfterEffect\"}");
    provider_fault("{\"operation\":\"get\",\"fault\":\"error5xx\"}");
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_OK);
    ck_assert_str_eq(phase(), "UNKNOWN");
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_EMPTY); /* after a pause */
    work();
    ck_assert_str_eq(phase(), "CAPTURED");
    provider_wait_for_hooks(1);
    end();
}
END_TEST

START_TEST(nobody_there__stays_unknown_until_the_key_is_forgotten)
{
    begin("ok");
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"error5xx\",\"count\":1000}");
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_OK);
        ck_assert_str_eq(phase(), "UNKNOWN");
        atomic_fetch_add(&shop.desk.test.now_ms, 60000);
    }
    atomic_fetch_add(&shop.desk.test.now_ms, INT64_C(9000000));
    work();
    ck_assert_str_eq(phase(), "FAILED");
    ck_assert_str_eq(failure(), "UNRESOLVED");
    end();
}
END_TEST

START_TEST(a_call_under_way_when_the_process_died__is_due_at_once)
{
    begin("ok");
    desk_do(&shop.desk, "UPDATE calls SET due_ms = due_ms + 6000, attempts = 1");
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_EMPTY);
    ck_assert_int_eq(calls_restore(&shop.service, &shop.err), TQ_OK);
    work();
    ck_assert_str_eq(phase(), "CAPTURED");
    end();
}
END_TEST

START_TEST(a_part_given_back__before_the_capture)
{
    begin("ok");
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"timeoutAfterEffect\"}");
    provider_fault("{\"operation\":\"get\",\"fault\":\"error5xx\"}");
    ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_OK);
    give_back(A_PART);
    work();
    ck_assert_str_eq(phase(), "REFUNDED");
    ck_assert_str_eq(failure(), "CANCELLED_BY_PROVIDER");
    ck_assert_str_eq(ask("SELECT CAST(cancelled_amount AS TEXT) FROM payments"), "5000");
    ck_assert_str_eq(ask("SELECT COUNT(*) || '' FROM outbox_events WHERE type = 'PaymentPaid'"),
                     "0");
    end();
}
END_TEST

START_TEST(given_back__after_the_capture)
{
    static const char *const bodies[] = {A_PART, ALL};
    for (size_t i = 0; i < 2; i++) {
        begin("ok");
        work();
        ck_assert_int_eq(bring("ReservationConfirmed"), TQ_OK);
        ck_assert_str_eq(phase(), "PAID");
        give_back(bodies[i]);
        nudge();
        work();
        ck_assert_str_eq(phase(), "REFUNDED");
        ck_assert_str_eq(last_told(), "PaymentRefunded");
        ck_assert_str_eq(ask("SELECT CAST(cancelled_amount AS TEXT) FROM payments"), "5000");
        end();
    }
}
END_TEST

START_TEST(a_refund__goes_on_with_what_is_left)
{
    begin("ok");
    work();
    ck_assert_int_eq(bring("RefundAsked"), TQ_OK);
    give_back(A_PART); /* our first request names 5000, which is not there any more */
    work();
    ck_assert_str_eq(phase(), "REFUNDED");
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("\"totals\":{\"paid\":5000,\"cancelled\":5000}");
    end();
}
END_TEST

START_TEST(money_of_another_store_or_channel__goes_back)
{
    for (int i = 0; i < 2; i++) {
        begin("ok");
        shop.service.portone.store = i ? "store-of-somebody" : "";
        shop.service.portone.channel = i ? "" : "TEST";
        work();
        ck_assert_str_eq(phase(), "REFUNDED");
        ck_assert_str_eq(failure(), "AMOUNT_MISMATCH");
        end();
    }
}
END_TEST

START_TEST(a_confirmation__of_what_has_failed_meanwhile_only_asks)
{
    begin("ok");
    desk_do(&shop.desk, "UPDATE payments SET phase = 'FAILED'");
    desk_do(&shop.desk, "UPDATE sagas SET state = 'FAILED'");
    work();
    ck_assert_str_eq(phase(), "FAILED");
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("\"totals\":{\"paid\":0,\"cancelled\":0}");
    end();
}
END_TEST

START_TEST(a_wish_while_a_call_waits__is_worked_off_after_it)
{
    begin("ok");
    nudge();
    ck_assert_str_eq(ask("SELECT operation || version FROM calls"), "CONFIRM2");
    work();
    ck_assert_str_eq(phase(), "CAPTURED");
    end();
}
END_TEST

START_TEST(paid_after_the_end__is_found_without_being_told)
{
    begin("ok");
    desk_do(&shop.desk, "DELETE FROM calls");
    ck_assert_int_eq(bring("Declined"), TQ_OK);
    pass_until_asked();
    work(); /* not paid: nothing */
    ck_assert_str_eq(phase(), "FAILED");
    provider_pay(PAYMENT);
    pass_until_asked();
    work();
    ck_assert_str_eq(phase(), "CAPTURED");
    ck_assert_str_eq(last_told(), "PaymentPaid");
    end();
}
END_TEST

START_TEST(given_back_after_the_end__is_found_without_being_told)
{
    static const char *const bodies[] = {A_PART, ALL};
    for (size_t i = 0; i < 2; i++) {
        begin("ok");
        work();
        ck_assert_int_eq(bring("ReservationConfirmed"), TQ_OK);
        pass_until_asked();
        work(); /* still ours: nothing */
        ck_assert_str_eq(phase(), "PAID");
        give_back(bodies[i]);
        pass_until_asked();
        work();
        ck_assert_str_eq(phase(), "REFUNDED");
        ck_assert_str_eq(last_told(), "PaymentRefunded");
        end();
    }
}
END_TEST

START_TEST(a_payment_that_nobody_knows__stays_what_it_is)
{
    static const char *const phases[] = {"FAILED", "PAID"};
    for (size_t i = 0; i < 2; i++) {
        char sql[128];
        begin("ok");
        desk_do(&shop.desk, "UPDATE payments SET payment_id = 'NOBODY', recheck_ms = 1");
        desk_do(&shop.desk, "DELETE FROM calls");
        snprintf(sql, sizeof sql, "UPDATE payments SET phase = '%s'", phases[i]);
        desk_do(&shop.desk, sql);
        ck_assert_int_eq(rechecks_put(&shop.service, &shop.err), TQ_OK);
        ck_assert_int_eq(calls_step(&shop.service, &shop.err), TQ_OK);
        ck_assert_str_eq(ask("SELECT phase FROM payments"), phases[i]);
        ck_assert_str_eq(ask("SELECT CAST(COUNT(*) AS TEXT) FROM calls"), "0");
        end();
    }
}
END_TEST

UNIT_MAIN("servers.payment.calls", a_confirmation__captures, a_card__that_is_declined_fails,
          a_lost_answer__is_looked_up_and_not_repeated,
          nobody_there__stays_unknown_until_the_key_is_forgotten,
          a_call_under_way_when_the_process_died__is_due_at_once,
          a_part_given_back__before_the_capture, given_back__after_the_capture,
          a_refund__goes_on_with_what_is_left, money_of_another_store_or_channel__goes_back,
          a_confirmation__of_what_has_failed_meanwhile_only_asks,
          a_wish_while_a_call_waits__is_worked_off_after_it,
          paid_after_the_end__is_found_without_being_told,
          given_back_after_the_end__is_found_without_being_told,
          a_payment_that_nobody_knows__stays_what_it_is)
