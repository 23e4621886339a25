/* SPDX-License-Identifier: MIT */
/*
 * What goes to the scripts of a room, and what comes back: words, numbers, places, views.
 *
 * Ids go as they are; an arrival with a token goes as `+visit number epoch id`. A view comes
 * as one string of numbers, places come in runs: so many of a kind, one behind the other.
 * Threads: [any]; answers are read by whoever leads (call.h).
 */
#include "store/redis/room_words.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "store/redis/client.h"

struct redis_text tq__redis_arrival(const struct tq_room_arrival *arrival, char *word)
{
    if (arrival->visit == TQ_VISIT_NONE) {
        return tq__redis_text(arrival->id);
    }
    int bytes = snprintf(word, REDIS_ARRIVAL_SIZE, "+%u %lld %lld %s", arrival->visit,
                         (long long)arrival->sequence, (long long)arrival->epoch, arrival->id);
    return (struct redis_text){word, (size_t)bytes};
}

int64_t tq__redis_next_number(struct redis_numbers *numbers)
{
    const redisReply *array = numbers->array;
    if (array->type != REDIS_REPLY_ARRAY || numbers->next >= array->elements ||
        array->element[numbers->next]->type != REDIS_REPLY_INTEGER) {
        numbers->is_bad = 1;
        return 0;
    }
    return array->element[numbers->next++]->integer;
}

/* The numbers of a view, 64 bits each, least byte first: FIELDS in room.lua, then two more. */
enum {
    OPEN_MS,
    CLOSE_MS,
    RATE, /* from here on as in struct tq_room_policy */
    FIRST_SEQUENCE = 12,
    FIRST_EPOCH,
    RECOVERY_MS,
    SHARDS,
    NOW_MS,
    NEXT,
    SERVING,
    EPOCH,
    ADMITTED,
    SKIPPED,
    IS_PAUSED,
    IS_DRAINING,
    FLOW_MS = 26,
    ADMITTED_NOW,
    ADMITTED_BEFORE,
    GONE_NOW,
    GONE_BEFORE,
    HAS_BEFORE,
    RECOVERED_MS = 34,
    WAITING = 40,
    ACTIVE,
    VIEW_FIELDS
};

#define WINDOW_MS 10000

static void read_policy(const int64_t fields[VIEW_FIELDS], struct tq_room_policy *policy)
{
    uint32_t *const members[] = {
        &policy->rate,        &policy->rate_per_ms, &policy->burst,     &policy->max_active,
        &policy->capacity,    &policy->waiting_ms,  &policy->active_ms, &policy->pass_ms,
        &policy->poll_min_ms, &policy->poll_max_ms,
    };
    policy->size = sizeof *policy;
    policy->open_ms = fields[OPEN_MS];
    policy->close_ms = fields[CLOSE_MS];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i] = (uint32_t)fields[RATE + i];
    }
    policy->first_sequence = fields[FIRST_SEQUENCE];
    policy->first_epoch = fields[FIRST_EPOCH];
    policy->recovery_ms = (uint32_t)fields[RECOVERY_MS];
    policy->shards = (uint32_t)fields[SHARDS];
}

static int read_fields(const redisReply *reply, int64_t fields[VIEW_FIELDS])
{
    if (reply->type != REDIS_REPLY_STRING || reply->len != VIEW_FIELDS * sizeof *fields) {
        return -1;
    }
    for (size_t i = 0; i < VIEW_FIELDS; i++) {
        uint64_t field;
        memcpy(&field, reply->str + i * sizeof field, sizeof field);
        fields[i] = (int64_t)le64toh(field);
    }
    return 0;
}

/* Of the policy, or the end of a recovery that is later. */
static int64_t opens_ms(const int64_t fields[VIEW_FIELDS])
{
    int64_t open_ms = fields[OPEN_MS], recovered_ms = fields[RECOVERED_MS];
    return recovered_ms > fields[NOW_MS] && recovered_ms > open_ms ? recovered_ms : open_ms;
}

