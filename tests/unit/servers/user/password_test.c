/* SPDX-License-Identifier: MIT */
/*
 * servers/user/password.c: records round-trip, verify what they should, and have one
 * form only. The known record was made by Python's hashlib.scrypt.
 */
#include <string.h>

#include "core/error.h"
#include "lib/test_env.h"
#include "lib/unit.h"
#include "user/password.h"

#define SALT "AAECAwQFBgcICQoLDA0ODw"
#define HASH "zTo28N1fiMs3SC8Nv65DdqKvV4At2knvV1CS4UgIi0Q"
#define KNOWN "$scrypt$ln=4,r=8,p=2$" SALT "$" HASH

static const struct user_cost cheap = {4, 8, 1};

START_TEST(password__known_record_verifies)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct user_record record;
    assert_status(user_record_parse(KNOWN, &record, &err), TQ_OK);
    ck_assert_uint_eq(record.cost.log_n, 4);
    ck_assert_uint_eq(record.cost.p, 2);
    assert_status(user_password_verify(&record, "correct horse", &err), TQ_OK);
    assert_status(user_password_verify(&record, "correct hors", &err), TQ_REFUSED);
    assert_status(user_password_verify(&record, "correct horse ", &err), TQ_REFUSED);
}
END_TEST

START_TEST(password__new_record_has_a_salt_of_its_own)
{
    struct test_env test;
    struct tq_error err = TQ_ERROR_INIT;
    struct user_record record;
    char one[USER_RECORD_SIZE];
    char other[USER_RECORD_SIZE];
    char again[USER_RECORD_SIZE];
    test_env_init(&test, 7);
    struct tq_env env = test_env_of(&test);
    assert_status(user_password_hash(&env, &cheap, "secret words", one, &err), TQ_OK);
    assert_status(user_password_hash(&env, &cheap, "secret words", other, &err), TQ_OK);
    ck_assert_str_ne(one, other);
    assert_status(user_record_parse(one, &record, &err), TQ_OK);
    user_record_print(&record, again);
    ck_assert_str_eq(one, again);
    assert_status(user_password_verify(&record, "secret words", &err), TQ_OK);
    assert_status(user_password_verify(&record, "secret word", &err), TQ_REFUSED);
}
END_TEST

START_TEST(password__record_has_one_form)
{
    static const char *const bad[] = {
        "",
        "$scrypt$",
        "secret",
        "$scrypt$ln=04,r=8,p=2$" SALT "$" HASH,
        "$scrypt$ln=4,r=8,p=2$" SALT "$" HASH "A",
        "$scrypt$ln=4,r=8,p=2$" SALT "$" HASH "$",
        "$scrypt$ln=4,r=8,p=2$" SALT "$" HASH "=",
        " $scrypt$ln=4,r=8,p=2$" SALT "$" HASH,
        "$scrypt$ln=0,r=8,p=2$" SALT "$" HASH,
        "$scrypt$ln=21,r=8,p=2$" SALT "$" HASH,
        "$scrypt$ln=4,r=33,p=2$" SALT "$" HASH,
        "$scrypt$ln=4,r=8,p=17$" SALT "$" HASH,
        "$scrypt$ln=-4,r=8,p=2$" SALT "$" HASH,
        "$scrypt$r=8,ln=4,p=2$" SALT "$" HASH,
        "$scrypt$ln=4,r=8,p=2$AAECAwQFBgcICQoLDA0OD$" HASH,
        "$scrypt$ln=4,r=8,p=2$" SALT "$zTo28N1fiMs3SC8Nv65DdqKvV4At2knvV1CS4UgIi0",
        "$scrypt$ln=4,r=8,p=2$" SALT "$zTo28N1fiMs3SC8Nv65DdqKvV4At2knvV1CS4UgIi0R",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tq_error err = TQ_ERROR_INIT;
        struct user_record record;
        ck_assert_msg(user_record_parse(bad[i], &record, &err) == TQ_E_CORRUPT, "%s", bad[i]);
    }
}
END_TEST

START_TEST(password__cost_has_limits)
{
    static const struct {
        struct user_cost cost;
        int is_valid;
    } rows[] = {
        {{0, 8, 1}, 0}, {{1, 8, 1}, 1},  {{20, 8, 1}, 1}, {{21, 8, 1}, 0},
        {{4, 0, 1}, 0}, {{4, 1, 1}, 1},  {{4, 32, 1}, 1}, {{4, 33, 1}, 0},
        {{4, 8, 0}, 0}, {{4, 8, 16}, 1}, {{4, 8, 17}, 0},
    };
    struct tq_error err = TQ_ERROR_INIT;
    struct test_env test;
    char record[USER_RECORD_SIZE];
    test_env_init(&test, 7);
    struct tq_env env = test_env_of(&test);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(user_cost_is_valid(&rows[i].cost), rows[i].is_valid);
    }
    assert_status(user_password_hash(&env, &rows[0].cost, "secret", record, &err), TQ_E_INVALID);
}
END_TEST

START_TEST(password__default_cost_fits_its_memory)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct test_env test;
    const struct user_cost cost = {15, 8, 1};
    char record[USER_RECORD_SIZE];
    test_env_init(&test, 7);
    struct tq_env env = test_env_of(&test);
    assert_status(user_password_hash(&env, &cost, "secret words", record, &err), TQ_OK);
    ck_assert_int_eq(strncmp(record, "$scrypt$ln=15,r=8,p=1$", 22), 0);
}
END_TEST

UNIT_MAIN("servers.user.password", password__known_record_verifies,
          password__new_record_has_a_salt_of_its_own, password__record_has_one_form,
          password__cost_has_limits, password__default_cost_fits_its_memory)
