/* SPDX-License-Identifier: MIT */
/*
 * room/room.c: arguments at their limits, sizes of structs, what is written when;
 * what rooms do is in conform/room.
 */
#include <ticketq/room.h>

#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static struct tq_env env;
static tq_store *store;
static tq_room *room;

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err),
                  TQ_OK);
    assert_status(tq_room_open(store, NULL, "room", NULL, &room, &err), TQ_OK);
}

static void teardown(void)
{
    tq_room_close(room);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

START_TEST(a_room_needs_an_id_and_a_store_that_keeps_rooms)
{
    tq_room *other = NULL;
    setup();
    assert_status(tq_room_open(store, NULL, "not an id", NULL, &other, &err), TQ_E_INVALID);
    assert_status(tq_room_open(store, NULL, "", NULL, &other, &err), TQ_E_INVALID);
    assert_status(tq_room_open(store, NULL, NULL, NULL, &other, &err), TQ_E_INVALID);
    assert_status(
        tq_room_open(store, NULL, "a", TQ_ARGS(tq_room_policy, .rate = UINT32_MAX), &other, &err),
        TQ_E_LIMIT);
    ck_assert_ptr_null(other);
    tq_room_close(NULL);
    teardown();
}
END_TEST

START_TEST(a_room_keeps_its_store_open)
{
    setup();
    tq_store_close(store);
    struct tq_room_state state = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(room, &state, &err), TQ_OK);
    tq_room_close(room);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(a_batch_has_a_limit)
{
    static struct tq_visitor visitors[TQ_BATCH_MAX + 1];
    static struct tq_place places[TQ_BATCH_MAX + 1];
    static int32_t statuses[TQ_BATCH_MAX + 1];
    static char ids[TQ_BATCH_MAX + 1][8];
    setup();
    for (unsigned i = 0; i <= TQ_BATCH_MAX; i++) {
        memcpy(ids[i], "v00000", 7);
        for (unsigned digit = 0, n = i; digit < 5; digit++, n /= 10) {
            ids[i][5 - digit] = (char)('0' + n % 10);
        }
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = ids[i]};
        places[i].size = sizeof *places;
    }
    assert_status(tq_room_enter(room, visitors, 0, places, &err), TQ_E_LIMIT);
    assert_status(tq_room_enter(room, visitors, TQ_BATCH_MAX + 1, places, &err), TQ_E_LIMIT);
    assert_status(tq_room_enter(room, visitors, TQ_BATCH_MAX - 1, places, &err), TQ_OK);
    assert_status(tq_room_enter(room, visitors, TQ_BATCH_MAX, places, &err), TQ_OK);
    ck_assert_uint_eq(places[TQ_BATCH_MAX - 1].ahead, TQ_BATCH_MAX - 1);
    assert_status(tq_room_place(room, visitors, TQ_BATCH_MAX, places, &err), TQ_OK);
    assert_status(tq_room_place(room, visitors, TQ_BATCH_MAX + 1, places, &err), TQ_E_LIMIT);
    assert_status(tq_room_leave(room, visitors, TQ_BATCH_MAX + 1, statuses, &err), TQ_E_LIMIT);
    assert_status(tq_room_leave(room, visitors, TQ_BATCH_MAX, statuses, &err), TQ_OK);
    ck_assert_int_eq(statuses[TQ_BATCH_MAX - 1], TQ_OK);
    teardown();
}
END_TEST

START_TEST(one_bad_visitor_and_nobody_enters)
{
    struct tq_visitor visitors[2] = {{.size = sizeof *visitors, .id = "good"},
                                     {.size = sizeof *visitors, .id = "not good"}};
    struct tq_place places[2] = {TQ_INIT(tq_place), TQ_INIT(tq_place)};
    struct tq_room_state state = TQ_INIT(tq_room_state);
    setup();
    assert_status(tq_room_enter(room, visitors, 2, places, &err), TQ_E_INVALID);
    visitors[1].id = NULL;
    assert_status(tq_room_enter(room, visitors, 2, places, &err), TQ_E_INVALID);
    assert_status(tq_room_enter(room, NULL, 2, places, &err), TQ_E_INVALID);
    assert_status(tq_room_enter(room, visitors, 1, NULL, &err), TQ_E_INVALID);
    assert_status(tq_room_leave(room, NULL, 1, &(int32_t){0}, &err), TQ_E_INVALID);
    visitors[1] = (struct tq_visitor){.size = 8, .id = "b"};
    assert_status(tq_room_enter(room, visitors, 2, places, &err), TQ_E_ABI);
    visitors[1].size = sizeof *visitors;
    places[1].size = sizeof *places - 8;
    assert_status(tq_room_enter(room, visitors, 2, places, &err), TQ_E_ABI);
    assert_status(tq_room_state(room, &state, &err), TQ_OK);
    ck_assert_uint_eq(state.waiting, 0);
    places[1].size = sizeof *places;
    assert_status(tq_room_enter(room, visitors, 2, places, &err), TQ_OK);
    teardown();
}
END_TEST