static int read_view(const redisReply *reply, struct tq_room_view *view)
{
    int64_t fields[VIEW_FIELDS];
    struct tq_room_state *state = &view->state;
    if (read_fields(reply, fields)) {
        return -1;
    }
    memset(view, 0, sizeof *view);
    view->size = sizeof *view;
    read_policy(fields, &view->policy);
    *state = (struct tq_room_state){
        .size = sizeof *state,
        .now_ms = fields[NOW_MS],
        .open_ms = opens_ms(fields),
        .close_ms = view->policy.close_ms,
        .serving = fields[SERVING],
        .tail = fields[NEXT] - 1,
        .waiting = (uint64_t)fields[WAITING],
        .active = (uint64_t)fields[ACTIVE],
        .admitted = (uint64_t)fields[ADMITTED],
        .skipped = (uint64_t)fields[SKIPPED],
        .rate = view->policy.rate,
        .rate_per_ms = view->policy.rate_per_ms,
        .max_active = view->policy.max_active,
        .is_paused = (uint32_t)fields[IS_PAUSED],
        .is_draining = (uint32_t)fields[IS_DRAINING],
        .epoch = fields[EPOCH],
    };
    view->recent_admitted = (uint64_t)(fields[ADMITTED_NOW] + fields[ADMITTED_BEFORE]);
    view->recent_gone = (uint64_t)(fields[GONE_NOW] + fields[GONE_BEFORE]);
    if (fields[HAS_BEFORE]) {
        view->recent_ms = (uint32_t)(WINDOW_MS + fields[NOW_MS] - fields[FLOW_MS]);
    }
    return 0;
}

enum memo { LEFT, KIND, SEQUENCE, AHEAD }; /* the run that is being read */

static int next_run(const redisReply *runs, struct redis_answer *answer)
{
    struct redis_numbers numbers = {.array = runs, .next = answer->cursor};
    answer->memo[KIND] = tq__redis_next_number(&numbers);
    answer->memo[LEFT] = tq__redis_next_number(&numbers);
    answer->memo[SEQUENCE] = tq__redis_next_number(&numbers);
    answer->memo[AHEAD] = tq__redis_next_number(&numbers);
    answer->cursor = numbers.next;
    return numbers.is_bad || answer->memo[LEFT] < 1 ? -1 : 0;
}

static struct tq_room_spot spot_of(const int64_t memo[4], const struct tq_room_view *view)
{
    const struct tq_room_policy *policy = &view->policy;
    int64_t now_ms = view->state.now_ms;
    if (memo[KIND] < 0) {
        return (struct tq_room_spot){.status = (int32_t)(-1 - memo[KIND])};
    }
    struct tq_room_spot spot = {.visit = (uint32_t)memo[KIND], .sequence = memo[SEQUENCE]};
    if (spot.visit == TQ_VISIT_WAITING) {
        spot.ahead = (uint64_t)memo[AHEAD];
        spot.expires_ms = now_ms + policy->waiting_ms;
    } else {
        int64_t silence = now_ms + policy->active_ms, age = memo[AHEAD] + policy->pass_ms;
        spot.expires_ms = silence < age ? silence : age;
    }
    return spot;
}

/* [view, runs] */
int tq__redis_read_places(struct redis_call *call, struct redis_answer *answer)
{
    const redisReply *reply = answer->reply;
    struct redis_places *places = call->out;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        read_view(reply->element[0], places->view)) {
        return tq__redis_nonsense(call);
    }
    for (size_t i = 0; i < places->count; i++) {
        if (answer->memo[LEFT] == 0 && next_run(reply->element[1], answer)) {
            return tq__redis_nonsense(call);
        }
        places->spots[i] = spot_of(answer->memo, places->view);
        answer->memo[LEFT]--;
        answer->memo[SEQUENCE]++;
        answer->memo[AHEAD]++;
    }
    return TQ_OK;
}

int tq__redis_read_statuses(struct redis_call *call, struct redis_answer *answer)
{
    struct redis_numbers numbers = {.array = answer->reply, .next = answer->cursor};
    int32_t *out_statuses = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER && answer->reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    for (size_t i = 0; i < call->args_count; i++) {
        out_statuses[i] = (int32_t)tq__redis_next_number(&numbers);
    }
    answer->cursor = numbers.next;
    return numbers.is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

/* A status alone. */
int tq__redis_read_status(struct redis_call *call, struct redis_answer *answer)
{
    return answer->reply->type == REDIS_REPLY_INTEGER ? (int)answer->reply->integer
                                                      : tq__redis_nonsense(call);
}

int tq__redis_read_view(struct redis_call *call, struct redis_answer *answer)
{
    if (answer->reply->type == REDIS_REPLY_INTEGER) {
        return (int)answer->reply->integer;
    }
    return read_view(answer->reply, call->out) ? tq__redis_nonsense(call) : TQ_OK;
}
