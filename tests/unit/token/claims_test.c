/* SPDX-License-Identifier: MIT */
/*
 * token/claims.c: the text is the expected one, every claim reads back from any
 * order, every claim alone is checked.
 */
#include "token/claims.h"

#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

static struct tq_claims full_claims(void)
{
    return (struct tq_claims){.size = sizeof(struct tq_claims),
                              .subject = "s",
                              .audience = "a",
                              .id = "i",
                              .session = "e",
                              .role = "r",
                              .issued_ms = 1999,
                              .expires_ms = 5001,
                              .sequence = 7,
                              .epoch = 9};
}

START_TEST(text__is_the_expected_one)
{
    struct tq_claims claims = full_claims();
    char text[TQ__CLAIMS_MAX];
    static const char all[] = "{\"sub\":\"s\",\"aud\":\"a\",\"jti\":\"i\",\"sid\":\"e\","
                              "\"role\":\"r\",\"iat\":1,\"exp\":6,\"seq\":7,\"epo\":9}";
    ck_assert_uint_eq(tq__claims_write(text, &claims), strlen(all));
    ck_assert_mem_eq(text, all, strlen(all));
    claims.id[0] = claims.session[0] = claims.role[0] = '\0';
    claims.sequence = claims.epoch = 0;
    static const char few[] = "{\"sub\":\"s\",\"aud\":\"a\",\"iat\":1,\"exp\":6}";
    ck_assert_uint_eq(tq__claims_write(text, &claims), strlen(few));
    ck_assert_mem_eq(text, few, strlen(few));
}
END_TEST

START_TEST(claims__read_in_any_order)
{
    static const char text[] = "{\"nbf\":3,\"epo\":9,\"other\":\"x\",\"seq\":7,\"exp\":6,\"iat\":1,"
                               "\"role\":\"r\",\"sid\":\"e\",\"jti\":\"i\",\"aud\":\"a\","
                               "\"sub\":\"s\"}";
    struct tq_claims claims, expected = full_claims();
    int64_t not_before_ms;
    expected.issued_ms = 1000;
    expected.expires_ms = 6000;
    ck_assert(tq__claims_read(&claims, &not_before_ms, text, strlen(text)));
    ck_assert_mem_eq(&claims, &expected, sizeof claims);
    ck_assert_int_eq(not_before_ms, 3000);
}
END_TEST

START_TEST(ids__hold_to_the_limit)
{
    char text[256], id[TQ_ID_MAX + 2];
    struct tq_claims claims;
    int64_t not_before_ms;
    for (size_t bytes = TQ_ID_MAX - 1; bytes <= TQ_ID_MAX + 1; bytes++) {
        memset(id, 'x', bytes);
        id[bytes] = '\0';
        int length =
            snprintf(text, sizeof text, "{\"sub\":\"%s\",\"aud\":\"a\",\"iat\":1,\"exp\":6}", id);
        ck_assert_int_eq(tq__claims_read(&claims, &not_before_ms, text, (size_t)length),
                         bytes <= TQ_ID_MAX);
    }
}
END_TEST

START_TEST(each_claim__is_checked_before_it_is_written)
{
    struct tq_claims claims = full_claims();
    assert_status(tq__claims_check(&claims, &err), TQ_OK);
    char *const ids[] = {claims.subject, claims.audience, claims.id, claims.session, claims.role};
    for (size_t i = 0; i < 5; i++) {
        char before = ids[i][0];
        ids[i][0] = ' ';
        assert_status(tq__claims_check(&claims, &err), TQ_E_INVALID);
        ids[i][0] = '\0';
        assert_status(tq__claims_check(&claims, &err), i < 2 ? TQ_E_INVALID : TQ_OK);
        ids[i][0] = before;
    }
    int64_t *const numbers[] = {&claims.sequence, &claims.epoch, &claims.issued_ms,
                                &claims.expires_ms};
    static const int64_t most[] = {9007199254740991, 9007199254740991, 253402300799000,
                                   253402300799000};
    for (size_t i = 0; i < 4; i++) {
        int64_t before = *numbers[i];
        *numbers[i] = -1;
        assert_status(tq__claims_check(&claims, &err), TQ_E_INVALID);
        *numbers[i] = most[i] + 1;
        assert_status(tq__claims_check(&claims, &err), TQ_E_INVALID);
        *numbers[i] = most[i];
        assert_status(tq__claims_check(&claims, &err), TQ_OK);
        *numbers[i] = before;
    }
}
END_TEST

UNIT_MAIN("token.claims", text__is_the_expected_one, claims__read_in_any_order,
          ids__hold_to_the_limit, each_claim__is_checked_before_it_is_written)
