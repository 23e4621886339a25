/* SPDX-License-Identifier: MIT */
/*
 * What a host may ask of a room: defaults and limits of a policy and of an
 * order, each a row in a table. [pure]
 */
#include "room/policy.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/error.h"

/* The 32-bit members: where, what a zero means, the largest. */
static const struct number {
    const char *name;
    size_t offset;
    uint32_t fallback;
    uint32_t max;
} numbers[] = {
#define NUMBER(member, fallback, max)                                                              \
    {                                                                                              \
#member, offsetof(struct tq_room_policy, member), fallback, max                            \
    }
    NUMBER(rate, 10, TQ_ROOM_RATE_MAX),
    NUMBER(rate_per_ms, 1000, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(burst, 0, TQ_ROOM_RATE_MAX),
    NUMBER(max_active, 1000, TQ_ROOM_LINE_MAX),
    NUMBER(capacity, 1000000, TQ_ROOM_LINE_MAX),
    NUMBER(waiting_ms, 60000, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(active_ms, 120000, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(pass_ms, 600000, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(poll_min_ms, 1000, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(poll_max_ms, 20000, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(recovery_ms, 0, TQ_ROOM_SPAN_MAX_MS),
    NUMBER(shards, 1, TQ_ROOM_SHARDS_MAX),
#undef NUMBER
};

static int check_wide(const char *name, int64_t value, int64_t max, struct tq_error *err)
{
    if (value < 0 || value > max) {
        return tq__fail(err, TQ_E_LIMIT, "room", "%s is not in 0..%lld", name, (long long)max);
    }
    return TQ_OK;
}

static int read_number(struct tq_room_policy *target, const struct number *number,
                       struct tq_error *err)
{
    uint32_t value;
    memcpy(&value, (const char *)target + number->offset, sizeof value);
    value = value ? value : number->fallback;
    if (value > number->max) {
        return tq__fail(err, TQ_E_LIMIT, "room", "%s is over %u", number->name, number->max);
    }
    memcpy((char *)target + number->offset, &value, sizeof value);
    return TQ_OK;
}

int tq__policy_read(struct tq_room_policy *target, const struct tq_room_policy *policy,
                    struct tq_error *err)
{
    struct tq_room_policy none = TQ_INIT(tq_room_policy);
    policy = policy ? policy : &none;
    TQ_TRY(TQ__READ(target, policy, "room", err));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        TQ_TRY(read_number(target, &numbers[i], err));
    }
    TQ_TRY(check_wide("open_ms", target->open_ms, TQ_ROOM_TIME_MAX_MS, err));
    TQ_TRY(check_wide("close_ms", target->close_ms, TQ_ROOM_TIME_MAX_MS, err));
    TQ_TRY(check_wide("first_sequence", target->first_sequence, TQ_ROOM_SEQUENCE_MAX, err));
    TQ_TRY(check_wide("first_epoch", target->first_epoch, TQ_ROOM_SEQUENCE_MAX, err));
    target->first_sequence = target->first_sequence ? target->first_sequence : 1;
    target->first_epoch = target->first_epoch ? target->first_epoch : 1;
    if (target->close_ms && target->close_ms <= target->open_ms) {
        return tq__fail(err, TQ_E_INVALID, "room", "it closes before it opens");
    }
    if (target->poll_max_ms < target->poll_min_ms) {
        return tq__fail(err, TQ_E_INVALID, "room", "poll_max_ms is less than poll_min_ms");
    }
    return TQ_OK;
}

/* Least and largest value of each order; an order that is not here does not exist. */
static const struct {
    int64_t min;
    int64_t max;
} values[] = {
    [TQ_ROOM_PAUSE] = {INT64_MIN, INT64_MAX},       [TQ_ROOM_RESUME] = {INT64_MIN, INT64_MAX},
    [TQ_ROOM_SET_RATE] = {1, TQ_ROOM_RATE_MAX},     [TQ_ROOM_SET_CAP] = {1, TQ_ROOM_LINE_MAX},
    [TQ_ROOM_ADVANCE] = {1, TQ_BATCH_MAX},          [TQ_ROOM_DRAIN] = {INT64_MIN, INT64_MAX},
    [TQ_ROOM_RESET] = {INT64_MIN, INT64_MAX},       [TQ_ROOM_SET_OPEN] = {0, TQ_ROOM_TIME_MAX_MS},
    [TQ_ROOM_SET_CLOSE] = {0, TQ_ROOM_TIME_MAX_MS},
};

int tq__order_read(struct tq_room_action *target, const struct tq_room_action *action,
                   struct tq_error *err)
{
    TQ_TRY(TQ__READ(target, action, "room", err));
    if (target->order == 0 || target->order >= sizeof values / sizeof *values) {
        return tq__fail(err, TQ_E_INVALID, "room", "there is no order %u", target->order);
    }
    TQ_TRY(tq__id_check(target->actor, "actor", "room", err));
    if (target->request_key[0]) {
        TQ_TRY(tq__id_check(target->request_key, "request_key", "room", err));
    }
    if (!memchr(target->reason, '\0', sizeof target->reason) ||
        (target->reason[0] && !tq__text_is_valid(target->reason, sizeof target->reason - 1))) {
        return tq__fail(err, TQ_E_INVALID, "room", "the reason is not clean UTF-8");
    }
    if (target->value < values[target->order].min || target->value > values[target->order].max) {
        return tq__fail(err, TQ_E_LIMIT, "room", "value is out of range for this order");
    }
    return TQ_OK;
}