START_TEST(a_longer_struct_of_a_newer_caller_is_understood)
{
    struct newer_visitor {
        struct tq_visitor known;
        uint64_t more;
    } visitors[2] = {{.known = {sizeof *visitors, "a", NULL}},
                     {.known = {sizeof *visitors, "b", NULL}}};
    struct newer_place {
        struct tq_place known;
        uint64_t more;
    } places[2] = {{{.size = sizeof *places}, 42}, {{.size = sizeof *places}, 43}};
    setup();
    assert_status(tq_room_enter(room, &visitors[0].known, 2, &places[0].known, &err), TQ_OK);
    ck_assert_int_eq(places[1].known.sequence, 2);
    ck_assert_uint_eq(places[1].known.size, sizeof *places);
    ck_assert_uint_eq(places[1].more, 0);
    visitors[1].more = 1;
    assert_status(tq_room_enter(room, &visitors[0].known, 2, &places[0].known, &err), TQ_E_ABI);
    struct newer_state {
        struct tq_room_state known;
        uint64_t more;
    } state = {{.size = sizeof state}, 44};
    assert_status(tq_room_state(room, &state.known, &err), TQ_OK);
    ck_assert_uint_eq(state.known.size, sizeof state);
    ck_assert_uint_eq(state.more, 0);
    state.known.size = 8;
    assert_status(tq_room_state(room, &state.known, &err), TQ_E_ABI);
    struct tq_room_tick tick = {.size = 8};
    assert_status(tq_room_tick(room, &tick, &err), TQ_E_ABI);
    teardown();
}
END_TEST

START_TEST(the_state_document_says_how_the_room_is_run)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    tq_room *other = NULL;
    setup();
    struct tq_room_policy policy = {.size = sizeof policy,
                                    .open_ms = test.now_ms + 5,
                                    .close_ms = test.now_ms + 500,
                                    .rate = 3,
                                    .rate_per_ms = 2000,
                                    .max_active = 9,
                                    .poll_min_ms = 1500,
                                    .first_sequence = 100,
                                    .first_epoch = 4};
    assert_status(tq_room_open(store, NULL, "other", &policy, &other, &err), TQ_OK);
    assert_status(tq_room_state(other, &state, &err), TQ_OK);
    ck_assert_int_eq(state.now_ms, test.now_ms);
    ck_assert_int_eq(state.open_ms, policy.open_ms);
    ck_assert_int_eq(state.close_ms, policy.close_ms);
    ck_assert_uint_eq(state.rate, 3);
    ck_assert_uint_eq(state.rate_per_ms, 2000);
    ck_assert_uint_eq(state.max_active, 9);
    ck_assert_uint_eq(state.poll_after_ms, 1500);
    ck_assert_int_eq(state.tail, 99);
    ck_assert_int_eq(state.epoch, 4);
    tq_room_close(other);
    teardown();
}
END_TEST

START_TEST(without_keys_nothing_is_signed)
{
    struct tq_place place = TQ_INIT(tq_place);
    setup();
    assert_status(tq_room_enter(room, TQ_ARGS(tq_visitor, .id = "a"), 1, &place, &err), TQ_OK);
    ck_assert_int_eq(place.status, TQ_OK);
    ck_assert_str_eq(place.token, "");
    assert_status(
        tq_room_enter(room, TQ_ARGS(tq_visitor, .id = "b", .token = "x"), 1, &place, &err), TQ_OK);
    ck_assert_int_eq(place.status, TQ_REFUSED);
    teardown();
}
END_TEST

START_TEST(a_token_that_cannot_be_signed_is_perhaps)
{
    struct tq_place place = TQ_INIT(tq_place);
    struct tq_room_state state = TQ_INIT(tq_room_state);
    tq_keys *keys = NULL;
    tq_room *signing = NULL;
    setup();
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK); /* no key in it */
    assert_status(tq_room_open(store, keys, "room", NULL, &signing, &err), TQ_OK);
    int rc = tq_room_enter(signing, TQ_ARGS(tq_visitor, .id = "a"), 1, &place, &err);
    ck_assert_int_eq(rc, TQ_E_UNKNOWN);
    assert_status(tq_room_state(signing, &state, &err), TQ_OK);
    ck_assert_uint_eq(state.waiting, 1);
    tq_room_close(signing);
    tq_keys_free(keys);
    teardown();
}
END_TEST

START_TEST(visitors_of_one_instant_come_back_apart)
{
    static struct tq_visitor visitors[1000];
    static struct tq_place places[1000];
    static char ids[1000][8];
    unsigned same = 0;
    setup();
    for (unsigned i = 0; i < 1000; i++) {
        memcpy(ids[i], "v000", 5);
        ids[i][1] = (char)('0' + i / 100);
        ids[i][2] = (char)('0' + i / 10 % 10);
        ids[i][3] = (char)('0' + i % 10);
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = ids[i]};
        places[i].size = sizeof *places;
    }
    assert_status(tq_room_enter(room, visitors, 1000, places, &err), TQ_OK);
    for (unsigned i = 501; i < 1000; i++) {
        same += places[i].poll_after_ms == places[i - 1].poll_after_ms;
    }
    ck_assert_uint_le(same, 10);
    ck_assert_uint_gt(places[999].poll_after_ms, places[0].poll_after_ms);
    teardown();
}
END_TEST

UNIT_MAIN("room.room", a_room_needs_an_id_and_a_store_that_keeps_rooms, a_room_keeps_its_store_open,
          a_batch_has_a_limit, one_bad_visitor_and_nobody_enters,
          a_longer_struct_of_a_newer_caller_is_understood,
          the_state_document_says_how_the_room_is_run, without_keys_nothing_is_signed,
          a_token_that_cannot_be_signed_is_perhaps, visitors_of_one_instant_come_back_apart)
