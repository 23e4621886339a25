/* SPDX-License-Identifier: MIT */
/*
 * sandbox/call.c: idempotency keys at their limits, repeated, and while a call runs.
 */
#include "../provider.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(keys__are_quoted_and_give_one_effect)
{
    char key[300], text[512];
    provider_open();
    snprintf(text, sizeof text, "%s", provider_confirmation("P1", "5000", "ok", ""));
    assert_call(400, "POST", "/payments/P1/confirm", "key-0123456789abcdef", text);
    static const struct {
        int bytes;
        unsigned status;
    } rows[] = {{15, 400}, {16, 200}, {17, 200}, {255, 200}, {256, 200}, {257, 400}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(key, sizeof key, "\"%0*d\"", rows[i].bytes, 7);
        assert_call(rows[i].status, "POST", "/payments/P9/pre-register", key, PROVIDER_REGISTER);
    }
    assert_call(200, "POST", "/payments/P1/confirm", PROVIDER_KEY, text);
    char first[512];
    snprintf(first, sizeof first, "%.500s", provider.body);
    assert_call(200, "POST", "/payments/P1/confirm", PROVIDER_KEY, text);
    ck_assert_str_eq(provider.body, first);
    assert_call(400, "POST", "/payments/P1/confirm", PROVIDER_KEY, "{\"paymentToken\":\"other\"}");
    provider_wait_for_hooks(1);
    provider_close();
}
END_TEST

struct confirming {
    const char *payment;
    const char *text;
    unsigned status;  /* of the last answer */
    unsigned refused; /* so many were told that the key is at work */
};

/* Confirms until it is done. */
static void *confirm_in_thread(void *arg)
{
    struct confirming *confirming = arg;
    char url[256], key[128];
    const char *headers[] = {"Authorization: PortOne " PROVIDER_SECRET, key, NULL};
    snprintf(key, sizeof key, "Idempotency-Key: \"%s-0123456789abcdef\"", confirming->payment);
    snprintf(url, sizeof url, "%s/payments/%s/confirm", provider.url, confirming->payment);
    const struct http_call own = {.method = "POST",
                                  .url = url,
                                  .headers = headers,
                                  .body = confirming->text,
                                  .body_bytes = strlen(confirming->text),
                                  .timeout_ms = 60000};
    do {
        struct http_answer answer = HTTP_ANSWER(&provider.rig.env);
        int rc = http_client_call(provider.client, &own, &answer, NULL);
        confirming->status = rc == TQ_OK ? answer.status : 0;
        confirming->refused += confirming->status == 409;
        http_answer_done(&answer);
        usleep(20000);
    } while (confirming->status == 409);
    return NULL;
}

/* Two confirm it at once; returns how often one was told that the other is at it. */
static unsigned confirm_twice(const char *payment)
{
    pthread_t threads[2];
    char text[512];
    snprintf(text, sizeof text, "%s", provider_confirmation(payment, "5000", "ok", ""));
    struct confirming confirming[2] = {{.payment = payment, .text = text},
                                       {.payment = payment, .text = text}};
    provider_fault("{\"operation\":\"confirm\",\"fault\":\"delay\",\"delayMs\":1500}");
    for (size_t i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, confirm_in_thread, &confirming[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(confirming[i].status, 200);
    }
    return confirming[0].refused + confirming[1].refused;
}

/* Where the second came when the first had its answer, another payment tells. */
START_TEST(a_running_key__is_outstanding)
{
    char payment[16];
    unsigned payments = 0, refused = 0;
    provider_open();
    while (refused == 0 && payments < 10) {
        snprintf(payment, sizeof payment, "P%u", ++payments);
        refused = confirm_twice(payment);
        provider_wait_for_hooks(payments);
    }
    ck_assert_uint_gt(refused, 0);
    provider_close();
}
END_TEST

START_TEST(a_key__is_free_when_its_answer_is_there)
{
    provider_open();
    for (int i = 0; i < 200; i++) {
        assert_call(200, "POST", "/payments/P1/pre-register", PROVIDER_KEY, PROVIDER_REGISTER);
    }
    provider_close();
}
END_TEST

UNIT_MAIN("servers.sandbox.call", keys__are_quoted_and_give_one_effect,
          a_running_key__is_outstanding, a_key__is_free_when_its_answer_is_there)
