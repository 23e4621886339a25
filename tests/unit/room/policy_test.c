/* SPDX-License-Identifier: MIT */
/*
 * room/policy.c: defaults; every number at its limit and one above; orders.
 */
#include "room/policy.h"

#include <string.h>

#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

START_TEST(zeros_are_defaults)
{
    struct tq_room_policy policy;
    assert_status(tq__policy_read(&policy, NULL, &err), TQ_OK);
    ck_assert_uint_eq(policy.rate, 10);
    ck_assert_uint_eq(policy.rate_per_ms, 1000);
    ck_assert_uint_eq(policy.burst, 0);
    ck_assert_uint_eq(policy.max_active, 1000);
    ck_assert_uint_eq(policy.capacity, 1000000);
    ck_assert_uint_eq(policy.waiting_ms, 60000);
    ck_assert_uint_eq(policy.active_ms, 120000);
    ck_assert_uint_eq(policy.pass_ms, 600000);
    ck_assert_uint_eq(policy.shards, 1);
    ck_assert_int_eq(policy.first_sequence, 1);
    ck_assert_int_eq(policy.first_epoch, 1);
    assert_status(tq__policy_read(&policy, TQ_ARGS(tq_room_policy, .rate = 7, .capacity = 3), &err),
                  TQ_OK);
    ck_assert_uint_eq(policy.rate, 7);
    ck_assert_uint_eq(policy.capacity, 3);
}
END_TEST

static int with_number(size_t offset, uint32_t value)
{
    struct tq_room_policy target, source = TQ_INIT(tq_room_policy);
    source.poll_max_ms = TQ_ROOM_SPAN_MAX_MS;
    memcpy((char *)&source + offset, &value, sizeof value);
    return tq__policy_read(&target, &source, &err);
}

static int with_wide(size_t offset, int64_t value)
{
    struct tq_room_policy target, source = TQ_INIT(tq_room_policy);
    memcpy((char *)&source + offset, &value, sizeof value);
    return tq__policy_read(&target, &source, &err);
}

START_TEST(every_number_has_a_limit)
{
#define AT(member, max)                                                                            \
    {                                                                                              \
        offsetof(struct tq_room_policy, member), max                                               \
    }
    static const struct {
        size_t offset;
        uint32_t max;
    } rows[] = {
        AT(rate, TQ_ROOM_RATE_MAX),           AT(rate_per_ms, TQ_ROOM_SPAN_MAX_MS),
        AT(burst, TQ_ROOM_RATE_MAX),          AT(max_active, TQ_ROOM_LINE_MAX),
        AT(capacity, TQ_ROOM_LINE_MAX),       AT(waiting_ms, TQ_ROOM_SPAN_MAX_MS),
        AT(active_ms, TQ_ROOM_SPAN_MAX_MS),   AT(pass_ms, TQ_ROOM_SPAN_MAX_MS),
        AT(poll_min_ms, TQ_ROOM_SPAN_MAX_MS), AT(poll_max_ms, TQ_ROOM_SPAN_MAX_MS),
        AT(recovery_ms, TQ_ROOM_SPAN_MAX_MS), AT(shards, TQ_ROOM_SHARDS_MAX),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_status(with_number(rows[i].offset, rows[i].max - 1), TQ_OK);
        assert_status(with_number(rows[i].offset, rows[i].max), TQ_OK);
        assert_status(with_number(rows[i].offset, rows[i].max + 1), TQ_E_LIMIT);
    }
    static const struct {
        size_t offset;
        int64_t max;
    } wides[] = {
        AT(open_ms, TQ_ROOM_TIME_MAX_MS),
        AT(close_ms, TQ_ROOM_TIME_MAX_MS),
        AT(first_sequence, TQ_ROOM_SEQUENCE_MAX),
        AT(first_epoch, TQ_ROOM_SEQUENCE_MAX),
    };
    for (size_t i = 0; i < sizeof wides / sizeof *wides; i++) {
        assert_status(with_wide(wides[i].offset, wides[i].max), TQ_OK);
        assert_status(with_wide(wides[i].offset, wides[i].max + 1), TQ_E_LIMIT);
        assert_status(with_wide(wides[i].offset, -1), TQ_E_LIMIT);
    }
}
END_TEST

