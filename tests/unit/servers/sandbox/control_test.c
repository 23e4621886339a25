/* SPDX-License-Identifier: MIT */
/*
 * sandbox/control.c: tokens at their limits, orders that are refused, and the book.
 */
#include "../provider.h"

#include <stdio.h>
#include <string.h>

START_TEST(a_token__needs_all_its_members)
{
    static const struct {
        const char *body;
        unsigned status;
    } rows[] = {
        {"{}", 400},
        {"{\"paymentId\":\"a b\",\"totalAmount\":1,\"currency\":\"KRW\",\"card\":\"ok\"}", 400},
        {"{\"paymentId\":\"P\",\"totalAmount\":-1,\"currency\":\"KRW\",\"card\":\"ok\"}", 400},
        {"{\"paymentId\":\"P\",\"totalAmount\":0,\"currency\":\"KRW\",\"card\":\"ok\"}", 201},
        {"{\"paymentId\":\"P\",\"totalAmount\":9007199254740991,\"currency\":\"KRW\","
         "\"card\":\"ok\"}",
         201},
        {"{\"paymentId\":\"P\",\"totalAmount\":9007199254740992,\"currency\":\"KRW\","
         "\"card\":\"ok\"}",
         400},
        {"{\"paymentId\":\"P\",\"totalAmount\":1,\"currency\":\"KR\",\"card\":\"ok\"}", 400},
        {"{\"paymentId\":\"P\",\"totalAmount\":1,\"currency\":\"KRWW\",\"card\":\"ok\"}", 400},
        {"{\"paymentId\":\"P\",\"totalAmount\":1,\"currency\":\"KRW\",\"card\":\"gold\"}", 400},
        {"{\"paymentId\":\"P\",\"totalAmount\":1,\"currency\":\"KRW\",\"card\":\"decline\"}", 201},
    };
    provider_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_call(rows[i].status, "POST", "/sandbox/tokens", NULL, rows[i].body);
    }
    provider_close();
}
END_TEST

START_TEST(the_book__adds_up)
{
    provider_open();
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    ck_assert_str_eq(provider.body, "{\"payments\":[],\"totals\":{\"paid\":0,\"cancelled\":0}}");
    provider_pay("P1");
    provider_pay("P2");
    provider_confirmation("P3", "100", "ok", "");
    assert_call(200, "POST", "/payments/P2/cancel", NULL, "{\"reason\":\"r\",\"amount\":700}");
    assert_call(200, "GET", "/sandbox/book", NULL, NULL);
    assert_body("{\"paymentId\":\"P2\",\"status\":\"PARTIAL_CANCELLED\",\"totalAmount\":5000,"
                "\"currency\":\"KRW\",\"paid\":5000,\"cancelled\":700}");
    assert_body("\"paymentId\":\"P3\",\"status\":\"READY\"");
    assert_body("\"totals\":{\"paid\":10000,\"cancelled\":700}");
    provider_wait_for_hooks(3);
    provider_close();
}
END_TEST

START_TEST(orders__that_make_no_sense_are_refused)
{
    static const char *const orders[] = {
        "{}",
        "{\"operation\":\"get\"}",
        "{\"operation\":\"fly\",\"fault\":\"delay\"}",
        "{\"operation\":\"webhook\",\"fault\":\"error5xx\"}",
        "{\"operation\":\"get\",\"fault\":\"delay\",\"count\":0}",
        "{\"operation\":\"get\",\"fault\":\"delay\",\"delayMs\":600001}",
        "{\"operation\":\"get\",\"fault\":\"delay\",\"paymentId\":\"a b\"}"};
    provider_open();
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        assert_call(400, "POST", "/sandbox/faults", NULL, orders[i]);
    }
    assert_call(201, "POST", "/sandbox/faults", NULL,
                "{\"operation\":\"get\",\"fault\":\"delay\",\"delayMs\":600000,\"count\":1000000}");
    assert_call(204, "DELETE", "/sandbox/faults", NULL, NULL);
    assert_call(404, "GET", "/payments/P1", NULL, NULL);
    provider_close();
}
END_TEST

UNIT_MAIN("servers.sandbox.control", a_token__needs_all_its_members, the_book__adds_up,
          orders__that_make_no_sense_are_refused)
