/* SPDX-License-Identifier: MIT */
/*
 * room/proof.c: what a token proves, kind by kind, and what it does not.
 */
#include "room/proof.h"

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static tq_keys *keys;

static void setup(void)
{
    static const char secret[32] = "an example secret of 32 bytes...";
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK);
    assert_status(tq_keys_add(keys,
                              TQ_ARGS(tq_key, .id = "l", .purpose = TQ_PURPOSE_PLACE,
                                      .secret = secret, .secret_bytes = sizeof secret),
                              &err),
                  TQ_OK);
    assert_status(tq_keys_add(keys,
                              TQ_ARGS(tq_key, .id = "p", .purpose = TQ_PURPOSE_PASS,
                                      .secret = secret, .secret_bytes = sizeof secret),
                              &err),
                  TQ_OK);
}

static void teardown(void)
{
    tq_keys_free(keys);
    ck_assert_int_eq(test.live, 0);
}

static struct tq_place sign(uint32_t visit, int64_t sequence, int64_t lease_ms)
{
    struct tq_place place = TQ_INIT(tq_place);
    struct tq_room_view view = {.state = {.now_ms = test.now_ms, .epoch = 4}};
    struct tq_room_spot spot = {
        .visit = visit, .sequence = sequence, .expires_ms = test.now_ms + lease_ms};
    assert_status(tq__proof_sign(keys, "room", "ann", &view, &spot, &place, &err), TQ_OK);
    return place;
}

static struct tq_room_arrival read_token(const char *visitor, const char *token)
{
    struct tq_room_arrival arrival;
    struct tq_visitor shown = {.size = sizeof shown, .id = visitor, .token = token};
    assert_status(tq__proof_read(keys, "room", &shown, &arrival, &err), TQ_OK);
    ck_assert_str_eq(arrival.id, visitor);
    return arrival;
}

START_TEST(nothing_shown_proves_nothing)
{
    setup();
    ck_assert_uint_eq(read_token("ann", NULL).visit, TQ_VISIT_NONE);
    ck_assert_uint_eq(read_token("ann", "").visit, TQ_VISIT_NONE);
    teardown();
}
END_TEST

START_TEST(a_place_and_a_pass_say_number_and_epoch)
{
    setup();
    struct tq_place place = sign(TQ_VISIT_ADMITTED, 17, 5000);
    struct tq_room_arrival arrival = read_token("ann", place.token);
    ck_assert_uint_eq(arrival.visit, TQ_VISIT_WAITING);
    ck_assert_int_eq(arrival.sequence, 17);
    ck_assert_int_eq(arrival.epoch, 4);
    arrival = read_token("ann", place.pass);
    ck_assert_uint_eq(arrival.visit, TQ_VISIT_ADMITTED);
    ck_assert_int_eq(arrival.sequence, 17);
    ck_assert_int_eq(arrival.epoch, 4);
    ck_assert_str_eq(sign(TQ_VISIT_WAITING, 1, 5000).pass, "");
    teardown();
}
END_TEST

START_TEST(what_is_no_good_is_of_no_epoch)
{
    setup();
    struct tq_place place = sign(TQ_VISIT_WAITING, 17, 5000);
    static const char *const bad[] = {"x", "a.b.c", "....", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tq_room_arrival arrival = read_token("ann", bad[i]);
        ck_assert_uint_ne(arrival.visit, TQ_VISIT_NONE);
        ck_assert_int_eq(arrival.epoch, 0);
        ck_assert_int_eq(arrival.sequence, 0);
    }
    ck_assert_int_eq(read_token("bob", place.token).epoch, 0);
    char longest[TQ_TOKEN_SIZE + 100];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(read_token("ann", longest).epoch, 0);
    teardown();
}
END_TEST

START_TEST(a_number_that_cannot_be_is_no_good)
{
    static const struct {
        int64_t sequence;
        int is_good;
    } rows[] = {{1, 1},
                {TQ_ROOM_SEQUENCE_MAX - 1, 1},
                {TQ_ROOM_SEQUENCE_MAX, 1},
                {TQ_ROOM_SEQUENCE_MAX + 1, 0}};
    setup();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tq_place place = sign(TQ_VISIT_WAITING, rows[i].sequence, 1000);
        ck_assert_int_eq(read_token("ann", place.token).epoch != 0, rows[i].is_good);
    }
    teardown();
}
END_TEST

START_TEST(what_is_over_proves_nothing)
{
    setup();
    struct tq_place place = sign(TQ_VISIT_ADMITTED, 17, 5000);
    test.now_ms += 6000;
    ck_assert_uint_eq(read_token("ann", place.pass).visit, TQ_VISIT_NONE);
    ck_assert_uint_eq(read_token("ann", place.token).visit, TQ_VISIT_WAITING);
    test.now_ms += 86400000;
    ck_assert_uint_eq(read_token("ann", place.token).visit, TQ_VISIT_NONE);
    teardown();
}
END_TEST

START_TEST(without_keys_no_token_is_good)
{
    setup();
    struct tq_place place = sign(TQ_VISIT_WAITING, 17, 5000);
    tq_keys *ring = keys;
    keys = NULL;
    ck_assert_int_eq(read_token("ann", place.token).epoch, 0);
    keys = ring;
    teardown();
}
END_TEST

UNIT_MAIN("room.proof", nothing_shown_proves_nothing, a_place_and_a_pass_say_number_and_epoch,
          what_is_no_good_is_of_no_epoch, a_number_that_cannot_be_is_no_good,
          what_is_over_proves_nothing, without_keys_no_token_is_good)