START_TEST(what_contradicts_itself_is_refused)
{
    struct tq_room_policy policy;
    assert_status(
        tq__policy_read(&policy, TQ_ARGS(tq_room_policy, .open_ms = 100, .close_ms = 100), &err),
        TQ_E_INVALID);
    assert_status(
        tq__policy_read(&policy, TQ_ARGS(tq_room_policy, .open_ms = 100, .close_ms = 101), &err),
        TQ_OK);
    assert_status(tq__policy_read(
                      &policy, TQ_ARGS(tq_room_policy, .poll_min_ms = 51, .poll_max_ms = 50), &err),
                  TQ_E_INVALID);
}
END_TEST

static int order_of(uint32_t order, int64_t value)
{
    struct tq_room_action target;
    return tq__order_read(
        &target,
        TQ_ARGS(tq_room_action, .order = order, .value = value, .actor = "a", .reason = "r"), &err);
}

START_TEST(an_order_has_its_range)
{
    static const struct {
        uint32_t order;
        int64_t min, max;
    } rows[] = {
        {TQ_ROOM_SET_RATE, 1, TQ_ROOM_RATE_MAX},     {TQ_ROOM_SET_CAP, 1, TQ_ROOM_LINE_MAX},
        {TQ_ROOM_ADVANCE, 1, TQ_BATCH_MAX},          {TQ_ROOM_SET_OPEN, 0, TQ_ROOM_TIME_MAX_MS},
        {TQ_ROOM_SET_CLOSE, 0, TQ_ROOM_TIME_MAX_MS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_status(order_of(rows[i].order, rows[i].min - 1), TQ_E_LIMIT);
        assert_status(order_of(rows[i].order, rows[i].min), TQ_OK);
        assert_status(order_of(rows[i].order, rows[i].max), TQ_OK);
        assert_status(order_of(rows[i].order, rows[i].max + 1), TQ_E_LIMIT);
    }
    assert_status(order_of(0, 1), TQ_E_INVALID);
    assert_status(order_of(TQ_ROOM_SET_CLOSE + 1, 1), TQ_E_INVALID);
    assert_status(order_of(TQ_ROOM_PAUSE, -5), TQ_OK);
}
END_TEST

START_TEST(an_order_has_an_actor_and_a_clean_reason)
{
    struct tq_room_action target, action = TQ_INIT(tq_room_action);
    action.order = TQ_ROOM_PAUSE;
    assert_status(tq__order_read(&target, &action, &err), TQ_E_INVALID);
    memcpy(action.actor, "op", 3);
    assert_status(tq__order_read(&target, &action, &err), TQ_OK);
    memcpy(action.reason, "a\nb", 4);
    assert_status(tq__order_read(&target, &action, &err), TQ_E_INVALID);
    memcpy(action.reason, "점검", sizeof "점검");
    assert_status(tq__order_read(&target, &action, &err), TQ_OK);
    memset(action.reason, 'x', sizeof action.reason); /* does not end */
    assert_status(tq__order_read(&target, &action, &err), TQ_E_INVALID);
    action.reason[sizeof action.reason - 1] = '\0';
    assert_status(tq__order_read(&target, &action, &err), TQ_OK);
    memset(action.actor, 'x', sizeof action.actor);
    assert_status(tq__order_read(&target, &action, &err), TQ_E_INVALID);
    action.actor[TQ_ID_MAX] = '\0';
    assert_status(tq__order_read(&target, &action, &err), TQ_OK);
    memcpy(action.request_key, "not an id", 10);
    assert_status(tq__order_read(&target, &action, &err), TQ_E_INVALID);
}
END_TEST

UNIT_MAIN("room.policy", zeros_are_defaults, every_number_has_a_limit,
          what_contradicts_itself_is_refused, an_order_has_its_range,
          an_order_has_an_actor_and_a_clean_reason)
