/* SPDX-License-Identifier: MIT */
/*
 * room.h.
 */
#include <ticketq/room.h>

#include "api/api.h"

static struct test_env test;
static struct tq_env env;
static tq_store *store;
static tq_room *room;

static const struct tq_visitor visitor = {.size = sizeof visitor, .id = "me"};

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err),
                  TQ_OK);
    assert_status(tq_room_open(store, NULL, "room", NULL, &room, &err), TQ_OK);
}

/* Nobody is in the room, and nothing in its trail. */
static void check_untouched(void)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(room, &state, &err), TQ_OK);
    ck_assert(state.tail == 0 && state.waiting == 0 && state.active == 0 && !state.is_paused);
}

static void teardown(void)
{
    tq_room_close(room);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int count_action(void *arg, const struct tq_room_action *action)
{
    (void)action;
    ++*(int *)arg;
    return 0;
}

START_TEST(nothing__is_no_argument)
{
    struct tq_place place = {.size = sizeof place, .sequence = 77};
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    struct tq_room_state state = TQ_INIT(tq_room_state);
    struct tq_room_action action = {
        .size = sizeof action, .order = TQ_ROOM_PAUSE, .actor = "operator"};
    tq_room *other = NULL;
    int32_t status = 77;
    int count = 0;
    setup();
    REFUSED(tq_room_open(NULL, NULL, "r", NULL, &other, &err), TQ_E_INVALID, "store");
    REFUSED(tq_room_open(store, NULL, NULL, NULL, &other, &err), TQ_E_INVALID, "id");
    REFUSED(tq_room_open(store, NULL, "r", NULL, NULL, &err), TQ_E_INVALID, "out_room");
    ck_assert(!other);
    REFUSED(tq_room_enter(NULL, &visitor, 1, &place, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_enter(room, NULL, 1, &place, &err), TQ_E_INVALID, "visitors");
    REFUSED(tq_room_enter(room, &visitor, 1, NULL, &err), TQ_E_INVALID, "out_places");
    REFUSED(tq_room_place(NULL, &visitor, 1, &place, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_place(room, NULL, 1, &place, &err), TQ_E_INVALID, "visitors");
    REFUSED(tq_room_place(room, &visitor, 1, NULL, &err), TQ_E_INVALID, "out_places");
    REFUSED(tq_room_leave(NULL, &visitor, 1, &status, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_leave(room, NULL, 1, &status, &err), TQ_E_INVALID, "visitors");
    REFUSED(tq_room_leave(room, &visitor, 1, NULL, &err), TQ_E_INVALID, "out_statuses");
    REFUSED(tq_room_tick(NULL, &tick, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_tick(room, NULL, &err), TQ_E_INVALID, "out_tick");
    REFUSED(tq_room_state(NULL, &state, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_state(room, NULL, &err), TQ_E_INVALID, "out_state");
    REFUSED(tq_room_operate(NULL, &action, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_operate(room, NULL, &err), TQ_E_INVALID, "action");
    REFUSED(tq_room_audit(NULL, 0, count_action, &count, &err), TQ_E_INVALID, "room");
    REFUSED(tq_room_audit(room, 0, NULL, &count, &err), TQ_E_INVALID, "visit");
    ck_assert(place.sequence == 77 && status == 77 && count == 0);
    IGNORED(tq_room_close(NULL));
    check_untouched();
    teardown();
}
END_TEST

START_TEST(a_pass__is_checked_with_a_room_and_keys)
{
    struct tq_claims claims = {.size = sizeof claims, .sequence = 77};
    tq_keys *keys = NULL;
    setup();
    assert_status(tq_keys_new(&env, &keys, &err), TQ_OK);
    REFUSED(tq_pass_check(NULL, "r", 0, "t", 1, &claims, &err), TQ_E_INVALID, "keys");
    REFUSED(tq_pass_check(keys, NULL, 0, "t", 1, &claims, &err), TQ_E_INVALID, "room");
    REFUSED(tq_pass_check(keys, "r", 0, NULL, 1, &claims, &err), TQ_E_INVALID, "token");
    REFUSED(tq_pass_check(keys, "r", 0, "t", 1, NULL, &err), TQ_E_INVALID, "out_claims");
    ACCEPTED(tq_pass_check(keys, "r", INT64_MIN, "t", 1, &claims, &err), TQ_REFUSED);
    ck_assert_int_eq(claims.sequence, 77);
    tq_keys_free(keys);
    teardown();
}
END_TEST

static int with_policy(const void *argument)
{
    tq_room *other = NULL;
    int rc = tq_room_open(store, NULL, "other", argument, &other, &err);
    ck_assert_int_eq(other != NULL, rc == TQ_OK);
    tq_room_close(other);
    return argument ? rc : tq_room_operate(room, NULL, &err); /* a policy may be NULL */
}

static int with_visitor(const void *argument)
{
    struct tq_place place = TQ_INIT(tq_place);
    return tq_room_place(room, argument, 1, &place, &err);
}

static int with_place(const void *argument)
{
    return tq_room_place(room, &visitor, 1, (struct tq_place *)(uintptr_t)argument, &err);
}

static int with_tick(const void *argument)
{
    return tq_room_tick(room, (struct tq_room_tick *)(uintptr_t)argument, &err);
}

static int with_state(const void *argument)
{
    return tq_room_state(room, (struct tq_room_state *)(uintptr_t)argument, &err);
}

static int with_action(const void *argument)
{
    return tq_room_operate(room, argument, &err);
}

START_TEST(structs__are_as_long_as_they_say)
{
    const struct tq_room_policy policy = TQ_INIT(tq_room_policy);
    const struct tq_room_action action = {
        .size = sizeof action, .order = TQ_ROOM_RESUME, .actor = "operator"};
    const struct sized table[] = {
        {"visitor", SIZED_IN, sizeof visitor, &visitor, with_visitor},
        {"out_places", SIZED_OUT, sizeof(struct tq_place), NULL, with_place},
        {"out_tick", SIZED_OUT, sizeof(struct tq_room_tick), NULL, with_tick},
        {"out_state", SIZED_OUT, sizeof(struct tq_room_state), NULL, with_state},
        {"action", SIZED_IN, sizeof action, &action, with_action},
    };
    setup();
    CHECK_SIZED(table);
    check_untouched();
    check_longer(&(struct sized){"policy", SIZED_IN, sizeof policy, &policy, with_policy}, 8);
    teardown();
}
END_TEST

/* What elements say of their size must fit the array. */
START_TEST(elements__agree_on_their_size)
{
    struct tq_visitor visitors[2] = {visitor, visitor};
    struct tq_place places[2] = {TQ_INIT(tq_place), TQ_INIT(tq_place)};
    int32_t statuses[2] = {77, 77};
    setup();
    visitors[1].size = 8192;
    REFUSED(tq_room_enter(room, visitors, 2, places, &err), TQ_E_ABI, "visitors[1]");
    REFUSED(tq_room_leave(room, visitors, 2, statuses, &err), TQ_E_ABI, "visitors[1]");
    visitors[1].size = 0;
    REFUSED(tq_room_place(room, visitors, 2, places, &err), TQ_E_ABI, "visitors[1]");
    visitors[1].size = visitors[0].size;
    places[1].size = 0;
    REFUSED(tq_room_enter(room, visitors, 2, places, &err), TQ_E_ABI, "out_places[1]");
    visitors[0].size++;
    places[1].size = places[0].size;
    REFUSED(tq_room_enter(room, visitors, 2, places, &err), TQ_E_ABI, "visitors");
    check_untouched();
    teardown();
}
END_TEST

START_TEST(batches__are_in_their_limits)
{
    static const size_t counts[] = {0, TQ_BATCH_MAX + 1, SIZE_MAX};
    struct tq_place place = TQ_INIT(tq_place);
    int32_t status;
    setup();
    for (size_t i = 0; i < COUNT(counts); i++) {
        REFUSED(tq_room_enter(room, &visitor, counts[i], &place, &err), TQ_E_LIMIT, "count");
        REFUSED(tq_room_place(room, &visitor, counts[i], &place, &err), TQ_E_LIMIT, "count");
        REFUSED(tq_room_leave(room, &visitor, counts[i], &status, &err), TQ_E_LIMIT, "count");
    }
    check_untouched();
    teardown();
}
END_TEST

static int with_id(const void *argument)
{
    tq_room *other = NULL;
    int rc = tq_room_open(store, NULL, argument, NULL, &other, &err);
    tq_room_close(other);
    return rc;
}

static int with_visitor_id(const void *argument)
{
    return with_visitor(TQ_ARGS(tq_visitor, .id = argument));
}

START_TEST(ids__are_ids)
{
    setup();
    check_ids(with_id, "id");
    check_ids(with_visitor_id, "visitor.id");
    check_untouched();
    teardown();
}
END_TEST

/* Any bytes may come as a token: it is refused, or counts as none. */
START_TEST(tokens__may_be_anything)
{
    char longest[TQ_TOKEN_SIZE + 1];
    const char *const tokens[] = {NULL, "", ".", "..", "a.b.c", "\xff\xfe", "{}", longest};
    struct tq_place place = TQ_INIT(tq_place);
    setup();
    memset(longest, 'a', sizeof longest);
    longest[TQ_TOKEN_SIZE] = '\0';
    for (size_t i = 0; i < COUNT(tokens); i++) {
        int is_none = !tokens[i] || !tokens[i][0];
        assert_status(tq_room_enter(room, TQ_ARGS(tq_visitor, .id = "me", .token = tokens[i]), 1,
                                    &place, &err),
                      TQ_OK);
        ck_assert_int_eq(place.status, is_none ? TQ_OK : TQ_REFUSED);
        assert_status(tq_room_leave(room, &visitor, 1, &place.status, &err), TQ_OK);
    }
    teardown();
}
END_TEST

START_TEST(orders__are_in_their_limits)
{
    struct tq_room_action action = {
        .size = sizeof action, .order = TQ_ROOM_PAUSE, .actor = "operator"};
    setup();
    action.order = 0;
    REFUSED(with_action(&action), TQ_E_INVALID, "order");
    action.order = TQ_ROOM_SET_CLOSE + 1;
    REFUSED(with_action(&action), TQ_E_INVALID, "order");
    action.order = UINT32_MAX;
    REFUSED(with_action(&action), TQ_E_INVALID, "order");
    action.order = TQ_ROOM_PAUSE;
    memset(action.actor, 'x', sizeof action.actor);
    REFUSED(with_action(&action), TQ_E_INVALID, "actor");
    memcpy(action.actor, "me", 3);
    memset(action.request_key, 'x', sizeof action.request_key);
    REFUSED(with_action(&action), TQ_E_INVALID, "request_key");
    action.request_key[0] = '\0';
    memset(action.reason, 'x', sizeof action.reason);
    REFUSED(with_action(&action), TQ_E_INVALID, "reason");
    memcpy(action.reason, "\xff", 2);
    REFUSED(with_action(&action), TQ_E_INVALID, "reason");
    action.reason[0] = '\0';
    action.order = TQ_ROOM_ADVANCE;
    action.value = TQ_BATCH_MAX + 1;
    REFUSED(with_action(&action), TQ_E_LIMIT, "value");
    action.value = INT64_MIN;
    REFUSED(with_action(&action), TQ_E_LIMIT, "value");
    check_untouched();
    teardown();
}
END_TEST

UNIT_MAIN("api.room", nothing__is_no_argument, a_pass__is_checked_with_a_room_and_keys,
          structs__are_as_long_as_they_say, elements__agree_on_their_size,
          batches__are_in_their_limits, ids__are_ids, tokens__may_be_anything,
          orders__are_in_their_limits)
