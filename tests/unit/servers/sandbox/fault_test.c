/* SPDX-License-Identifier: MIT */
/*
 * sandbox/fault.c: what fits is dealt out and used up; orders that make no sense are
 * refused; the program does what it was ordered.
 */
#include "sandbox/fault.h"

#include <stdio.h>
#include <string.h>

#include "../provider.h"

static struct faults faults;
static struct test_env test;
static struct tq_env env;

static enum fault_kind taken(enum fault_operation operation, const char *payment)
{
    return faults_take(&faults, &env, operation, payment).kind;
}

static void begin(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    faults_init(&faults);
}

START_TEST(a_fault__is_for_its_operation_and_payment)
{
    const struct fault fault = {
        .operation = ON_GET, .kind = FAULT_DELAY, .count = 2, .probability = 1, .payment_id = "P1"};
    begin();
    ck_assert(faults_add(&faults, &fault));
    ck_assert_int_eq(taken(ON_CONFIRM, "P1"), FAULT_NONE);
    ck_assert_int_eq(taken(ON_GET, "P2"), FAULT_NONE);
    ck_assert_int_eq(taken(ON_GET, "P1"), FAULT_DELAY);
    ck_assert_int_eq(taken(ON_GET, "P1"), FAULT_DELAY);
    ck_assert_int_eq(taken(ON_GET, "P1"), FAULT_NONE);
    faults_done(&faults);
}
END_TEST

START_TEST(chance__decides_and_the_rest_is_left_alone)
{
    const struct fault never = {
        .operation = ON_GET, .kind = FAULT_ERROR_5XX, .count = -1, .probability = 0};
    const struct fault half = {
        .operation = ON_GET, .kind = FAULT_DELAY, .count = -1, .probability = 0.5};
    int delays = 0;
    begin();
    ck_assert(faults_add(&faults, &never));
    ck_assert(faults_add(&faults, &half));
    for (int i = 0; i < 1000; i++) {
        enum fault_kind kind = taken(ON_GET, "P");
        ck_assert_int_ne(kind, FAULT_ERROR_5XX);
        delays += kind == FAULT_DELAY;
    }
    ck_assert_int_gt(delays, 400);
    ck_assert_int_lt(delays, 600);
    faults_done(&faults);
}
END_TEST

START_TEST(the_list__has_room_for_so_many)
{
    const struct fault fault = {
        .operation = ON_GET, .kind = FAULT_DELAY, .count = 1, .probability = 1};
    begin();
    for (int i = 0; i < FAULTS_MAX; i++) {
        ck_assert(faults_add(&faults, &fault));
    }
    ck_assert(!faults_add(&faults, &fault));
    ck_assert_int_eq(taken(ON_GET, "P"), FAULT_DELAY);
    ck_assert(faults_add(&faults, &fault));
    faults_clear(&faults);
    ck_assert_int_eq(taken(ON_GET, "P"), FAULT_NONE);
    faults_done(&faults);
}
END_TEST

START_TEST(a_delay__is_the_orders_or_the_kinds)
{
    const struct fault own = {.delay_ms = 0}, none = {.delay_ms = -1};
    ck_assert_int_eq(fault_delay_ms(&own, 7), 0);
    ck_assert_int_eq(fault_delay_ms(&none, 7), 7);
}
END_TEST

START_TEST(faults__do_what_they_say)
{
    char text[512];
    provider_open();
    snprintf(text, sizeof text, "%s", provider_confirmation("P1", "5000", "ok", ""));
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"error5xx\"}");
    assert_call(500, "POST", "/payments/P1/confirm", PROVIDER_KEY, text);
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"READY\"");
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"timeoutAfterEffect\"}");
    assert_call(0, "POST", "/payments/P1/confirm", PROVIDER_KEY, text);
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    assert_call(200, "POST", "/payments/P1/confirm", PROVIDER_KEY, text);
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"latePaid\",\"delayMs\":600000}");
    assert_call(0, "POST", "/payments/P3/confirm", NULL,
                provider_confirmation("P3", "5000", "ok", ""));
    assert_call(200, "GET", "/payments/P3", NULL, NULL);
    assert_body("\"status\":\"PAY_PENDING\"");
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"latePaid\",\"delayMs\":100}");
    assert_call(0, "POST", "/payments/P2/confirm", NULL,
                provider_confirmation("P2", "5000", "ok", ""));
    provider_wait_for_hooks(2);
    assert_call(200, "GET", "/payments/P2", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    provider_fault("{\"operation\":\"get\",\"fault\":\"error5xx\",\"probability\":1}");
    assert_call(500, "GET", "/payments/P2", NULL, NULL);
    assert_call(500, "GET", "/payments/P2", NULL, NULL);
    assert_call(204, "DELETE", "/sandbox/faults", NULL, NULL);
    assert_call(200, "GET", "/payments/P2", NULL, NULL);
    assert_call(400, "POST", "/sandbox/faults", NULL,
                "{\"operation\":\"get\",\"fault\":\"decline\"}");
    assert_call(400, "POST", "/sandbox/faults", NULL,
                "{\"operation\":\"get\",\"fault\":\"delay\",\"probability\":2}");
    provider_close();
}
END_TEST

UNIT_MAIN("servers.sandbox.fault", a_fault__is_for_its_operation_and_payment,
          chance__decides_and_the_rest_is_left_alone, the_list__has_room_for_so_many,
          a_delay__is_the_orders_or_the_kinds, faults__do_what_they_say)
