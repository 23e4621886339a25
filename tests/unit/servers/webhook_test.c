/* SPDX-License-Identifier: MIT */
/*
 * app/webhook.c: the published test vector, forgeries, rotation of secrets, time.
 */
#include "app/webhook.h"

#include <string.h>

#include "lib/unit.h"

#define SECRET "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP "1614265330"
#define NOW_MS 1614265330000
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct app_webhook_key keys[2];
static struct tq_error err = TQ_ERROR_INIT;

static int verify(const char *id, const char *timestamp, const char *signatures, const char *body,
                  int64_t now_ms)
{
    return app_webhook_verify(keys, 2, id, timestamp, signatures, body, strlen(body), now_ms);
}

static void begin(void)
{
    assert_status(app_webhook_key_read(&keys[0], "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &err),
                  TQ_OK);
    assert_status(app_webhook_key_read(&keys[1], "whsec_" SECRET, &err), TQ_OK);
}

START_TEST(the_published_vector__comes_out)
{
    char signature[APP_WEBHOOK_SIGNATURE_SIZE];
    begin();
    ck_assert(app_webhook_sign(&keys[1], ID, TIMESTAMP, BODY, strlen(BODY), signature));
    ck_assert_str_eq(signature, SIGNATURE);
    ck_assert_int_eq(verify(ID, TIMESTAMP, SIGNATURE, BODY, NOW_MS), TQ_OK);
    ck_assert_int_eq(verify(ID, TIMESTAMP, "v1a,xx v1,short " SIGNATURE " v2,y", BODY, NOW_MS),
                     TQ_OK);
}
END_TEST

START_TEST(forgeries__are_refused)
{
    begin();
    ck_assert_int_eq(verify(NULL, TIMESTAMP, SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, NULL, SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, TIMESTAMP, NULL, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, TIMESTAMP, "", BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify("msg_other", TIMESTAMP, SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, "1614265331", SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, TIMESTAMP, SIGNATURE, BODY " ", NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, TIMESTAMP, SIGNATURE "x", BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, TIMESTAMP, &SIGNATURE[3], BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, "1614265330x", SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, "", SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(verify(ID, "9999999999999", SIGNATURE, BODY, NOW_MS), TQ_REFUSED);
    ck_assert_int_eq(
        app_webhook_verify(keys, 1, ID, TIMESTAMP, SIGNATURE, BODY, strlen(BODY), NOW_MS),
        TQ_REFUSED);
}
END_TEST

START_TEST(old_and_new__within_five_minutes)
{
    static const struct {
        int64_t skew_ms;
        int status;
    } rows[] = {{-300001, TQ_REFUSED}, {-300000, TQ_OK}, {-299999, TQ_OK},
                {299999, TQ_OK},       {300000, TQ_OK},  {300001, TQ_REFUSED}};
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(verify(ID, TIMESTAMP, SIGNATURE, BODY, NOW_MS + rows[i].skew_ms),
                         rows[i].status);
    }
}
END_TEST

START_TEST(secrets__have_24_to_64_bytes)
{
    static const struct {
        const char *secret;
        int status;
    } rows[] = {
        {"", TQ_E_INVALID},
        {"whsec_", TQ_E_INVALID},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", TQ_E_INVALID}, /* 23 */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TQ_OK},        /* 24 */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", TQ_OK},    /* 25 */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         TQ_OK}, /* 63 */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
         TQ_OK}, /* 64 */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
         TQ_E_INVALID}, /* 65 */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TQ_E_INVALID},
        {"AAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAA", TQ_E_INVALID},
        {"AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAA", TQ_E_INVALID},
        {"-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TQ_E_INVALID},
    };
    struct app_webhook_key key;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_status(app_webhook_key_read(&key, rows[i].secret, &err), rows[i].status);
    }
}
END_TEST

UNIT_MAIN("app.webhook", the_published_vector__comes_out, forgeries__are_refused,
          old_and_new__within_five_minutes, secrets__have_24_to_64_bytes)
